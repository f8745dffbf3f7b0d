"""From options to a client: which service, who asks, and how; the same for a mount and for every command.

Several endpoints are one bucket (`oss.cluster`): `open_bucket` opens either, so whoever uses a bucket need not know.
"""

from __future__ import annotations

import logging
import math
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .oss.client import Client, ClientOptions
from .oss.cluster import open_cluster
from .oss.credentials import Anonymous
from .oss.endpoints import Endpoint
from .oss.finding import find_credentials
from .oss.health import is_down
from .oss.hurry import hurried
from .oss.retry import RetryPolicy
from .wire.errors import OSSError, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .config import Config
    from .oss.bucket import Bucket
    from .oss.credentials import CredentialsProvider

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds of silence of one place of several: all of them are asked again, and so nobody is waited for as long.
_SILENCE = 10.0


def endpoints_of(config: Config) -> list[Endpoint]:
    """Return the service that *config* means, at each place that holds the bucket.

    Raises:
        ValueError: there is none, or the options for it do not go together.
    """
    return [
        Endpoint.parse(
            place,
            region=config.region or "",
            internal=config.internal,
            addressing=config.addressing,  # type: ignore[arg-type]  # the options table allows nothing else
        )
        for place in config.endpoint or ("",)
    ]


def credentials_of(config: Config) -> CredentialsProvider:
    """Return where credentials come from; nothing is looked for yet."""
    if config.anonymous:
        return Anonymous()
    return find_credentials(
        environ=os.environ,
        home=Path.home(),
        bucket=config.bucket,
        access_key_id=config.access_key_id or "",
        access_key_secret=config.access_key_secret or "",
        security_token=config.security_token or "",
        passwd_file=config.passwd_file,
        ram_role=config.ram_role or "",
        credentials_uri=config.credentials_uri or "",
        credential_process=config.credential_process or "",
        credentials_file=config.credentials_file,
        profile=config.profile or "",
        role_arn=config.role_arn or "",
        role_session_name=config.role_session_name,
        role_duration=int(config.role_duration),
        external_id=config.external_id or "",
        oidc_provider_arn=config.oidc_provider_arn or "",
        oidc_token_file=config.oidc_token_file,
        sts_endpoint=config.sts_endpoint or "",
        region=config.region or "",
        internal=config.internal,
    )


def client_options_of(config: Config) -> ClientOptions:
    """Return how a client for *config* behaves."""
    usual = ClientOptions()
    return replace(
        usual,
        signature=config.signature,  # type: ignore[arg-type]
        concurrency=config.parallel,
        timeout=config.timeout,
        connect_timeout=min(config.timeout, usual.connect_timeout),
    )


def _one_of_several(options: ClientOptions) -> ClientOptions:
    return replace(options, retry=RetryPolicy(attempts=2), timeout=min(_SILENCE, options.timeout))


async def ask_any(
    config: Config, ask: Callable[[Client], Awaitable[T]], credentials: CredentialsProvider | None = None
) -> T:
    """Return what *ask* is told, which changes nothing, by a client of the first place where somebody answers.

    Raises:
        ValueError: as `endpoints_of`, or the region is not known and the signature needs it.
        OSSError: the answer is no, or there is none at all.
    """
    *others, last = endpoints_of(config)
    credentials = credentials or credentials_of(config)
    options = client_options_of(config)
    todo = [(endpoint, True) for endpoint in others] + [(last, False)]
    while True:
        endpoint, hurry = todo.pop(0)
        try:
            async with Client(endpoint, credentials, options=_one_of_several(options) if hurry else options) as client:
                with hurried(config.failover_after if hurry else math.inf):
                    return await ask(client)
        except OSSError as exc:
            if hurry and isinstance(exc, TransportError):
                todo.append((endpoint, False))  # it may only be slow
            if not is_down(exc) or not todo:
                raise


@asynccontextmanager
async def open_bucket(config: Config) -> AsyncIterator[Bucket]:
    """Open the bucket of *config*: at one place, or at several as one.

    Raises:
        ValueError: as `ask_any`.
    """
    endpoints = endpoints_of(config)
    options = client_options_of(config)
    async with AsyncExitStack() as stack:
        if len(endpoints) == 1:
            client = Client(endpoints[0], credentials_of(config), options=options)
            yield (await stack.enter_async_context(client)).bucket(config.bucket)
            return
        yield await stack.enter_async_context(
            open_cluster(
                endpoints,
                credentials_of(config),
                config.bucket,
                schedule=config.schedule,  # type: ignore[arg-type]  # the options table allows nothing else
                options=_one_of_several(options),
                retry=RetryPolicy(),
                failover_after=config.failover_after,
                steady=True,
            )
        )
