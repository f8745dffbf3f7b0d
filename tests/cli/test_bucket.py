"""Buckets and their settings, as a person handles them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

OSS = Callable[..., Result]


def test_a_bucket_is_made_shown_listed_and_removed(oss: OSS) -> None:
    oss("bucket", "create", "oss://another", "--acl", "public-read", "--storage-class", "IA")

    assert "oss://another" in oss("bucket", "ls").stdout
    assert oss("bucket", "ls", "ano").stdout.count("oss://") == 1
    assert oss("bucket", "ls", "oss://ano").stdout.count("oss://") == 1
    [listed] = json.loads(oss("bucket", "ls", "ano", "--json").stdout)
    assert (listed["name"], listed["storage_class"]) == ("another", "IA")
    shown = oss("bucket", "info", "another").stdout
    assert "public-read" in shown
    assert json.loads(oss("bucket", "info", "another", "--json").stdout)["acl"] == "public-read"
    oss("bucket", "rm", "another")
    assert "another" not in oss("bucket", "ls").stdout


def test_what_is_in_a_bucket_is_counted(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/key", stdin=b"12345")

    assert json.loads(oss("bucket", "stat", "bucket", "--json").stdout)["storage"] == 5
    assert "5 B" in oss("bucket", "stat", "bucket").stdout


def test_a_bucket_that_is_not_empty_stays_and_the_remedy_is_said(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/key", stdin=b"x")

    said = oss("bucket", "rm", "bucket", status=1).stderr
    assert said.startswith("ossmount: BucketNotEmpty (409): ")
    assert "request id" in said
    assert "Remedy: delete its objects" in said
    assert said.count("\n") == 1


def test_the_acl_is_shown_and_set(oss: OSS) -> None:
    assert oss("bucket", "acl", "bucket").stdout == "private\n"
    oss("bucket", "acl", "bucket", "public-read-write")
    assert oss("bucket", "acl", "bucket").stdout == "public-read-write\n"
    oss("bucket", "acl", "bucket", "everybody", status=2)


@pytest.mark.parametrize(
    ("what", "options", "expected"),
    [
        (
            "logging",
            ["--target", "bucket", "--prefix", "log/"],
            {"target_bucket": "bucket", "target_prefix": "log/"},
        ),
        ("website", ["--index", "index.html", "--error", "404.html"], {"index": "index.html", "error": "404.html"}),
        (
            "referer",
            ["--allow", "https://*.example.com", "--allow", "https://example.com", "--no-empty"],
            {"allow_empty": False, "referers": ["https://*.example.com", "https://example.com"]},
        ),
        (
            "lifecycle",
            ["--id", "one", "--prefix", "tmp/", "--expire-days", "9", "--transition", "IA:3", "--abort-days", "2"],
            {
                "rules": [
                    {
                        "id": "one",
                        "prefix": "tmp/",
                        "status": "Enabled",
                        "expiration": {"days": 9},
                        "transitions": [{"storage_class": "IA", "days": 3}],
                        "abort_multipart_upload": {"days": 2},
                    }
                ]
            },
        ),
        (
            "cors",
            ["--origin", "https://example.com", "--method", "GET", "--method", "HEAD", "--max-age", "60"],
            {
                "rules": [
                    {
                        "allowed_origins": ["https://example.com"],
                        "allowed_methods": ["GET", "HEAD"],
                        "max_age_seconds": 60,
                    }
                ]
            },
        ),
    ],
)
def test_a_configuration_is_set_printed_set_from_what_was_printed_and_removed(
    oss: OSS, tmp_path: Path, what: str, options: list[str], expected: dict[str, object]
) -> None:
    oss("bucket", what, "bucket", *options)

    printed = oss("bucket", what, "bucket").stdout
    found = json.loads(printed)
    assert {name: found[name] for name in expected} == expected
    assert oss("bucket", what, "bucket", "--json").stdout == printed

    oss("bucket", what, "bucket", "--delete")
    gone = oss("bucket", what, "bucket", status=0 if what in ("logging", "referer") else 1)
    assert gone.stdout != printed

    file = tmp_path / "said.json"
    file.write_text(printed)
    oss("bucket", what, "bucket", "--json", file)
    assert oss("bucket", what, "bucket").stdout == printed
    oss("bucket", what, "bucket", "--json", "-", stdin=printed.encode())
    assert oss("bucket", what, "bucket").stdout == printed


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["cors", "bucket", "--origin", "*", "--delete"], "exclude each other"),
        (["cors", "bucket", "--json", "FILE"], "no JSON"),
        (["lifecycle", "bucket", "--transition", "IA"], "CLASS:DAYS"),
        (["logging", "bucket", "--prefix", "x"], "--target"),
        (["info", "Bad_Name"], "no bucket name"),
        (["info", "bucket/key"], "names an object"),
        (["rm"], "Missing argument"),
        (["frobnicate"], "No such command"),
        (["info", "bucket", "--endpoint", "ftp://x"], "not an endpoint"),
    ],
)
def test_wrong_usage_is_status_2_and_asks_nothing(
    oss: OSS, oss_server: object, tmp_path: Path, args: list[str], complaint: str
) -> None:
    (tmp_path / "FILE").write_text("no json")

    said = oss("bucket", *(str(tmp_path / "FILE") if word == "FILE" else word for word in args), status=2).stderr

    assert complaint in said
    assert oss_server.count() == 0  # type: ignore[attr-defined]


def test_json_that_is_no_such_configuration_says_where(oss: OSS) -> None:
    said = oss("bucket", "cors", "bucket", "--json", "-", status=2, stdin=b'{"rules": [{"origins": ["*"]}]}').stderr

    assert "CORS.rules[0]" in said
