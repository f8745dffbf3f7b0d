from __future__ import annotations

import errno
import stat
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from ossmount.tree.attributes import (
    DIRECTORY_TYPE,
    Attributes,
    Defaults,
    Kind,
    carried_headers,
    check_budget,
    from_head,
    from_meta,
    from_summary,
    is_directory_object,
    kind_of,
    merge_meta,
    meta_size,
    native_symlink_target,
    native_symlink_text,
    symlink_meta,
    symlink_target,
    symlink_text,
    to_meta,
)
from ossmount.wire import metadata
from ossmount.wire.message import Headers
from ossmount.wire.models import ObjectHead, ObjectSummary

NANO = 10**9
DEFAULTS = Defaults(uid=1000, gid=1001)


def head(
    key: str = "k",
    meta: dict[str, str] | None = None,
    *,
    size: int = 0,
    modified: float = 1700000000.0,
    type_: str = "Normal",
    content_type: str = "",
    headers: dict[str, str] | None = None,
) -> ObjectHead:
    return ObjectHead(
        key, size, "E", modified, type_, content_type=content_type, meta=meta or {}, headers=Headers(headers or {})
    )


def with_meta(**meta: str) -> ObjectHead:
    return head(meta={name.replace("_", "-"): value for name, value in meta.items()})


times = st.integers(-(2**40) * NANO, 2**40 * NANO)
identities = st.integers(0, 2**32 - 2)
attributes = st.builds(
    Attributes,
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.DIRECTORY]),
    mode=st.integers(0, 0o7777),
    uid=identities,
    gid=identities,
    mtime_ns=times,
    ctime_ns=times,
    atime_ns=times,
)
texts = st.binary(min_size=1, max_size=300).filter(lambda text: b"\0" not in text)


def travelled(meta: dict[str, str]) -> dict[str, str]:
    """What comes back of *meta* from the service."""
    return metadata.from_headers(metadata.to_headers(meta))


@given(attributes, st.booleans(), st.integers(0, 2**32))
def test_attributes_come_back_from_the_metadata(value: Attributes, directory: bool, rdev: int) -> None:
    if directory:
        value.kind = Kind.DIRECTORY
    if value.kind in (Kind.CHAR, Kind.BLOCK):
        value.rdev = rdev
    again = from_head(head(meta=travelled(to_meta(value))), DEFAULTS, directory=directory)

    assert again == value


@given(attributes)
def test_ordinary_metadata_of_attributes_travel_as_plain_digits(value: Attributes) -> None:
    for text in to_meta(value).values():
        assert metadata.encode_value(text) == text


def test_what_is_written_is_what_ossfs_writes() -> None:
    value = Attributes(Kind.FILE, 0o644, 1000, 100, 981173106789000000, 1795336582 * NANO, -NANO // 2)

    assert to_meta(value) == {
        "mode": "33188",
        "uid": "1000",
        "gid": "100",
        "mtime": "981173106.789000000",
        "ctime": "1795336582",
        "atime": "-1.500000000",
    }


def test_a_directory_is_written_with_its_type() -> None:
    assert to_meta(Attributes(Kind.DIRECTORY, 0o755, 0, 0, 0, 0, 0))["mode"] == str(0o40755)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("33188", 0o644), ("0100644", 0o644), ("0x81a4", 0o644), ("0X81A4", 0o644), ("420", 0o644), ("0644", 0o644),
     ("36261", 0o6645), ("0", 0), ("", 0o644), ("rw-r--r--", 0o644), ("08", 0o644), ("-1", 0o644), ("٣", 0o644)],
)  # fmt: skip
def test_a_mode_is_read_in_every_base_or_not_at_all(text: str, mode: int) -> None:
    assert from_head(with_meta(mode=text), DEFAULTS, directory=False).mode == mode


