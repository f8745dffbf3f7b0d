"""docs/server.md tells of every option, operation and fault there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from ossmount.cli.serve import serve
from ossmount.server.faults import Fault
from ossmount.server.routes import OPERATIONS

TEXT = (Path(__file__).parents[2] / "docs" / "server.md").read_text()


def test_every_option_is_documented() -> None:
    options = {name for parameter in serve.params for name in parameter.opts if name.startswith("--")}

    assert options == set(re.findall(r"`(--[a-z-]+)", TEXT.partition("## What it does")[0]))


def test_every_fault_is_documented() -> None:
    assert {field.name for field in fields(Fault)} <= set(re.findall(r"[`\"]([a-z_]+)[`\"]", TEXT))


def test_every_operation_is_documented() -> None:
    told = set(re.findall(r"[A-Z][A-Za-z0-9]+", TEXT))
    told |= {
        verb + rest
        for verbs, rest in re.findall(r"((?:\w+/)+\w+?)((?:Bucket|Object|Symlink)\w*)", TEXT)
        for verb in verbs.split("/")
    }

    assert set(OPERATIONS) <= told
