"""curl, with requests that are signed ahead: what a program in C takes that checks nothing and parses nothing."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import oss2
import trio

from ossmount.oss import Client, Endpoint, StaticCredentials
from ossmount.wire.message import Request

from .task import LARGE, SMALL, Task, Watch, key

_QUIET = ["silent", "fail", 'output = "/dev/null"']


class CurlFailed(Exception):
    """curl said no."""


def _signed(task: Task, *requests: Request) -> list[str]:
    """Return a URL for each of *requests*."""

    async def sign() -> list[str]:
        endpoint = Endpoint.parse(task.url, region=task.region)
        async with Client(endpoint, StaticCredentials(task.key_id, task.key_secret)) as client:
            return [await client.presign(request) for request in requests]

    return trio.run(sign)


def _curl(watch: Watch, at_once: int, transfers: list[list[str]]) -> None:
    """Run *transfers*, each some lines of a curl configuration, *at_once* of them.

    Raises:
        CurlFailed: one of them was refused, or not answered.
    """
    lines = "\nnext\n".join("\n".join(each) for each in transfers)
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write(lines)
        config.flush()
        command = [
            "curl",
            "--parallel",
            "--parallel-immediate",
            "--parallel-max",
            str(at_once),
            "--config",
            config.name,
        ]
        with watch:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise CurlFailed(f"status {done.returncode}: {done.stderr.decode(errors='replace').strip()[:500]}")


def get(task: Task, watch: Watch) -> int:
    """Get LARGE in parts, and throw the bytes away."""
    [url] = _signed(task, Request("GET", task.bucket, LARGE))
    transfers = []
    for index in range(task.count):
        start, stop = task.span(index)
        transfers.append([f'url = "{url}"', f'range = "{start}-{stop - 1}"', *_QUIET])
    _curl(watch, task.parts_at_once, transfers)
    return task.size


def put(task: Task, watch: Watch) -> int:
    """Put the parts of an object, which are files in memory; beginning and completing is done by another."""
    auth = oss2.AuthV4(task.key_id, task.key_secret)
    bucket = oss2.Bucket(auth, task.url, task.bucket, region=task.region, is_path_style=True)
    upload_id = bucket.init_multipart_upload(task.target).upload_id
    queries: list[dict[str, str | None]] = [
        {"uploadId": upload_id, "partNumber": str(index + 1)} for index in range(task.count)
    ]
    urls = _signed(task, *(Request("PUT", task.bucket, task.target, query) for query in queries))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as work:
        transfers = []
        for index, (piece, url) in enumerate(zip(task.pieces(), urls, strict=True)):
            path = Path(work) / str(index)
            path.write_bytes(piece)
            transfers.append([f'url = "{url}"', f'upload-file = "{path}"', 'header = "Expect:"', *_QUIET])
        _curl(watch, task.parts_at_once, transfers)
    there = oss2.PartIterator(bucket, task.target, upload_id)
    parts = [oss2.models.PartInfo(part.part_number, part.etag) for part in there]
    bucket.complete_multipart_upload(task.target, upload_id, parts)
    return task.size


def head(task: Task, watch: Watch) -> int:
    """Ask for the head of SMALL."""
    [url] = _signed(task, Request("HEAD", task.bucket, SMALL))
    _curl(watch, task.heads_at_once, [["head", f'url = "{url}"', *_QUIET]] * task.heads)
    return task.heads


def names(task: Task, watch: Watch) -> int:
    """Get all pages, their markers known before, and throw them away."""
    queries: list[dict[str, str | None]] = [
        {"max-keys": "1000", "marker": key(first - 1) if first else ""} for first in range(0, task.keys, 1000)
    ]
    urls = _signed(task, *(Request("GET", task.listed, "", query) for query in queries))
    _curl(watch, 1, [[f'url = "{url}"', *_QUIET] for url in urls])
    return task.keys