@pytest.mark.parametrize("text", ["493", "16877", "040755", "0x41ed"])
def test_a_directory_may_have_a_mode_without_a_type(text: str) -> None:
    value = from_head(head("d/", {"mode": text}), DEFAULTS, directory=True)

    assert (value.kind, value.mode) == (Kind.DIRECTORY, 0o755)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795336582", 1795336582 * NANO),
        ("981173106.789000000", 981173106789000000),
        ("1354040105.123456789", 1354040105123456789),
        ("1354040105.5", 1354040105500000000),
        ("1354040105.1234567891234", 1354040105123456789),
        ("1354040105.", 1354040105 * NANO),
        ("+5", 5 * NANO),
        ("-1.5", -1500000000),
        ("-2.500000000", -1500000000),
        ("1595002920000000000ns", 1595002920 * NANO),
        ("2006-01-02T15:04:05Z", 1136214245 * NANO),
        ("2006-01-02T15:04:05.999999999+07:00", 1136189045999999999),
        ("1969-12-31T23:59:59.5Z", -500000000),
    ],
)
def test_a_time_is_read_in_every_form(text: str, expected: int) -> None:
    assert from_head(with_meta(mtime=text), DEFAULTS, directory=False).mtime_ns == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "nan", "inf", "1e9", "99999999999999999999", "0x10", "9999-99-99T00:00:00Z", "1.1.1"]
)
def test_what_is_no_time_counts_as_absent(text: str) -> None:
    value = from_head(head(meta={"mtime": text}, modified=5.0), DEFAULTS, directory=False)

    assert value.mtime_ns == 5 * NANO


@given(st.dictionaries(st.sampled_from(["mode", "uid", "gid", "mtime", "ctime", "atime", "rdev", "symlink-target",
                                        "file-permissions", "owner"]), st.text()))  # fmt: skip
def test_no_metadata_of_others_is_an_error(meta: dict[str, str]) -> None:
    value = from_meta(meta, 0.0, DEFAULTS, kind=kind_of(meta))
    to_meta(value)

    assert 0 <= value.mode <= 0o7777
    assert 0 <= value.uid < 2**32 - 1


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"owner": "5", "group": "6"}, (5, 6, 0o644)),
        ({"uid": "7", "owner": "5", "gid": "x", "group": "6"}, (7, 6, 0o644)),
        ({"goog-reserved-posix-uid": "5", "goog-reserved-posix-mode": "600"}, (5, 1001, 0o600)),
        ({"file-owner": "5", "file-group": "6", "file-permissions": "0100664"}, (5, 6, 0o664)),
        ({"uid": "4294967295", "gid": "-1"}, (1000, 1001, 0o644)),
    ],
)  # fmt: skip
def test_owners_and_modes_of_other_programs_are_read(meta: dict[str, str], expected: tuple[int, int, int]) -> None:
    value = from_meta(meta, 0.0, DEFAULTS, kind=Kind.FILE)

    assert (value.uid, value.gid, value.mode) == expected


def test_an_object_without_attributes_gets_the_defaults_and_its_date() -> None:
    assert from_head(head(), DEFAULTS, directory=False) == Attributes(
        Kind.FILE, 0o644, 1000, 1001, *[1700000000 * NANO] * 3
    )
    assert from_head(head("d/"), DEFAULTS, directory=True).st_mode == 0o40755


@pytest.mark.parametrize(
    ("key", "type_", "mode"), [("a", "Normal", 0o100644), ("a", "Symlink", 0o120777), ("a/", "Normal", 0o40755)]
)
def test_a_listing_tells_kind_and_date(key: str, type_: str, mode: int) -> None:
    value = from_summary(ObjectSummary(key, 3, "E", 7.0, type_), DEFAULTS)

    assert value.st_mode == mode
    assert (value.mtime_ns, value.uid) == (7 * NANO, 1000)


@pytest.mark.parametrize(
    ("meta", "type_", "kind"),
    [
        ({"mode": "41471"}, "Normal", Kind.SYMLINK),
        ({"mode": "4516"}, "Normal", Kind.FIFO),
        ({"mode": str(stat.S_IFSOCK | 0o600)}, "Normal", Kind.SOCKET),
        ({"mode": str(stat.S_IFCHR)}, "Normal", Kind.CHAR),
        ({"mode": str(stat.S_IFBLK)}, "Normal", Kind.BLOCK),
        ({"mode": str(stat.S_IFDIR | 0o755)}, "Normal", Kind.FILE),
        ({"mode": str(0o170644)}, "Normal", Kind.FILE),
        ({"symlink-target": "header:1:a"}, "Normal", Kind.SYMLINK),
        ({"symlink-target": "body:0:", "mode": "511"}, "Normal", Kind.SYMLINK),
        ({"symlink-target": "header:1:a", "mode": "33188"}, "Normal", Kind.FILE),
        ({"symlink-target": "elsewhere"}, "Normal", Kind.FILE),
        ({"mode": "33188"}, "Symlink", Kind.SYMLINK),
    ],
)
def test_the_kind_of_an_object(meta: dict[str, str], type_: str, kind: Kind) -> None:
    assert kind_of(meta, type_=type_) is kind
    assert kind_of(meta, type_=type_, directory=True) is Kind.DIRECTORY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (head(content_type=DIRECTORY_TYPE), True),
        (head(content_type="httpd/unix-directory; charset=UTF-8"), True),
        (with_meta(mode="16877"), True),
        (head(content_type=DIRECTORY_TYPE, size=1), False),
        (head("d/", content_type=DIRECTORY_TYPE), False),
        (head(content_type="text/plain"), False),
    ],
)
def test_directories_of_old_clients_are_recognised(value: ObjectHead, expected: bool) -> None:
    assert is_directory_object(value) is expected


