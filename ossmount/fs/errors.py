"""What a program is told when something went wrong: the one table from exceptions to errno.

A program knows an errno and nothing else; the operator has the log.  So each row of `TABLE` says which errno, why that
one and no other, and what to do about it.  An exception is looked up by its class, then by those it inherits from; an
OSError brings its own errno; what nobody foresaw is EIO.

Three errnos never come from OSS: ENOENT for anything but an object that is not there, since programs that mirror or
clean up take it for a deletion; ENOSYS, after which the kernel never asks for the same operation again; EAGAIN, on
which a program that reads a plain file may spin.

Exceptions of libraries that this room does not import are known by name.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from typing import Final

from ..wire import errors as oss


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one class of exceptions."""

    errno: int
    reason: str
    """Why this errno."""
    remedy: str = ""
    """What an operator can do, as the end of a sentence in the log; empty where there is nothing."""


_OURS = "the request was not well-formed, which no program on this machine can help"
_FORM = "belongs to uploads by HTML form, which a mount never makes"
_GONE = "belongs to object groups and links, which OSS has withdrawn"
_BUSY = "throttled beyond all retries; EAGAIN would make a program spin and EIO look like damage"

_LOOK_AT_SOURCE = "check where the mount gets its credentials from"
_LOOK_AT_POLICY = "check the RAM policy of the access key, the bucket's policy and the ACLs"
_LOOK_AT_KEY = "check the access key id and secret that the mount uses"
_LOOK_AT_BUCKET = "check the bucket's name and that the endpoint is that of its region"
_LOOK_AT_NETWORK = "check the network and the endpoint"
_SLOW_DOWN = "lower the number of parallel requests, or ask Alibaba Cloud for a higher limit"
_REPORT = "please report this with the log around it"

_PARTS_LOST = "the upload has other parts than we remember; the data are kept and the upload begins anew"
_CHANGED = "somebody else has changed the object meanwhile"

