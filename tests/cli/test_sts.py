"""Whose credentials are used, and temporary ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]
ROLE = "acs:ram::1234567890123456:role/reader"


def test_who_one_is_is_told_without_the_secret(oss: OSS, oss_server: ThreadedServer, tmp_path: Path) -> None:
    said = json.loads(oss("whoami", "--json").stdout)
    assert (said["access_key_id"], said["temporary"], said["endpoint"]) == ("ak", False, oss_server.url)
    assert said["owner_id"]

    (tmp_path / ".passwd-ossfs").write_text("id:hidden\n")
    (tmp_path / ".passwd-ossfs").chmod(0o600)
    oss_server.reset()
    shown = oss("whoami", "--no-check", OSS_ACCESS_KEY_ID="", OSS_ACCESS_KEY_SECRET="").stdout
    assert ".passwd-ossfs" in shown
    assert "hidden" not in shown
    assert oss_server.count() == 0


def test_a_wrong_key_is_told_with_its_remedy(oss: OSS) -> None:
    said = oss("whoami", "--access-key-id", "nobody", "--access-key-secret", "x", status=1).stderr

    assert said.startswith("ossmount: InvalidAccessKeyId (403)")
    assert "Remedy: see which credentials are used" in said


def test_the_credentials_of_a_role_open_the_bucket(oss: OSS, oss_server: ThreadedServer) -> None:
    where = {"OSS_ENDPOINT": "", "OSS_REGION": ""}  # STS is the same everywhere
    said = json.loads(oss("sts", "assume-role", ROLE, "--sts-endpoint", oss_server.url, **where).stdout)
    found = said["Credentials"]
    assert found["Expiration"]

    oss(
        "object",
        "ls",
        "bucket",
        *("--access-key-id", found["AccessKeyId"], "--access-key-secret", found["AccessKeySecret"]),
        *("--security-token", found["SecurityToken"]),
    )


def test_a_shell_can_take_them_over(oss: OSS, oss_server: ThreadedServer) -> None:
    lines = oss("sts", "assume-role", ROLE, "--sts-endpoint", oss_server.url, "--export").stdout.splitlines()

    assert [line.partition("=")[0] for line in lines] == [
        "export OSS_ACCESS_KEY_ID",
        "export OSS_ACCESS_KEY_SECRET",
        "export OSS_SESSION_TOKEN",
    ]
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert json.loads(oss("whoami", "--no-check", "--json", **variables).stdout)["temporary"]


def test_a_duration_out_of_its_limits_is_refused_unasked(oss: OSS, oss_server: ThreadedServer) -> None:
    said = oss("sts", "assume-role", ROLE, "--sts-endpoint", oss_server.url, "--duration", "1s", status=2).stderr

    assert "900" in said
    assert oss_server.count() == 0
