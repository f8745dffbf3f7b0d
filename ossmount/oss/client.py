"""The one way out: `Client.send` and its kin sign a request, send it, judge the answer, and try again where that is
right.

Everything else in this room builds requests for it.  What is decided here is decided once for all operations: how
many requests may be under way, how long they may take, what is retried (`oss.retry`), with which credentials and by
which clock they are signed, and what is counted.

An attempt ends in one of three ways: with an answer that *receive* could read, with an `OSSError`, or cancelled.
Signing is part of the attempt, so that each carries its own date; a request refused because of its date sets our
clock by that of the answer.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import trio

from ..wire import service
from ..wire.dates import parse_http_date
from ..wire.errors import (
    AccessKeyIdAndSecurityTokenNotMatch,
    BrokenResponse,
    CredentialsError,
    IntegrityError,
    InvalidAccessKeyId,
    InvalidSecurityToken,
    OSSError,
    Redirected,
    RequestTimeTooSkewed,
    SecurityTokenExpired,
    ServiceError,
    SignatureDoesNotMatch,
    TimedOut,
    TransportError,
)
from ..wire.limits import check, check_bucket_name
from ..wire.message import Headers, Request, Response
from ..wire.refusals import parse_error
from ..wire.signing import Version, presign, sign
from .bucket import Bucket
from .carried import carry
from .health import Health
from .hurry import longest_silence
from .listings import Entries
from .retry import RetryPolicy
from .statistics import ClientStatistics
from .transport import Transport

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

    from ..wire.credentials import Credentials
    from ..wire.models import BucketSummary, ListBucketsResult
    from .connection import Body
    from .credentials import CredentialsProvider
    from .endpoints import Endpoint
    from .transport import Reply

log = logging.getLogger(__name__)

T = TypeVar("T")

# An answer that is XML is never longer; see `wire.xml`.
MAX_ANSWER = 16 * 1024 * 1024
# Of an answer that is an error, this much is read.
MAX_ERROR = 256 * 1024
# A page that a proxy sends, or a clock that is off by less, is no reason to touch ours.
_WORTH_CORRECTING = 60.0
# These copy on the server before they answer.
_SLOW = frozenset({"CopyObject", "UploadPartCopy", "CompleteMultipartUpload"})
# Somebody may have put others in the place where they are from, or half of them.
_CREDENTIALS_REFUSED = (
    AccessKeyIdAndSecurityTokenNotMatch,
    InvalidAccessKeyId,
    InvalidSecurityToken,
    SecurityTokenExpired,
    SignatureDoesNotMatch,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client behaves.  Times are seconds."""

    # Requests under way at once; each has a connection.
    concurrency: int = 64
    connect_timeout: float = 10.0
    # The longest silence while sending or receiving; the SDKs of the service wait as long.
    timeout: float = 20.0
    # Silence allowed to operations that copy inside the service.
    copy_timeout: float = 300.0
    # All attempts of one call together, and more for its bytes: those of a link this slow (bytes a second).
    deadline: float = 300.0
    slowest: int = 64 * 1024
    # How long an idle connection is kept; the service closes it after a minute.
    keepalive: float = 30.0
    signature: Version = "v4"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    user_agent: str = "ossmount"


