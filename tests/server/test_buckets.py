from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from ossmount.server.threaded import ThreadedServer

    Refused = Callable[[httpx.Response], tuple[int, str]]


def configuration(**fields: str) -> bytes:
    rows = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<CreateBucketConfiguration>{rows}</CreateBucketConfiguration>".encode()


def test_a_bucket_is_made_as_asked(signed: httpx.Client, refused: Refused) -> None:
    body = configuration(StorageClass="IA", DataRedundancyType="ZRS", LocationConstraint="oss-cn-hangzhou")
    answer = signed.put("/made/", content=body, headers={"x-oss-acl": "public-read"})
    assert (answer.status_code, answer.headers["location"]) == (200, "/made")

    info = ElementTree.fromstring(signed.get("/made/?bucketInfo").content)
    found = [
        info.findtext(f"Bucket/{name}") for name in ("StorageClass", "DataRedundancyType", "AccessControlList/Grant")
    ]
    assert found == ["IA", "ZRS", "public-read"]
    signed.put("/made/a", content=b"")
    assert signed.head("/made/a").headers["x-oss-storage-class"] == "IA"
    assert refused(signed.put("/made/", content=configuration(StorageClass="Standard"))) == (409, "BucketAlreadyExists")
    assert signed.put("/made/").status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"nonsense", {}, "MalformedXML"),
        (configuration(StorageClass="Golden"), {}, "InvalidArgument"),
        (configuration(DataRedundancyType="Golden"), {}, "InvalidArgument"),
        (configuration(LocationConstraint="oss-moon"), {}, "InvalidLocationConstraint"),
        (b"", {"x-oss-acl": "everybody"}, "InvalidArgument"),
    ],
)
def test_buckets_that_oss_does_not_make(
    signed: httpx.Client, refused: Refused, body: bytes, headers: dict[str, str], code: str
) -> None:
    assert refused(signed.put("/made/", content=body, headers=headers)) == (400, code)
    assert refused(signed.get("/made/")) == (404, "NoSuchBucket")


def test_an_account_has_so_many_buckets(
    signed: httpx.Client, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossmount.server.buckets.MAX_BUCKETS", 2)
    signed.put("/second/")

    assert refused(signed.put("/third/")) == (400, "TooManyBuckets")
    assert signed.put("/second/").status_code == 200


def test_a_bucket_says_there_are_no_versions_and_no_live_channels(signed: httpx.Client) -> None:
    assert not list(ElementTree.fromstring(signed.get("/bucket/?versioning").content))
    assert ElementTree.fromstring(signed.get("/bucket/?live").content).findtext("IsTruncated") == "false"


def delete(signed: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    digest = {"content-md5": b64encode(md5(body).digest()).decode()}
    return signed.post("/bucket/?delete", content=body, headers={**digest, **headers})


def document(count: int, quiet: str = "false") -> bytes:
    rows = "".join(f"<Object><Key>k{number}</Key></Object>" for number in range(count))
    return f"<Delete><Quiet>{quiet}</Quiet>{rows}</Delete>".encode()


def test_a_thousand_keys_go_at_once(oss_server: ThreadedServer, signed: httpx.Client) -> None:
    signed.put("/bucket/k1", content=b"")
    told = ElementTree.fromstring(delete(signed, document(1000)).content)

    assert len(told.findall("Deleted/Key")) == 1000
    assert oss_server.store.usage(oss_server.store.buckets()[0]).count == 0


def test_a_quiet_deletion_says_nothing(signed: httpx.Client) -> None:
    answer = delete(signed, document(2, "true"))

    assert (answer.status_code, answer.content) == (200, b"")


def test_deletions_that_oss_refuses(signed: httpx.Client, refused: Refused) -> None:
    signed.put("/bucket/k1", content=b"")

    assert refused(delete(signed, document(1001))) == (400, "MalformedXML")
    assert refused(delete(signed, document(0))) == (400, "MalformedXML")
    assert refused(delete(signed, b"nonsense")) == (400, "MalformedXML")
    assert refused(delete(signed, b"<Delete><Object><Key></Key></Object></Delete>")) == (400, "InvalidArgument")
    wrong = b64encode(md5(b"").digest()).decode()
    assert refused(delete(signed, document(2), **{"content-md5": wrong})) == (400, "InvalidDigest")
    assert refused(signed.post("/bucket/?delete", content=document(2))) == (400, "MissingArgument")
    assert refused(delete(signed, document(1) + b" " * 2 * 1024**2)) == (400, "MalformedXML")
    assert refused(delete(signed, document(1) + b" " * 4 * 1024**2)) == (400, "EntityTooLarge")
    assert signed.head("/bucket/k1").status_code == 200


def test_a_listing_that_goes_on_tells_where(signed: httpx.Client) -> None:
    for key in ("a", "b" * 200, "c"):
        signed.put(f"/bucket/{key}", content=b"")

    page = ElementTree.fromstring(signed.get("/bucket/?list-type=2&max-keys=2&start-after=0").content)
    assert (page.findtext("KeyCount"), page.findtext("StartAfter")) == ("2", "0")
    token = page.findtext("NextContinuationToken") or ""
    page = ElementTree.fromstring(
        signed.get("/bucket/", params={"list-type": "2", "continuation-token": token}).content
    )
    assert [found.text for found in page.iterfind("Contents/Key")] == ["c"]
    assert page.findtext("ContinuationToken") == token