TABLE: Final[dict[type[BaseException], Row]] = {
    # --- the object, and where it is
    oss.NoSuchKey: Row(errno.ENOENT, "there is no such file"),
    oss.NoSuchVersion: Row(errno.ENOENT, "there is no such version of the file"),
    oss.SymlinkTargetNotExist: Row(errno.ENOENT, "the link dangles, as stat(2) has it"),
    oss.NoSuchBucket: Row(
        errno.ENODEV, "the whole device is gone; with ENOENT every file would seem to be deleted", _LOOK_AT_BUCKET
    ),
    oss.InvalidBucketName: Row(errno.ENODEV, "no such bucket can exist", _LOOK_AT_BUCKET),
    oss.InvalidObjectState: Row(
        errno.EREMOTE,
        "the object is archived. 'Object is remote' says so, and nothing else here gives it: EACCES would send people "
        "to the policies, EIO to the cables, ENODATA means an extended attribute that is not there",
        "restore the object first (ossmount object restore), or let the bucket read archived objects directly",
    ),
    oss.RestoreAlreadyInProgress: Row(
        errno.EALREADY, "the restoration of the archived object is under way", "wait until the object is restored"
    ),
    oss.PreconditionFailed: Row(errno.ESTALE, _CHANGED, "open the file again"),
    oss.PositionNotEqualToLength: Row(errno.ESTALE, "somebody else has appended to the object", "open the file again"),
    oss.ObjectNotAppendable: Row(errno.ESTALE, "somebody else has put an object that takes no appends in its place"),
    oss.InvalidRange: Row(errno.ESTALE, "the object has become shorter: we ask for no bytes beyond the end we know"),
    oss.FileAlreadyExists: Row(errno.EEXIST, "the object is there, and was not to be overwritten"),
    oss.FileImmutable: Row(
        errno.EPERM, "under retention, as an inode that is immutable (chattr +i)", "see the bucket's retention policy"
    ),
    oss.EntityTooLarge: Row(errno.EFBIG, "more than OSS takes in one object or one request"),
    oss.InvalidObjectName: Row(errno.EINVAL, "no object can have that name"),
    oss.InvalidTargetType: Row(errno.ELOOP, "an OSS symlink that points to another one, which OSS does not follow"),
    oss.NotSymlink: Row(errno.EINVAL, "readlink(2) of something that is no symbolic link"),
    # --- who may
    oss.AccessDenied: Row(errno.EACCES, "the account may not", _LOOK_AT_POLICY),
    oss.AccessForbidden: Row(errno.EACCES, "the account may not", _LOOK_AT_POLICY),
    oss.InvalidAccessKeyId: Row(errno.EACCES, "the access key is unknown or disabled", _LOOK_AT_KEY),
    oss.SignatureDoesNotMatch: Row(errno.EACCES, "the secret is not the key's", _LOOK_AT_KEY),
    oss.AccessKeyIdAndSecurityTokenNotMatch: Row(errno.EACCES, "key and token are not a pair", _LOOK_AT_SOURCE),
    oss.InvalidSecurityToken: Row(errno.EACCES, "the token is not valid", _LOOK_AT_SOURCE),
    oss.SecurityTokenExpired: Row(errno.EACCES, "the token has expired and no new one came", _LOOK_AT_SOURCE),
    oss.CredentialsError: Row(errno.EACCES, "there is nothing to sign with", _LOOK_AT_SOURCE),
    oss.UserDisable: Row(errno.EACCES, "the account is disabled", "check whether the account has unpaid bills"),
    oss.RequestTimeTooSkewed: Row(
        errno.EACCES, "the signature is too old or too new", "set the clock of this machine (NTP)"
    ),
    oss.SecondLevelDomainForbidden: Row(
        errno.EACCES, "the endpoint wants the bucket in the host name", "do not use path-style requests here"
    ),
    oss.KmsServiceNotEnabled: Row(
        errno.ENOKEY, "the key that encrypts the object cannot be used", "enable KMS, or check the key id"
    ),
    oss.MethodNotAllowed: Row(errno.EPERM, "not even an owner may do that to this resource"),
    # --- what a program gave, mostly as an extended attribute
    oss.OutOfLimits: Row(errno.EINVAL, "a value that OSS would not take; it was not asked"),
    oss.InvalidArgument: Row(errno.EINVAL, "a value that OSS does not take"),
    oss.MalformedXML: Row(
        errno.EINVAL, "a configuration that OSS does not take; no other document depends on what a program gives"
    ),
    oss.InvalidTag: Row(errno.EINVAL, "the tags are not what OSS takes for tags"),
    oss.InvalidEncryptionAlgorithmError: Row(errno.EINVAL, "an encryption that OSS does not know"),
    oss.InvalidTargetBucketForLogging: Row(errno.EINVAL, "not a bucket that logs can go to"),
    oss.InvalidLocationConstraint: Row(errno.EINVAL, "no such region"),
    oss.NotImplementedByOSS: Row(errno.EOPNOTSUPP, "OSS cannot do that"),
    oss.OperationNotSupported: Row(errno.EOPNOTSUPP, "OSS cannot do that to this object"),
    oss.NoSuchLifecycle: Row(errno.ENODATA, "the bucket has no such attribute"),
    oss.NoSuchCORSConfiguration: Row(errno.ENODATA, "the bucket has no such attribute"),
    oss.NoSuchWebsiteConfiguration: Row(errno.ENODATA, "the bucket has no such attribute"),
    oss.NoSuchStyle: Row(errno.ENODATA, "the bucket has no such attribute"),
    oss.BucketAlreadyExists: Row(errno.EEXIST, "the name is taken, perhaps by somebody else"),
    oss.BucketNotEmpty: Row(errno.ENOTEMPTY, "as rmdir(2) has it"),
    oss.TooManyBuckets: Row(errno.EDQUOT, "the account has all the buckets it may have"),
    oss.PartialWriteFailed: Row(errno.EIO, "endpoints differ; the errno is that of the gravest of their failures"),
    # --- later, perhaps
    oss.ServiceUnavailable: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.TotalQpsLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.MetaOperationQpsLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.ActiveRequestLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.CpuLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.UploadTrafficRateLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.DownloadTrafficRateLimitExceeded: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    oss.RequestTimeout: Row(errno.ETIMEDOUT, "the body came too slowly for OSS", _LOOK_AT_NETWORK),
    oss.TimedOut: Row(errno.ETIMEDOUT, "no answer in time, as of an NFS server mounted soft", _LOOK_AT_NETWORK),
    oss.ConnectFailed: Row(errno.EHOSTUNREACH, "OSS cannot be reached, so nothing was done", _LOOK_AT_NETWORK),
    oss.BrokenResponse: Row(errno.EIO, "the answer ended early, again and again", _LOOK_AT_NETWORK),
    oss.Redirected: Row(errno.EIO, "somebody else answers in the place of OSS", _LOOK_AT_BUCKET),
    oss.TransportError: Row(errno.EIO, "there was no complete answer", _LOOK_AT_NETWORK),
    oss.InternalError: Row(errno.EIO, "OSS failed", "give the request id to the support of Alibaba Cloud"),
    oss.MirrorFailed: Row(errno.EIO, "the origin that the bucket mirrors failed", "check the bucket's origin rules"),
    # --- bytes that are not what they should be
    oss.IntegrityError: Row(
        errno.EIO,
        "the bytes have another checksum than OSS computed; read(2) has no other errno for damage",
        "look for a proxy or for memory that changes bytes",
    ),
    oss.InvalidCRC64: Row(errno.EIO, "the bytes were changed on their way", "look for a proxy that changes bytes"),
    oss.InvalidDigest: Row(errno.EIO, "the bytes were changed on their way", "look for a proxy that changes bytes"),
    oss.IncompleteBody: Row(errno.EIO, "the connection ended before the bytes did", _LOOK_AT_NETWORK),
    oss.NoSuchUpload: Row(errno.EIO, _PARTS_LOST, "check the bucket's rules for abandoned uploads"),
    oss.InvalidPart: Row(errno.EIO, _PARTS_LOST),
    oss.InvalidPartOrder: Row(errno.EIO, _PARTS_LOST, _REPORT),
    oss.PartNotSequential: Row(errno.EIO, _PARTS_LOST, _REPORT),
    oss.EntityTooSmall: Row(errno.EIO, "a part was cut too small", _REPORT),
    # --- what should never reach a program
    oss.NotModified: Row(errno.EIO, "an answer to a question that only a cache asks", _REPORT),
    oss.BadRequest: Row(errno.EIO, _OURS, _REPORT),
    oss.InvalidRequest: Row(errno.EIO, _OURS, _REPORT),
    oss.MissingArgument: Row(errno.EIO, _OURS, _REPORT),
    oss.MissingContentLength: Row(errno.EIO, _OURS, _REPORT),
    oss.CallbackFailed: Row(errno.EIO, "a callback, which a mount never asks for", _REPORT),
    oss.ImageTooLarge: Row(errno.EFBIG, "a picture that is too large to be processed", "read the picture itself"),
    oss.ImageDamage: Row(errno.EIO, "a picture that cannot be decoded", "read the picture itself"),
    oss.WatermarkError: Row(errno.EINVAL, "a watermark that is none", "look at the style"),
    oss.FieldItemTooLong: Row(errno.EIO, _FORM),
    oss.IncorrectNumberOfFilesInPOSTRequest: Row(errno.EIO, _FORM),
    oss.InvalidPolicyDocument: Row(errno.EIO, _FORM),
    oss.MalformedPOSTRequest: Row(errno.EIO, _FORM),
    oss.MaxPOSTPreDataLengthExceeded: Row(errno.EIO, _FORM),
    oss.RequestIsNotMultiPartContent: Row(errno.EIO, _FORM),
    oss.FileGroupTooLarge: Row(errno.EIO, _GONE),
    oss.FilePartInterity: Row(errno.EIO, _GONE),
    oss.FilePartNotExist: Row(errno.EIO, _GONE),
    oss.FilePartStale: Row(errno.EIO, _GONE),
    oss.InvalidLinkName: Row(errno.EIO, _GONE),
    oss.LinkPartNotExist: Row(errno.EIO, _GONE),
    oss.ObjectLinkTooLarge: Row(errno.EIO, _GONE),
    oss.ServiceError: Row(errno.EIO, "OSS said no in a way that we do not know"),
    oss.OSSError: Row(errno.EIO, "something went wrong on the way to OSS"),
    # --- this machine
    FileNotFoundError: Row(errno.ENOENT, "raised by our own checks, without a number"),
    FileExistsError: Row(errno.EEXIST, "raised by our own checks, without a number"),
    IsADirectoryError: Row(errno.EISDIR, "raised by our own checks, without a number"),
    NotADirectoryError: Row(errno.ENOTDIR, "raised by our own checks, without a number"),
    PermissionError: Row(errno.EACCES, "raised by our own checks, without a number"),
    TimeoutError: Row(errno.ETIMEDOUT, "a deadline of ours has passed", _LOOK_AT_NETWORK),
    OSError: Row(errno.EIO, "an OSError with its own number gives that one"),
    MemoryError: Row(errno.ENOMEM, "there is no memory", "lower the memory options of the mount"),
}

