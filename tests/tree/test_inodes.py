"""Nodes, their places, and how long they are remembered."""

from __future__ import annotations

import pytest

from ossmount.tree.attributes import Attributes, Kind
from ossmount.tree.inodes import ROOT, Directory, Inodes, Node

FILE = Attributes(Kind.FILE, 0o644, 1, 2, 0, 0, 0)
FOLDER = Attributes(Kind.DIRECTORY, 0o755, 1, 2, 0, 0, 0)


@pytest.fixture
def inodes() -> Inodes:
    root = Node(ROOT, b"", None, FOLDER, directory=Directory("pre/", marker=True), known=True)
    return Inodes(root, "pre/")


def folder(inodes: Inodes, parent: Node, name: bytes) -> Node:
    return inodes.make(parent, name, FOLDER, directory=Directory(None))


def test_a_key_is_the_path(inodes: Inodes) -> None:
    directory = folder(inodes, inodes.root, b"d")
    file = inodes.make(directory, "名字".encode(), FILE)
    assert inodes.key_of(inodes.root) == "pre/"
    assert inodes.key_of(directory) == "pre/d/"
    assert inodes.key_of(file) == "pre/d/名字"
    assert inodes.path_of(file) == "/d/名字"
    assert inodes.path_of(inodes.root) == "/"
    assert inodes[file.ino] is file


def test_a_move_takes_everything_along_and_unlinks_what_was_there(inodes: Inodes) -> None:
    directory, other = folder(inodes, inodes.root, b"d"), folder(inodes, inodes.root, b"e")
    file = inodes.make(directory, b"f", FILE)
    old = inodes.make(inodes.root, b"g", FILE)
    inodes.refer(old)
    inodes.move(directory, other, b"moved")
    inodes.move(file, inodes.root, b"g")
    assert inodes.key_of(file) == "pre/g"
    assert inodes.key_of(directory) == "pre/e/moved/"
    assert old.is_unlinked
    assert inodes[old.ino] is old
    assert inodes.is_inside(directory, other)
    assert not inodes.is_inside(file, other)
    assert set(inodes.below(inodes.root)) == {file, other, directory}


def test_an_unlinked_node_goes_when_the_kernel_forgets_it(inodes: Inodes) -> None:
    file = inodes.make(inodes.root, b"f", FILE)
    for _ in range(3):
        inodes.refer(file)
    inodes.detach(file)
    inodes.forget(file.ino, 2)
    assert inodes[file.ino] is file
    inodes.forget(file.ino, 1)
    with pytest.raises(KeyError):
        inodes[file.ino]
    inodes.forget(file.ino, 1)  # twice is no harm


def test_an_open_node_stays(inodes: Inodes) -> None:
    file = inodes.make(inodes.root, b"f", FILE)
    file.file = object()
    inodes.detach(file)
    assert inodes[file.ino] is file
    file.file = None
    inodes.drop_if_free(file)
    with pytest.raises(KeyError):
        inodes[file.ino]


def test_a_forgotten_directory_takes_what_only_it_leads_to(inodes: Inodes) -> None:
    directory = folder(inodes, inodes.root, b"d")
    held = inodes.make(directory, b"held", FILE)
    inodes.refer(held)
    gone = inodes.make(directory, b"gone", FILE)
    inodes.detach(directory)
    assert inodes[held.ino] is held
    assert held.is_unlinked
    with pytest.raises(KeyError):
        inodes[gone.ino]
    assert len(inodes) == 2


def test_the_root_never_goes(inodes: Inodes) -> None:
    inodes.forget(ROOT, 100)
    assert inodes[ROOT] is inodes.root


def test_a_derived_node_is_found_and_not_listed_and_goes_when_it_is_forgotten(inodes: Inodes) -> None:
    directory = folder(inodes, inodes.root, b"d")
    known = len(inodes)
    node = inodes.derive(directory, b"f@1w", FILE, made="a picture")
    inodes.refer(node)
    assert directory.directory is not None
    assert directory.directory.derived == {b"f@1w": node}
    assert list(inodes.below(inodes.root)) == [directory]
    assert inodes.key_of(node) == "pre/d/f@1w"
    inodes.forget(node.ino, 1)
    assert directory.directory.derived == {}
    assert len(inodes) == known


def test_what_takes_the_place_of_a_derived_node_unlinks_it(inodes: Inodes) -> None:
    directory = folder(inodes, inodes.root, b"d")
    first = inodes.derive(directory, b"x", FILE, made=1)
    inodes.refer(first)
    second, third = (inodes.derive(directory, name, FILE, made=2) for name in (b"x", b"y"))
    assert [first.is_unlinked, second.is_unlinked] == [True, False]
    real = inodes.make(directory, b"x", FILE)
    assert second.is_unlinked
    assert inodes[first.ino] is first  # the kernel refers to it
    assert directory.directory is not None
    assert directory.directory.children == {b"x": real}
    inodes.detach(directory)
    assert third.is_unlinked
    assert len(inodes) == 2  # the root, and the one that the kernel refers to
