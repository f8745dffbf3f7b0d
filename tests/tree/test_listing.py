"""Directories are listed once, whole, and by what counts."""

from __future__ import annotations

import pytest
import trio

from ossmount.oss import Bucket
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from ossmount.tree.attributes import Attributes, Defaults, Kind
from ossmount.tree.beliefs import Beliefs
from ossmount.tree.inodes import ROOT, Directory, Inodes, Node
from ossmount.tree.keys import Keys
from ossmount.tree.listing import Listing
from ossmount.tree.memory import Memory
from ossmount.wire.errors import OSSError


@pytest.fixture
async def listing(bucket: Bucket) -> Listing:
    root = Node(ROOT, b"", None, Attributes(Kind.DIRECTORY, 0o755, 1, 2, 0, 0, 0), directory=Directory("", marker=True))
    beliefs = Beliefs(Inodes(root, ""), Keys(""), Defaults(uid=1, gid=2), ttl=60.0)
    return Listing(bucket, beliefs, Memory(None))


def root_of(listing: Listing) -> Node:
    return listing._beliefs.inodes.root


def names(node: Node) -> set[bytes]:
    assert node.directory is not None
    return set(node.directory.children)


async def test_however_many_want_a_directory_it_is_listed_once(
    listing: Listing, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    await bucket.put_object("a", b"")
    await bucket.put_object("d/b", b"")
    oss_server.reset()
    root = root_of(listing)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(listing.fill, root)
    assert names(root) == {b"a", b"d"}
    assert oss_server.count() == 1
    assert await listing.fill(root)
    assert oss_server.count() == 1


async def test_a_directory_of_many_pages_is_read_to_its_end_or_given_up_after_the_first(
    listing: Listing, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(1100):
            nursery.start_soon(bucket.put_object, f"f{number:04}", b"")
    oss_server.reset()
    root = root_of(listing)
    assert not await listing.fill(root, first_page_only=True)
    assert oss_server.count() == 1
    assert root.directory is not None
    assert root.directory.is_big
    assert names(root) == set()
    assert await listing.fill(root)
    assert len(names(root)) == 1100
    assert oss_server.count() == 3


async def test_a_listing_that_fails_changes_nothing_and_the_next_one_asks_again(
    listing: Listing, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    await bucket.put_object("a", b"")
    root = root_of(listing)
    oss_server.faults.add(Fault(status=403, code="AccessDenied"))
    with pytest.raises(OSSError):
        await listing.fill(root)
    assert names(root) == set()
    assert not listing.is_fresh(root)
    assert await listing.fill(root)
    assert names(root) == {b"a"}


async def test_what_is_made_while_a_listing_is_under_way_stays(
    listing: Listing, bucket: Bucket, oss_server: ThreadedServer
) -> None:
    await bucket.put_object("a", b"")
    root, beliefs = root_of(listing), listing._beliefs
    oss_server.faults.add(Fault(operation="ListObjects", delay=50))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listing.fill, root)
        await trio.testing.wait_all_tasks_blocked()
        beliefs.inodes.make(root, b"new", Attributes(Kind.FILE, 0o644, 1, 2, 0, 0, 0))
        beliefs.touch(root, b"new")
        beliefs.settle(root, b"new")
        oss_server.faults.clear()
    assert names(root) == {b"a", b"new"}


async def test_what_is_not_in_the_bucket_needs_no_listing(listing: Listing, oss_server: ThreadedServer) -> None:
    root = root_of(listing)
    made = listing._beliefs.inodes.make(
        root, b"d", Attributes(Kind.DIRECTORY, 0o755, 1, 2, 0, 0, 0), directory=Directory(None)
    )
    oss_server.reset()
    assert await listing.fill(made)
    assert oss_server.count() == 0