_BY_NAME: Final[dict[str, Row]] = {
    "TooSlowError": Row(errno.ETIMEDOUT, "a deadline of ours has passed (trio)", _LOOK_AT_NETWORK),
    "Cancelled": Row(errno.EINTR, "the request was interrupted (trio)"),
    "KeyboardInterrupt": Row(errno.EINTR, "the mount is being ended"),
    # These are OSErrors whose number is no errno.
    "SSLError": Row(errno.EIO, "TLS failed", _LOOK_AT_NETWORK),
    "gaierror": Row(errno.EHOSTUNREACH, "the endpoint's name cannot be resolved", _LOOK_AT_NETWORK),
}

# Unknown codes keep the sense of their status.  404 is not among them: see the module's paragraph.
_BY_STATUS: Final[dict[int, Row]] = {
    401: Row(errno.EACCES, "not authenticated", _LOOK_AT_KEY),
    403: Row(errno.EACCES, "the account may not", _LOOK_AT_POLICY),
    408: Row(errno.ETIMEDOUT, "too slow for OSS", _LOOK_AT_NETWORK),
    413: Row(errno.EFBIG, "more than the server takes in one request"),
    429: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    503: Row(errno.EBUSY, _BUSY, _SLOW_DOWN),
    504: Row(errno.ETIMEDOUT, "no answer in time behind a gateway", _LOOK_AT_NETWORK),
}

