"""The document of the options is the code's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ossmount.cli.reference import options_table, renew
from ossmount.config import options

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_document_lists_every_option_as_the_code_has_it() -> None:
    text = DOCUMENT.read_text()

    assert renew(text) == text, "run scripts/lint"
    for row in options():
        assert f"`{row.flag}`" in text


def test_a_table_has_a_row_for_each_option() -> None:
    assert len(options_table().splitlines()) == 2 + len(options())


def test_a_document_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        renew("nothing")
