"""Credentials that expire: fetched once, in time, and used until they really are no good."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss import (
    STS,
    AssumeRole,
    AssumeRoleWithOIDC,
    CredentialProcess,
    Credentials,
    CredentialsURI,
    EcsRamRole,
    EnvironmentCredentials,
    PasswordFile,
    StaticCredentials,
    Temporary,
    find_credentials,
)
from ossmount.oss.finding import environment_providers
from ossmount.wire import sts
from ossmount.wire.errors import ConnectFailed, CredentialsError
from ossmount.wire.message import Headers, Request, Response

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.server.threaded import ThreadedServer

NOW = 1_700_000_000.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Counted(Temporary):
    """Gives credentials for an hour, one after the other; fails while *broken*."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.count = 0
        self.broken = False
        self.gate = trio.Event()
        self.gate.set()

    async def fetch(self) -> Credentials:
        self.count += 1
        await self.gate.wait()
        if self.broken:
            raise ConnectFailed("nobody there")
        return Credentials(f"STS.{self.count}", "s", "t", self.clock.now + 3600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_many_who_ask_at_once_cause_one_fetch(clock: Clock) -> None:
    provider = Counted(clock)
    provider.gate = trio.Event()
    got: list[Credentials | None] = []

    async def ask() -> None:
        got.append(await provider.get())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        provider.gate.set()
    assert provider.count == 1
    assert {each.access_key_id for each in got if each} == {"STS.1"}


async def test_they_are_fetched_again_ahead_of_their_end(clock: Clock) -> None:
    provider = Counted(clock)
    await provider.get()
    clock.now += 3600 * 0.79
    assert (await provider.get()) is not None
    assert provider.count == 1
    clock.now += 3600 * 0.02
    got = await provider.get()
    assert got is not None
    assert (got.access_key_id, provider.count) == ("STS.2", 2)


async def test_while_one_fetches_the_others_go_on_with_the_old(clock: Clock) -> None:
    provider = Counted(clock)
    await provider.get()
    clock.now += 3000
    provider.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(provider.get)
        await trio.testing.wait_all_tasks_blocked()
        got = await provider.get()
        assert got is not None
        assert got.access_key_id == "STS.1"
        provider.gate.set()
    assert provider.count == 2


async def test_the_old_are_used_until_they_expire(clock: Clock) -> None:
    provider = Counted(clock)
    await provider.get()
    provider.broken = True
    clock.now += 3000
    for _ in range(5):
        got = await provider.get()
        assert got is not None
        assert got.access_key_id == "STS.1"
    # The source was asked once, and left alone for a while.
    assert provider.count == 2
    clock.now += 61
    await provider.get()
    assert provider.count == 3
    clock.now += 600
    with pytest.raises(CredentialsError, match="nobody there"):
        await provider.get()
    provider.broken = False
    got = await provider.get()
    assert got is not None
    assert got.access_key_id == "STS.5"


async def test_what_is_refused_is_replaced_at_once(clock: Clock) -> None:
    provider = Counted(clock)
    await provider.get()
    got = await provider.get(refresh=True)
    assert got is not None
    assert got.access_key_id == "STS.2"
    provider.broken = True
    # That the new ones are refused as well is no reason to ask again and again.
    assert await provider.get(refresh=True) == got
    clock.now += 6
    with pytest.raises(CredentialsError):
        await provider.get(refresh=True)


async def test_those_who_waited_for_a_fetch_share_its_failure(clock: Clock) -> None:
    provider = Counted(clock)
    provider.broken = True
    provider.gate = trio.Event()
    failed = []

    async def ask() -> None:
        with pytest.raises(CredentialsError, match="nobody there"):
            await provider.get()
        failed.append(1)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        provider.gate.set()
    assert (provider.count, len(failed)) == (1, 10)


async def test_a_fetch_that_is_cancelled_leaves_nothing_behind(clock: Clock) -> None:
    provider = Counted(clock)
    provider.gate = trio.Event()
    with trio.CancelScope() as scope:
        scope.cancel()
        await provider.get()
    provider.gate.set()
    assert await provider.get() is not None


def instance(*, token: bool = True, role: str = "worker") -> Any:
    """Return a metadata service."""

    def answer(request: Request) -> Response:
        path = f"{request.bucket}/{request.key}"
        if path == "latest/api/token":
            return Response(200, Headers(), b"TOKEN") if token and request.method == "PUT" else Response(404)
        if token and request.headers.get("x-aliyun-ecs-metadata-token") != "TOKEN":
            return Response(403)
        if path == "latest/meta-data/ram/security-credentials/":
            return Response(200, Headers(), role.encode()) if role else Response(404)
        if path == f"latest/meta-data/ram/security-credentials/{role}":
            return sts.write_metadata_credentials(Credentials("STS.a", "s", "t", NOW + 3600), now=NOW)
        return Response(404)

    return answer


@pytest.mark.parametrize("role", ["", "worker"])
@pytest.mark.parametrize("token", [True, False])
async def test_an_instance_has_a_role(scripted: Any, clock: Clock, role: str, *, token: bool) -> None:
    service = scripted(instance(token=token))
    provider = EcsRamRole(role, url="http://127.0.0.1/latest", transport=service, clock=clock)
    assert await provider.get() == Credentials("STS.a", "s", "t", NOW + 3600)
    assert len(service.requests) == 2 + (not role)


async def test_a_role_may_be_given_by_its_url(scripted: Any, clock: Clock) -> None:
    url = "http://127.0.0.1/latest/meta-data/Ram/security-credentials/worker"
    provider = EcsRamRole(url, transport=scripted(instance()), clock=clock)
    assert await provider.get() == Credentials("STS.a", "s", "t", NOW + 3600)
    assert repr(provider) == "EcsRamRole('worker')"
    with pytest.raises(ValueError, match="no URL of a RAM role"):
        EcsRamRole("http://127.0.0.1/latest")


async def test_version_1_can_be_forbidden(scripted: Any, clock: Clock) -> None:
    service = scripted(instance(token=False))
    provider = EcsRamRole(url="http://127.0.0.1/latest", v1=False, transport=service, clock=clock)
    with pytest.raises(CredentialsError, match="version 1 is not allowed"):
        await provider.get()


async def test_an_instance_without_a_role_says_so(scripted: Any, clock: Clock) -> None:
    provider = EcsRamRole(url="http://127.0.0.1/latest", transport=scripted(instance(role="")), clock=clock)
    with pytest.raises(CredentialsError, match="no RAM role"):
        await provider.get()
    provider = EcsRamRole("other", url="http://127.0.0.1/latest", transport=scripted(instance()), clock=clock)
    with pytest.raises(CredentialsError, match="'other'"):
        await provider.get()


async def test_a_url_tells_credentials(scripted: Any, clock: Clock) -> None:
    service = scripted(instance(token=False))
    url = "http://user:secret@127.0.0.1/latest/meta-data/ram/security-credentials/worker?secret=1"
    provider = CredentialsURI(url, transport=service, clock=clock)
    assert (await provider.get()) == Credentials("STS.a", "s", "t", NOW + 3600)
    assert "secret" not in repr(provider).replace("security-credentials", "")
    for answer in (Response(500), Response(200, Headers(), b'{"Code": "Failed"}'), Response(200, Headers(), b"<html>")):
        provider = CredentialsURI("http://127.0.0.1/", transport=scripted(lambda _, answer=answer: answer), clock=clock)
        with pytest.raises(CredentialsError):
            await provider.get()


async def test_a_command_prints_credentials(tmp_path: Path, clock: Clock) -> None:
    said = json.dumps({"AccessKeyId": "a", "AccessKeySecret": "s", "Expiration": "2100-01-01T00:00:00Z"})
    file = tmp_path / "said"
    file.write_text(said)
    got = await CredentialProcess(f"cat {file}", clock=clock).get()
    assert got is not None
    assert (got.access_key_id, got.expiration) == ("a", 4102444800.0)
    for command, reason in (("exit 3", "status 3"), ("echo no", "not JSON")):
        with pytest.raises(CredentialsError, match=reason):
            await CredentialProcess(command, clock=clock).get()
    assert "hunter2" not in repr(CredentialProcess("get --password hunter2"))


async def test_a_command_that_hangs_is_ended(clock: Clock) -> None:
    with pytest.raises(CredentialsError, match=r"longer than 0\.05 s"):
        await CredentialProcess("exec sleep 60", timeout=0.05, clock=clock).get()


def security_token_service(clock: Clock) -> Any:
    def answer(request: Request) -> Response:
        from urllib.parse import parse_qsl

        parameters = dict(parse_qsl(bytes(request.body or b"").decode()))
        try:
            call = sts.read_assume_role(request.method, parameters, {"ak": Credentials("ak", "sk")}.get, now=clock.now)
        except Exception as exc:
            return sts.write_sts_error(exc)  # type: ignore[arg-type]
        credentials = Credentials("STS.r", call.oidc_token or "s", call.session_name, clock.now + call.duration)
        return sts.write_assume_role(sts.AssumedRole(credentials=credentials, arn=call.role_arn))

    return answer


async def test_a_role_is_assumed(scripted: Any, clock: Clock, tmp_path: Path) -> None:
    service = scripted(security_token_service(clock))
    client = STS(StaticCredentials("ak", "sk"), endpoint="http://127.0.0.1", transport=service, clock=clock)
    got = await AssumeRole(client, "acs:ram::1:role/r", "me", duration=900, clock=clock).get()
    assert got == Credentials("STS.r", "s", "me", NOW + 900)

    passwd = tmp_path / "passwd"
    passwd.touch(mode=0o600)
    passwd.write_text("old:sk")
    keys = PasswordFile(passwd)
    await keys.get()
    passwd.write_text("ak:sk")  # nobody said so
    renewed = STS(keys, endpoint="http://127.0.0.1", transport=service, clock=clock)
    assert await AssumeRole(renewed, "acs:ram::1:role/r", "me", clock=clock).get() is not None

    token = tmp_path / "token"
    token.write_text("jwt\n")
    unsigned = STS(endpoint="http://127.0.0.1", transport=service, clock=clock)
    got = await AssumeRoleWithOIDC(unsigned, "acs:ram::1:role/r", "provider", token, clock=clock).get()
    assert got is not None
    assert got.access_key_secret == "jwt"

    wrong = STS(StaticCredentials("ak", "other"), endpoint="http://127.0.0.1", transport=service, clock=clock)
    with pytest.raises(CredentialsError, match="SignatureDoesNotMatch"):
        await AssumeRole(wrong, "acs:ram::1:role/r", "me", clock=clock).get()
    with pytest.raises(CredentialsError, match="No such file"):
        await AssumeRoleWithOIDC(unsigned, "acs:ram::1:role/r", "provider", tmp_path / "none", clock=clock).get()


async def test_whether_credentials_have_expired_the_service_knows_best(
    scripted: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now += 7200  # the clock of this machine is wrong, or the source is
    provider = EcsRamRole("worker", url="http://127.0.0.1/latest", transport=scripted(instance()), clock=clock)
    assert await provider.get() == Credentials("STS.a", "s", "t")
    assert "by the clock of this machine" in caplog.text


async def test_a_role_is_assumed_by_the_time_of_the_service(oss_server: ThreadedServer) -> None:
    def an_hour_behind() -> float:
        return time.time() - 3600

    late = STS(StaticCredentials("ak", "sk"), endpoint=oss_server.url, clock=an_hour_behind)
    for _ in range(2):
        assert (await late.assume_role("acs:ram::1:role/r")).credentials.access_key_id
    assert oss_server.count("AssumeRole") == 3


def test_the_environment_names_where_they_come_from(tmp_path: Path) -> None:
    environ = {
        "ALIBABA_CLOUD_ROLE_ARN": "role",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "provider",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "token",
        "ALIBABA_CLOUD_ECS_METADATA": "worker",
        "ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1/",
    }
    kinds = [type(each) for each in environment_providers(environ, tmp_path)]
    assert kinds == [AssumeRoleWithOIDC, EcsRamRole, CredentialsURI]
    assert environment_providers({}, tmp_path) == []
    off = {"ALIBABA_CLOUD_ECS_METADATA": "worker", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    assert environment_providers(off, tmp_path) == []
    chain = repr(find_credentials(environ=environ, home=tmp_path))
    assert repr(EnvironmentCredentials(environ)) in chain
    assert "EcsRamRole('worker')" in chain
