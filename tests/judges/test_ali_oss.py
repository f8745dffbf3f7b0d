"""ali-oss on Node: every operation that it has, with either signature, and objects that it and our client share.

What is judged is written in `ali_oss/*.js`, beside what they share in `judge.js`.  Node carries all of it out in one
run for each signature, and every judgement is a test here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ossmount.oss import (
    CORS,
    CORSRule,
    Endpoint,
    Expiration,
    Lifecycle,
    LifecycleRule,
    Logging,
    Referer,
    StaticCredentials,
    Website,
    blocking,
)
from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(__file__).parent / "ali_oss"
TIMEOUT = 200.0
PART = 100 * 1024
KEY = "dir/文件 +%.bin"
META = {"by": "python", "of-two": "words here"}
TAGS = {"kind": "test", "a b": "c/d"}


def written() -> Iterator[object]:
    """What the scripts judge: the sentences, marked with the operations that each asks for."""
    judgement = re.compile(r'^judge\(\s*"([^"]*)",\s*"([^"]*)",', re.MULTILINE)
    for script in sorted(SCRIPTS.glob("*.js")):
        for operations, sentence in judgement.findall(script.read_text()):
            marks = [pytest.mark.judges(*operations.split())] if operations else []
            yield pytest.param(sentence, marks=marks)


def pattern(size: int) -> bytes:
    """What `bytes` of `judge.js` makes, too."""
    return bytes((index * 7 + (index >> 8)) % 251 for index in range(size))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of each judgement, by its sentence: nothing, or what was wrong; and a *client* of ours beside it."""

    errors: dict[str, str] = field(repr=False)
    client: blocking.Client
    said: str = field(repr=False)


@pytest.fixture(autouse=True)
def _asked() -> None:
    """Each judgement asks the server by itself whether it was asked for what its test is marked with."""


