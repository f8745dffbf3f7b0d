"""The table of operations by SDK in docs/client.md says what the tests here do, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ossmount.server.routes import OPERATIONS
from tests.judges.test_ali_oss import written

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "client.md"
COLUMNS = ("oss2", "alibabacloud-oss-v2", "its async client", "ali-oss")
# A test that takes one of these fixtures judges by these.
FIXTURES = {
    "bucket2": {"oss2"},
    "oss2_bucket_of": {"oss2"},
    "service2": {"oss2"},
    "sync_v2": {"alibabacloud-oss-v2"},
    "v2": {"alibabacloud-oss-v2", "its async client"},
}


def told() -> dict[str, dict[str, str]]:
    """The cells of the table, by operation and column."""
    section = DOCUMENT.read_text().partition("\n## Judged by ")[2].partition("\n## ")[0]
    rows: dict[str, dict[str, str]] = {}
    for operation, *cells in re.findall(r"^\| ([A-Z]\w+) \|(.*)\|(.*)\|(.*)\|(.*)\|$", section, re.MULTILINE):
        rows[operation] = dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True))
    return rows


def judged() -> dict[str, set[str]]:
    """The operations that the tests are marked with, by column."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in HERE.glob("test_*.py"):
        for test in vars(import_module(f"tests.judges.{path.stem}")).values():
            operations = {
                name for mark in getattr(test, "pytestmark", ()) if mark.name == "judges" for name in mark.args
            }
            if operations:
                for fixture in inspect.signature(test).parameters:
                    for column in FIXTURES.get(fixture, ()):
                        found[column] |= operations
    for judgement in cast("Iterable[Any]", written()):
        found["ali-oss"].update(*(mark.args for mark in judgement.marks))
    return found


def test_what_is_ticked_is_judged_and_what_is_judged_is_ticked() -> None:
    rows = told()
    ticked = {column: {name for name, cells in rows.items() if cells[column].startswith("✓")} for column in COLUMNS}

    assert ticked == dict(judged())


def test_every_operation_has_its_row_and_no_cell_is_empty() -> None:
    rows = told()

    assert set(rows) == {*OPERATIONS, "AssumeRole", "AssumeRoleWithOIDC"}
    assert [name for name, cells in rows.items() if not all(cells.values())] == []
