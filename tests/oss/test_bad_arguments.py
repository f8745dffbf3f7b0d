"""Arguments out of their limits: refused before anything is sent, with the limit in the message."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ossmount.oss import CORS, STS, Callback, Client, CORSRule, ImageClient, Lifecycle, Logging, Referer, Website
from ossmount.oss.credentials import StaticCredentials
from ossmount.wire.errors import OutOfLimits
from ossmount.wire.message import Response
from ossmount.wire.models import PartResult

if TYPE_CHECKING:
    from ossmount.oss import Bucket

LONG = "k" * 1024
GIB = 1024**3
ARN = "acs:ram::1:role/reader"
CORS_RULE = CORSRule(allowed_origins=("*",), allowed_methods=("GET",))

Call = Callable[["Bucket"], Awaitable[object]]


async def stream() -> AsyncIterator[bytes]:
    yield b"x"


async def entries(listing: Any) -> list[Any]:
    return [each async for each in listing]


def part(number: int) -> PartResult:
    return PartResult(number, "E", 1, 0)


# What is refused, and what the message says.
OF_KEYS: list[tuple[Call, str]] = [
    (act, "1 to 1023 bytes")
    for bad in ("", "/k")
    for act in (
        lambda b, bad=bad: b.get_object(bad),
        lambda b, bad=bad: b.open_object(bad).__aenter__(),
        lambda b, bad=bad: b.head_object(bad),
        lambda b, bad=bad: b.get_object_meta(bad),
        lambda b, bad=bad: b.put_object(bad, b""),
        lambda b, bad=bad: b.delete_object(bad),
        lambda b, bad=bad: b.delete_multiple_objects(["k", bad]),
        lambda b, bad=bad: b.delete_multiple_versions([(bad, None)]),
        lambda b, bad=bad: b.append_object(bad, 0, b""),
        lambda b, bad=bad: b.copy_object(bad, "s"),
        lambda b, bad=bad: b.copy_object("k", bad),
        lambda b, bad=bad: b.copy(bad, "s"),
        lambda b, bad=bad: b.copy("k", bad),
        lambda b, bad=bad: b.put_object_meta(bad, {}),
        lambda b, bad=bad: b.put_symlink(bad, "t"),
        lambda b, bad=bad: b.put_symlink("k", bad),
        lambda b, bad=bad: b.get_symlink(bad),
        lambda b, bad=bad: b.put_object_acl(bad, "private"),
        lambda b, bad=bad: b.get_object_acl(bad),
        lambda b, bad=bad: b.put_object_tagging(bad, {}),
        lambda b, bad=bad: b.get_object_tagging(bad),
        lambda b, bad=bad: b.delete_object_tagging(bad),
        lambda b, bad=bad: b.restore_object(bad),
        lambda b, bad=bad: b.presign(bad),
        lambda b, bad=bad: b.initiate_multipart_upload(bad),
        lambda b, bad=bad: b.upload_part(bad, "id", 1, b""),
        lambda b, bad=bad: b.upload_part_copy(bad, "id", 1, "s"),
        lambda b, bad=bad: b.upload_part_copy("k", "id", 1, bad),
        lambda b, bad=bad: b.list_parts(bad, "id"),
        lambda b, bad=bad: b.abort_multipart_upload(bad, "id"),
        lambda b, bad=bad: b.complete_multipart_upload(bad, "id", [part(1)]),
        lambda b, bad=bad: b.upload_file(bad, Path(__file__)),
        lambda b, bad=bad: b.upload_stream(bad, stream()),
        lambda b, bad=bad: b.download_file(bad, Path("/nowhere")),
        lambda b, bad=bad: ImageClient(b).get(bad),
        lambda b, bad=bad: ImageClient(b).get_info(bad),
        lambda b, bad=bad: ImageClient(b).presign(bad),
    )
]
OF_THE_REST: list[tuple[Call, str]] = [
    # Names and markers.
    (lambda b: b.get_object(LONG), "at most 1023"),
    (lambda b: b.get_object("\ud800"), "not a key"),
    (lambda b: b.delete_multiple_objects([LONG]), "at most 1023"),
    (lambda b: b.list_objects(LONG), "prefix .* at most 1023"),
    (lambda b: b.list_objects(marker=LONG), "marker .* at most 1023"),
    (lambda b: b.list_objects(delimiter=LONG), "delimiter .* at most 1023"),
    (lambda b: b.list_objects_v2(start_after=LONG), "start-after .* at most 1023"),
    (lambda b: b.list_object_versions(key_marker=LONG), "key-marker .* at most 1023"),
    (lambda b: b.list_multipart_uploads(key_marker=LONG), "key-marker .* at most 1023"),
    (lambda b: b.client.put_bucket("A_b"), "3 to 63"),
    (lambda b: b.client.delete_bucket("ab"), "3 to 63"),
    (lambda b: b.client.list_buckets(prefix=LONG), "prefix .* at most 1023"),
    (lambda b: b.copy_object("k", "s", source_bucket="A_b"), "3 to 63"),
    # Numbers.
    *(
        (act, "1 to 1000")
        for bad in (0, 1001)
        for act in (
            lambda b, bad=bad: b.client.list_buckets(max_keys=bad),
            lambda b, bad=bad: b.list_objects(max_keys=bad),
            lambda b, bad=bad: b.list_objects_v2(max_keys=bad),
            lambda b, bad=bad: entries(b.iter_objects(max_keys=bad)),
            lambda b, bad=bad: b.list_object_versions(max_keys=bad),
            lambda b, bad=bad: b.list_multipart_uploads(max_uploads=bad),
            lambda b, bad=bad: b.list_parts("k", "id", max_parts=bad),
        )
    ),
    (lambda b: b.list_parts("k", "id", part_number_marker=-1), "0 to 10000"),
    (lambda b: b.get_object("k", start=-1), "at least 1 byte"),
    (lambda b: b.get_object("k", start=5, stop=5), "at least 1 byte"),
    (lambda b: b.upload_part_copy("k", "id", 1, "s", start=5, stop=4), "at least 1 byte"),
    (lambda b: b.upload_part_copy("k", "id", 1, "s", start=0, stop=5 * GIB + 1), "5 GiB"),
    *(
        (act, "1 to 10000")
        for bad in (0, 10_001)
        for act in (
            lambda b, bad=bad: b.upload_part("k", "id", bad, b""),
            lambda b, bad=bad: b.upload_part_copy("k", "id", bad, "s"),
            lambda b, bad=bad: b.complete_multipart_upload("k", "id", [part(bad)]),
        )
    ),
    (lambda b: b.complete_multipart_upload("k", "id", []), "1 to 10000"),
    (lambda b: b.complete_multipart_upload("k", "id", [part(1), part(1)]), "different numbers"),
    (lambda b: b.upload_part("k", "", 1, b""), "at least 1 character"),
    (lambda b: b.list_parts("k", ""), "at least 1 character"),
    # That without an id would be DeleteObject.
    (lambda b: b.abort_multipart_upload("k", ""), "at least 1 character"),
    (lambda b: b.append_object("k", -1, b""), "from 0"),
    (lambda b: b.append_object("k", 5 * GIB, b"x"), "5 GiB"),
    (lambda b: b.put_object("k", stream(), size=5 * GIB + 1), "5 GiB"),
    (lambda b: b.put_object("k", stream(), size=-1), "0 to 5368709120"),
    (lambda b: b.restore_object("k", days=0), "1 to 365"),
    (lambda b: b.restore_object("k", days=366), "1 to 365"),
    (lambda b: b.restore_object("k", tier="Now"), "Expedited, Standard, Bulk"),
    *(
        (act, "1 to 604800 s")
        for bad in (0, 604_801)
        for act in (
            lambda b, bad=bad: b.presign("k", expires=bad),
            lambda b, bad=bad: ImageClient(b).presign("k", expires=bad),
        )
    ),
    (lambda b: b.presign("k", response={"x-evil": "1"}), "content-type"),
    (lambda b: b.presign("k", method="GET /other"), "GET, HEAD, PUT"),
    *(
        (act, "1 to 100")
        for bad in (0, 101)
        for act in (
            lambda b, bad=bad: b.upload_file("k", Path(__file__), parallel=bad),
            lambda b, bad=bad: b.download_file("k", Path("/nowhere"), parallel=bad),
            lambda b, bad=bad: b.copy("k", "s", parallel=bad),
        )
    ),
    *(
        (act, "102400 to 5368709120")
        for bad in (0, 5 * GIB + 1)
        for act in (
            lambda b, bad=bad: b.upload_file("k", Path(__file__), part_size=bad),
            lambda b, bad=bad: b.download_file("k", Path("/nowhere"), part_size=bad),
            lambda b, bad=bad: b.copy("k", "s", part_size=bad),
        )
    ),
    # What goes with an object.
    *(
        (act, "1 or more of a-z, 0-9 and -")
        for bad in ("", "a_b", "a b", "a\r\nb")
        for act in (
            lambda b, bad=bad: b.put_object("k", b"", meta={bad: "x"}),
            lambda b, bad=bad: b.put_object_meta("k", {bad: "x"}),
            lambda b, bad=bad: b.copy("k", "s", meta={bad: "x"}),
            lambda b, bad=bad: b.initiate_multipart_upload("k", meta={bad: "x"}),
        )
    ),
    (lambda b: b.put_object("k", b"", meta={"a": "x" * 8192}), "at most 8192"),
    (lambda b: b.put_object_meta("k", {"a": "x" * 8192}), "at most 8192"),
    (lambda b: b.append_object("k", 0, b"", meta={"a": "x" * 8192}), "at most 8192"),
    (lambda b: b.put_object("k", b"", headers={"x-oss-storage-class": "Warm"}), "Standard, IA"),
    (lambda b: b.put_object("k", b"", headers={"X-OSS-Object-ACL": "open"}), "default, private"),
    (lambda b: b.put_object("k", b"", headers={"x-oss-tagging": "&".join(f"k{n}=v" for n in range(11))}), "at most 10"),
    (lambda b: b.put_object("k", b"", headers={"x-oss-traffic-limit": "1"}), "819200 to 838860800"),
    (lambda b: b.put_object_acl("k", "open"), "default, private"),
    (lambda b: b.put_object_tagging("k", {f"k{n}": "v" for n in range(11)}), "at most 10"),
    (lambda b: b.put_object_tagging("k", {"k" * 129: "v"}), "1 to 128"),
    (lambda b: b.put_object_tagging("k", {"": "v"}), "1 to 128"),
    (lambda b: b.put_object_tagging("k", {"k": "v" * 257}), "up to 256"),
    (lambda b: b.put_object("k", b"", callback=Callback(url="http://a/", body="x" * 6000)), "at most 5120"),
    (lambda b: b.put_object("k", b"", callback=Callback(url="", body="x")), "1 to 5 URLs"),
    # Headers that would end early, and begin another.
    *(
        (act, "header")
        for bad in ("a\r\nx-evil: 1", "a\nb", "a\0b", "中")
        for act in (
            lambda b, bad=bad: b.put_object("k", b"", headers={"cache-control": bad}),
            lambda b, bad=bad: b.put_object("k", b"", headers={bad: "x"}),
            lambda b, bad=bad: b.put_object("k", b"", content_type=bad),
            lambda b, bad=bad: b.get_object("k", if_match=bad),
        )
    ),
    # Of buckets.
    (lambda b: b.put_bucket(acl="default"), "private, public-read"),
    (lambda b: b.put_bucket(storage_class="Warm"), "Standard, IA"),
    (lambda b: b.put_bucket(redundancy="RAID"), "LRS, ZRS"),
    (lambda b: b.put_bucket_acl("default"), "private, public-read"),
    (lambda b: b.put_bucket_versioning("On"), "Enabled, Suspended"),
    (lambda b: b.put_bucket_lifecycle(Lifecycle()), "1 to 1000"),
    (lambda b: b.put_bucket_cors(CORS((CORS_RULE,) * 11)), "1 to 10"),
    (lambda b: b.put_bucket_referer(Referer(referers=("",))), "at least 1"),
    (lambda b: b.put_bucket_logging(Logging("bucket", "p" * 33)), "at most 32"),
    (lambda b: b.put_bucket_website(Website()), "at least 1"),
    (lambda b: b.option_object("k", "", "GET"), "at least 1 character"),
    (lambda b: b.option_object("k", "http://a", "FETCH"), "GET, PUT"),
    (lambda b: b.put_style("", "image/resize,w_1"), "a style has 1 to"),
    (lambda b: b.put_style("s" * 65, "image/resize,w_1"), "a style has 1 to"),
    (lambda b: b.put_style("s", ""), "at least 1 character"),
    (lambda b: b.get_style(""), "a style has 1 to"),
    (lambda b: b.delete_style("s" * 65), "a style has 1 to"),
]
OF_STS: list[tuple[Callable[[STS], Awaitable[object]], str]] = [
    (lambda s: s.assume_role(""), "such as acs:ram::"),
    (lambda s: s.assume_role(ARN, duration=899), "900 to 43200"),
    (lambda s: s.assume_role(ARN, duration=43_201), "900 to 43200"),
    (lambda s: s.assume_role(ARN, "a"), "2 to 64"),
    (lambda s: s.assume_role(ARN, "a" * 65), "2 to 64"),
    (lambda s: s.assume_role(ARN, "a b"), "2 to 64"),
    (lambda s: s.assume_role(ARN, policy="{"), "not valid JSON"),
    (lambda s: s.assume_role(ARN, policy={"a": "x" * 2048}), "at most 2048"),
    (lambda s: s.assume_role(ARN, external_id="x" * 1225), "2 to 1224"),
    (lambda s: s.assume_role_with_oidc(ARN, "", "token"), "at least 1 character"),
    (lambda s: s.assume_role_with_oidc(ARN, "acs:ram::1:oidc-provider/x", ""), "at least 1 character"),
]


@pytest.fixture
def service(scripted: Any) -> Any:
    return scripted(lambda _: Response(500))


@pytest.fixture
def bucket(service: Any, client_of: Callable[[Any], Client]) -> Bucket:
    return client_of(service).bucket("bucket")


@pytest.fixture
def huge(tmp_path: Path) -> Iterator[Path]:
    """A file one byte too long, which takes no place."""
    path = tmp_path / "huge"
    path.touch()
    os.truncate(path, 5 * GIB + 1)
    yield path
    path.unlink()


@pytest.mark.parametrize(("call", "limit"), [*OF_KEYS, *OF_THE_REST], ids=range(len(OF_KEYS) + len(OF_THE_REST)))
async def test_nothing_is_sent_that_oss_would_refuse(bucket: Bucket, service: Any, call: Call, limit: str) -> None:
    with pytest.raises(OutOfLimits, match=limit):
        await call(bucket)
    assert not service.requests


@pytest.mark.parametrize(("call", "limit"), OF_STS, ids=range(len(OF_STS)))
async def test_nothing_is_sent_that_sts_would_refuse(
    service: Any, call: Callable[[STS], Awaitable[object]], limit: str
) -> None:
    sts = STS(StaticCredentials("ak", "sk"), endpoint="http://127.0.0.1", transport=service)
    with pytest.raises(OutOfLimits, match=limit):
        await call(sts)
    assert not service.requests


async def test_no_body_is_too_long(bucket: Bucket, service: Any, huge: Path) -> None:
    with pytest.raises(OutOfLimits, match="5 GiB"):
        await bucket.put_object("k", huge)
    with pytest.raises(OutOfLimits, match="more than 10000 parts"):
        await bucket.upload_file("k", huge, part_size=102_400)
    with (
        huge.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        for call in (
            partial(bucket.put_object, "k", view),
            partial(bucket.upload_part, "k", "id", 1, view),
            partial(bucket.append_object, "k", 0, view),
        ):
            with pytest.raises(OutOfLimits, match="5 GiB"):
                await call()
    assert not service.requests


async def test_a_time_that_is_none_is_refused(bucket: Bucket, service: Any) -> None:
    for time in (float("nan"), float("inf"), 1e30):
        with pytest.raises(ValueError, match="not a time"):
            await bucket.head_object("k", if_modified_since=time)
    assert not service.requests


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda b: b.put_object("k", None), "bytes-like"),
        (lambda b: b.put_object("k", "text"), "bytes-like"),
        (lambda b: b.upload_part("k", "id", 1, None), "bytes-like"),
        (lambda b: b.append_object("k", 0, None), "bytes-like"),
        (lambda b: b.delete_multiple_objects("abc"), r"'abc' is one: write \[key\]"),
        (lambda b: b.put_object("k", b"", meta={"uid": 5}), "uid is 5"),
    ],
    ids=range(6),
)
async def test_what_is_of_another_type_is_never_taken_for_something_else(
    bucket: Bucket, service: Any, call: Call, said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        await call(bucket)
    assert not service.requests


async def test_a_url_is_valid_for_whole_seconds(bucket: Bucket) -> None:
    with pytest.raises(OutOfLimits, match="1 to 604800 s"):
        await bucket.presign("k", expires=0.5)  # type: ignore[arg-type]
    for signature, parameter in (("v1", "Expires"), ("v4", "x-oss-expires")):
        url = await bucket.presign("k", expires=1.5, signature=signature)  # type: ignore[arg-type]
        assert parse_qs(urlsplit(url).query)[parameter][0].isdecimal()