class Client:
    """A client of one endpoint with one set of credentials; use it as an async context manager.

    *transport* replaces the network, *clock* and *jitter* time and chance, all for tests.

    Raises:
        ValueError: the signature needs a region, and the endpoint has none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CredentialsProvider,
        *,
        options: ClientOptions | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        # Dependencies.
        self.endpoint = endpoint
        self.options = options or ClientOptions()
        if self.options.signature == "v4" and not endpoint.region:
            raise ValueError(f"the region of {endpoint} is not known, and signature version 4 needs it: give a region")
        self._credentials = credentials
        self._own = Transport(connect_timeout=self.options.connect_timeout, keepalive=self.options.keepalive)
        self._carrier = carry(transport or self._own)
        self._clock = clock
        self.health = Health(str(endpoint), clock)
        self.jitter = jitter
        self._limiter = trio.CapacityLimiter(self.options.concurrency)
        # Mutable.
        self._offset = 0.0
        self._requests: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._retries = 0
        self._integrity_failures = 0
        self._sent = 0
        self._received = 0

    def __repr__(self) -> str:
        return f"<Client {self.endpoint} {self._limiter.borrowed_tokens} in flight>"

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are idle; requests under way close theirs when they end."""
        with trio.CancelScope(shield=True):
            await self._carrier.aclose()

    def bucket(self, name: str) -> Bucket:
        """Return the bucket called *name*, without asking whether there is one.

        Raises:
            OutOfLimits: no bucket can have that name.
        """
        check_bucket_name(name)
        return Bucket(self, name)

    def statistics(self) -> ClientStatistics:
        """Return what was done so far: requests by operation, every attempt counted."""
        limiter = self._limiter.statistics()
        return ClientStatistics(
            requests=dict(self._requests),
            errors=dict(self._errors),
            retries=self._retries,
            integrity_failures=self._integrity_failures,
            bytes_sent=self._sent,
            bytes_received=self._received,
            in_flight=limiter.borrowed_tokens,
            waiting=limiter.tasks_waiting,
            connections_opened=self._own.opened,
        )

    async def list_buckets(self, *, prefix: str = "", marker: str = "", max_keys: int = 1000) -> ListBucketsResult:
        """Return a page of one's buckets (ListBuckets)."""
        request = service.list_buckets(prefix=prefix, marker=marker, max_keys=max_keys)
        return await self.call(request, service.parse_list_buckets)

    def iter_buckets(self, prefix: str = "", *, marker: str = "") -> Entries[BucketSummary, str]:
        """Return one's buckets, to be gone through with ``async for``."""

        async def fetch(after: str) -> tuple[Iterable[BucketSummary], str | None]:
            page = await self.list_buckets(prefix=prefix, marker=after)
            return page.buckets, page.next_marker if page.is_truncated else None

        return Entries(fetch, marker)

    async def put_bucket(self, name: str, *, acl: str = "", storage_class: str = "", redundancy: str = "") -> Bucket:
        """Make a bucket and return it; see `Bucket.put_bucket`."""
        bucket = self.bucket(name)
        await bucket.put_bucket(acl=acl, storage_class=storage_class, redundancy=redundancy)
        return bucket

    async def delete_bucket(self, name: str) -> None:
        """Delete a bucket; see `Bucket.delete_bucket`."""
        await self.bucket(name).delete_bucket()

    async def presign(self, request: Request, *, expires: int = 3600, signature: Version | None = None) -> str:
        """Return a URL with which anybody can send *request* until *expires* seconds from now.

        *signature* is the version; that of the client's options if it is not given.

        Raises:
            CredentialsError: there is nothing to sign with.
            ValueError: *expires* is not possible.
        """
        check(request)
        credentials = await self._credentials.get()
        if credentials is None:
            return self.endpoint.url(request)
        query = presign(
            request,
            credentials,
            now=self.now(),
            expires=expires,
            region=self.endpoint.region,
            product=self.endpoint.product,
            version=signature or self.options.signature,
        )
        return self.endpoint.url(Request(request.method, request.bucket, request.key, query))

    def now(self) -> float:
        """Return the time by the service's clock, as far as we know it; seconds since the epoch."""
        return self._clock() + self._offset

    # -- the one way out -------------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Response:
        """Send *request* and return the answer, which is a success, with its body.

        Raises:
            ServiceError: the service said no, at last.
            TransportError: there was no answer.
            CredentialsError: there is nothing to sign with.
        """
        return await self.call(request, lambda response: response)

    async def call(self, request: Request, parse: Callable[[Response], T], *, body: Body = None) -> T:
        """Send *request* and return what *parse* reads from the answer; *body* is a stream to send instead of its
        own.

        An answer that *parse* cannot read (ValueError, LookupError) is a broken one, and tried again as such.

        Raises:
            OSSError: as `send`, and what *parse* raises.
        """

        async def receive(lease: Lease) -> T:
            reply = lease.reply
            content = await reply.read(MAX_ANSWER)
            self.count_received(len(content))
            return parse(Response(reply.status, reply.headers, content))

        return await self.perform(request, receive, body=body)

    async def perform(
        self,
        request: Request,
        receive: Callable[[Lease], Awaitable[T]],
        *,
        body: Body = None,
        size: int = 0,
        keep_open: bool = False,
    ) -> T:
        """Send *request* and let *receive* take the successful answer, again and again if it must be.

        *body* is sent instead of the request's.  *size* is how many bytes are expected, for the deadline.  With
        *keep_open* the answer is not closed here, but by whoever *receive* gave it to, and the deadline ends with its
        head.

        Raises:
            OSSError: as `send`.
            OutOfLimits: the service would refuse it; nothing is sent.
        """
        check(request)
        if body is None:
            body = request.body
        left = seconds = self.options.deadline + (size + _size_of(body)) / self.options.slowest
        attempt = 0
        refreshed = False
        failure: OSSError | None = None
        while left > 0:
            attempt += 1
            credentials: Credentials | None = None
            lease = Lease(self._limiter)
            # To wait for a place is not to wait for the service: it does not count, and tells nothing of it.
            with trio.move_on_after(longest_silence()) as waiting:
                await self._limiter.acquire_on_behalf_of(lease)
            if waiting.cancelled_caught:
                raise TimedOut(f"{self.endpoint}: as many requests as may be are under way", sent=False)
            kept = False
            begun = trio.current_time()
            try:
                with trio.move_on_after(left):
                    credentials = await self._credentials.get()
                    if credentials is not None and not credentials.can_be_sent:
                        raise CredentialsError(f"{self._credentials!r}: an access key is printable ASCII")
                    result = await self._attempt(lease, request, body, credentials, receive)
                    kept = keep_open
                    self.health.came()
                    return result
                break
            except OSSError as exc:
                failure = exc
            finally:
                if not kept:
                    await lease.aclose()
            self._count_failure(failure)
            skewed = isinstance(failure, RequestTimeTooSkewed) and self._correct_clock(failure.headers)
            delay = self.options.retry.delay_after(
                failure, attempt=attempt, idempotent=request.idempotent, jitter=self.jitter()
            )
            if isinstance(failure, _CREDENTIALS_REFUSED) and not refreshed:
                refreshed = True
                delay = 0.0 if await self._have_changed(credentials) else None
            in_hurry = isinstance(failure, TransportError) and longest_silence() < math.inf
            # Of a stream that can be read once, the bytes are gone.
            if delay is None or in_hurry or isinstance(body, AsyncIterator):
                break
            delay = 0.0 if skewed else delay
            level = logging.INFO if attempt == 1 else logging.WARNING
            log.log(level, "%r: attempt %d failed, next in %.2f s: %s", request, attempt, delay, failure)
            self._retries += 1
            left -= trio.current_time() - begun + delay
            await trio.sleep(delay)
        failure = failure or TimedOut(f"{request!r} took longer than {seconds:.0f} s")
        self.health.failed(failure)
        raise failure

    async def _attempt(
        self,
        lease: Lease,
        request: Request,
        body: Body,
        credentials: Credentials | None,
        receive: Callable[[Lease], Awaitable[T]],
    ) -> T:
        """Send *request* once; *lease* holds its answer then."""
        lease.reply = reply = await self._start(request, body, credentials)
        if not 200 <= reply.status < 300 or reply.status == 203:
            raise await self._refusal(reply)
        self._sent += _size_of(body)
        try:
            return await receive(lease)
        except (ValueError, LookupError) as exc:
            raise BrokenResponse(f"{request.operation}: not the answer expected: {exc}") from exc

    async def _start(self, request: Request, body: Body, credentials: Credentials | None) -> Reply:
        """Sign *request*, send it, and return the answer with its body unread."""
        endpoint, options = self.endpoint, self.options
        if credentials is None:
            headers = request.headers.copy()
        else:
            headers = sign(
                request,
                credentials,
                now=self.now(),
                region=endpoint.region,
                product=endpoint.product,
                version=options.signature,
            )
        headers["host"] = endpoint.host_header(request.bucket)
        headers["user-agent"] = options.user_agent
        # Else the service would compress some objects, and then not say their size or ETag.
        headers["accept-encoding"] = "identity"
        _announce(headers, request.method, body)
        self._requests[request.operation] += 1
        return await self._carrier.start(
            endpoint.origin(request.bucket),
            request.method,
            endpoint.target(request),
            headers,
            body,
            timeout=min(options.copy_timeout if request.operation in _SLOW else options.timeout, longest_silence()),
            again=request.idempotent,
        )

    def count_received(self, size: int) -> None:
        """Count *size* bytes of bodies received; whoever reads a reply says so."""
        self._received += size

    async def _refusal(self, reply: Reply) -> OSSError:
        """Return the error that an answer tells."""
        content = b""
        # What is longer is no error of OSS; its begin tells what it is.
        while len(content) < MAX_ERROR and (piece := await reply.read_some(MAX_ERROR - len(content))) is not None:
            content += piece
        self.count_received(len(content))
        error = parse_error(Response(reply.status, reply.headers, content), host=self.endpoint.host)
        if 300 <= reply.status < 400 and reply.status != 304 and not error.code:
            return Redirected(f"{self.endpoint} redirects to {reply.headers.get('location', 'nowhere')}")
        return error

    def _count_failure(self, exc: OSSError) -> None:
        code = exc.code if isinstance(exc, ServiceError) else type(exc).__name__
        self._errors[code or str(getattr(exc, "status", ""))] += 1
        if isinstance(exc, IntegrityError) or code in ("InvalidCRC64", "InvalidDigest"):
            self._integrity_failures += 1

    def _correct_clock(self, headers: Headers) -> bool:
        """Set our clock by the Date of an answer; return whether that changed it."""
        try:
            offset = parse_http_date(headers.get("date", "")) - self._clock()
        except ValueError:
            return False
        if abs(offset - self._offset) < _WORTH_CORRECTING:
            return False
        log.warning("the clock of this machine is %.0f s off that of the service; signing by the service's", -offset)
        self._offset = offset
        return True

    async def _have_changed(self, refused: Credentials | None) -> bool:
        """Return whether there are other credentials now than those that were refused."""
        try:
            # Another task may have looked already.
            return await self._credentials.get() != refused or await self._credentials.get(refresh=True) != refused
        except CredentialsError as exc:
            log.warning("no new credentials: %s", exc)
            return False


class Lease:
    """A place among the requests under way, and the answer it was taken for; closed once, by whoever is last."""

    __slots__ = ("_limiter", "reply")

    reply: Reply

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter: trio.CapacityLimiter | None = limiter

    async def aclose(self) -> None:
        """Close the answer and free the place."""
        limiter, self._limiter = self._limiter, None
        if limiter is None:
            return
        try:
            if hasattr(self, "reply"):
                await self.reply.aclose()
        finally:
            limiter.release_on_behalf_of(self)


def _size_of(body: Body) -> int:
    return 0 if body is None or isinstance(body, AsyncIterable) else memoryview(body).nbytes


def _announce(headers: Headers, method: str, body: Body) -> None:
    """Say how long the body is, or that it comes in chunks."""
    if isinstance(body, AsyncIterable):
        if "content-length" not in headers:
            headers["transfer-encoding"] = "chunked"
    elif body is not None:
        headers["content-length"] = str(memoryview(body).nbytes)
    elif method in ("PUT", "POST"):
        headers["content-length"] = "0"
