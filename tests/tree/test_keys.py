from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from ossmount.tree.keys import KEY_MAX, NAME_MAX, Keys, Refusal, check_key, is_directory_key, is_temporary, parent_of

if TYPE_CHECKING:
    from collections.abc import Callable

names = (
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=70)
    .filter(lambda text: text not in (".", "..") and not text.startswith("\\"))
    .map(str.encode)
)


def with_errno(code: int) -> Callable[[OSError], bool]:
    return lambda exc: exc.errno == code


paths = st.lists(names, min_size=1, max_size=4)
prefixes = st.sampled_from(["", "a/", "data/2024/", "目录/"])


@given(prefixes, paths, st.booleans())
def test_every_path_comes_back_from_its_key(prefix: str, path: list[bytes], directory: bool) -> None:
    keys = Keys(prefix)
    parent = keys.prefix + "".join(name.decode() + "/" for name in path[:-1])
    if len(path[-1]) > NAME_MAX:
        with pytest.raises(OSError, check=with_errno(errno.ENAMETOOLONG)):
            keys.key_for(parent, path[-1], directory=directory)
        return
    key = keys.key_for(parent, path[-1], directory=directory)

    assert keys.path_of(key) == tuple(path)
    assert keys.name_of(key, parent) == path[-1]
    assert is_directory_key(key) == directory
    assert parent_of(key) == parent


@given(prefixes, st.text(max_size=40))
def test_every_key_is_a_path_that_leads_back_to_it_or_is_refused(prefix: str, rest: str) -> None:
    keys = Keys(prefix)
    key = prefix + rest
    path = keys.path_of(key)
    if isinstance(path, Refusal):
        assert path.reason
        return
    if not path or key.startswith("\\"):
        return
    parent = keys.prefix
    for name in path[:-1]:
        parent = keys.key_for(parent, name, directory=True)

    assert keys.key_for(parent, path[-1], directory=key.endswith("/")) == key


@pytest.mark.parametrize(
    ("parent", "name", "code"),
    [
        ("", b"x" * 256, errno.ENAMETOOLONG),
        ("d/" * 500, b"x" * 24, errno.ENAMETOOLONG),
        ("", b"caf\xe9", errno.EILSEQ),
        ("", b"\xed\xa0\x80", errno.EILSEQ),
        ("", b"", errno.EINVAL),
        ("", b".", errno.EINVAL),
        ("a/", b"..", errno.EINVAL),
        ("", b"a/b", errno.EINVAL),
        ("", b"a\0b", errno.EINVAL),
        ("", b"\\server", errno.EINVAL),
    ],
)
def test_a_name_that_no_key_can_hold_gives_the_errno_of_a_disk(parent: str, name: bytes, code: int) -> None:
    with pytest.raises(OSError, check=with_errno(code)):
        Keys().key_for(parent, name)


def test_a_backslash_is_refused_only_at_the_beginning_of_a_key() -> None:
    assert Keys().key_for("a/", b"\\b") == "a/\\b"
    assert Keys("mnt").key_for("mnt/", b"\\b") == "mnt/\\b"


def test_the_slash_of_a_directory_counts_towards_the_limit_of_a_key() -> None:
    parent = "d/" * 500
    name = b"x" * (KEY_MAX - 1000)

    assert len(Keys().key_for(parent, name)) == KEY_MAX
    with pytest.raises(OSError, check=with_errno(errno.ENAMETOOLONG)):
        Keys().key_for(parent, name, directory=True)


def test_the_limit_of_a_name_counts_bytes_and_not_characters() -> None:
    assert Keys().key_for("", "汉".encode() * 85) == "汉" * 85
    with pytest.raises(OSError, check=with_errno(errno.ENAMETOOLONG)):
        Keys().key_for("", "汉".encode() * 86)


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("a/b", "a/", b"b"),
        ("a/b/", "a/", b"b"),
        ("a/b/c/d", "a/", b"b"),
        ("a/", "a/", b""),
        ("a/%2e", "a/", b"%2e"),
        ("a//b", "a/", Refusal.EMPTY_NAME),
        ("a//", "a/", Refusal.EMPTY_NAME),
        ("/a", "", Refusal.EMPTY_NAME),
        ("a/./b", "a/", Refusal.DOT_NAME),
        ("a/..", "a/", Refusal.DOT_NAME),
        ("x" * 256, "", Refusal.LONG_NAME),
        ("汉" * 86, "", Refusal.LONG_NAME),
        ("a\0b", "", Refusal.NUL),
        ("\udc80", "", Refusal.NOT_TEXT),
        ("b/c", "a/", Refusal.OUTSIDE),
    ],
)
def test_the_name_of_a_key(key: str, prefix: str, expected: bytes | Refusal) -> None:
    assert Keys().name_of(key, prefix) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("m/", ()),
        ("m/a/b", (b"a", b"b")),
        ("m/a/b/", (b"a", b"b")),
        ("m/a//b", Refusal.EMPTY_NAME),
        ("m/a/../b", Refusal.DOT_NAME),
        ("other", Refusal.OUTSIDE),
    ],
)
def test_the_path_of_a_key_checks_every_name_on_the_way(key: str, expected: tuple[bytes, ...] | Refusal) -> None:
    assert Keys("m").path_of(key) == expected


@pytest.mark.parametrize("given_prefix", ["a/b", "/a/b", "a/b/", "/a/b/"])
def test_a_prefix_may_be_written_with_or_without_slashes(given_prefix: str) -> None:
    assert Keys(given_prefix).prefix == "a/b/"
    assert repr(Keys(given_prefix)) == "Keys('a/b/')"


@pytest.mark.parametrize("bad", ["a//b", "a/../b", ".", "x" * 256, "\\a", "d/" * 512])
def test_a_prefix_that_can_be_no_directory_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot mount the prefix"):
        Keys(bad)


def test_a_prefix_of_slashes_is_the_whole_bucket() -> None:
    assert Keys("/").prefix == ""
    assert Keys().path_of("") == ()


def test_a_key_is_checked_apart_from_its_name() -> None:
    assert check_key("a/b") == "a/b"
    for key, code in (
        ("", errno.EINVAL),
        ("/a", errno.EINVAL),
        ("a" * 1024, errno.ENAMETOOLONG),
        ("\udcff", errno.EILSEQ),
    ):
        with pytest.raises(OSError, check=with_errno(code)):
            check_key(key)


def test_the_parent_of_a_key_is_a_prefix() -> None:
    assert [parent_of(key) for key in ("a", "a/", "a/b", "a/b/", "a/b/c")] == ["", "", "a/", "a/", "a/b/"]


@pytest.mark.parametrize(
    "name",
    [b".notes.swp", b"4913", b"#x#", b".#x", b"x~", b".~lock.a.odt#", b"~$a.docx", b"a.TMP", b".photo.jpg.a8Xk2Q",
     b"sedAb12cd", b".goutputstream-1", b".fuse_hidden0000001", b"movie.mkv.part"],
)  # fmt: skip
def test_files_on_their_way_to_another_name_are_known_by_theirs(name: bytes) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("name", [b"report.pdf", b".bashrc", b".config.json", b"part", b"sed", b"tmp", b"a.tar.gz"])
def test_ordinary_names_are_not_temporary(name: bytes) -> None:
    assert not is_temporary(name)
