"""`ossmount status`: which mounts run, and what each has still to do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from ..config import state_dir
from ..control import ControlError, NotRunning, Registration, find, registrations
from .admin import runtime_of, runtime_option
from .console import Failure, amount, span, stdout
from .leftovers import find as find_leftovers
from .parameters import json_option

_PATIENCE = 10.0  # seconds that a mount may take to answer
_SHOWN = 20  # elements of a list that a person wants to see


@click.command()
@click.argument("mountpoint", metavar="[MOUNTPOINT]", required=False)
@json_option
@runtime_option
def status(mountpoint: str | None, as_json: bool, runtime: str | None) -> None:
    """Show the running mounts, or one in detail."""
    directory = runtime_of(runtime)
    if mountpoint is None:
        mounts = [(mount, _ask(mount)) for mount in registrations(directory)]
        if as_json:
            click.echo(json.dumps([_facts(mount, answer) for mount, answer in mounts], indent=2))
            return
        if mounts:
            stdout().print(_overview(mounts))
        else:
            click.echo("no ossmount of this user is running")
        for place in sorted({state_dir(), *(_state_of(mount).parent for mount, _ in mounts)}):
            for leftover in find_leftovers(place):
                click.echo(str(leftover))
        return
    try:
        mount = find(directory, mountpoint)
    except NotRunning as exc:
        raise Failure(str(exc)) from None
    answer = _ask(mount)
    if as_json:
        click.echo(json.dumps(_facts(mount, answer), indent=2))
    else:
        stdout().print(_details(_facts(mount, answer)))
    if "problem" in answer:
        raise Failure(f"{mountpoint}: {answer['problem']}")


def _ask(mount: Registration) -> dict[str, Any]:
    try:
        return mount.call("status", timeout=_PATIENCE)
    except NotRunning:
        return {"problem": f"its daemon has died; free it with: ossmount umount {mount.mountpoint}"}
    except TimeoutError:
        return {"problem": f"no answer in {_PATIENCE:.0f} s"}
    except ControlError as exc:
        return {"problem": str(exc)}


def _facts(mount: Registration, answer: Mapping[str, Any]) -> dict[str, Any]:
    own = _state_of(mount)
    bucket = mount.source.partition(":")[0]
    left = {"left_behind": [str(each) for each in find_leftovers(own.parent, bucket, apart_from=own)]}
    return asdict(mount) | {"uptime": round(max(0.0, time.time() - mount.started), 3)} | dict(answer) | left


def _state_of(mount: Registration) -> Path:
    return Path(mount.socket).parent


def _overview(mounts: Sequence[tuple[Registration, Mapping[str, Any]]]) -> Table:
    table = Table("MOUNTPOINT", "BUCKET", "PID", "UP", "PENDING", "STAGED", "STATE", box=None, pad_edge=False)
    for mount, answer in mounts:
        failed = answer.get("failed") or []
        down = [each["endpoint"] for each in answer.get("endpoints") or () if each["state"] == "down"]
        differing = [each["endpoint"] for each in answer.get("endpoints") or () if each.get("differing")]
        troubles = [f"{len(failed)} failed"] * bool(failed) + [f"{place} is down" for place in down]
        troubles += [f"{place} differs" for place in differing]
        state = answer.get("problem") or ", ".join(troubles) or "ok"
        pending, staged = answer.get("pending"), answer.get("staged_bytes")
        table.add_row(
            escape(mount.mountpoint),
            escape(mount.source),
            str(mount.pid),
            span(time.time() - mount.started),
            "" if pending is None else str(pending),
            "" if staged is None else amount(staged),
            escape(str(state)),
        )
    return table


def _details(facts: Mapping[str, Any]) -> Table:
    """Whatever the mount said, one line for each fact, the parts of a fact indented below it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        _add(table, name, value, 0)
    return table


def _add(table: Table, name: str, value: Any, depth: int) -> None:
    label = "  " * depth + name.replace("_", " ")
    if isinstance(value, Mapping):
        table.add_row(escape(label), "")
        for inner, part in value.items():
            _add(table, str(inner), part, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        table.add_row(escape(label), str(len(value)))
        for part in value[:_SHOWN]:
            shown = (
                ", ".join(f"{k.replace('_', ' ')} {_readable(k, v)}" for k, v in part.items())
                if isinstance(part, Mapping)
                else str(part)
            )
            table.add_row("", escape(shown))
        if len(value) > _SHOWN:
            table.add_row("", f"... and {len(value) - _SHOWN} more; --json has them")
    else:
        table.add_row(escape(label), escape(_readable(name, value)))


def _readable(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name == "bytes" or name.endswith("_bytes") or name.startswith("bytes_") or name in ("memory", "size"):
            return amount(value)
        if name == "uptime" or name.endswith("age"):
            return span(value)
        if name == "started":
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    return str(value)
