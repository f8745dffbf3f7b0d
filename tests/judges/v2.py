"""alibabacloud-oss-v2 by its synchronous or its asynchronous client: to a test they look the same."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import TYPE_CHECKING, Any

import alibabacloud_oss_v2 as sdk
import pytest
from alibabacloud_oss_v2.aio.client import AsyncClient
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient

if TYPE_CHECKING:
    from types import TracebackType

    import requests

_BOUND = 120.0  # seconds for one call: a test that hangs says where


class Judge:
    """A client with its credentials and signature, and the bucket *name* that its requests are for.

    Use it in a with statement.  *session* makes it synchronous; without one it runs on an asyncio loop of its own.
    """

    def __init__(
        self,
        url: str,
        name: str,
        signature: str,
        session: requests.Session | None = None,
        credentials: tuple[str, ...] = ("ak", "sk"),
    ) -> None:
        config = sdk.config.load_default()
        config.credentials_provider = sdk.credentials.StaticCredentialsProvider(*credentials)
        config.region = "cn-hangzhou"
        config.endpoint = url
        config.signature_version = signature
        config.retry_max_attempts = 1
        self.name = name
        self._runner = None if session else asyncio.Runner()
        if session is not None:
            config.http_client = RequestsHttpClient(session=session)
            self.client = sdk.Client(config)
        else:
            self.client = AsyncClient(config)

    def __repr__(self) -> str:
        return f"<Judge {type(self.client).__name__}>"

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self.result(self.client.close())
            self._runner.close()

    def result(self, value: Any) -> Any:
        """Return *value*, or what it comes to when it has to be awaited."""
        if not inspect.isawaitable(value):
            return value
        assert self._runner is not None

        async def wait() -> Any:
            async with asyncio.timeout(_BOUND):
                return await value

        return self._runner.run(wait())

    def ask(self, operation: str, **fields: Any) -> Any:
        """Carry out *operation*, by its name in the API reference, on the bucket, and return its result."""
        request = getattr(sdk, f"{operation}Request")
        if "bucket" in inspect.signature(request).parameters:
            fields.setdefault("bucket", self.name)
        method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation).lower()
        return self.result(getattr(self.client, method)(request(**fields)))

    def refused(self, operation: str, **fields: Any) -> sdk.exceptions.ServiceError:
        """Return the error with which the service refuses *operation*."""
        with pytest.raises(sdk.exceptions.OperationError) as caught:
            self.ask(operation, **fields)
        error = caught.value.unwrap()
        assert isinstance(error, sdk.exceptions.ServiceError)
        return error

    def pages(self, operation: str, **fields: Any) -> list[Any]:
        """Return all pages of a listing, as the SDK's paginator goes through them."""
        request = getattr(sdk, f"{operation}Request")
        if "bucket" in inspect.signature(request).parameters:
            fields.setdefault("bucket", self.name)
        method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation).lower()
        pages = getattr(self.client, f"{method}_paginator")().iter_page(request(**fields))
        if self._runner is None:
            return list(pages)

        async def collect() -> list[Any]:
            return [page async for page in pages]

        return self.result(collect())  # type: ignore[no-any-return]

    def read(self, key: str, **fields: Any) -> bytes:
        """Return the bytes of an object."""
        return self.bytes_of(self.ask("GetObject", key=key, **fields))

    def bytes_of(self, result: sdk.GetObjectResult) -> bytes:
        """Return the bytes that came with *result*."""
        return self.result(result.body.read())  # type: ignore[no-any-return]
