"""What counts when the bucket and this machine say different things."""

from __future__ import annotations

import pytest

from ossmount.tree.attributes import Attributes, Defaults, Kind
from ossmount.tree.beliefs import Beliefs
from ossmount.tree.inodes import ROOT, Directory, Inodes, Node
from ossmount.tree.keys import Keys, Refusal
from ossmount.wire.models import ObjectHead, ObjectSummary

DEFAULTS = Defaults(uid=1, gid=2)


@pytest.fixture
def beliefs() -> Beliefs:
    attributes = Attributes(Kind.DIRECTORY, 0o755, 1, 2, 0, 0, 0)
    root = Node(ROOT, b"", None, attributes, directory=Directory("", marker=True), known=True)
    return Beliefs(Inodes(root, ""), Keys(""), DEFAULTS, ttl=5.0)


def summary(key: str, etag: str = "E", size: int = 1, modified: float = 100.0) -> ObjectSummary:
    return ObjectSummary(key, size, etag, modified)


def listing(beliefs: Beliefs, *keys: str, prefixes: tuple[str, ...] = (), begun: int | None = None) -> None:
    begun = beliefs.begin() if begun is None else begun
    beliefs.apply_listing(beliefs.inodes.root, begun, 0.0, [summary(key) for key in keys], prefixes, lambda _: None)


def names(beliefs: Beliefs) -> list[bytes]:
    directory = beliefs.inodes.root.directory
    assert directory is not None
    return sorted(directory.children)


def child(beliefs: Beliefs, name: bytes) -> Node:
    directory = beliefs.inodes.root.directory
    assert directory is not None
    return directory.children[name]


def test_a_listing_shows_files_and_directories(beliefs: Beliefs) -> None:
    listing(beliefs, "file", prefixes=("dir/",))

    assert names(beliefs) == [b"dir", b"file"]
    assert child(beliefs, b"dir").is_directory
    assert child(beliefs, b"file").size == 1


def test_a_listing_asked_for_before_a_removal_does_not_resurrect_the_name(beliefs: Beliefs) -> None:
    listing(beliefs, "file")
    root = beliefs.inodes.root
    begun = beliefs.begin()
    beliefs.touch(root, b"file")
    beliefs.inodes.detach(child(beliefs, b"file"))

    listing(beliefs, "file", begun=begun)
    assert names(beliefs) == []

    beliefs.settle(root, b"file")
    listing(beliefs, "file", begun=begun)
    assert names(beliefs) == []

    listing(beliefs, "file")
    assert names(beliefs) == [b"file"], "somebody else made it again"


def test_a_listing_asked_for_before_a_file_was_made_does_not_hide_it(beliefs: Beliefs) -> None:
    root = beliefs.inodes.root
    begun = beliefs.begin()
    beliefs.touch(root, b"new")
    beliefs.inodes.make(root, b"new", Attributes(Kind.FILE, 0o644, 1, 2, 0, 0, 0))

    listing(beliefs, begun=begun)
    assert names(beliefs) == [b"new"]

    beliefs.settle(root, b"new")
    listing(beliefs, begun=begun)
    assert names(beliefs) == [b"new"]

    listing(beliefs)
    assert names(beliefs) == [], "somebody else removed it"


def test_two_changes_of_one_name_protect_it_until_both_are_settled(beliefs: Beliefs) -> None:
    root = beliefs.inodes.root
    beliefs.touch(root, b"x")
    beliefs.touch(root, b"x")
    beliefs.settle(root, b"x")

    assert beliefs.is_touched(root, b"x")
    listing(beliefs, "x")
    assert names(beliefs) == []

    beliefs.settle(root, b"x")
    assert not beliefs.is_touched(root, b"x")


def test_a_directory_hides_an_object_of_the_same_name_and_says_so(beliefs: Beliefs) -> None:
    listing(beliefs, "a", prefixes=("a/",))

    assert child(beliefs, b"a").is_directory
    assert beliefs.refused == {"a": Refusal.SHADOWED}


def test_keys_that_are_no_names_are_reported_once_and_hide_nothing_else(
    beliefs: Beliefs, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        listing(beliefs, ".", "good", "x" * 256, prefixes=("/", "../"))

    assert names(beliefs) == [b"good"]
    assert len(beliefs.refused) == 4
    assert len(caplog.records) == 4


def test_attributes_that_are_known_stay_known_while_the_object_is_the_same(beliefs: Beliefs) -> None:
    listing(beliefs, "file")
    node = child(beliefs, b"file")
    head = ObjectHead("file", 1, "E", 100.0, meta={"mode": str(0o100600)})
    beliefs.know(node, head, 0.0)

    listing(beliefs, "file")
    assert node.known
    assert node.attributes.mode == 0o600

    beliefs.apply_listing(
        beliefs.inodes.root, beliefs.begin(), 0.0, [summary("file", modified=101.0)], (), lambda _: None
    )
    assert not node.known, "chmod elsewhere changes Last-Modified and nothing else that LIST shows"


def test_an_object_of_another_kind_gets_another_inode(beliefs: Beliefs) -> None:
    listing(beliefs, "thing")
    first = child(beliefs, b"thing").ino

    listing(beliefs, prefixes=("thing/",))

    assert child(beliefs, b"thing").ino != first


def test_a_forgotten_name_keeps_its_node_while_the_kernel_holds_it(beliefs: Beliefs) -> None:
    listing(beliefs, "file")
    node = child(beliefs, b"file")
    beliefs.inodes.refer(node)

    listing(beliefs)
    assert beliefs.inodes[node.ino] is node

    beliefs.inodes.forget(node.ino, 1)
    with pytest.raises(KeyError):
        beliefs.inodes[node.ino]


def test_beyond_the_limit_what_was_listed_longest_ago_is_forgotten(beliefs: Beliefs) -> None:
    root = beliefs.inodes.root
    beliefs.inodes._limit = 8
    listing(beliefs, prefixes=("one/", "two/"))
    one, two = child(beliefs, b"one"), child(beliefs, b"two")
    for node in (one, two):
        assert node.directory is not None
        keys = [summary(f"{node.directory.prefix}{index}") for index in range(4)]
        beliefs.inodes.refer(node)
        beliefs.apply_listing(node, beliefs.begin(), 0.0, keys, (), lambda _: None)

    assert one.directory is not None
    assert two.directory is not None
    assert len(two.directory.children) == 4
    assert not one.directory.children
    assert one.directory.listed_until < 0, "it is not complete any more, and must be listed again"
    assert root.directory is not None
    assert len(root.directory.children) == 2
