"""Opening a socket to the service: TCP or unix, plain or TLS, always non-blocking."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import trio

from ..wire.errors import ConnectFailed

if TYPE_CHECKING:
    from .endpoints import Origin

# So many bytes may wait in a socket (tcp(7)).  trio says 16 KiB, which wakes whoever sends megabytes for each of them;
# with no limit they lie around until they have left the caches of the processor.
_WAITING = 192 * 1024


async def connect(origin: Origin, *, timeout: float, context: ssl.SSLContext | None = None) -> socket.socket:
    """Open a non-blocking socket to *origin*, with TLS done if it asks for that.

    Raises:
        ConnectFailed: no such host, refused, a certificate that is not trusted, or it took longer than *timeout*
        seconds.
    """
    sock: socket.socket | None = None
    try:
        with trio.fail_after(timeout):
            if origin.path:
                unix = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
                try:
                    await unix.connect(origin.path)
                    sock = socket.socket(fileno=unix.detach())
                finally:
                    unix.close()
            else:
                stream = await trio.open_tcp_stream(origin.host, origin.port)
                sock = socket.socket(fileno=stream.socket.detach())
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING)
            sock.setblocking(False)
            if origin.tls:
                assert context is not None
                sock = context.wrap_socket(sock, server_hostname=origin.host, do_handshake_on_connect=False)
                await _handshake(sock)
    except trio.TooSlowError:
        _close(sock)
        raise ConnectFailed(f"no connection to {origin} within {timeout:g} s") from None
    except (OSError, ValueError) as exc:
        _close(sock)
        failure = ConnectFailed(f"no connection to {origin}: {_reason(exc)}")
        # Another try will not make a certificate trusted.
        failure.transient = not isinstance(exc, ssl.SSLCertVerificationError)
        raise failure from exc
    except BaseException:
        _close(sock)
        raise
    return sock


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


def _reason(exc: BaseException) -> str:
    """Return the innermost reason; trio wraps the failures for each address of a host into a group."""
    while isinstance(cause := exc.__cause__, BaseException):
        exc = cause
    if isinstance(exc, BaseExceptionGroup):
        return _reason(exc.exceptions[0])
    return str(exc) or type(exc).__name__


async def _handshake(sock: ssl.SSLSocket) -> None:
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(sock)
        except ssl.SSLWantWriteError:
            await trio.lowlevel.wait_writable(sock)
        else:
            return
