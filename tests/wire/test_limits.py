"""Every limit, on both of its sides."""

from __future__ import annotations

import pytest

from ossmount.wire import buckets, limits, listing, multipart, objects, tagging
from ossmount.wire.errors import OSSError, OutOfLimits
from ossmount.wire.limits import check
from ossmount.wire.message import Headers, Request

GOOD = [
    objects.head_object("abc", "k" * 1023),
    objects.head_object("a" * 63, "ü" * 511),
    objects.put_object("abc", "k", b"", meta={"a": "x" * 8191}),
    objects.put_object("abc", "k", b"", headers={"x-oss-storage-class": "IA", "x-oss-object-acl": "default"}),
    objects.put_object("abc", "k", b"", headers={"x-oss-tagging": "&".join(f"k{n}=v" for n in range(10))}),
    objects.append_object("abc", "k", 0, b""),
    listing.list_objects("abc", max_keys=1, prefix="p" * 1023),
    listing.list_objects("abc", max_keys=1000),
    multipart.upload_part("abc", "k", "id", 10_000, b""),
    buckets.put_bucket("abc", acl="private"),
    Request("GET", "abc", "k", headers=Headers({"x-oss-traffic-limit": "819200"})),
]
BAD = [
    (objects.head_object("ab", "k"), "3 to 63"),
    (objects.head_object("a" * 64, "k"), "3 to 63"),
    (objects.head_object("-bc", "k"), "3 to 63"),
    (objects.head_object("ABC", "k"), "3 to 63"),
    (objects.head_object("abc", "k" * 1024), "1024 bytes in UTF-8, at most 1023"),
    (objects.head_object("abc", "ü" * 512), "at most 1023"),
    (objects.head_object("abc", "/k"), "1 to 1023"),
    (objects.head_object("abc", "\\k"), "1 to 1023"),
    (objects.put_object("abc", "k", b"", meta={"a": "x" * 8192}), "8193 bytes, at most 8192"),
    (objects.put_object("abc", "k", b"", headers={"x-oss-storage-class": "Warm"}), "Standard, IA"),
    (objects.put_object("abc", "k", b"", headers={"x-oss-object-acl": "open"}), "default, private"),
    (objects.put_object("abc", "k", b"", headers={"x-oss-callback": "x" * 5121}), "at most 5120"),
    (
        objects.put_object("abc", "k", b"", headers={"x-oss-tagging": "&".join(f"k{n}=v" for n in range(11))}),
        "at most 10",
    ),
    (objects.put_object("abc", "k", b"", headers={"x-oss-tagging": "k" * 129}), "1 to 128"),
    (objects.append_object("abc", "k", -1, b""), "from 0"),
    (listing.list_objects("abc", max_keys=0), "1 to 1000"),
    (listing.list_objects("abc", max_keys=1001), "1 to 1000"),
    (listing.list_objects("abc", prefix="p" * 1024), "at most 1023"),
    (multipart.list_parts("abc", "k", "id", max_parts=1001), "1 to 1000"),
    (multipart.upload_part("abc", "k", "id", 0, b""), "1 to 10000"),
    (multipart.upload_part("abc", "k", "id", 10_001, b""), "1 to 10000"),
    (buckets.put_bucket("abc", acl="default"), "private, public-read"),
    (Request("GET", "abc", "k", headers=Headers({"x-oss-traffic-limit": "1"})), "819200 to 838860800"),
]


@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_what_is_within_the_limits_passes(request_: Request) -> None:
    check(request_)


@pytest.mark.parametrize(("request_", "limit"), BAD, ids=range(len(BAD)))
def test_what_is_not_is_refused_with_the_limit(request_: Request, limit: str) -> None:
    with pytest.raises(OutOfLimits, match=limit) as caught:
        check(request_)
    # Programs may take it for either.
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, OSSError)
    assert not caught.value.transient


def test_bodies_and_parts_have_sizes() -> None:
    limits.check_body(5 * limits.GIB)
    limits.check_part_size(100 * 1024, 10_000 * 100 * 1024)
    for arguments in ((100 * 1024 - 1,), (5 * limits.GIB + 1,), (100 * 1024, 10_000 * 100 * 1024 + 1)):
        with pytest.raises(OutOfLimits):
            limits.check_part_size(*arguments)
    with pytest.raises(OutOfLimits, match="5 GiB"):
        limits.check_body(5 * limits.GIB + 1)


def test_documents_are_checked_where_they_are_written() -> None:
    with pytest.raises(OutOfLimits, match="at most 10"):
        tagging.put_object_tagging("abc", "k", {f"k{n}": "v" for n in range(11)})
    with pytest.raises(OutOfLimits, match="Standard, IA"):
        buckets.put_bucket("abc", storage_class="Warm")
    with pytest.raises(OutOfLimits, match="LRS, ZRS"):
        buckets.put_bucket("abc", data_redundancy_type="RAID")
    with pytest.raises(OutOfLimits, match="content-type"):
        objects.get_object("abc", "k", response={"x-evil": "1"})
