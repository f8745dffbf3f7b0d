from __future__ import annotations

import base64
import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from ossmount.fs.xattrs import (
    BUCKET_PROPERTIES,
    CREATE,
    PROPERTIES,
    REPLACE,
    Place,
    get_xattr,
    list_xattrs,
    property_of,
    remove_xattr,
    set_xattr,
)
from ossmount.tree.attributes import Attributes, Kind, check_budget, merge_meta, to_meta
from ossmount.wire import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

POSIX = to_meta(Attributes(Kind.FILE, 0o644, 1000, 1000, 10**18, 10**18 + 1, 10**18))


def with_errno(code: int) -> Callable[[OSError], bool]:
    return lambda exc: exc.errno == code


def travelled(meta: dict[str, str]) -> dict[str, str]:
    """What comes back of *meta* from the service."""
    return metadata.from_headers(metadata.to_headers(meta))


def encoded(entries: object) -> dict[str, str]:
    """Metadata as ossfs writes extended attributes."""
    raw = json.dumps(entries, separators=(",", ":"))
    return metadata.from_headers({"x-oss-meta-xattr": quote(raw, safe="")})


bare_names = st.one_of(
    st.from_regex(rb"[a-z0-9-]{1,30}", fullmatch=True),
    st.binary(min_size=1, max_size=100).filter(lambda name: b"\0" not in name and not name.startswith(b"oss.")),
    st.sampled_from([b"mode", b"xattr", b"symlink-target", b"oss", "目录".encode(), b"Color", b'"', b"a\\b"]),
)
names = bare_names.map(lambda name: b"user." + name)
values = st.one_of(st.binary(max_size=300), st.text().map(str.encode), st.from_regex(rb"[ -~]{0,40}", fullmatch=True))
changes = st.lists(st.tuples(names, st.none() | values), max_size=8)


@given(changes)
def test_attributes_behave_as_a_dict_and_survive_the_journey(history: list[tuple[bytes, bytes | None]]) -> None:
    model: dict[bytes, bytes] = {}
    meta = dict(POSIX)
    for name, value in history:
        if value is not None:
            model[name] = value
            meta = travelled(set_xattr(meta, name, value))
        elif model.pop(name, None) is not None:
            meta = travelled(remove_xattr(meta, name))

    assert list_xattrs(meta) == sorted(model)
    assert {name: get_xattr(meta, name) for name in model} == model
    assert {name: meta[name] for name in POSIX} == POSIX


@given(names, values)
def test_setting_and_removing_an_attribute_leaves_no_trace(name: bytes, value: bytes) -> None:
    before = POSIX | encoded({"user.other": "b3RoZXI="})
    assert remove_xattr(set_xattr(before, name, value), name) == before


@given(st.dictionaries(st.sampled_from(["xattr", "mode", "color", "a_b", "ü"]), st.text()), names)
def test_no_metadata_of_others_break_reading(meta: dict[str, str], name: bytes) -> None:
    for found in list_xattrs(meta):
        get_xattr(meta, found)
    if name not in list_xattrs(meta):
        with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
            get_xattr(meta, name)


def test_what_can_be_a_header_is_one() -> None:
    assert set_xattr({}, b"user.color", b"dark blue") == {"color": "dark blue"}
    assert set_xattr({}, b"user.path", b"100%41") == {"path": "100%41"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user.color", b"blue\n"),
        ("user.color", b" blue"),
        ("user.color", b"blue "),
        ("user.color", b""),
        ("user.color", "blå".encode()),
        ("user.color", b"\0"),
        ("user.Color", b"blue"),
        ("user.co.lor", b"blue"),
        ("user.co_lor", b"blue"),
        ("user.mode", b"33188"),
        ("user.xattr", b"x"),
        ("user." + "x" * 250, b"blue"),
    ],
)
def test_what_can_be_no_header_is_written_as_ossfs_does(name: str, value: bytes) -> None:
    meta = set_xattr({"mode": "33188"}, name.encode(), value)
    sent = metadata.to_headers(meta)["x-oss-meta-xattr"]

    assert sent == quote(json.dumps({name: base64.b64encode(value).decode()}, separators=(",", ":")), safe="")
    assert meta["mode"] == "33188"


def test_what_ossfs_wrote_is_read() -> None:
    meta = metadata.from_headers({"x-oss-meta-xattr": "%7B%22user.color%22%3A%22Ymx1ZQ%3D%3D%22%7D"})

    assert list_xattrs(meta) == [b"user.color"]
    assert get_xattr(meta, b"user.color") == b"blue"
    assert get_xattr(encoded({"user.color": "Ymx1ZQ"}), b"user.color") == b"blue"


def test_names_of_other_name_spaces_are_kept_and_not_shown() -> None:
    meta = encoded(
        {"system.posix_acl_access": "AAAA", "color": "Ymx1ZQ==", "user.": "", "user.oss.acl": "YQ==", "user.a": "YQ=="}
    )
    changed = set_xattr(meta, b"user.b", b"\xff")

    assert list_xattrs(meta) == [b"user.a"]
    assert remove_xattr(changed, b"user.b") == meta


def test_an_entry_wins_over_a_header_of_the_same_name_and_replaces_it() -> None:
    meta = {"color": "red"} | encoded({"user.color": "Ymx1ZQ=="})

    assert list_xattrs(meta) == [b"user.color"]
    assert get_xattr(meta, b"user.color") == b"blue"
    assert set_xattr(meta, b"user.color", b"green") == {"color": "green"}
    assert remove_xattr(meta, b"user.color") == {}


def test_user_metadata_of_others_are_attributes() -> None:
    meta = POSIX | {"project": "目录", "project_id": "7"}

    assert list_xattrs(meta) == [b"user.project", b"user.project_id"]
    assert get_xattr(meta, b"user.project") == "目录".encode()


