"""The server as an ASGI application: from a request to its operation, and back.

A plain application: no framework stands between the protocol and an operation, since a small request is to cost little.

Every request is read, named after its operation, counted, struck by the faults planned for it, checked (names,
signature, rights, bucket), given its body, carried out, and answered.  Whatever is refused on the way is answered as
OSS answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..wire.dates import http_date
from ..wire.errors import (
    EntityTooLarge,
    InternalError,
    InvalidCRC64,
    InvalidDigest,
    MissingContentLength,
    ServiceError,
    error_class,
)
from ..wire.message import Headers, Request, Response, decode_target
from ..wire.properties import read_digests, read_traffic_limit
from ..wire.refusals import write_error
from .compression import compressed
from .exchange import Disconnected, Exchange
from .faults import Plan
from .pacing import Lane
from .requestlog import Entry, RequestLog
from .routes import Body, Operation, route
from .service import MAX_BODY, Download, Right, Service, ServiceOptions, host_reader

if TYPE_CHECKING:
    from .blobs import Incoming
    from .exchange import Receive, Scope, Send
    from .faults import Fault
    from .roles import Roles
    from .store import Store
    from .sts import SecurityTokenService
    from .upkeep import Upkeep

log = logging.getLogger(__name__)

# Of XML in a request, in bytes: 10,000 parts with their ETags need 1 MiB.
MAX_DOCUMENT = 4 * 1024 * 1024
# The service looks after itself once so many seconds, counted from full hours.
HOUR = 3600
# Seconds after which a request that is delayed sees whether it still is.
_LOOK = 0.005

_LIMIT = "x-oss-traffic-limit"
_ANSWERS = (Response, Download)

# The connection below puts itself into the scope under this name.
CONNECTION = "ossmount.connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions(ServiceOptions):
    """Options of the application: *latency* in seconds comes before every request; *introspect* serves ``/-/``."""

    latency: float = 0.0
    introspect: bool = False


class _NoConnection:
    """Stands in where the server below is not ours: no pacing, and nothing that could be cut."""

    def __init__(self) -> None:
        self.incoming = Lane(0)
        self.outgoing = Lane(0)
        self.gone = False

    def close(self) -> None:
        raise Disconnected

    def reset(self) -> None:
        raise Disconnected


class App:
    """The embedded OSS on *store*.  *faults* and *requests* are open to whoever holds the application."""

    def __init__(self, store: Store, options: AppOptions) -> None:
        self.store = store
        self.options = options
        self.faults = Plan()
        self.requests = RequestLog()
        self._service = Service(store, options)
        # What few need is loaded for the first of them: a server that runs for one command is to start quickly.
        self._upkeep: Upkeep | None = None
        self._due = 0.0 if store.settings.known else store.clock() // HOUR * HOUR + HOUR
        self._tokens: SecurityTokenService | None = None
        # Empty while no bucket has settings, which saves looking for them.
        self._known = store.settings.known
        self._host = host_reader(options.hosts, options.image_hosts)
        self._numbers = itertools.count(secrets.randbits(80))
        self._introspection: object = None

    @property
    def roles(self) -> Roles:
        """The temporary credentials that are about."""
        return self._service.roles

    def __repr__(self) -> str:
        return f"<App {self.store!r} {self.requests!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"not served here: {scope['type']}")
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        bucket, image = self._host(headers.get("host", ""))
        raw_path = scope["raw_path"].decode("latin-1")
        if self.options.introspect and not bucket and raw_path.startswith("/-/"):
            await self._introspect(scope, receive, send)
            return
        client = scope.get("client")
        exchange = Exchange(
            receive, send, scope.get(CONNECTION) or _NoConnection(), client=client[0] if client else "", image=image
        )
        request = _request(scope["method"], bucket, raw_path, scope["query_string"].decode("latin-1"), headers)
        await self._serve(request, exchange)

    async def _serve(self, request: Request, exchange: Exchange) -> None:
        start = time.monotonic()
        if self.store.clock() >= self._due:
            self._due = self._keep().run(self.store.clock())
        operation: Operation | ServiceError
        key = request.key
        try:
            operation = self._operation(request, exchange)
            request.operation = operation.name
        except ServiceError as exc:
            operation = exc
            request.operation = "Unknown"
        except Exception:
            log.exception("%r", request)
            operation = InternalError()
            request.operation = "Unknown"
        self.requests.begin(request.operation)
        try:
            await self._strike_and_answer(operation, request, exchange)
        except Disconnected:
            exchange.status = 0
        except asyncio.CancelledError:
            # The server ends, and this request took too long.
            exchange.status = 0
            with contextlib.suppress(Disconnected):
                await exchange.abandon(reset=True)
        finally:
            name = request.operation
            entry = Entry(
                name, request.bucket, key, exchange.status, exchange.received, exchange.sent, start, time.monotonic()
            )
            self.requests.end(entry)
            if self._known and "logging" in self._service.settings(request.bucket):
                self._keep().log.note(
                    request,
                    entry,
                    client=exchange.client,
                    access_key_id=exchange.access_key_id,
                    request_id=exchange.request_id,
                    code=exchange.code,
                    now=self.store.clock(),
                )

    def _operation(self, request: Request, exchange: Exchange) -> Operation:
        """Return what *request* asks for; a website's visitor may mean another key than the one in the path.

        Raises:
            ServiceError: as `route`.
        """
        if not request.bucket or request.bucket == "latest":
            from .sts import SecurityTokenService

            tokens = self._tokens = self._tokens or SecurityTokenService(self._service)
            if tokens.is_meant(request):
                return Operation(request.operation, self._answer_token, Right.NONE, Body.DOCUMENT)
        if self._known and "website" in self._service.settings(request.bucket):
            from .website import enter, website_for

            website = exchange.website = website_for(self._service, request)
            redirect = enter(self._service, website, request) if website is not None else None
            if redirect is not None:
                return Operation("GetObject", lambda _service, _request: redirect, Right.NONE)
        return route(request)

    def _answer_token(self, _service: Service, request: Request) -> Response:
        assert self._tokens is not None
        return self._tokens.answer(request, self.store.clock(), self._new_id())

    def _keep(self) -> Upkeep:
        from .upkeep import Upkeep

        self._upkeep = self._upkeep or Upkeep(self._service)
        return self._upkeep

    async def _strike_and_answer(
        self, operation: Operation | ServiceError, request: Request, exchange: Exchange
    ) -> None:
        faults = self.faults.strike(request.operation, request.key) if self.faults else []
        exchange.faults = faults
        if self.options.latency:
            await asyncio.sleep(self.options.latency)
        for fault in faults:
            end = time.monotonic() + fault.delay
            # A plan changes in any thread, and tells nobody.
            while (left := end - time.monotonic()) > 0 and self.faults.delays(fault):  # noqa: ASYNC110
                await asyncio.sleep(min(left, _LOOK))
        now = self.store.clock() + sum(fault.skew for fault in faults)
        await self._fail(faults, request, exchange, now, done=False)
        if exchange.status:
            return
        try:
            if isinstance(operation, ServiceError):
                raise operation
            answer = await self._carry_out(operation, request, exchange, now)
        except ServiceError as exc:
            exchange.code = exc.code
            answer = self._refusal(exc, request)
            if exchange.website is not None and exc.status < 500:
                from .website import error_page

                answer = error_page(self._service, exchange.website, request, exc) or answer
        except Disconnected:
            raise
        except Exception:
            log.exception("%r", request)
            answer = self._refusal(InternalError(), request)
        await self._fail(faults, request, exchange, now, done=True)
        if not exchange.status:
            await self._respond(answer, request, exchange, now)

    async def _fail(self, faults: list[Fault], request: Request, exchange: Exchange, now: float, *, done: bool) -> None:
        """Let the first of *faults* that ends a request before, or after, it is carried out, do so."""
        for fault in faults:
            if fault.done != done:
                continue
            if fault.reset:
                await exchange.abandon(reset=True)
            if fault.status:
                error = error_class(fault.status, fault.code)("A planned fault.", code=fault.code, status=fault.status)
                await self._respond(self._refusal(error, request), request, exchange, now)
                return

    async def _carry_out(
        self, operation: Operation, request: Request, exchange: Exchange, now: float
    ) -> Response | Download:
        service = self._service
        service.check_names(request)
        exchange.access_key_id = service.authorize(request, operation.right, now, image=exchange.image)
        if _LIMIT in request.headers or _LIMIT in request.query:
            exchange.slow_down(read_traffic_limit(request) / 8)
        if operation.body is Body.OBJECT:
            return await self._store(operation, request, exchange)
        if operation.body is Body.FORM:
            return await self._store_form(operation, request, exchange)
        if operation.body is Body.DOCUMENT:
            document = bytearray()
            await exchange.receive_into(document.extend, MAX_DOCUMENT)
            request.body = bytes(document)
        answer = operation.run(service, request)
        return answer if isinstance(answer, _ANSWERS) else await answer

    async def _store(self, operation: Operation, request: Request, exchange: Exchange) -> Response | Download:
        """Carry out an operation that stores the body of its request."""
        headers = request.headers
        self._service.bucket(request)
        if "content-length" not in headers and "transfer-encoding" not in headers:
            raise MissingContentLength
        if int(headers.get("content-length", "0")) > MAX_BODY:
            raise EntityTooLarge(details={"MaxSizeAllowed": str(MAX_BODY)})
        digests = read_digests(request)
        body: Incoming = self.store.blobs.incoming()
        try:
            await exchange.receive_into(body.write, MAX_BODY)
            body.finish()
            if digests.md5 not in (None, body.md5):
                raise InvalidDigest
            if digests.crc64 not in (None, body.crc64):
                raise InvalidCRC64
            answer = operation.run(self._service, request, body)
            return answer if isinstance(answer, _ANSWERS) else await answer
        finally:
            body.discard()

    async def _store_form(self, operation: Operation, request: Request, exchange: Exchange) -> Response | Download:
        """Carry out an operation that stores the file in the form it comes with."""
        from ..wire.form import MAX_OVERHEAD, FormReader

        self._service.bucket(request)
        body: Incoming = self.store.blobs.incoming()
        try:
            form = FormReader(request.headers.get("content-type", ""), body.write)
            await exchange.receive_into(form.feed, MAX_BODY + MAX_OVERHEAD)
            body.finish()
            answer = operation.run(self._service, request, form.finish(), body)
            return answer if isinstance(answer, _ANSWERS) else await answer
        finally:
            body.discard()

    def _refusal(self, error: ServiceError, request: Request) -> Response:
        error.request_id = self._new_id()
        error.host_id = request.headers.get("host", "")
        log.debug("%r: %s", request, error)
        response = write_error(error, head=request.method == "HEAD")
        response.headers["x-oss-request-id"] = error.request_id
        return response

    async def _respond(self, answer: Response | Download, request: Request, exchange: Exchange, now: float) -> None:
        response = answer.response if isinstance(answer, Download) else answer
        headers = response.headers
        fields = dict.__setitem__
        fields(headers, "server", "AliyunOSS")
        fields(headers, "date", http_date(now))
        fields(headers, "x-oss-server-time", "1")
        exchange.request_id = dict.get(headers, "x-oss-request-id") or self._new_id()
        fields(headers, "x-oss-request-id", exchange.request_id)
        if self._known:
            self._share(request, headers)
        head = request.method == "HEAD"
        if isinstance(answer, Download) and not head:
            blobs = self.store.blobs
            with blobs.pinned(answer.segments):
                pieces = blobs.read(answer.segments, exchange.outgoing.unit)
                await exchange.respond(response, compressed(pieces) if answer.gzip else pieces)
        else:
            await exchange.respond(response, head=head)

    def _new_id(self) -> str:
        return f"{next(self._numbers) & (1 << 96) - 1:024X}"

    def _share(self, request: Request, headers: Headers) -> None:
        """Tell the browser whether the page that sent *request* may see the answer, and caches that others may not."""
        rules = self._service.settings(request.bucket).get("cors")
        if rules is None or "access-control-allow-origin" in headers:
            return
        vary = headers.get("vary", "")
        if rules.response_vary:
            headers["vary"] = f"{vary}, Origin" if vary else "Origin"
        if "origin" not in request.headers:
            return
        from ..wire.cors import response_headers

        origin = request.headers["origin"]
        rule = rules.rule_for(origin, request.method)
        if rule is not None:
            headers.update(response_headers(rules, rule, origin))
            if vary and "vary" in headers:
                headers["vary"] = f"{vary}, Origin"

    def close(self) -> None:
        """Write what is not written yet of the access logs."""
        if self._upkeep is not None:
            self._upkeep.log.flush(self.store.clock())

    async def _introspect(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not imported before somebody asks: a server that starts for one command should start quickly.
        from .introspection import introspection

        if self._introspection is None:
            self._introspection = introspection(self)
        await self._introspection(scope, receive, send)  # type: ignore[operator]


def create_app(store: Store, options: AppOptions | None = None) -> App:
    """Return the application that serves *store*."""
    return App(store, options or AppOptions())


def _request(method: str, bucket: str, raw_path: str, raw_query: str, headers: Headers) -> Request:
    path, query = decode_target(f"{raw_path}?{raw_query}" if raw_query else raw_path)
    path = path.removeprefix("/")
    if bucket:
        return Request(method, bucket, path, query, headers)
    bucket, _, key = path.partition("/")
    return Request(method, bucket, key, query, headers)
