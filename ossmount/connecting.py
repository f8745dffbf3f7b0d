"""From options to a client: which service, who asks, and how; the same for a mount and for every command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .oss.client import Client, ClientOptions
from .oss.credentials import find_credentials
from .oss.endpoints import Endpoint

if TYPE_CHECKING:
    from .config import Config
    from .oss.credentials import CredentialsProvider


def endpoint_of(config: Config, text: str | None = None) -> Endpoint:
    """Return the service that *config* means, or with *text* the one at that address.

    Raises:
        ValueError: there is none, or the options for it do not go together.
    """
    return Endpoint.parse(
        text or config.endpoint or "",
        region=config.region or "",
        internal=config.internal,
        addressing=config.addressing,  # type: ignore[arg-type]  # the options table allows nothing else
    )


def credentials_of(config: Config) -> CredentialsProvider:
    """Return where credentials come from; nothing is looked for yet."""
    return find_credentials(
        environ=os.environ,
        home=Path.home(),
        bucket=config.bucket,
        access_key_id=config.access_key_id or "",
        access_key_secret=config.access_key_secret or "",
        security_token=config.security_token or "",
        passwd_file=config.passwd_file,
    )


def client_options_of(config: Config) -> ClientOptions:
    """Return how a client for *config* behaves."""
    return ClientOptions(signature=config.signature, concurrency=config.parallel)  # type: ignore[arg-type]


def client_of(config: Config) -> Client:
    """Return a client, to be used as an async context manager.

    Raises:
        ValueError: as `endpoint_of`, or the region is not known and the signature needs it.
    """
    return Client(endpoint_of(config), credentials_of(config), options=client_options_of(config))