@pytest.fixture(scope="module", params=["V1", "V4"])
def verdicts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """Let ali-oss judge a server on which our client was before, with the signature of the parameter."""
    node = shutil.which("node")
    if node is None or not (SCRIPTS / "node_modules" / "ali-oss").is_dir():
        pytest.skip("ali-oss is not installed: run scripts/install")
    directory = tmp_path_factory.mktemp("ali-oss")
    options = AppOptions(introspect=True, image_hosts=("thumbnail.example.com=pictures",))
    with ExitStack() as stack:
        server = stack.enter_context(ThreadedServer(directory / "one", options=options))
        second = stack.enter_context(ThreadedServer(directory / "two", options=options))
        endpoint = Endpoint.parse(server.url, region="cn-hangzhou")
        client = stack.enter_context(blocking.Client(endpoint, StaticCredentials("ak", "sk")))
        leave_objects(client, directory)
        leave_settings(client)
        photo = leave_pictures(client, directory)
        settings = {
            "url": server.url,
            "second": second.url,
            "signature": request.param,
            "directory": str(directory),
            "photo": str(photo),
        }
        run = subprocess.run(
            [node, str(SCRIPTS / "run.js")],
            env={**os.environ, "JUDGE": json.dumps(settings)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        errors = {line["sentence"]: line["error"] for line in lines}
        yield Verdicts(errors, client, run.stderr)


def leave_objects(client: blocking.Client, directory: Path) -> None:
    """Put objects of every kind into the bucket "from-python", and make "from-node" for those that come back."""
    client.put_bucket("from-node")
    client.put_bucket("from-python")
    bucket = client.bucket("from-python")
    headers = {"cache-control": "no-cache", "x-oss-storage-class": "IA"}
    bucket.put_object(KEY, pattern(70000), headers=headers, meta=META, content_type="text/x-python")
    bucket.put_object_tagging(KEY, TAGS)
    bucket.put_object_acl(KEY, "public-read")
    bucket.copy("copy", KEY)
    bucket.put_symlink("link", KEY)
    source = directory / "source"
    source.write_bytes(pattern(3 * PART + 1))
    bucket.upload_file("multipart", source, part_size=PART)
    bucket.append_object("appended", 0, b"one,")
    bucket.append_object("appended", 4, b"two")
    bucket.upload_part("unfinished", bucket.initiate_multipart_upload("unfinished"), 1, pattern(PART))


LIFECYCLE = Lifecycle(rules=(LifecycleRule(id="old & <gone>", prefix="logs/", expiration=Expiration(days=7)),))
CORS_RULES = CORS(
    rules=(
        CORSRule(
            allowed_origins=("http://example.com",),
            allowed_methods=("GET", "PUT"),
            allowed_headers=("*",),
            max_age_seconds=60,
        ),
    )
)
REFERER = Referer(allow_empty=True, referers=("http://*.example.com",))


def leave_settings(client: blocking.Client) -> None:
    """Set for the bucket "from-python" what can be set for one."""
    bucket = client.bucket("from-python")
    bucket.put_bucket_lifecycle(LIFECYCLE)
    bucket.put_bucket_cors(CORS_RULES)
    bucket.put_bucket_referer(REFERER)
    bucket.put_bucket_website(Website(index="index.html", error="error.html"))
    bucket.put_bucket_logging(Logging("from-python", "logs/"))


def leave_pictures(client: blocking.Client, directory: Path) -> Path:
    """Put two pictures into the bucket "pictures", and return the path of the photo."""
    client.put_bucket("pictures")
    bucket = client.bucket("pictures")
    image, plain, photo = Image.new("RGB", (80, 40), "red"), BytesIO(), directory / "photo.jpg"
    image.save(plain, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 1  # Orientation: the right way up
    image.save(photo, "JPEG", exif=exif)
    bucket.put_object("plain.png", plain.getvalue())
    bucket.put_object("photo.jpg", photo)
    bucket.put_object("not-a-picture", b"text")
    return photo


@pytest.mark.parametrize("sentence", list(written()))
def test_ali_oss_sees_that(verdicts: Verdicts, sentence: str) -> None:
    error = verdicts.errors.get(sentence, f"never judged; node said:\n{verdicts.said}")
    if error:
        pytest.fail(error, pytrace=False)


def test_objects_of_ali_oss_are_what_they_are_for_our_client(verdicts: Verdicts) -> None:
    bucket = verdicts.client.bucket("from-node")

    head, body = bucket.get_object(KEY)

    assert bytes(body) == pattern(70000)
    assert (head.content_type, head.storage_class, head.headers["cache-control"]) == ("text/x-node", "IA", "no-cache")
    assert dict(head.meta) == {"by": "node", "of-two": "words here"}
    assert bucket.get_object_tagging(KEY) == TAGS
    assert bucket.get_object_acl(KEY) == "public-read"
    for key in ("copy", "link"):
        assert bytes(bucket.get_object(key)[1]) == pattern(70000)
    assert bucket.get_symlink("link").target == KEY
    head, body = bucket.get_object("multipart")
    assert (head.type, head.etag[-2:], bytes(body)) == ("Multipart", "-4", pattern(3 * PART + 1))
    head, body = bucket.get_object("appended")
    assert (head.type, bytes(body)) == ("Appendable", b"one,two")
    assert bucket.append_object("appended", 7, b",three").next_position == 13


def test_our_client_goes_on_with_an_upload_of_ali_oss(verdicts: Verdicts) -> None:
    bucket = verdicts.client.bucket("from-node")

    (upload,) = bucket.iter_multipart_uploads()
    parts = list(bucket.iter_parts(upload.key, upload.upload_id))
    bucket.complete_multipart_upload(upload.key, upload.upload_id, parts)

    assert bytes(bucket.get_object("unfinished")[1]) == pattern(PART)


def test_settings_of_ali_oss_are_what_they_are_for_our_client(verdicts: Verdicts) -> None:
    bucket = verdicts.client.bucket("from-node")

    assert bucket.get_bucket_lifecycle().rules == (
        LifecycleRule(id="old", prefix="logs/", expiration=Expiration(days=7)),
    )
    assert bucket.get_bucket_cors() == CORS_RULES
    assert bucket.get_bucket_referer() == REFERER
    assert bucket.get_bucket_website() == Website(index="index.html", error="error.html")
    assert bucket.get_bucket_logging() == Logging("from-node", "logs/")
    assert bucket.get_bucket_versioning() == "Enabled"
    assert bucket.get_bucket_acl() == "public-read"
