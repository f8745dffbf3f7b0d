"""Commands over several endpoints: what one changes is changed at all of them, what one asks any of them answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from ossmount.server.app import AppOptions
from ossmount.server.faults import Fault, deny
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[ThreadedServer]:
    with ThreadedServer(tmp_path / "second", options=AppOptions(role="worker")) as server:
        yield server


@pytest.fixture
def both(oss: OSS, oss_server: ThreadedServer, second: ThreadedServer) -> OSS:
    """Run a command with both servers as its endpoints."""

    def run(*words: str | Path, **more: object) -> Result:
        return oss(*words, "--endpoint", oss_server.url, "--endpoint", second.url, "--failover-after", "1m", **more)

    return run


def test_what_is_changed_is_changed_at_all(
    both: OSS, oss_server: ThreadedServer, second: ThreadedServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    both("bucket", "create", "new-bucket", "--acl", "private")
    both("bucket", "create", "other-bucket")
    both("object", "put", tmp_path / "file", "new-bucket/d/big", "--part-size", "100KiB", "--parallel", "2")
    both("object", "cp", "-r", "new-bucket/d/", "other-bucket/e/")
    both("image", "style", "put", "new-bucket", "small", "image/resize,w_10")
    both("bucket", "acl", "new-bucket", "public-read")
    for server in (oss_server, second):
        store = server.store
        found = store.bucket("new-bucket")
        assert found is not None
        assert found.acl == "public-read"
        assert [style.name for style in store.settings.styles(found)] == ["small"]
        other = store.bucket("other-bucket")
        assert other is not None
        copy = store.find(other, "e/big")
        assert copy is not None
        assert copy.size == 300_000
    both("object", "rm", "-r", "-f", "oss://new-bucket")
    both("bucket", "rm", "new-bucket")
    assert [server.store.bucket("new-bucket") for server in (oss_server, second)] == [None, None]


def test_what_is_asked_any_of_them_answers(both: OSS, oss_server: ThreadedServer, second: ThreadedServer) -> None:
    both("bucket", "create", "new-bucket")
    both("object", "put", "-", "new-bucket/k", stdin=b"hello")
    for server in (oss_server, second):
        server.faults.add(Fault(status=500, count=None))
        assert "oss://new-bucket" in both("bucket", "ls").stdout
        assert both("object", "get", "new-bucket/k").stdout == "hello"
        assert both("object", "ls", "new-bucket").stdout == "k\n"
        assert json.loads(both("whoami", "--json").stdout)["owner_id"]
        server.faults.clear()


def test_uploads_of_all_are_listed_and_aborted(
    both: OSS, oss_server: ThreadedServer, second: ThreadedServer, tmp_path: Path
) -> None:
    both("bucket", "create", "new-bucket")
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    for server in (oss_server, second):
        server.faults.add(Fault(operation="CompleteMultipartUpload", status=403, code="AccessDenied"))
    put = ("object", "put", tmp_path / "file", "new-bucket/k", "--part-size", "100KiB")
    both(*put, "--checkpoint", tmp_path / "checkpoint", status=1)

    assert len(both("object", "uploads", "new-bucket").stdout.splitlines()) == 2
    assert "2 uploads aborted" in both("object", "abort", "new-bucket", "--all").stderr
    assert both("object", "uploads", "new-bucket").stdout == ""


def test_a_write_that_reaches_one_only_fails_and_says_where(
    both: OSS, oss_server: ThreadedServer, second: ThreadedServer
) -> None:
    both("bucket", "create", "new-bucket")
    second.faults.add(Fault(operation="PutObject", status=403, code="AccessDenied", count=None))

    said = both("object", "put", "-", "new-bucket/k", stdin=b"hello", status=1).stderr

    assert "1 of 2 members failed" in said
    assert second.url in said
    assert oss_server.url not in said


def test_what_one_endpoint_lacks_is_told_and_repaired(
    both: OSS, oss_server: ThreadedServer, second: ThreadedServer, tmp_path: Path
) -> None:
    for name in ("new-bucket", "other-bucket"):
        both("bucket", "create", name)
    (tmp_path / "files").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "files" / name).touch()
    for words, operation, done in (
        (("put", f"{tmp_path}/files/", "new-bucket"), "PutObject", "1 file uploaded"),
        (("cp", "new-bucket", "other-bucket"), "CopyObject", "1 object copied"),
    ):
        second.faults.add(deny("b", operation))
        assert "1 of 3 " in both("object", *words, "-r", "-u", status=1).stderr
        assert second.url in both("object", *words, "-r", "-u", status=1).stderr
        second.faults.clear()
        said = both("object", *words, "-r", "-u").stderr
        assert said.endswith(f"{done} to oss://{words[-1]}/, 2 there already\n")


def test_the_same_options_say_who_asks_for_commands_and_mounts(oss: OSS, second: ThreadedServer) -> None:
    second.store.put_bucket("bucket")
    nobody = {"OSS_ACCESS_KEY_ID": "", "OSS_ACCESS_KEY_SECRET": ""}
    metadata = f"{second.url}/latest/meta-data/ram/security-credentials/worker"
    where = ("object", "ls", "bucket", "--endpoint", second.url)

    oss(*where, "--ram-role", metadata, **nobody)
    oss(*where, OSSMOUNT_CREDENTIALS_URI=metadata, **nobody)
    oss(*where, "--role-arn", "acs:ram::1:role/worker", "--sts-endpoint", second.url)
    assert (second.count("GetMetadata"), second.count("AssumeRole")) == (3, 1)
    said = oss(*where, "--ram-role", metadata.replace("worker", "nobody"), **nobody, status=1).stderr
    assert "no RAM role 'nobody'" in said
    assert "no URL of a RAM role" in oss(*where, "--ram-role", "http://x/", **nobody, status=2).stderr
