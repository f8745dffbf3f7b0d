"""How amounts and names are written."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from ossmount.options import (
    parse_duration,
    parse_flag,
    parse_group,
    parse_mask,
    parse_number,
    parse_path,
    parse_size,
    parse_text,
    parse_user,
)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        (8192, 8192),
        ("256MiB", 256 << 20),
        ("256 mib", 256 << 20),
        ("100MB", 100_000_000),
        ("10kB", 10_000),
        ("1G", 1 << 30),
        ("1.5GiB", 3 << 29),
        ("2TB", 2 * 10**12),
        ("7b", 7),
    ],
)
def test_sizes_are_decimal_or_binary_as_their_unit_says(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MiB", "-1", -2, "1 potato", "1e6", True, None, 1.5, "1MiBiB"])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10ms", 0.01), ("5s", 5.0), ("5", 5.0), (6, 6.0), (0.25, 0.25), ("2m", 120.0), ("1.5h", 5400.0), ("0", 0.0)],
)
def test_durations_are_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["", "s", "-1s", -2, float("inf"), float("nan"), True, None, "5 parsecs"])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_duration(written)


@pytest.mark.parametrize(("written", "mask"), [("022", 0o22), ("22", 0o22), ("0o077", 0o77), ("0", 0), ("777", 0o777)])
def test_masks_are_octal(written: object, mask: int) -> None:
    assert parse_mask(written) == mask


@pytest.mark.parametrize("written", [22, "1000", "8", "", "-1", "0x1f", None])
def test_what_is_no_octal_text_is_no_mask(written: object) -> None:
    with pytest.raises(ValueError, match="octal"):
        parse_mask(written)


def test_flags_are_written_in_many_ways() -> None:
    assert all(parse_flag(word) for word in (True, "true", "Yes", "on", "1"))
    assert not any(parse_flag(word) for word in (False, "false", "No", "off", "0"))
    for wrong in ("", "maybe", 1, None):
        with pytest.raises(ValueError, match="true or false"):
            parse_flag(wrong)


def test_numbers_are_whole() -> None:
    assert (parse_number("12"), parse_number(12)) == (12, 12)
    for wrong in ("-1", -1, "1.5", True, "", "\u0661"):
        with pytest.raises(ValueError, match="whole number"):
            parse_number(wrong)


def test_users_and_groups_are_numbers_or_names() -> None:
    user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())

    assert (parse_user(user.pw_name), parse_user(str(user.pw_uid)), parse_user(1234)) == (
        user.pw_uid,
        user.pw_uid,
        1234,
    )
    assert (parse_group(group.gr_name), parse_group(5678)) == (group.gr_gid, 5678)
    for wrong in ("nobody-is-called-this", str(2**32 - 1), -1):
        with pytest.raises(ValueError, match="no such user"):
            parse_user(wrong)
        with pytest.raises(ValueError, match="no such group"):
            parse_group(wrong)


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    assert str(parse_path("~/data")) == "/home/someone/data"
    assert parse_path("data").is_absolute()
    with pytest.raises(ValueError, match="text"):
        parse_text("")
