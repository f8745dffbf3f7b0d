"""The server as a process: started, asked, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import oss2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], str]]]:
    """Start ``ossmount serve`` on a directory and return the process and its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str, directory: Path = tmp_path / "data") -> tuple[subprocess.Popen[bytes], str]:
        where = () if "--uds" in options else ("--port", "0")
        command = [sys.executable, "-m", "ossmount", "serve", str(directory), *where, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("listening on ")
        return process, line.split()[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_server_says_where_it_listens_and_ends_when_told(
    serve: Callable[..., tuple[subprocess.Popen[bytes], str]], oss2_session: oss2.Session
) -> None:
    process, url = serve("--access-key-id", "me", "--access-key-secret", "mine", "--bucket", "one", "--bucket", "two")
    auth = oss2.AuthV4("me", "mine")
    service = oss2.Service(auth, url, region="cn-hangzhou", session=oss2_session)

    assert [bucket.name for bucket in service.list_buckets().buckets] == ["one", "two"]
    process.terminate()
    assert process.wait(120) == 0


def test_what_was_acknowledged_survives_a_kill(
    serve: Callable[..., tuple[subprocess.Popen[bytes], str]], oss2_session: oss2.Session
) -> None:
    process, url = serve("--bucket", "bucket")

    def bucket(url: str) -> oss2.Bucket:
        auth = oss2.AuthV4("ak", "sk")
        return oss2.Bucket(auth, url, "bucket", region="cn-hangzhou", session=oss2_session)

    acknowledged = {f"key{number}": os.urandom(number * 50_000) for number in range(20)}
    for key, data in acknowledged.items():
        bucket(url).put_object(key, data)
    upload = bucket(url).init_multipart_upload("big").upload_id
    part = bucket(url).upload_part("big", upload, 1, b"part" * 100_000)
    host, _, port = url.removeprefix("http://").partition(":")
    presigned = bucket(url).sign_url("PUT", "key0", 60).partition(url)[2]
    with socket.create_connection((host, int(port)), timeout=120) as half:
        half.sendall(f"PUT {presigned} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9000000\r\n\r\n".encode())
        half.sendall(bytes(4_000_000))

        process.kill()
        process.wait()

    _, url = serve()
    for key, data in acknowledged.items():
        assert bucket(url).get_object(key).read() == data
    bucket(url).complete_multipart_upload("big", upload, [oss2.models.PartInfo(1, part.etag)])
    assert bucket(url).get_object("big").read() == b"part" * 100_000


def test_a_second_server_is_refused_the_directory(
    serve: Callable[..., tuple[subprocess.Popen[bytes], str]], tmp_path: Path
) -> None:
    serve()

    second = subprocess.run(
        [sys.executable, "-m", "ossmount", "serve", str(tmp_path / "data"), "--port", "0"],
        capture_output=True,
        check=False,
        timeout=120,
    )

    assert second.returncode == 1
    assert b"another server uses" in second.stderr


def test_a_unix_socket_is_private_and_goes_with_the_server(
    serve: Callable[..., tuple[subprocess.Popen[bytes], str]], tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    process, url = serve("--uds", str(path), "--bucket", "bucket", "--introspect")

    assert url == f"unix://{path}"
    assert path.stat().st_mode & 0o777 == 0o700
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=120) as client:
        assert client.get("http://localhost/-/requests").json()["counts"] == {}
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    assert not path.exists()


def test_a_server_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'ossmount', 'serve', sys.argv[1], '--port', '0', '--die-with-parent']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode().split()[-1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        host, _, port = parent.stdout.readline().decode().strip().removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=120) as sock:
            parent.kill()
            parent.wait()

            assert sock.recv(1) == b""


def test_tests_in_other_processes_may_ask_and_plan_faults(
    serve: Callable[..., tuple[subprocess.Popen[bytes], str]], oss2_session: oss2.Session
) -> None:
    faults = json.dumps([{"operation": "GetObject", "status": 503, "code": "ServiceUnavailable"}])
    _, url = serve("--introspect", "--bucket", "bucket", "--faults", faults)
    bucket = oss2.Bucket(oss2.AuthV4("ak", "sk"), url, "bucket", region="cn-hangzhou", session=oss2_session)
    bucket.put_object("a", b"bytes")
    with pytest.raises(oss2.exceptions.ServerError, match="ServiceUnavailable"):
        bucket.get_object("a")

    with httpx.Client(base_url=url, timeout=120) as http:
        told = http.get("/-/requests?entries").json()
        assert told["counts"] == {"PutObject": 1, "GetObject": 1}
        assert told["max_in_flight"] == {"PutObject": 1, "GetObject": 1}
        assert [(one["operation"], one["status"]) for one in told["entries"]] == [
            ("PutObject", 200),
            ("GetObject", 503),
        ]
        assert http.put("/-/faults", content="nonsense").status_code == 400
        assert http.put("/-/faults", content='[{"status": 500, "count": null}]').status_code == 204
        assert http.get("/-/faults").json()[0]["status"] == 500
        with pytest.raises(oss2.exceptions.ServerError, match="InternalError"):
            bucket.get_object("a")
        assert http.post("/-/reset").status_code == 204
        assert http.get("/-/requests").json()["counts"] == {}
    assert bucket.get_object("a").read() == b"bytes"


def test_without_leave_nothing_is_told(serve: Callable[..., tuple[subprocess.Popen[bytes], str]]) -> None:
    _, url = serve()

    assert httpx.get(f"{url}/-/requests", timeout=120).status_code == 400


@pytest.mark.parametrize(
    "options",
    [
        ("--bucket", "NO"),
        ("--latency", "soon"),
        ("--bandwidth", "much"),
        ("--faults", "[1]"),
        ("--faults", "/nowhere"),
        ("--port", "70000"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(options: tuple[str, str], tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "ossmount", "serve", str(tmp_path), *options],
        capture_output=True,
        check=False,
        timeout=120,
    )

    assert refused.returncode == 2
    assert options[0].encode() in refused.stderr
