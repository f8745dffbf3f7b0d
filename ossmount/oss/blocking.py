"""The client for plain scripts: the same names, no ``async`` and no ``await``.

    from ossmount.oss import Endpoint, StaticCredentials, blocking

    with blocking.Client(Endpoint.parse("oss-cn-hangzhou.aliyuncs.com"), StaticCredentials(key_id, secret)) as client:
        bucket = client.bucket("my-bucket")
        bucket.put_object("a/key", b"hello")
        head, body = bucket.get_object("a/key")
        for entry in bucket.iter_objects("a/"):
            print(entry.key, entry.size)
        with bucket.open_object("large") as (head, pieces):
            for piece in pieces:
                ...

    with blocking.open_cluster([one, two], StaticCredentials(key_id, secret), "my-bucket") as bucket:
        ...

Theory of operation.  `Runner` runs trio in a thread of its own, and holds the client open there.  A `Blocking` stands
for an object of the async client in that thread: a call of an async method is handed over and waited for; an async
iterator comes out as an iterator, an async context manager as a context manager, and objects of the client come out
wrapped in their turn.  Everything else, results above all, comes out as it is.  Any number of threads may use one
client.  An interrupt (Control-C) cancels the call that waits.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from . import bucket as _bucket, client as _client, cluster as _cluster, image as _image, sts as _sts

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")


class Runner:
    """A thread that runs trio with something open, from `start` to `stop`."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopped = trio.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def start(self, there: AbstractAsyncContextManager[T]) -> T:
        """Start the thread, enter *there* in it, and return what it gives.

        Raises:
            Exception: it could not be entered.
            RuntimeError: the thread was started before.
        """
        if self._thread is not None:
            raise RuntimeError("this client was opened before; make another")
        opened: queue.SimpleQueue[T | None] = queue.SimpleQueue()

        async def serve() -> None:
            async with there as given:
                self._token = trio.lowlevel.current_trio_token()
                opened.put(given)
                await self._stopped.wait()

        def run() -> None:
            try:
                trio.run(serve)
            except BaseException as exc:
                self._failure = exc
            opened.put(None)

        # A daemon, so that a script that forgot to close its client can end.
        self._thread = threading.Thread(target=run, name="ossmount-blocking", daemon=True)
        self._thread.start()
        given = opened.get()
        if self._token is None:
            self.stop()
        return given  # type: ignore[return-value]

    def run(self, act: Callable[[], Awaitable[T]]) -> T:
        """Await what *act* returns in the thread, and return its result or raise its error.

        Raises:
            RuntimeError: the thread is not running, or is the one that asks.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("what the client calls cannot call it back: it would wait for itself")
        if self._token is None:
            raise RuntimeError("this client is closed, or was never opened: use it in a with statement")
        answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        scope = trio.CancelScope()

        async def call() -> None:
            result: T | None = None
            failure: BaseException | None = None
            try:
                with scope:
                    result = await act()
                if scope.cancelled_caught:
                    failure = KeyboardInterrupt()
            except BaseException as exc:
                failure = exc
            answer.put((result, failure))
            if isinstance(failure, trio.Cancelled):
                raise failure

        token = self._token
        try:
            token.run_sync_soon(trio.lowlevel.spawn_system_task, call)
            result, failure = answer.get()
        except trio.RunFinishedError:
            raise RuntimeError("this client is closed") from None
        except BaseException:
            # Control-C: what waits in the other thread must not go on.
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(scope.cancel)
            raise
        if isinstance(failure, trio.Cancelled):
            raise RuntimeError("this client was closed meanwhile")
        if failure is not None:
            raise failure
        return result  # type: ignore[return-value]

    def stop(self) -> None:
        """End the thread.

        Raises:
            Exception: it had ended by itself, or what was open could not be left well.
        """
        token, self._token = self._token, None
        if token is not None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._stopped.set)
        if self._thread is not None:
            self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


class Blocking:
    """An object of the async client, to be used without ``await``."""

    def __init__(self, runner: Runner, there: Any) -> None:
        self._runner = runner
        self.wrapped = there

    def __repr__(self) -> str:
        return f"<blocking {self.wrapped!r}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self.wrapped, name)
        if not callable(found) or inspect.isclass(found):
            return _come_out(self._runner, found)

        def call(*args: Any, **options: Any) -> Any:
            given = [_go_in(name, value) for value in args]
            named = {key: _go_in(name, value) for key, value in options.items()}
            if inspect.iscoroutinefunction(found):
                return _come_out(self._runner, self._runner.run(lambda: found(*given, **named)))
            return _come_out(self._runner, found(*given, **named))

        call.__name__, call.__doc__ = name, found.__doc__
        return call

    def __dir__(self) -> list[str]:
        return [name for name in dir(self.wrapped) if not name.startswith("_")]


# What takes a body in pieces; elsewhere, what is gone through are keys, parts and the like.
_STREAMING = frozenset({"put_object", "upload_stream"})


def _go_in(method: str, value: Any) -> Any:
    """Return what *method* of the async client is to be given for *value*."""
    if isinstance(value, Blocking):
        return value.wrapped
    if isinstance(value, Iterator):
        # A listing, say, must not be waited for by the thread that fetches it.
        return _Fed(value) if method in _STREAMING else list(value)
    return value


def _come_out(runner: Runner, value: Any) -> Any:
    if isinstance(value, _bucket.Bucket):
        return Blocking(runner, value)
    if isinstance(value, AbstractAsyncContextManager) and not isinstance(value, _client.Client):
        return _Entered(runner, value)
    if isinstance(value, AsyncIterable):
        return _Iterated(runner, value)
    if isinstance(value, tuple) and any(isinstance(each, AsyncIterator | _bucket.Bucket) for each in value):
        return tuple(_come_out(runner, each) for each in value)
    return value


class _Fed:
    """Pieces of a body that a script makes, taken by another thread so that the client goes on."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> _Fed:
        return self

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(next, self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        return piece


class _Iterated:
    def __init__(self, runner: Runner, there: AsyncIterable[Any]) -> None:
        self._runner = runner
        self._pieces = aiter(there)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return _come_out(self._runner, self._runner.run(lambda: anext(self._pieces)))
        except StopAsyncIteration:
            raise StopIteration from None


class _Entered:
    def __init__(self, runner: Runner, there: AbstractAsyncContextManager[Any]) -> None:
        self._runner = runner
        self.wrapped = there

    def __enter__(self) -> Any:
        return _come_out(self._runner, self._runner.run(self.wrapped.__aenter__))

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._runner.run(lambda: self.wrapped.__aexit__(kind, exc, trace))


class Client(Blocking):
    """A `ossmount.oss.Client` without ``await``; the arguments are the same.  Use it in a with statement."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(Runner(), _client.Client(*args, **options))

    def __enter__(self) -> Client:
        self._runner.start(self.wrapped)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.stop()

    def images(self, bucket: str, *, grammar: _image.Grammar = "new") -> Blocking:
        """Return an `ImageClient` of *bucket*."""
        return Blocking(self._runner, _image.ImageClient(self.wrapped.bucket(bucket), grammar=grammar))

    def sts(self, *args: Any, **options: Any) -> Blocking:
        """Return an `STS` client; the arguments are the same."""
        return Blocking(self._runner, _sts.STS(*args, **options))


@contextmanager
def open_cluster(*args: Any, **options: Any) -> Iterator[Any]:
    """Open several buckets as one, a `Blocking` of a `Cluster`; the arguments are those of `ossmount.oss.open_cluster`.

    *on_error* is called in the client's thread, and so cannot use the cluster.
    """
    runner = Runner()
    cluster = runner.start(_cluster.open_cluster(*args, **options))
    try:
        yield Blocking(runner, cluster)
    finally:
        runner.stop()
