"""Amounts a person can read."""

from __future__ import annotations

from ossmount.cli.console import amount, span


def test_amounts_have_the_unit_that_fits() -> None:
    sizes = (0, 1023, 1024, 5 << 20, 3 << 30, 2 << 40, 5000 << 40)
    assert [amount(size) for size in sizes] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "2.0 TiB",
        "5000.0 TiB",
    ]


def test_spans_have_the_two_units_that_matter() -> None:
    spans = (0.4, 59, 61, 3600, 90061)
    assert [span(seconds) for seconds in spans] == ["0s", "59s", "1m 1s", "1h", "1d 1h"]