def test_an_object_appended_to_after_its_times_were_set_shows_its_date() -> None:
    def mtime(modified: float, type_: str) -> int:
        stale = head(meta={"mtime": "1000", "ctime": "1000"}, modified=modified, type_=type_)
        return from_head(stale, DEFAULTS, directory=False).mtime_ns // NANO

    assert mtime(9000.0, "Appendable") == 9000
    assert mtime(1100.0, "Appendable") == 1000
    assert mtime(9000.0, "Normal") == 1000


def test_options_of_the_mount_override_what_is_stored() -> None:
    options = Defaults(uid=1, gid=2, file_mask=0o077, dir_mask=0o027, force_uid=33, force_gid=0)
    meta = {"mode": "33206", "uid": "5", "gid": "6"}

    file = from_head(head(meta=meta), options, directory=False)
    directory = from_head(head("d/"), options, directory=True)
    link = from_head(with_meta(mode="41471"), options, directory=False)

    assert (file.mode, file.uid, file.gid) == (0o600, 33, 0)
    assert directory.mode == 0o750
    assert link.mode == 0o777


def test_options_of_the_mount_do_not_get_into_the_bucket() -> None:
    options = Defaults(uid=1, gid=2, file_mask=0o077, force_uid=33)
    old = {"mode": "33206", "uid": "5", "gid": "6", "project": "x"}
    value = from_meta(old, 1.0, options, kind=Kind.FILE)

    value.mtime_ns = 9 * NANO
    touched = merge_meta(old, value, options)
    value.uid, value.mode = 34, 0o400
    changed = merge_meta(old, value, options)

    assert touched == {
        "mode": "33206",
        "uid": "5",
        "gid": "6",
        "mtime": "9",
        "ctime": "1",
        "atime": "1",
        "project": "x",
    }
    assert (changed["uid"], changed["mode"]) == ("34", str(0o100400))


@given(attributes, attributes)
def test_merged_metadata_show_the_new_attributes_and_keep_those_of_others(old: Attributes, new: Attributes) -> None:
    new.kind = old.kind
    for defaults in (None, DEFAULTS):
        meta = merge_meta(to_meta(old) | {"color": "blue"}, new, defaults)

        assert meta["color"] == "blue"
        assert from_meta(meta, 0.0, DEFAULTS, kind=old.kind) == new


def test_a_device_that_becomes_a_file_loses_its_number() -> None:
    device = Attributes(Kind.CHAR, 0o600, 0, 0, 0, 0, 0, rdev=0x103)
    file = Attributes(Kind.FILE, 0o600, 0, 0, 0, 0, 0)

    assert to_meta(device)["rdev"] == "103"
    assert "rdev" not in merge_meta(to_meta(device), file)


def no_space(exc: OSError) -> bool:
    return exc.errno == errno.ENOSPC


def test_metadata_are_limited_to_8_kb_as_they_travel() -> None:
    name = len("x-oss-meta-a")
    check_budget({"a": "x" * (8192 - name)})
    assert meta_size({"a": "é"}) == name + 6

    with pytest.raises(OSError, match="8193 bytes", check=no_space):
        check_budget({"a": "x" * (8193 - name)})
    with pytest.raises(OSError, match="the metadata has", check=no_space):
        check_budget({"a": "é" * 1400})


def test_a_copy_carries_every_header_that_replace_would_reset() -> None:
    kept = {
        "content-type": "application/json", "cache-control": "max-age=60", "content-disposition": "attachment",
        "content-encoding": "gzip", "content-language": "zh", "expires": "1000000", "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "KMS", "x-oss-server-side-encryption-key-id": "9468da86",
    }  # fmt: skip
    gone = {"etag": '"E"', "date": "now", "content-length": "3", "x-oss-meta-a": "b", "content-md5": "x"}

    assert carried_headers(head(headers=kept | gone)) == kept


