"""Where credentials come from, and what is said when there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ossmount.oss import (
    Anonymous,
    Chain,
    Credentials,
    CredentialsProvider,
    EnvironmentCredentials,
    OssutilConfig,
    PasswordFile,
    StaticCredentials,
    find_credentials,
)
from ossmount.wire.errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


async def test_options_are_taken_as_they_are() -> None:
    assert await StaticCredentials("ak", "sk", "t").get() == Credentials("ak", "sk", "t")
    for key_id, secret, message in (
        ("", "", "no access key"),
        ("ak", "", "secret is missing"),
        ("", "sk", "id is missing"),
    ):
        with pytest.raises(CredentialsError, match=message):
            await StaticCredentials(key_id, secret).get()


async def test_nobody_is_somebody() -> None:
    assert await Anonymous().get() is None


@pytest.mark.parametrize(
    ("key_id", "secret", "token"),
    [
        ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
        ("OSSACCESSKEYID", "OSSSECRETACCESSKEY", "OSSSESSIONTOKEN"),
    ],
)
async def test_the_environment_is_read_by_all_its_names(key_id: str, secret: str, token: str) -> None:
    assert await EnvironmentCredentials({key_id: "a", secret: "s"}).get() == Credentials("a", "s")
    assert await EnvironmentCredentials({key_id: "a", secret: "s", token: "t"}).get() == Credentials("a", "s", "t")
    with pytest.raises(CredentialsError, match=key_id):
        await EnvironmentCredentials({key_id: "a"}).get()


async def test_a_line_for_the_bucket_goes_before_one_for_all(tmp_path: Path) -> None:
    path = private(tmp_path / "passwd", "# mine\n\nak:sk\nother:oak:osk\nbucket:bak:bsk\n")
    assert await PasswordFile(path, "bucket").get() == Credentials("bak", "bsk")
    assert await PasswordFile(path, "third").get() == Credentials("ak", "sk")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line for bucket"),
        ("other:ak:sk", "no line for bucket"),
        ("secretword", "line 1 is not"),
        ("a:b:c:d", "line 1 is not"),
        ("\nak:", "line 2 is not"),
    ],
)
async def test_a_password_file_that_does_not_help_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as caught:
        await PasswordFile(private(tmp_path / "passwd", text), "bucket").get()
    assert "secretword" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o602, 0o660])
async def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "passwd", "ak:sk", mode)
    with pytest.raises(CredentialsError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        await PasswordFile(path).get()
    with pytest.raises(CredentialsError, match="others can read it"):
        await OssutilConfig(path).get()


async def test_what_is_no_file_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="no such file"):
        await PasswordFile(tmp_path / "none").get()
    with pytest.raises(CredentialsError, match=r"directory|not a file"):
        await PasswordFile(tmp_path).get()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    with pytest.raises(CredentialsError, match="not text"):
        await PasswordFile(tmp_path / "binary").get()


@pytest.mark.parametrize(
    "text",
    [
        "[Credentials]\nlanguage=EN\naccessKeyID = ak\naccessKeySecret = s%k\nstsToken=t\n",
        "[Credentials]\naccess_key_id=ak\naccess_key_secret=s%k\nsts_token=t\n",
        "[default]\naccessKeyId=ak\naccessKeySecret=s%k\nstsToken=t\nregion=cn-hangzhou\n",
    ],
)
async def test_the_file_of_ossutil_is_read(tmp_path: Path, text: str) -> None:
    assert await OssutilConfig(private(tmp_path / "config", text)).get() == Credentials("ak", "s%k", "t")


async def test_a_profile_of_ossutil_may_be_chosen(tmp_path: Path) -> None:
    text = "[default]\naccessKeyID=1\naccessKeySecret=1\n[profile work]\naccessKeyID=2\naccessKeySecret=2\n"
    assert await OssutilConfig(private(tmp_path / "config", text), "work").get() == Credentials("2", "2")


@pytest.mark.parametrize("text", ["", "secretword", "[Credentials]\naccessKeyID=ak\n", "[Other]\nx=y\n"])
async def test_a_file_of_ossutil_that_does_not_help_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialsError, match=r"no accessKeyID|not a configuration") as caught:
        await OssutilConfig(private(tmp_path / "config", text)).get()
    assert "secretword" not in str(caught.value)


async def test_a_file_is_read_again_when_it_was_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "passwd", "ak:sk")
    provider = PasswordFile(path)
    assert await provider.get() == Credentials("ak", "sk")
    path.write_text("new:sk")
    assert await provider.get() == Credentials("ak", "sk")
    assert await provider.get(refresh=True) == Credentials("new", "sk")


async def test_a_chain_stays_where_it_found_some(tmp_path: Path) -> None:
    path = private(tmp_path / "passwd", "ak:sk")
    environ: dict[str, str] = {}
    chain = Chain([EnvironmentCredentials(environ), PasswordFile(path)])
    assert await chain.get() == Credentials("ak", "sk")
    environ.update(OSS_ACCESS_KEY_ID="e", OSS_ACCESS_KEY_SECRET="e")
    assert await chain.get(refresh=True) == Credentials("ak", "sk")


async def test_when_there_are_none_everything_tried_is_named(tmp_path: Path) -> None:
    provider = find_credentials(environ={}, home=tmp_path, bucket="bucket")
    with pytest.raises(CredentialsError) as caught:
        await provider.get()
    for place in ("OSS_ACCESS_KEY_ID", f"{tmp_path}/.passwd-ossfs", "/etc/passwd-ossfs", f"{tmp_path}/.ossutilconfig"):
        assert place in str(caught.value)


async def test_what_is_given_is_not_looked_for(tmp_path: Path) -> None:
    environ = {"OSS_ACCESS_KEY_ID": "e", "OSS_ACCESS_KEY_SECRET": "e"}
    given = find_credentials(environ=environ, home=tmp_path, access_key_id="ak", access_key_secret="sk")
    assert await given.get() == Credentials("ak", "sk")
    with pytest.raises(CredentialsError, match="no such file"):
        await find_credentials(environ=environ, home=tmp_path, passwd_file=tmp_path / "none").get()
    assert await find_credentials(environ=environ, home=tmp_path).get() == Credentials("e", "e")
    private(tmp_path / ".ossutilconfig", "[Credentials]\naccessKeyID=u\naccessKeySecret=u\n")
    assert await find_credentials(environ={}, home=tmp_path).get() == Credentials("u", "u")


def test_no_provider_shows_a_secret(tmp_path: Path) -> None:
    environ = {"OSS_ACCESS_KEY_ID": "e", "OSS_ACCESS_KEY_SECRET": "secretword"}
    providers: list[CredentialsProvider] = [
        StaticCredentials("ak", "secretword", "secretword"),
        EnvironmentCredentials(environ),
        PasswordFile(tmp_path),
        OssutilConfig(tmp_path),
        Anonymous(),
    ]
    assert "secretword" not in repr(Chain(providers))
