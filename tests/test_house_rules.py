"""What the house asks of every room; `CONTRIBUTING.md` gives the reasons."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "ossmount").rglob("*.py"))
LONGEST = 500
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
# What is decided without IO: time, randomness and bytes come in as arguments.
PURE = (
    "ranges",
    "wire/*",
    "oss/retry",
    "oss/endpoints",
    "tree/keys",
    "tree/attributes",
    "tree/inodes",
    "tree/beliefs",
    "reading/readahead",
    "reading/blocks",
    "writing/plan",
    "writing/space",
    "fs/handles",
    "fs/errors",
    "fs/xattrs",
    "fs/values",
    "fs/troubles",
)


# From the top down; rooms on one line never import each other.
ROOMS = (
    ("__main__",),
    ("cli",),
    ("mount",),
    ("connecting",),
    ("config", "control"),
    ("sources",),
    ("options",),
    ("fuse",),
    ("fs",),
    ("tree", "reading", "writing"),
    ("oss", "server"),
    ("wire",),
    ("ranges",),
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not in a git checkout")
    return [path for word in listed.decode().split("\0") if word and (path := ROOT / word).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    source = path.read_text()

    assert source.count("\n") <= LONGEST
    assert ast.get_docstring(ast.parse(source))
    assert path.stem not in FORBIDDEN_NAMES
    assert path.parent.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_what_is_public_is_documented(path: Path) -> None:
    """Classes and functions, that is; a class that is nothing but its name, as for an error code, says it all."""
    public = [
        node
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    bare = [
        node.name
        for node in public
        if not ast.get_docstring(node) and not (isinstance(node, ast.ClassDef) and len(node.body) == 1)
    ]

    assert not bare


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_room_knows_only_the_rooms_below_it_even_by_their_types(path: Path) -> None:
    level = {room: depth for depth, line in enumerate(ROOMS) for room in line}
    parts = path.relative_to(ROOT / "ossmount").with_suffix("").parts
    if parts == ("__init__",):
        return
    home = parts[0]
    wrong = []
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == len(parts):  # relative to the package itself
            rooms = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
        elif node.level == 0 and (node.module or "").startswith("ossmount."):
            rooms = [(node.module or "").split(".")[1]]
        else:
            continue
        wrong += [room for room in rooms if room in level and room != home and level[room] <= level[home]]

    assert not wrong


def test_pure_modules_have_nothing_async() -> None:
    guilty = []
    for pattern in PURE:
        for path in (ROOT / "ossmount").glob(f"{pattern}.py"):
            kinds = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
            guilty += [f"{name(path)}:{node.lineno}" for node in ast.walk(parsed(path)) if isinstance(node, kinds)]
    assert not guilty


def test_pure_modules_are_in_the_contract_that_import_linter_checks() -> None:
    contract = (ROOT / "pyproject.toml").read_text().partition('name = "Sans-IO modules do no IO"')[2]
    listed = set(re.findall(r'"(ossmount[\w.]*)"', contract.partition("forbidden_modules")[0]))
    existing = {
        "ossmount." + pattern.removesuffix("/*").replace("/", ".")
        for pattern in PURE
        if any((ROOT / "ossmount").glob(f"{pattern}.py"))
    }

    assert listed == existing


def test_tests_lie_where_their_module_lies() -> None:
    rooms = {path.name for path in (ROOT / "ossmount").iterdir() if path.is_dir()}
    strangers = [
        name(path)
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.parent != ROOT / "tests" and path.relative_to(ROOT / "tests").parts[0] not in rooms | {"judges"}
    ]

    assert not strangers


def test_no_test_sleeps_or_mocks() -> None:
    """Only a fake's link may take time, and trio's autojump clock at that."""
    words = re.compile(r"\btime\.sleep\(|unittest\.mock|\bMagicMock\b")
    delay = re.compile(r"\btrio\.sleep\(")
    guilty = []
    for path in (ROOT / "tests").rglob("*.py"):
        source = path.read_text()
        may_wait = path.name == "conftest.py" or "autojump_clock" in source or "MockClock" in source
        if path != Path(__file__) and (words.search(source) or (delay.search(source) and not may_wait)):
            guilty.append(name(path))

    assert not guilty


def test_nothing_tracked_knows_the_machine_it_was_written_on() -> None:
    # A path of somebody's home or checkout, or an address that is neither loopback, example nor the service's own.
    path = re.compile(r"(?<![\w.])/(?:work|root)/\w")
    host = re.compile(r"https?://([\w.-]+)")
    known = re.compile(
        r"(127\.0\.0\.1|10\.0\.0\.\d+|.*\.localhost|.*\.?example(\.(com|org|net))?|.*\.aliyuncs\.com|.*\.?aliyun\.com|.*\.alibabacloud\.com"
        r"|www\.w3\.org|datatracker\.ietf\.org|www\.rfc-editor\.org|man7\.org|.*\.readthedocs\.io|keepachangelog\.com"
        r"|semver\.org|docs\.python\.org|github\.com|0\.0\.0\.0|.*\.test|.*\.invalid|.*\.local)"
    )
    guilty = []
    for file in tracked():
        if file == Path(__file__):
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            strange = [address for address in host.findall(line) if "." in address and not known.fullmatch(address)]
            if path.search(line) or strange:
                guilty.append(f"{name(file)}:{number}: {line.strip()[:100]}")

    assert not guilty


def test_scripts_stop_at_the_first_failure() -> None:
    for script in [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]:
        first = script.read_text().splitlines()[0]
        assert first in ("#!/bin/sh -e", "#!/bin/bash -e"), script.name
        assert script.stat().st_mode & 0o111, script.name


def test_requirements_are_pinned_and_come_from_nowhere_in_particular() -> None:
    for file in (ROOT / "requirements.txt", ROOT / "requirements-dev.txt"):
        for line in file.read_text().splitlines():
            assert re.fullmatch(r"#.*|-r requirements\.txt|[a-z0-9-]+==[\w.]+", line), line


def test_the_version_is_in_the_changelog() -> None:
    from ossmount import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog


def test_what_a_document_links_to_is_there() -> None:
    dead = [
        f"{document.name}: {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text())
        if not target.startswith(("http://", "https://")) and not (document.parent / target).exists()
    ]

    assert not dead


def test_every_entry_of_the_client_has_each_form_or_the_reason_why_not_and_a_test() -> None:
    from ossmount.config import options
    from ossmount.fs.xattrs import BUCKET_PROPERTIES, PROPERTIES

    text = (ROOT / "docs/client.md").read_text().partition("## Every entry")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    assert rows[0] == ["entry", "Python", "command (`ossmount ...`)", "on the mount", "test"]
    for row in rows[1:]:
        assert len(row) == 5, row
        assert all(len(cell) > 1 for cell in row), row
        assert "](../tests/" in row[4], row
    on_mount = " ".join(row[3] for row in rows[1:])
    assert set(re.findall(r"`(--[a-z-]+)", on_mount)) <= {option.flag for option in options()}
    known = {f"user.oss.{name}" for name in PROPERTIES} | {f"user.oss.bucket.{name}" for name in BUCKET_PROPERTIES}
    assert set(re.findall(r"`(user\.oss\.[a-z.-]+)`", on_mount)) <= known
