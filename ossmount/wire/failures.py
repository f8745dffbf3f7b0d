"""What can go wrong, by blame.

    OSSError                 anything
      ServiceError           OSS answered no; one subclass for each code of the reference, named after it
      TransportError         there was no complete answer
        ConnectFailed        nothing was sent: no route, refused, TLS refused, no such host
        TimedOut             it took too long
        BrokenResponse       the answer ended early, or is no HTTP
        Redirected           somebody answered with a redirect, which is never followed
      IntegrityError         bytes arrived, but not the right ones (CRC-64)
      CredentialsError       nothing to sign with
      PartialWriteFailed     of several places that are to hold the same, some have it and some do not

`transient` is a hint for those above: the same request may succeed a moment later.  An unknown code gives a plain
`ServiceError` that keeps everything the service said.  The classes of the codes are in `wire.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .message import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class OSSError(Exception):
    """Anything that went wrong between a program and its bucket."""

    transient: bool = False


class TransportError(OSSError):
    """There was no complete answer; *sent* says whether the service may have received the request."""

    transient = True

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class ConnectFailed(TransportError):
    """There is no connection; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class TimedOut(TransportError):
    """It took longer than allowed."""


class BrokenResponse(TransportError):
    """The answer ended early, or was not HTTP."""


class Redirected(TransportError):
    """Somebody answered with a redirect; the endpoint is wrong."""

    transient = False


class IntegrityError(OSSError):
    """The bytes are not those that were sent: CRC-64 differs."""

    transient = True


class CredentialsError(OSSError):
    """There are no credentials, or they cannot be used; the message names what was tried."""


class PartialWriteFailed(OSSError):
    """A write reached some members of a cluster and not others, which differ now.

    *results* has for each member, in their order, its result or its error.
    """

    def __init__(self, operation: str, members: Sequence[object], results: Sequence[object]) -> None:
        self.results = tuple(results)
        failed = "; ".join(
            f"{member!r}: {result}"
            for member, result in zip(members, results, strict=True)
            if isinstance(result, OSSError)
        )
        super().__init__(f"{operation}: {len(self.errors)} of {len(members)} members failed: {failed}")
        self.transient = all(error.transient for error in self.errors)

    @property
    def errors(self) -> list[OSSError]:
        """What went wrong, where something did."""
        return [result for result in self.results if isinstance(result, OSSError)]

    @property
    def gravest(self) -> OSSError:
        """The first error that will not pass by itself, if there is one."""
        return next((error for error in self.errors if not error.transient), self.errors[0])


class OutOfLimits(OSSError, ValueError):
    """An argument that OSS would refuse, refused here before anything is sent; the message tells the limit."""


class ServiceError(OSSError):
    """OSS answered no.

    *details* are the other elements of the answer by name (``Key``, ``BucketName``, ``ArgumentName`` ...), *headers*
    the response's.  Subclasses give the usual status, message and EC of their code, so that a server can raise them
    bare.
    """

    code: str = ""
    status: int = 400
    message: str = ""
    ec: str = ""
    by_code: ClassVar[dict[str, type[ServiceError]]] = {}

    def __init_subclass__(cls, *, status: int, ec: str = "", code: str = "") -> None:
        cls.status, cls.ec, cls.code = status, ec, code or cls.__name__
        cls.by_code[cls.code] = cls

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int = 0,
        request_id: str = "",
        host_id: str = "",
        ec: str = "",
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.message = message or type(self).message
        self.request_id = request_id
        self.host_id = host_id
        self.ec = ec or type(self).ec
        self.details = dict(details or {})
        self.headers = Headers(headers or {})
        self.transient = self.status >= 500 or self.status in _TRANSIENT_STATUSES or self.code in _TRANSIENT_CODES
        super().__init__(self.message)

    def __str__(self) -> str:
        """Say code, message, status and request id; never header values, which might hold secrets."""
        said = f"{self.code or 'HTTP'} ({self.status}): {self.message or _UNSAID.get(self.status, 'no message')}"
        for name in ("Key", "BucketName", "ArgumentName", "ArgumentValue", "Condition", "UploadId"):
            if self.details.get(name):
                said += f" [{name}: {self.details[name]}]"
        return said + (f" [request id {self.request_id}]" if self.request_id else "")


# Nginx and load balancers in front of the service use these.
_TRANSIENT_STATUSES = frozenset({408, 429})
# What an answer without a body means.
_UNSAID = {304: "It has not changed."}
# What the SDKs of the service try again, beside 5xx.  401 is not among them: OSS does not send it.
_TRANSIENT_CODES = frozenset(
    {"RequestTimeTooSkewed", "RequestTimeout", "IncompleteBody", "InvalidCRC64", "InvalidDigest"}
)