# --- symbolic links ---------------------------------------------------------------------------------------------------


@given(texts)
def test_the_exact_text_of_a_link_comes_back_from_the_metadata(text: bytes) -> None:
    meta = travelled(symlink_meta(text))

    assert symlink_text(meta) == text
    assert symlink_target(head(meta=meta, type_="Symlink")) == text


@given(texts)
def test_the_text_of_a_link_travels_as_ossfs_writes_it(text: bytes) -> None:
    headers = metadata.to_headers(symlink_meta(text))

    assert headers["x-oss-meta-symlink-target"] == f"header:{len(text)}:{quote(text, safe='')}"


def test_all_forms_of_links_are_read() -> None:
    assert symlink_target(with_meta(mode="41471"), b"../a b") == b"../a b"
    assert symlink_target(with_meta(symlink_target="body:0:"), b"x") == b"x"
    assert symlink_target(with_meta(symlink_target="header:5:a%2Fb%20"), b"") == b"a/b "


def test_what_is_no_link_has_no_target() -> None:
    assert symlink_target(with_meta(mode="33188"), b"x") is None
    assert symlink_target(with_meta(mode="41471")) is None
    assert symlink_target(with_meta(mode="41471"), b"") is None
    assert symlink_target(with_meta(mode="41471"), b"a\0b") is None
    assert symlink_target(with_meta(mode="41471"), b"x" * 4096) is None
    assert symlink_target(head(type_="Symlink"), b"bytes of the target") is None
    for value in ("header:1", "header:x:a", "header:0:", "header:1:%00"):
        assert symlink_text({"symlink-target": metadata.decode_value(value)}) is None


@pytest.mark.parametrize(
    ("link", "text", "prefix", "key"),
    [
        ("a/link", b"b", "", "a/b"),
        ("a/link", b"./b//c", "", "a/b/c"),
        ("a/link", b"../b", "", "b"),
        ("m/a/link", b"../b", "m/", "m/b"),
        ("a/b/link", b"..", "", "a/"),
        ("a/link", b"b/", "", "a/b/"),
        ("a/link", b"b/.", "", "a/b/"),
        ("link", "目录".encode(), "", "目录"),
    ],
)
def test_a_link_inside_the_mount_is_an_oss_symlink(link: str, text: bytes, prefix: str, key: str) -> None:
    assert native_symlink_target(link, text, prefix) == key


@pytest.mark.parametrize(
    ("link", "text", "prefix"),
    [
        ("a/link", b"/etc/passwd", ""),
        ("a/link", b"../../b", ""),
        ("m/link", b"../b", "m/"),
        ("a/link", b"b/../c", ""),
        ("a/link", b"..", ""),
        ("a/link", b"link", ""),
        ("a/link", b"caf\xe9", ""),
        ("a/link", b"x" * 2048, ""),
        ("a/link", b"x/" * 600, ""),
        ("link", b"\\b", ""),
        ("a/link", b"", ""),
        ("a/link", b"a\0b", ""),
        ("elsewhere/link", b"b", "m/"),
    ],
)
def test_a_link_that_no_oss_symlink_can_hold_is_told_apart(link: str, text: bytes, prefix: str) -> None:
    assert native_symlink_target(link, text, prefix) is None


@pytest.mark.parametrize(
    ("link", "target", "prefix", "text"),
    [
        ("a/link", "a/b", "", b"b"),
        ("link", "a/b", "", b"a/b"),
        ("a/b/link", "a/c/d", "", b"../c/d"),
        ("m/a/link", "m/b", "m/", b"../b"),
        ("a/link", "b/", "", b"../b/"),
        ("a/b/link", "a/", "", b"../"),
        ("m/link", "other", "m/", None),
        ("m/link", "m/", "m/", None),
        ("link", "a//b", "", None),
        ("link", "../b", "", None),
    ],
)
def test_the_link_of_another_client_is_a_relative_path(link: str, target: str, prefix: str, text: bytes | None) -> None:
    assert native_symlink_text(link, target, prefix) == text


segments = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@given(segments, segments, st.sampled_from(["", "m/"]))
def test_the_path_to_a_target_leads_to_it(link: list[str], target: list[str], prefix: str) -> None:
    link_key, target_key = prefix + "/".join([*link, "link"]), prefix + "/".join(target)
    text = native_symlink_text(link_key, target_key, prefix)
    assert text is not None

    assert native_symlink_target(link_key, text, prefix) == target_key
