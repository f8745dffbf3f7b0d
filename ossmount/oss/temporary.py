"""Credentials that expire, and where to get others in time.

Theory of operation.  A `Temporary` provider fetches once, whoever asks: others wait for that fetch and share what came
of it, or, while what they have is still valid, do not wait at all.  It fetches again when a fifth of the lifetime is
left, so that a service that is away for minutes is not noticed; if that fails, the old ones are used until they really
expire.  What the service refuses is replaced at once; if that is refused as well, the source is not to blame and is
left alone for a moment.

Source: "Credentials chain" of the Alibaba Cloud SDKs; ECS user guide, "Instance metadata".
"""

from __future__ import annotations

import logging
import re
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from ..wire.errors import CredentialsError, OSSError
from ..wire.sts import METADATA, TOKEN, TOKEN_TTL, parse_credentials
from .fetching import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx

    from ..wire.credentials import Credentials
    from ..wire.message import Response
    from .sts import STS

log = logging.getLogger(__name__)

# The share of the lifetime that may be left when others are fetched.
_EARLY = 0.2
# After a failure the source is left alone for so long, in seconds, as long as there are valid credentials.
_PATIENCE = 60.0
# What is left of the lifetime when credentials are not used any more: a request takes time, and clocks differ.
_MARGIN = 10.0
# What replaced refused credentials is used for so long, in seconds, even if it is refused, too.
_AGAIN = 5.0
_ROLE_URL = re.compile("/meta-data/ram/security-credentials/?", re.IGNORECASE)
_TOKEN_SECONDS = "21600"  # noqa: S105


class Temporary:
    """A provider of credentials that expire; subclasses say in `fetch` where they come from."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = trio.Lock()
        self._credentials: Credentials | None = None
        self._failure: CredentialsError | None = None
        self._fetches = 0
        self._fetched = 0.0
        self._replaced = float("-inf")
        self._not_before = 0.0

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return valid credentials; with *refresh* those it gave last are refused, and others are fetched.

        Raises:
            CredentialsError: there are none.
        """
        had = self._credentials
        valid = had is not None and self._left(had) > _MARGIN
        if had is not None and not refresh:
            if not self._is_due(had):
                return had
            if valid and (self._lock.locked() or self._clock() < self._not_before):
                return had
        elif valid and self._clock() - self._replaced < _AGAIN:
            return had
        seen = self._fetches
        async with self._lock:
            if self._fetches == seen:
                await self._renew(replacing=refresh)
            # Else somebody else did while we waited.
            if self._failure is None:
                return self._credentials
            if had is not None and valid and not refresh:
                self._not_before = self._clock() + _PATIENCE
                log.warning("no new credentials, using the old ones for %.0f s: %s", self._left(had), self._failure)
                return had
            raise CredentialsError(str(self._failure)) from self._failure

    async def _renew(self, *, replacing: bool) -> None:
        """Fetch, and note what came of it."""
        had = self._credentials
        try:
            credentials = await self.fetch()
            if self._left(credentials) <= 0:
                # If that is so, the service will say; often it is the clock of this machine that is off.
                log.warning("%r: it gave credentials that have expired, by the clock of this machine", self)
                credentials = replace(credentials, expiration=None)
        except (OSSError, OSError, ValueError) as exc:
            self._failure = exc if isinstance(exc, CredentialsError) else CredentialsError(f"{self!r}: {exc}")
        else:
            self._failure = None
            self._credentials, self._fetched = credentials, self._clock()
            if replacing:
                self._replaced = self._fetched
            if had is not None:
                log.info("%r: new credentials for the next %.0f s", self, self._left(credentials))
        self._fetches += 1

    async def fetch(self) -> Credentials:
        """Get new credentials.

        Raises:
            OSSError, OSError, ValueError: there are none to be had.
        """
        raise NotImplementedError

    def _left(self, credentials: Credentials) -> float:
        return float("inf") if credentials.expiration is None else credentials.expiration - self._clock()

    def _is_due(self, credentials: Credentials) -> bool:
        if credentials.expiration is None:
            return False
        lifetime = credentials.expiration - self._fetched
        return self._left(credentials) <= max(lifetime * _EARLY, _MARGIN)


