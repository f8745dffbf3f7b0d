"""Time passes: lifecycles, access logs and restorations, by a clock that is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import httpx
import pytest

from ossmount.server.expiry import DAY, colder, fits, is_due, midnight_after
from ossmount.server.records import BucketRecord
from ossmount.wire.lifecycle import LifecycleRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ossmount.server.threaded import ThreadedServer
    from tests.server.conftest import Clock

    Refused = Callable[[httpx.Response], tuple[int, str]]


@pytest.mark.parametrize(
    ("modified", "now", "due"),
    [
        (0, DAY - 1, False),
        (0, DAY, True),
        (1, DAY + 1, False),
        (1, 2 * DAY - 1, False),
        (1, 2 * DAY, True),
    ],
)
def test_days_are_whole_and_end_at_midnight(modified: float, now: float, due: bool) -> None:
    assert is_due(modified, now, days=1, before=None) is due


def test_dates_mean_what_was_before_them_or_all_from_them_on() -> None:
    assert is_due(5, 7, days=None, before=6)
    assert not is_due(6, 7, days=None, before=6)
    assert is_due(5, 7, days=None, before=None, date=7)
    assert not is_due(5, 6, days=None, before=None, date=7)
    assert not is_due(5, 7, days=None, before=None)
    assert [midnight_after(time) for time in (0, 1, DAY)] == [0, DAY, DAY]
    assert colder("Archive", "IA")
    assert not colder("Standard", "IA")


def test_a_rule_is_about_prefix_tags_and_size_but_for_exceptions() -> None:
    def rule(**said: object) -> LifecycleRule:
        return LifecycleRule(prefix="a/", tags={"k": "v"}, filter=dict(said))

    assert fits(rule(), "a/b", {"k": "v", "other": ""}, 1)
    assert not fits(rule(), "b", {"k": "v"}, 1)
    assert not fits(rule(), "a/b", {"k": "w"}, 1)
    assert not fits(rule(ObjectSizeGreaterThan="1"), "a/b", {"k": "v"}, 1)
    assert not fits(rule(ObjectSizeLessThan="1"), "a/b", {"k": "v"}, 1)
    assert not fits(rule(Not={"Prefix": "a/b"}), "a/b", {"k": "v"}, 1)
    assert fits(rule(Not={"Prefix": "a/b", "Tag": {"Key": "k", "Value": "w"}}), "a/b", {"k": "v"}, 1)
    assert not fits(rule(Not=[{"Prefix": "x"}, {"Prefix": "a/b"}]), "a/b", {"k": "v"}, 1)


def keys(client: httpx.Client) -> list[str | None]:
    """Return the keys of the bucket."""
    return [key.text for key in ElementTree.fromstring(client.get("/bucket/").content).iterfind("Contents/Key")]


def set_rules(client: httpx.Client, *rules: str) -> None:
    """Give the bucket a lifecycle."""
    wrapped = "".join(f"<Rule>{rule}<Status>Enabled</Status></Rule>" for rule in rules)
    answer = client.put("/bucket/?lifecycle", content=f"<LifecycleConfiguration>{wrapped}</LifecycleConfiguration>")
    assert answer.status_code == 200, answer.text


def test_objects_expire_at_midnight_after_their_days(turned: httpx.Client, clock: Clock) -> None:
    for key in ("tmp/a", "tmp/tagged", "kept"):
        turned.put(f"/bucket/{key}", content=b"x")
    set_rules(turned, "<ID>r 1</ID><Prefix>tmp/</Prefix><Expiration><Days>2</Days></Expiration>")

    told = turned.head("/bucket/tmp/a").headers["x-oss-expiration"]
    assert told == 'expiry-date="Mon, 18 Jan 2027 00:00:00 GMT", rule-id="r%201"'
    assert "x-oss-expiration" not in turned.head("/bucket/kept").headers
    clock.turn(days=2)
    assert len(keys(turned)) == 3
    clock.turn(hours=16)
    assert keys(turned) == ["kept"]
    assert turned.get("/bucket/tmp/a").status_code == 404


def test_a_rule_that_is_switched_off_does_nothing(turned: httpx.Client, clock: Clock) -> None:
    turned.put("/bucket/a", content=b"x")
    turned.put(
        "/bucket/?lifecycle",
        content="<LifecycleConfiguration><Rule><Prefix/><Status>Disabled</Status><Expiration><Days>1</Days></Expiration>"
        "</Rule></LifecycleConfiguration>",
    )
    clock.turn(days=10)
    assert keys(turned) == ["a"]


def test_objects_move_to_colder_classes_and_stay_as_old_as_they_are(turned: httpx.Client, clock: Clock) -> None:
    turned.put("/bucket/a", content=b"x")
    before = turned.head("/bucket/a").headers["last-modified"]
    set_rules(
        turned,
        "<Prefix/><Transition><Days>1</Days><StorageClass>IA</StorageClass></Transition>"
        "<Transition><Days>5</Days><StorageClass>Archive</StorageClass></Transition>",
        "<Prefix>a</Prefix><Transition><Days>1</Days><StorageClass>ColdArchive</StorageClass>"
        "<IsAccessTime>true</IsAccessTime></Transition>",
    )
    seen = []
    for _ in range(7):
        clock.turn(days=1)
        head = turned.head("/bucket/a").headers
        seen.append(head["x-oss-storage-class"])
        assert head["last-modified"] == before
    assert seen == ["Standard", "IA", "IA", "IA", "IA", "Archive", "Archive"]


def test_uploads_that_nobody_completes_are_given_up(turned: httpx.Client, clock: Clock) -> None:
    turned.post("/bucket/a?uploads")
    turned.post("/bucket/b?uploads")
    set_rules(turned, "<Prefix>a</Prefix><AbortMultipartUpload><Days>1</Days></AbortMultipartUpload>")
    clock.turn(days=2)

    listing = turned.get("/bucket/?uploads").content
    assert [key.text for key in ElementTree.fromstring(listing).iterfind("Upload/Key")] == ["b"]


def test_versions_and_their_markers_expire(turned: httpx.Client, clock: Clock, turned_server: ThreadedServer) -> None:
    turned.put(
        "/bucket/?versioning", content="<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    )
    for body in (b"1", b"2", b"3"):
        turned.put("/bucket/a", content=body)
    turned.put("/bucket/b", content=b"b")
    set_rules(
        turned,
        "<Prefix/><Expiration><Days>10</Days></Expiration>"
        "<NoncurrentVersionExpiration><NoncurrentDays>4</NoncurrentDays></NoncurrentVersionExpiration>"
        "<NoncurrentVersionTransition><NoncurrentDays>2</NoncurrentDays><StorageClass>IA</StorageClass>"
        "</NoncurrentVersionTransition>",
        "<Prefix>none</Prefix><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
    )

    def versions() -> list[tuple[str, str]]:
        root = ElementTree.fromstring(turned.get("/bucket/?versions").content)
        entries = [entry for entry in root if entry.tag in ("Version", "DeleteMarker")]
        return [(entry.findtext("Key") or "", entry.findtext("StorageClass") or entry.tag) for entry in entries]

    assert versions() == [("a", "Standard")] * 3 + [("b", "Standard")]
    clock.turn(days=3)
    assert versions() == [("a", "Standard"), ("a", "IA"), ("a", "IA"), ("b", "Standard")]
    clock.turn(days=2)
    assert versions() == [("a", "Standard"), ("b", "Standard")]
    clock.turn(days=6)
    assert versions() == [("a", "DeleteMarker"), ("a", "Standard"), ("b", "DeleteMarker"), ("b", "Standard")]
    clock.turn(days=5)
    # The versions below went, and the markers that hide nothing with their rule of days.
    clock.turn(days=12)
    assert versions() == []
    bucket = turned_server.store.bucket("bucket")
    assert isinstance(bucket, BucketRecord)
    assert turned_server.store.is_empty(bucket)
    assert turned_server.store.usage(bucket).count == 0


# Logs

LOGGING = (
    "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>of/</TargetPrefix>"
    "</LoggingEnabled></BucketLoggingStatus>"
)


def test_requests_are_logged_into_the_target_bucket_every_hour(
    turned: httpx.Client, anybody: httpx.Client, turned_server: ThreadedServer, clock: Clock
) -> None:
    turned_server.store.put_bucket("logs")
    turned.put("/bucket/?logging", content=LOGGING)
    clock.turn(seconds=90)
    turned.put("/bucket/a b", content=b"12345", headers={"user-agent": 'a "client"'})
    anybody.get("/bucket/a%20b", headers={"referer": "http://page.example/"})
    clock.turn(hours=1)
    listing = ElementTree.fromstring(turned.get("/logs/").content)
    (key,) = (entry.text or "" for entry in listing.iterfind("Contents/Key"))

    assert key.startswith("of/bucket2027-01-15-09-00-00-")
    lines = turned.get(f"/logs/{key}").text.splitlines()
    put, get = lines[-2:]
    assert put.startswith("127.0.0.1 - - [15/Jan/2027:08:01:30 +0000]")
    assert '"PUT /a%20b HTTP/1.1" 200 0' in put
    assert '"a %22client%22"' in put
    assert '"ak" "PutObject" "bucket" "a b" 5' in put
    assert " 403 " in get
    assert '"http://page.example/"' in get
    assert '"AccessDenied"' in get


def test_logs_are_written_when_the_server_ends_and_lost_with_their_bucket(
    turned: httpx.Client, turned_server: ThreadedServer, clock: Clock
) -> None:
    turned_server.store.put_bucket("logs")
    turned.put("/bucket/?logging", content=LOGGING)
    turned.put("/bucket/a", content=b"x")
    turned_server.app.close()
    assert len(ElementTree.fromstring(turned.get("/logs/").content).findall("Contents")) == 1

    turned.put("/bucket/?logging", content=LOGGING.replace("logs", "bucket"))
    turned.put("/bucket/b", content=b"x")
    turned.delete("/bucket/?logging")
    clock.turn(hours=2)
    assert keys(turned) == ["a", "b"]


# Archives


@pytest.mark.parametrize(
    ("storage_class", "tier", "hours"),
    [
        ("Archive", "", 1 / 60),
        ("ColdArchive", "", 5),
        ("ColdArchive", "Expedited", 1),
        ("ColdArchive", "Bulk", 12),
        ("DeepColdArchive", "Expedited", 12),
        ("DeepColdArchive", "Standard", 48),
    ],
)
def test_an_archived_object_is_restored_for_some_days(
    turned: httpx.Client, refused: Refused, clock: Clock, storage_class: str, tier: str, hours: float
) -> None:
    turned.put("/bucket/a", content=b"cold", headers={"x-oss-storage-class": storage_class})
    job = f"<JobParameters><Tier>{tier}</Tier></JobParameters>" if tier else ""
    body = f"<RestoreRequest><Days>2</Days>{job}</RestoreRequest>"

    assert refused(turned.get("/bucket/a")) == (403, "InvalidObjectState")
    assert "x-oss-restore" not in turned.head("/bucket/a").headers
    assert turned.post("/bucket/a?restore", content=body).status_code == 202
    assert refused(turned.post("/bucket/a?restore", content=body)) == (409, "RestoreAlreadyInProgress")
    assert turned.head("/bucket/a").headers["x-oss-restore"] == 'ongoing-request="true"'
    assert refused(turned.get("/bucket/a")) == (403, "InvalidObjectState")
    clock.turn(hours=hours)
    assert turned.get("/bucket/a").content == b"cold"
    assert turned.head("/bucket/a").headers["x-oss-restore"].startswith('ongoing-request="false", expiry-date="')
    assert turned.put("/bucket/copy", headers={"x-oss-copy-source": "/bucket/a"}).status_code == 200
    clock.turn(days=1)
    assert turned.post("/bucket/a?restore", content=body).status_code == 200
    clock.turn(days=1.5)
    assert turned.get("/bucket/a").content == b"cold"
    clock.turn(days=1)
    assert refused(turned.get("/bucket/a")) == (403, "InvalidObjectState")
    assert refused(turned.put("/bucket/copy", headers={"x-oss-copy-source": "/bucket/a"})) == (
        403,
        "InvalidObjectState",
    )


def test_listings_tell_how_far_a_restoration_is(turned: httpx.Client, clock: Clock) -> None:
    status = "<Status>Enabled</Status>"
    turned.put("/bucket/?versioning", content=f"<VersioningConfiguration>{status}</VersioningConfiguration>")
    for data in (b"colder", b"cold"):
        turned.put("/bucket/a", content=data, headers={"x-oss-storage-class": "Archive"})
        turned.put("/bucket/b", content=b"warm")

    def told(query: str) -> list[str | None]:
        root = ElementTree.fromstring(turned.get(f"/bucket/?{query}").content)
        return [element.text for element in root.iter("RestoreInfo")]

    assert [told(query) for query in ("", "list-type=2", "versions")] == [[], [], []]
    turned.post("/bucket/a?restore")
    for state in ("true", "false"):
        said = turned.head("/bucket/a").headers["x-oss-restore"]
        assert said.startswith(f'ongoing-request="{state}"')
        assert [told(query) for query in ("", "list-type=2", "versions")] == [[said], [said], [said]]
        clock.turn(seconds=61)


def test_what_is_written_over_is_to_be_restored_anew(turned: httpx.Client, refused: Refused, clock: Clock) -> None:
    cold = {"x-oss-storage-class": "Archive"}
    turned.put("/bucket/a", content=b"cold", headers=cold)
    turned.post("/bucket/a?restore")
    clock.turn(hours=1)
    assert turned.get("/bucket/a").status_code == 200
    turned.put("/bucket/a", content=b"cold", headers=cold)
    assert refused(turned.get("/bucket/a")) == (403, "InvalidObjectState")


def test_a_restoration_is_of_one_object(turned: httpx.Client, refused: Refused, clock: Clock) -> None:
    cold = {"x-oss-storage-class": "Archive"}
    for key, data in (("empty", b""), ("other", b""), ("full", b"x")):
        turned.put(f"/bucket/{key}", content=data, headers=cold)
    for key in ("empty", "full"):
        turned.post(f"/bucket/{key}?restore")
    clock.turn(seconds=61)
    turned.put("/bucket/copy", headers={"x-oss-copy-source": "/bucket/full", **cold})

    assert [turned.get(f"/bucket/{key}").status_code for key in ("empty", "full")] == [200, 200]
    for key in ("other", "copy"):
        assert refused(turned.get(f"/bucket/{key}")) == (403, "InvalidObjectState")


def test_restorations_that_are_refused(turned: httpx.Client, anybody: httpx.Client, refused: Refused) -> None:
    turned.put("/bucket/warm", content=b"x")
    turned.put("/bucket/cold", content=b"x", headers={"x-oss-storage-class": "ColdArchive"})

    assert refused(turned.post("/bucket/warm?restore")) == (400, "OperationNotSupported")
    assert refused(turned.post("/bucket/missing?restore")) == (404, "NoSuchKey")
    assert refused(turned.post("/bucket/cold?restore", content=b"<x/>")) == (400, "MalformedXML")
    bad = "<RestoreRequest><Days>0</Days></RestoreRequest>"
    assert refused(turned.post("/bucket/cold?restore", content=bad)) == (400, "InvalidArgument")
    bad = "<RestoreRequest><Days>1</Days><JobParameters><Tier>Now</Tier></JobParameters></RestoreRequest>"
    assert refused(turned.post("/bucket/cold?restore", content=bad)) == (400, "InvalidArgument")
    assert refused(anybody.post("/bucket/cold?restore")) == (403, "AccessDenied")
