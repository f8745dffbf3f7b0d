"""The table of operations by SDK in docs/client.md says what the tests here do, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import alibabacloud_oss_v2

from ossmount.server.routes import OPERATIONS
from tests.judges.test_ali_oss import written

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "client.md"
COLUMNS = ("oss2", "alibabacloud-oss-v2", "its async client", "ali-oss")
# What a client of alibabacloud-oss-v2 has besides the operations of the service.
NO_OPERATION = re.compile(
    "_.*|.*_paginator|is_.*_exist|.*_(?:to|from)_file|append_file|open_file|copier|downloader|uploader|presign|"
    "invoke_operation"
)
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


def left_out() -> set[str]:
    """The operations that the document says are left out; ``Put/GetX`` are two."""
    section = DOCUMENT.read_text().partition("\n## What is left out")[2].partition("\n## ")[0]
    found = set()
    for cell in re.findall(r"^\| ([A-Z].*?) \|", section, re.MULTILINE):
        for *verbs, last in (name.split("/") for name in cell.split(", ")):
            (verb, rest), *_ = re.findall(r"([A-Z][a-z]+)(\w*)", last)
            found |= {each + rest for each in (*verbs, verb)}
    return found


def test_every_operation_of_the_newest_sdk_is_served_or_named_as_left_out() -> None:
    def plain(name: str) -> str:
        return name.replace("_", "").lower()

    sdk = {plain(name) for name in vars(alibabacloud_oss_v2.Client) if not NO_OPERATION.fullmatch(name)}
    served = {plain(name) for name in OPERATIONS}

    assert sdk - served == {plain(name) for name in left_out()}


def test_what_is_ticked_is_judged_and_what_is_judged_is_ticked() -> None:
    rows = told()
    ticked = {column: {name for name, cells in rows.items() if cells[column].startswith("✓")} for column in COLUMNS}

    assert ticked == dict(judged())


def test_every_operation_has_its_row_and_no_cell_is_empty() -> None:
    rows = told()

    assert set(rows) == {*OPERATIONS, "AssumeRole", "AssumeRoleWithOIDC"}
    assert [name for name, cells in rows.items() if not all(cells.values())] == []