class EcsRamRole(Temporary):
    """The role of the ECS instance this runs on, from its metadata service.

    Without *role* the service is asked for its name.  *role* may also be the whole URL of its credentials, as ossfs has
    it.  It is asked with a token (version 2); where that is not served,
    without (version 1), unless *v1* forbids it.
    """

    def __init__(
        self,
        role: str = "",
        *,
        url: str = METADATA,
        v1: bool = True,
        timeout: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        if "://" in role:
            parts = _ROLE_URL.split(role, maxsplit=1)
            if len(parts) != 2:
                raise ValueError(
                    f"no URL of a RAM role: {role!r} (it ends in /meta-data/ram/security-credentials/NAME)"
                )
            url, role = parts
        self._role = role.strip("/")
        self._url = url.rstrip("/")
        self._v1 = v1
        self._timeout = timeout
        self._transport = transport

    def __repr__(self) -> str:
        return f"EcsRamRole({self._role!r})"

    async def fetch(self) -> Credentials:
        """Ask the metadata service."""
        headers = await self._token()
        path = f"{self._url}/meta-data/ram/security-credentials/"
        role = self._role or await self._ask(path, headers)
        if not role or "/" in role or not role.isprintable():
            raise CredentialsError("this instance has no RAM role")
        response = await self._fetch(path + role, headers)
        if response.status != 200:
            raise CredentialsError(f"the metadata service has no RAM role {role!r} (status {response.status})")
        return parse_credentials(bytes(response.body))

    async def _token(self) -> dict[str, str]:
        try:
            response = await fetch(
                f"{self._url}/api/token",
                method="PUT",
                headers={TOKEN_TTL: _TOKEN_SECONDS},
                timeout=self._timeout,
                attempts=1 if self._v1 else 3,
                transport=self._transport,
            )
            if response.status == 200 and response.body:
                return {TOKEN: bytes(response.body).decode("latin-1").strip()}
            reason = f"status {response.status}"
        except OSSError as exc:
            reason = str(exc)
        if not self._v1:
            raise CredentialsError(f"the metadata service gives no token ({reason}), and version 1 is not allowed")
        log.debug("the metadata service gives no token (%s), asking without", reason)
        return {}

    async def _ask(self, url: str, headers: Mapping[str, str]) -> str:
        response = await self._fetch(url, headers)
        return bytes(response.body).decode("utf-8", "replace").strip() if response.status == 200 else ""

    async def _fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        return await fetch(url, headers=headers, timeout=self._timeout, transport=self._transport)


class CredentialsURI(Temporary):
    """A URL that tells credentials in JSON, as the metadata service does."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        self._url = url
        self._timeout = timeout
        self._transport = transport

    def __repr__(self) -> str:
        # The rest may be a secret.
        return f"CredentialsURI({self._url.partition('?')[0].rpartition('@')[2]!r})"

    async def fetch(self) -> Credentials:
        """Ask the URL."""
        response = await fetch(self._url, timeout=self._timeout, transport=self._transport)
        if response.status != 200:
            raise CredentialsError(f"{self!r}: status {response.status}")
        return parse_credentials(bytes(response.body))


class CredentialProcess(Temporary):
    """A command that prints credentials in JSON; it is run by the shell, as its writer expects."""

    def __init__(self, command: str, *, timeout: float = 15.0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._command = command
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"CredentialProcess({self._command.split(maxsplit=1)[:1]!r})"

    async def fetch(self) -> Credentials:
        """Run the command."""
        with trio.move_on_after(self._timeout) as scope:
            done = await trio.run_process(
                ["/bin/sh", "-c", self._command],
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                check=False,
            )
        if scope.cancelled_caught:
            raise CredentialsError(f"{self!r}: it took longer than {self._timeout:g} s")
        if done.returncode != 0:
            raise CredentialsError(f"{self!r}: it ended with status {done.returncode}")
        return parse_credentials(done.stdout)


class AssumeRole(Temporary):
    """A role that *credentials* may assume."""

    def __init__(
        self,
        sts: STS,
        role_arn: str,
        session_name: str = "ossmount",
        *,
        duration: int = 3600,
        policy: str | Mapping[str, Any] | None = None,
        external_id: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        self._sts = sts
        self._role_arn = role_arn
        self._session_name = session_name
        self._duration = duration
        self._policy = policy
        self._external_id = external_id

    def __repr__(self) -> str:
        return f"AssumeRole({self._role_arn!r})"

    async def fetch(self) -> Credentials:
        """Assume the role."""
        role = await self._sts.assume_role(
            self._role_arn,
            self._session_name,
            duration=self._duration,
            policy=self._policy,
            external_id=self._external_id,
        )
        return role.credentials


class AssumeRoleWithOIDC(Temporary):
    """A role that a token of an identity provider lets assume, as pods have one in a file (RRSA)."""

    def __init__(
        self,
        sts: STS,
        role_arn: str,
        provider_arn: str,
        token_file: Path,
        session_name: str = "ossmount",
        *,
        duration: int = 3600,
        policy: str | Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        self._sts = sts
        self._role_arn = role_arn
        self._provider_arn = provider_arn
        self._token_file = token_file
        self._session_name = session_name
        self._duration = duration
        self._policy = policy

    def __repr__(self) -> str:
        return f"AssumeRoleWithOIDC({self._role_arn!r})"

    async def fetch(self) -> Credentials:
        """Assume the role with the token that is in the file now; it is written anew all the time."""
        token = (await trio.to_thread.run_sync(self._token_file.read_text)).strip()
        role = await self._sts.assume_role_with_oidc(
            self._role_arn,
            self._provider_arn,
            token,
            self._session_name,
            duration=self._duration,
            policy=self._policy,
        )
        return role.credentials
