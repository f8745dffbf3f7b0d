"""Commands about many objects: one that fails keeps no other from being done, and what became of them is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import Result

from ossmount.server.faults import Fault, deny
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    directory.mkdir()
    for name in NAMES:
        (directory / name).write_text(name)
    return directory


@pytest.fixture
def keys(oss: OSS, files: Path) -> Path:
    """The same in the bucket."""
    oss("object", "put", "-r", files, "bucket")
    return files


def failures(said: str, code: str = "AccessDenied") -> list[str]:
    """What the lines name that tell of a failure with *code*, and with the id of its request."""
    return re.findall(rf"^ossmount: (\S+): {code} \(\d+\): .*\[request id \w+\]", said, re.MULTILINE)


def test_a_file_that_cannot_be_uploaded_keeps_no_other_from_it(
    oss: OSS, oss_server: ThreadedServer, files: Path
) -> None:
    oss_server.faults.add(deny("files/b", "PutObject"))
    said = oss("object", "put", "-r", files, "bucket", status=1).stderr

    assert failures(said) == [f"{files}/b"]
    assert said.endswith("\nossmount: 1 of 4 files failed; 3 uploaded to oss://bucket/files/\n")
    assert oss("object", "ls", "-r", "bucket").stdout.split() == ["files/a", "files/c", "files/d"]


def test_an_object_that_cannot_be_got_keeps_no_other_from_it(
    oss: OSS, oss_server: ThreadedServer, keys: Path, tmp_path: Path
) -> None:
    for key in ("files/c/below", "files/../out"):
        oss("object", "put", "-", f"bucket/{key}", stdin=b"x")
    oss_server.faults.add(deny("files/b", "GetObject"))
    said = oss("object", "get", "-r", "bucket/files", tmp_path / "down", "--parallel", "1", status=1).stderr

    assert failures(said) == ["oss://bucket/files/b"]
    assert "oss://bucket/files/../out: it is no path of a file" in said
    # What a file is in the way of is told, too.
    assert re.search("^ossmount: oss://bucket/files/c/below: .*/down/files/c", said, re.MULTILINE)
    assert said.endswith(f"\nossmount: 3 of 6 objects failed; 3 written to {tmp_path}/down\n")
    assert sorted(path.name for path in (tmp_path / "down").rglob("*")) == ["a", "c", "d", "files"]


def test_an_object_that_cannot_be_copied_keeps_no_other_from_it(
    oss: OSS, oss_server: ThreadedServer, keys: Path
) -> None:
    oss_server.faults.add(deny("copies/files/b", "CopyObject"))
    said = oss("object", "cp", "-r", "bucket/files", "bucket/copies/", status=1).stderr

    assert failures(said) == ["oss://bucket/files/b"]
    assert said.endswith("\nossmount: 1 of 4 objects failed; 3 copied to oss://bucket/copies/files\n")
    assert len(oss("object", "ls", "-r", "bucket/copies").stdout.split()) == 3


@pytest.mark.parametrize(
    ("words", "things"),
    [
        (("-rf", "bucket/files"), "objects"),
        (("-rf", "--all-versions", "bucket/files"), "versions"),
        ([f"bucket/files/{name}" for name in NAMES], "objects"),
    ],
)
def test_an_object_that_cannot_be_removed_keeps_no_other_from_it(
    oss: OSS, oss_server: ThreadedServer, keys: Path, words: tuple[str, ...], things: str
) -> None:
    for fault in (deny("", "DeleteMultipleObjects"), deny("files/b", "DeleteObject")):
        oss_server.faults.add(fault)
    said = oss("object", "rm", *words, status=1).stderr

    assert failures(said) == ["oss://bucket/files/b"]
    assert said.endswith(f"\nossmount: 1 of 4 {things} failed; 3 removed from bucket\n")
    assert oss("object", "ls", "-r", "bucket").stdout.split() == ["files/b"]


def test_a_bucket_that_fails_keeps_no_other_from_being_emptied(oss: OSS, keys: Path) -> None:
    said = oss("object", "rm", "-rf", "no-such-bucket", "bucket", status=1).stderr

    assert "4 objects removed from bucket\n" in said
    assert "ossmount: NoSuchBucket (404)" in said
    assert oss("object", "ls", "bucket").stdout == ""


def test_an_upload_that_cannot_be_aborted_keeps_no_other_from_it(
    oss: OSS, oss_server: ThreadedServer, tmp_path: Path
) -> None:
    oss_server.faults.add(Fault(operation="UploadPart", status=403, code="AccessDenied", count=None))
    (tmp_path / "big").write_bytes(bytes(200_000))
    for name in NAMES:
        point = ("--checkpoint", tmp_path / name, "--part-size", "100KiB")
        oss("object", "put", tmp_path / "big", f"bucket/{name}", *point, status=1)
    oss_server.faults.add(deny("b", "AbortMultipartUpload"))
    said = oss("object", "abort", "bucket", "--all", status=1).stderr

    assert failures(said) == ["oss://bucket/b"]
    assert said.endswith("\nossmount: 1 of 4 uploads failed; 3 aborted\n")


def test_a_file_whose_name_can_be_no_key_is_told_by_name(oss: OSS, files: Path) -> None:
    deep = files.joinpath(*["x" * 250] * 5)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    said = oss("object", "put", "-r", files, "bucket", status=1).stderr

    assert f"ossmount: {deep}/file: a key of " in said
    assert "at most 1023 are possible" in said
    assert said.endswith("\nossmount: 1 of 5 files failed; 4 uploaded to oss://bucket/files/\n")


@pytest.mark.parametrize(
    ("words", "fault", "code"),
    [
        (("put", "-r", "FILES", "no-such-bucket"), None, "NoSuchBucket"),
        (
            ("put", "-r", "FILES", "bucket", "--access-key-id", "nobody", "--access-key-secret", "x"),
            None,
            "InvalidAccessKeyId",
        ),
        (("cp", "-r", "bucket/files", "no-such-bucket/x"), None, "NoSuchBucket"),
        (
            ("get", "-r", "bucket/files", "DOWN"),
            Fault(operation="GetObject", first=2, status=403, code="UserDisable"),
            "UserDisable",
        ),
    ],
)
def test_what_no_other_would_escape_ends_it(
    oss: OSS,
    oss_server: ThreadedServer,
    keys: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    fault: Fault | None,
    code: str,
) -> None:
    if fault:
        oss_server.faults.add(fault)
    places = {"FILES": keys, "DOWN": tmp_path / "down"}
    said = oss("object", *(places.get(word, word) for word in words), "--parallel", "1", status=1).stderr

    assert said.startswith(f"ossmount: {code} (")
    assert said.count("\n") == 1
    assert ("(1 object written to" in said) is (fault is not None)


@pytest.mark.parametrize("command", ["put", "cp"])
@pytest.mark.parametrize("option", ["--meta=a b=c", "--header=Cache-Control=a\nb", "--meta=a=" + "x" * 9000])
def test_what_no_object_can_have_is_refused_before_anything(
    oss: OSS, oss_server: ThreadedServer, files: Path, command: str, option: str
) -> None:
    source = files if command == "put" else "bucket/files"
    oss("object", command, "-r", source, "bucket/x", option, status=2)
    assert oss_server.count() == 0


@pytest.mark.parametrize("command", ["put", "get", "cp"])
def test_the_rest_is_done_later(
    oss: OSS, oss_server: ThreadedServer, files: Path, tmp_path: Path, command: str
) -> None:
    if command != "put":
        oss("object", "put", "-r", files, "bucket")
    places = {
        "put": (files, "bucket/"),
        "get": ("bucket/files", tmp_path / "down"),
        "cp": ("bucket/files", "bucket/x/"),
    }
    operation = {"put": "PutObject", "get": "GetObject", "cp": "CopyObject"}[command]
    words = ("object", command, "-r", "-u", *places[command])
    oss_server.faults.add(deny("x/files/b" if command == "cp" else "files/b", operation))

    assert "1 of 4 " in oss(*words, status=1).stderr
    again = oss(*words, status=1).stderr
    assert re.search(r"1 of 4 \w+ failed; 0 (uploaded to|written to|copied to) \S+, 3 there already\n", again)
    oss_server.reset()
    assert re.search(r"\n?1 \w+ (uploaded|written|copied) to \S+, 3 there already\n", oss(*words).stderr)
    assert oss_server.count(operation) == 1
    # What is of another size, or newer, goes again.
    if command == "put":
        (files / "a").write_text("longer")
        os.utime(files / "c", (4e9, 4e9))
    else:
        oss("object", "put", "-", "bucket/files/a", stdin=b"longer")
        os.utime(tmp_path / "down/files/c", (0, 0)) if command == "get" else None
    assert f"{1 if command == 'cp' else 2} " in oss(*words).stderr
    assert "--update needs -r" in oss("object", command, "-u", "bucket/files/a", "bucket/b", status=2).stderr


@pytest.mark.parametrize("command", ["put", "get"])
def test_who_is_stopped_tells_how_far_it_came_and_leaves_nothing_half(
    oss_server: ThreadedServer,
    service: Mapping[str, str],
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    operation = f"{command.capitalize()}Object"
    oss_server.faults.add(Fault(operation=operation, prefix="files/c", delay=3600))
    strike = oss_server.faults.strike

    def stop_at_c(asked: str, key: str) -> list[Fault]:
        if (asked, key) == (operation, "files/c"):
            process.send_signal(signal.SIGINT)
        return strike(asked, key)

    monkeypatch.setattr(oss_server.faults, "strike", stop_at_c)
    places = {"put": (keys, "bucket/"), "get": ("bucket/files", tmp_path / "down")}[command]
    words = [sys.executable, "-m", "ossmount", "object", command, "-r", *map(str, places), "--parallel", "1"]
    with subprocess.Popen(words, env=service, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=100)
        finally:
            process.kill()

    told = {"put": "files uploaded to oss://bucket/files/", "get": f"objects written to {tmp_path}/down"}[command]
    assert said == f"ossmount: interrupted: 2 {told}\n"
    assert process.returncode == 130
    assert sorted(path.name for path in (tmp_path / "down").rglob("*")) == (
        ["a", "b", "files"] if command == "get" else []
    )
