"""Profiles of Alibaba Cloud's tools: what leads to which provider, and what a file is told when it leads nowhere."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.oss import Credentials, Profile, find_credentials
from ossmount.wire.errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"access_key_id": "ak", "access_key_secret": "sk"}
ROLE = {"ram_role_arn": "acs:ram::1:role/r", "ram_session_name": "me"}


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def cli(directory: Path, *profiles: dict[str, Any], current: str = "") -> Path:
    said = {"current": current or profiles[0]["name"], "profiles": list(profiles)}
    return private(directory / "config.json", json.dumps(said))


async def provider_of(profile: Profile) -> str:
    """Return what the profile leads to, without asking it."""
    with contextlib.suppress(CredentialsError):
        await profile.get()
    return repr(profile._provider)


async def test_keys_are_taken_as_they_are(tmp_path: Path) -> None:
    file = cli(
        tmp_path,
        {"name": "default", "mode": "AK", **KEYS},
        {"name": "token", "mode": "StsToken", "access_key_id": "t", "access_key_secret": "s", "sts_token": "x"},
        current="token",
    )
    assert await Profile(file).get() == Credentials("t", "s", "x")
    assert await Profile(file, "default").get() == Credentials("ak", "sk")


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"mode": "RamRoleArn", **KEYS, **ROLE}, "AssumeRole('acs:ram::1:role/r')"),
        ({"mode": "EcsRamRole", "ram_role_name": "worker"}, "EcsRamRole('worker')"),
        ({"mode": "RamRoleArnWithRoleName", "ram_role_name": "worker", **ROLE}, "AssumeRole('acs:ram::1:role/r')"),
        ({"mode": "ChainableRamRoleArn", "source_profile": "keys", **ROLE}, "AssumeRole('acs:ram::1:role/r')"),
        (
            {"mode": "OIDC", "oidc_provider_arn": "acs:p", "oidc_token_file": "/none", **ROLE},
            "AssumeRoleWithOIDC('acs:ram::1:role/r')",
        ),
        (
            {"mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:1/x"},
            "CredentialsURI('http://127.0.0.1:1/x')",
        ),
        ({"mode": "External", "process_command": "exit 1"}, "CredentialProcess(['exit'])"),
        ({"mode": "Anonymous"}, "Anonymous()"),
    ],
    ids=lambda value: value["mode"] if isinstance(value, dict) else "",
)
async def test_each_mode_leads_to_its_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], kind: str
) -> None:
    async def nobody(*_: object, **__: object) -> None:
        raise CredentialsError("nobody is asked")

    monkeypatch.setattr("ossmount.oss.temporary.Temporary.get", nobody)
    file = cli(tmp_path, {"name": "it", **facts}, {"name": "keys", "mode": "AK", **KEYS})
    assert await provider_of(Profile(file)) == kind


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        ("[default]\ntype = access_key\naccess_key_id = ak\naccess_key_secret = s%k\n", Credentials("ak", "s%k")),
        ("[default]\naccess_key_id = ak # mine\naccess_key_secret = sk\n", Credentials("ak", "sk")),
        (
            "[default]\ntype = sts\naccess_key_id = ak\naccess_key_secret = sk\nsecurity_token = t\n",
            Credentials("ak", "sk", "t"),
        ),
    ],
)
async def test_a_file_of_sections_is_read(tmp_path: Path, text: str, credentials: Credentials) -> None:
    assert await Profile(private(tmp_path / "credentials.ini", text)).get() == credentials


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "secretword", "not a file of profiles"),
        ("a.json", "[]", "not a file of profiles"),
        ("a.json", '{"profiles": [{"mode": "AK"}]}', "not a file of profiles"),
        ("a.json", '{"profiles": []}', "no profile 'default'"),
        ("a.json", '{"profiles": [{"name": "default", "mode": "AK", "access_key_id": "x"}]}', "no access_key_secret"),
        ("a.json", '{"profiles": [{"name": "default", "mode": "CloudSSO"}]}', "'cloudsso' .* is not supported"),
        ("a.json", '{"profiles": [{"name": "default", "mode": "AK", "expired_seconds": "x"}]}', "no number"),
        (
            "a.json",
            '{"profiles": [{"name": "default", "mode": "ChainableRamRoleArn", "source_profile": "default"}]}',
            "has itself as its source",
        ),
        (
            "a.json",
            '{"profiles": [{"name": "default", "mode": "EcsRamRole", "ram_role_name": "http://there"}]}',
            "no URL of a RAM role",
        ),
        ("a.ini", "secretword", "not a file of profiles"),
        ("a.ini", "[default]\nenable = false\naccess_key_id = a\n", "no mode"),
        ("a.ini", "[default]\ntype = rsa_key_pair\n", "'rsa_key_pair' .* is not supported"),
    ],
)
async def test_a_file_that_leads_nowhere_says_why(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as caught:
        await Profile(private(tmp_path / name, text)).get()
    assert name in str(caught.value)
    assert "secretword" not in str(caught.value)


async def test_a_profile_is_read_again_when_it_was_refused(tmp_path: Path) -> None:
    file = cli(tmp_path, {"name": "default", "mode": "AK", **KEYS})
    provider = find_credentials(environ={}, home=tmp_path, credentials_file=file)
    assert await provider.get() == Credentials("ak", "sk")
    cli(tmp_path, {"name": "default", "mode": "AK", "access_key_id": "new", "access_key_secret": "sk"})
    assert await provider.get() == Credentials("ak", "sk")
    assert await provider.get(refresh=True) == Credentials("new", "sk")
    file.unlink()
    with pytest.raises(CredentialsError, match="no such file"):
        await provider.get(refresh=True)


async def test_the_usual_files_are_found_and_the_environment_names_others(tmp_path: Path) -> None:
    (tmp_path / ".aliyun").mkdir()
    cli(
        tmp_path / ".aliyun",
        {"name": "a", "mode": "AK", **KEYS},
        {"name": "b", "mode": "AK", "access_key_id": "b", "access_key_secret": "b"},
    )
    (tmp_path / ".alibabacloud").mkdir()
    private(tmp_path / ".alibabacloud/credentials.ini", "[c]\naccess_key_id = c\naccess_key_secret = c\n")
    other = private(tmp_path / "other.ini", "[default]\naccess_key_id = o\naccess_key_secret = o\n")

    assert await find_credentials(environ={}, home=tmp_path).get() == Credentials("ak", "sk")
    for name in "bc":
        assert await find_credentials(environ={}, home=tmp_path, profile=name).get() == Credentials(name, name)
        named = {"ALIBABA_CLOUD_PROFILE": name}
        assert await find_credentials(environ=named, home=tmp_path).get() == Credentials(name, name)
    there = {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(other)}
    assert await find_credentials(environ=there, home=tmp_path).get() == Credentials("o", "o")
    (tmp_path / ".passwd-ossfs").touch(mode=0o600)
    (tmp_path / ".passwd-ossfs").write_text("of:ossfs")
    assert await find_credentials(environ={}, home=tmp_path).get() == Credentials("of", "ossfs")
