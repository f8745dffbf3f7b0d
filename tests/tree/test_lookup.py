"""Single names: what is asked of the bucket, and what is believed of the answers."""

from __future__ import annotations

import errno

import pytest
import trio

from ossmount.oss import Bucket
from ossmount.server.faults import Fault, deny
from ossmount.server.threaded import ThreadedServer
from ossmount.tree.attributes import Attributes, Defaults, Kind, to_meta
from ossmount.tree.beliefs import Beliefs
from ossmount.tree.inodes import ROOT, Directory, Inodes, Node
from ossmount.tree.keys import Keys
from ossmount.tree.listing import Listing
from ossmount.tree.lookup import KindChanged, Lookup
from ossmount.tree.memory import Memory
from ossmount.wire.errors import AccessDenied, InternalError


@pytest.fixture
async def lookup(bucket: Bucket) -> Lookup:
    root = Node(ROOT, b"", None, Attributes(Kind.DIRECTORY, 0o755, 1, 2, 0, 0, 0), directory=Directory("", marker=True))
    beliefs = Beliefs(Inodes(root, ""), Keys(""), Defaults(uid=1, gid=2), ttl=60.0)
    return Lookup(bucket, beliefs, Listing(bucket, beliefs, Memory(None)), Memory(None))


def root_of(lookup: Lookup) -> Node:
    return lookup._beliefs.inodes.root


async def test_a_name_is_a_file_a_directory_or_nothing(
    lookup: Lookup, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    await bucket.put_object("file", b"12345")
    await bucket.put_object("d/inside", b"")
    root = root_of(lookup)
    file = await lookup.child(root, b"file")
    assert file is not None
    assert (file.kind, file.size) == (Kind.FILE, 5)
    directory = await lookup.child(root, b"d")
    assert directory is not None
    assert directory.is_directory
    oss_server.reset()
    for name in (b"nothing", b"more", b"fil", b"file2"):
        assert await lookup.child(root, name) is None
    assert oss_server.count() == 0  # the directory has been listed
    inside = await lookup.child(directory, b"inside")
    assert inside is not None
    assert oss_server.count() <= 2


async def test_attributes_are_asked_for_once(lookup: Lookup, bucket: Bucket, oss_server: ThreadedServer) -> None:
    attributes = Attributes(Kind.FILE, 0o640, 7, 8, 123, 456, 789)
    await bucket.put_object("file", b"", meta=to_meta(attributes))
    root = root_of(lookup)
    await lookup._listing.fill(root)
    node = await lookup.child(root, b"file")
    assert node is not None
    assert not node.known
    oss_server.reset()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(lookup.attributes, node)
    assert (node.attributes.mode, node.attributes.uid, node.attributes.mtime_ns) == (0o640, 7, 123)
    assert oss_server.count() == 1


async def test_what_has_gone_is_gone_when_it_is_asked_for(lookup: Lookup, bucket: Bucket) -> None:
    await bucket.put_object("file", b"")
    root = root_of(lookup)
    await lookup._listing.fill(root)
    node = await lookup.child(root, b"file")
    assert node is not None
    await bucket.delete_object("file")
    with pytest.raises(FileNotFoundError):
        await lookup.attributes(node)
    assert await lookup.child(root, b"file") is None


async def test_what_became_another_kind_has_to_be_looked_up_again(lookup: Lookup, bucket: Bucket) -> None:
    await bucket.put_object("name", b"")
    root = root_of(lookup)
    await lookup._listing.fill(root)
    node = await lookup.child(root, b"name")
    assert node is not None
    await bucket.put_symlink("name", "elsewhere")
    with pytest.raises(KindChanged):
        await lookup.attributes(node)
    again = await lookup.child(root, b"name")
    assert again is not None
    assert again.kind is Kind.SYMLINK


async def test_a_dangling_link_is_a_link(lookup: Lookup, bucket: Bucket) -> None:
    await bucket.put_symlink("link", "nowhere")
    node = await lookup.child(root_of(lookup), b"link")
    assert node is not None
    assert node.kind is Kind.SYMLINK
    await lookup.attributes(node)
    assert node.link == b"nowhere"


async def test_a_refusal_is_no_absence(lookup: Lookup, bucket: Bucket, oss_server: ThreadedServer) -> None:
    await bucket.put_object("file", b"")
    oss_server.faults.add(deny(""))
    with pytest.raises(AccessDenied):
        await lookup.child(root_of(lookup), b"file")
    oss_server.faults.clear()
    oss_server.faults.add(Fault(count=None, status=500))
    with pytest.raises(InternalError):
        await lookup.child(root_of(lookup), b"file")
    oss_server.faults.clear()
    assert await lookup.child(root_of(lookup), b"file") is not None


async def test_one_of_the_two_questions_is_enough_for_a_yes(
    lookup: Lookup, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    await bucket.put_object("file", b"")
    oss_server.faults.add(deny("", "ListObjects"))
    assert await lookup.child(root_of(lookup), b"file") is not None
    with pytest.raises(AccessDenied):
        await lookup.child(root_of(lookup), b"other")  # it may be a directory


@pytest.mark.parametrize(
    ("name", "number"), [(b"x" * 256, errno.ENAMETOOLONG), (b"\xff", errno.EILSEQ), (b"\\x", errno.EINVAL)]
)
async def test_what_can_be_no_key_is_not_asked_for(
    lookup: Lookup, oss_server: ThreadedServer, name: bytes, number: int
) -> None:
    oss_server.reset()
    with pytest.raises(OSError, check=lambda exc: exc.errno == number):
        await lookup.child(root_of(lookup), name)
    assert oss_server.count() == 0


async def test_a_name_under_change_is_what_this_machine_says(lookup: Lookup, bucket: Bucket) -> None:
    await bucket.put_object("file", b"")
    root = root_of(lookup)
    lookup._beliefs.touch(root, b"file")
    assert await lookup.child(root, b"file") is None
    lookup._beliefs.settle(root, b"file")
    assert await lookup.child(root, b"file") is not None
