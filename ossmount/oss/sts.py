"""Temporary credentials from the Security Token Service.

Source: API reference of STS, AssumeRole, AssumeRoleWithOIDC; "Endpoints".
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..wire import sts
from ..wire.dates import parse_http_date
from ..wire.errors import BrokenResponse, CredentialsError, ServiceError
from .fetching import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from ..wire.credentials import Credentials
    from ..wire.sts import AssumedRole
    from .credentials import CredentialsProvider

log = logging.getLogger(__name__)

ENDPOINT = "https://sts.aliyuncs.com"
# What is said of credentials that are gone, or have been replaced; there is more behind a dot.
_REFUSED = ("InvalidAccessKeyId", "InvalidSecurityToken", "SignatureDoesNotMatch")
_SKEWED = ("InvalidTimeStamp", "RequestTimeTooSkewed")


def sts_endpoint(region: str = "", *, vpc: bool = False) -> str:
    """Return the URL of STS in *region*, with *vpc* the one inside Alibaba Cloud; without a region the central one."""
    region = region.removeprefix("oss-")
    return f"https://sts{'-vpc' if vpc else ''}.{region}.aliyuncs.com" if region else ENDPOINT


class STS:
    """A client of STS that signs with *credentials*, which AssumeRoleWithOIDC alone can do without."""

    def __init__(
        self,
        credentials: CredentialsProvider | None = None,
        *,
        endpoint: str = ENDPOINT,
        timeout: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._credentials = credentials
        self._endpoint = endpoint if "://" in endpoint else f"https://{endpoint}"
        self._timeout = timeout
        self._transport = transport
        self._clock = clock
        self._nonce = nonce
        self._offset = 0.0

    def __repr__(self) -> str:
        return f"<STS {self._endpoint}>"

    async def assume_role(
        self,
        role_arn: str,
        session_name: str = "ossmount",
        *,
        duration: int = 3600,
        policy: str | Mapping[str, Any] | None = None,
        external_id: str = "",
    ) -> AssumedRole:
        """Return credentials for *role_arn* that are valid for *duration* seconds; *policy* narrows them.

        Raises:
            OutOfLimits: an argument is not possible.
            ServiceError: STS said no.
            TransportError: there was no answer.
            CredentialsError: there is nothing to sign with.
        """
        parameters = sts.assume_role(role_arn, session_name, duration=duration, policy=policy, external_id=external_id)
        credentials = await self._credentials.get() if self._credentials is not None else None
        if self._credentials is None or credentials is None:
            raise CredentialsError("AssumeRole must be signed, and there are no credentials")
        try:
            return await self._signed(parameters, credentials)
        except ServiceError as exc:
            if not exc.code.startswith(_REFUSED):
                raise
            others = await self._credentials.get(refresh=True)
            if others is None or others == credentials:
                raise
            return await self._signed(parameters, others)

    async def _signed(self, parameters: Mapping[str, str], credentials: Credentials) -> AssumedRole:
        return await self._call(
            lambda now: sts.signed(parameters, credentials, now=now, nonce=self._nonce(), method="POST")
        )

    async def assume_role_with_oidc(
        self,
        role_arn: str,
        provider_arn: str,
        token: str,
        session_name: str = "ossmount",
        *,
        duration: int = 3600,
        policy: str | Mapping[str, Any] | None = None,
    ) -> AssumedRole:
        """Return credentials for *role_arn*, proven by the OIDC *token*; see `assume_role`."""
        return await self._call(
            lambda now: sts.assume_role_with_oidc(
                role_arn, session_name, provider_arn, token, now=now, duration=duration, policy=policy
            )
        )

    async def _call(self, parameters_at: Callable[[float], Mapping[str, str]]) -> AssumedRole:
        """Ask with parameters of now; when the clock of this machine is off, once more by the service's."""
        try:
            return await self._ask(parameters_at(self._clock() + self._offset))
        except ServiceError as exc:
            if not exc.code.startswith(_SKEWED):
                raise
            try:
                self._offset = parse_http_date(exc.headers.get("date", "")) - self._clock()
            except ValueError:
                raise exc from None
            log.warning("the clock of this machine is %.0f s off that of STS; asking by that", -self._offset)
            return await self._ask(parameters_at(self._clock() + self._offset))

    async def _ask(self, parameters: Mapping[str, str]) -> AssumedRole:
        response = await fetch(
            f"{self._endpoint}/",
            method="POST",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(parameters).encode(),
            timeout=self._timeout,
            # A nonce must not be used twice.
            attempts=1,
            transport=self._transport,
        )
        try:
            return sts.parse_assume_role(response)
        except ValueError as exc:
            raise BrokenResponse(f"{parameters['Action']}: not the answer expected: {exc}") from None