def test_a_name_that_is_no_text_is_kept_and_not_shown() -> None:
    meta = encoded({"user.\ud800": "YQ==", "user.a": "YQ=="})

    assert list_xattrs(meta) == [b"user.a"]
    assert remove_xattr(set_xattr(meta, b"user.b", b""), b"user.b") == meta


@pytest.mark.parametrize("value", ["not json", "[1,2]", "7", "%7B", "[" * 7000, "{" * 100])
def test_somebody_elses_xattr_header_is_never_overwritten(value: str) -> None:
    meta = {"xattr": value}

    assert list_xattrs(meta) == []
    assert set_xattr(meta, b"user.color", b"blue") == {"xattr": value, "color": "blue"}
    with pytest.raises(OSError, check=with_errno(errno.EIO)):
        set_xattr(meta, b"user.color", b"\xff")


def test_entries_that_are_no_values_are_kept_and_not_shown() -> None:
    meta = encoded({"user.a": 7, "user.b": "*", "user.c": "YQ=="})

    assert list_xattrs(meta) == [b"user.c"]
    assert remove_xattr(set_xattr(meta, b"user.d", b""), b"user.d") == meta


def test_the_flags_of_setxattr() -> None:
    meta = {"color": "red"} | encoded({"user.Size": "YQ=="})

    for name in (b"user.color", b"user.Size"):
        with pytest.raises(OSError, check=with_errno(errno.EEXIST)):
            set_xattr(meta, name, b"x", CREATE)
        assert get_xattr(set_xattr(meta, name, b"x", REPLACE), name) == b"x"
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        set_xattr(meta, b"user.absent", b"x", REPLACE)
    assert get_xattr(set_xattr(meta, b"user.new", b"x", CREATE), b"user.new") == b"x"


def test_what_is_not_there_cannot_be_removed() -> None:
    for meta in ({}, POSIX, encoded({})):
        with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
            remove_xattr(meta, b"user.color")
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        remove_xattr(POSIX, b"user.mode")


def test_metadata_run_out_of_room_as_a_disk_does() -> None:
    with pytest.raises(OSError, check=with_errno(errno.E2BIG)):
        set_xattr({}, b"user.big", b"x" * 8192)
    with pytest.raises(OSError, check=with_errno(errno.E2BIG)):
        set_xattr({}, b"user.big", b"\xff" * 6000)
    full = set_xattr(POSIX, b"user.big", b"x" * 7500)
    with pytest.raises(OSError, check=with_errno(errno.ENOSPC)):
        set_xattr(full, b"user.more", b"x" * 1000)


@given(st.integers(0, 8192))
def test_an_attribute_that_was_taken_leaves_room_for_owner_and_times(size: int) -> None:
    try:
        meta = set_xattr({}, b"user.big", b"x" * size)
    except OSError:
        return
    worst = Attributes(Kind.FILE, 0o7777, 2**32 - 2, 2**32 - 2, *[-(2**40) * 10**9 + 1] * 3)

    check_budget(merge_meta(meta, worst))


# --- properties -------------------------------------------------------------------------------------------------------


def test_names_are_told_apart() -> None:
    assert property_of(b"user.color") is None
    assert property_of(b"user.oss") is None
    assert property_of(b"user.ossify") is None
    assert property_of(b"user.oss.etag") is PROPERTIES["etag"]
    assert property_of(b"user.oss.acl", is_root=True) is PROPERTIES["acl"]
    assert property_of(b"user.oss.bucket.acl", is_root=True) is BUCKET_PROPERTIES["acl"]
    assert property_of(b"user.oss.tags", writing=True) is PROPERTIES["tags"]
    assert property_of(b"user.oss.bucket.cors", is_root=True, writing=True) is BUCKET_PROPERTIES["cors"]


@pytest.mark.parametrize(
    ("name", "writing", "code"),
    [
        (b"security.selinux", False, errno.EOPNOTSUPP),
        (b"system.posix_acl_access", True, errno.EOPNOTSUPP),
        (b"trusted.x", False, errno.EOPNOTSUPP),
        (b"color", False, errno.EOPNOTSUPP),
        (b"user.", False, errno.EINVAL),
        (b"user." + b"x" * 251, False, errno.ERANGE),
        (b"user.oss.nothing", False, errno.ENODATA),
        (b"user.oss.", False, errno.ENODATA),
        (b"user.oss.\xff", False, errno.ENODATA),
        (b"user.oss.bucket.acl", False, errno.ENODATA),
        (b"user.oss.bucket.cors", True, errno.EPERM),
        (b"user.oss.etag", True, errno.EPERM),
        (b"user.oss.nothing", True, errno.EPERM),
    ],
)
def test_names_that_are_refused(name: bytes, writing: bool, code: int) -> None:
    with pytest.raises(OSError, check=with_errno(code)):
        property_of(name, writing=writing)


def test_the_document_names_every_property_and_whether_it_can_be_written() -> None:
    text = (Path(__file__).parents[2] / "docs" / "xattrs.md").read_text()
    rows = {cells[1].strip(): cells[2].strip() for line in text.splitlines() if len(cells := line.split("|")) > 3}

    for prefix, table in (("user.oss.", PROPERTIES), ("user.oss.bucket.", BUCKET_PROPERTIES)):
        for prop in table.values():
            assert rows.pop(f"`{prefix}{prop.name}`") == ("read, write" if prop.is_writable else "read")
    assert not [name for name in rows if name.startswith("`user.oss.")]
    assert {prop.place for prop in (*PROPERTIES.values(), *BUCKET_PROPERTIES.values())} == set(Place)