# Primary result codes of SQLite (sqlite.org, "Result Codes"), which keeps the log of intents.
_BY_SQLITE: Final[dict[int, Row]] = {
    13: Row(errno.ENOSPC, "the disk of the state directory is full", "make room on the disk of the state directory"),
    8: Row(errno.EROFS, "the state directory cannot be written", "make the state directory writable"),
    7: Row(errno.ENOMEM, "there is no memory for the log"),
}

_UNKNOWN: Final = Row(errno.EIO, "nobody foresaw this", _REPORT)

# What a program asks for and is refused in the ordinary course of its work.
_EXPECTED = frozenset({
    errno.ENOENT, errno.EEXIST, errno.ENODATA, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG,
    errno.ELOOP, errno.EXDEV, errno.EOPNOTSUPP, errno.ERANGE, errno.EINTR, errno.EPERM,
})  # fmt: skip
_GRAVE = frozenset({errno.EIO, errno.ENOMEM, errno.ENODEV})


def _leaves(exc: BaseException) -> list[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for part in exc.exceptions for leaf in _leaves(part)]
    return [exc]


def _is_transient(exc: BaseException) -> bool:
    return bool(getattr(exc, "transient", False)) or row_of(exc).errno == errno.ETIMEDOUT


def blamed(exc: BaseException) -> BaseException:
    """Give the exception that *exc* is about: itself, or of a group the one that the others most likely follow from.

    That is the first that will not go away by itself; tasks that were merely cancelled with it come last.
    """
    leaves = _leaves(exc)
    # Cancelled and KeyboardInterrupt are no Exceptions; they are what the first failure did to its siblings.
    failures = [leaf for leaf in leaves if isinstance(leaf, Exception)]
    return next((leaf for leaf in failures if not _is_transient(leaf)), (failures or leaves)[0])


def row_of(exc: BaseException) -> Row:
    """Find the row for *exc*, which is no group."""
    if isinstance(exc, oss.PartialWriteFailed):
        return row_of(exc.gravest)
    names = [cls.__name__ for cls in type(exc).__mro__]
    if row := next((_BY_NAME[name] for name in names if name in _BY_NAME), None):
        return row
    number = getattr(exc, "errno", None)
    has_errno = isinstance(exc, OSError) or "FUSEError" in names
    if has_errno and isinstance(number, int) and number in errno.errorcode:
        return Row(errno.EOPNOTSUPP if number == errno.ENOSYS else number, "raised by our own checks, or by a disk")
    code = getattr(exc, "sqlite_errorcode", None)
    if isinstance(code, int) and (row := _BY_SQLITE.get(code & 0xFF)):
        return row
    if type(exc) is oss.ServiceError and (row := _BY_STATUS.get(exc.status)):
        return row
    return next((TABLE[cls] for cls in type(exc).__mro__ if cls in TABLE), _UNKNOWN)


def errno_for(exc: BaseException) -> int:
    """Give the errno that a program sees when *exc* ended its request."""
    return row_of(blamed(exc)).errno


def is_unforeseen(exc: BaseException) -> bool:
    """Tell whether *exc* is a mistake of ours, to be logged with its traceback."""
    return row_of(blamed(exc)) is _UNKNOWN


def level_for(code: int) -> int:
    """Give the level at which an errno is logged: what programs run into every day is nobody's news."""
    if code in _EXPECTED:
        return logging.DEBUG
    return logging.ERROR if code in _GRAVE else logging.WARNING


def explain(exc: BaseException) -> str:
    """Say in one line what happened: code, message, key and request id as far as they are known, and the remedy.

    Notes of *exc* say what it is about, and come first.  It holds no secret: errors of OSS never quote headers.
    """
    cause = blamed(exc)
    said = str(cause)
    if not isinstance(cause, oss.ServiceError):
        name = type(cause).__name__
        said = f"{name}: {said}" if said else name
    elif cause.ec:
        said += f" [EC {cause.ec}]"
    if about := getattr(exc, "__notes__", None):
        said = f"{', '.join(about)}: {said}"
    if others := len(_leaves(exc)) - 1:
        said += f" (and {others} more)"
    if remedy := row_of(cause).remedy:
        said += f"; {remedy}"
    return " ".join(said.split())
