from __future__ import annotations

import errno
import logging
import socket
import sqlite3
import ssl

import pytest
import trio

from ossmount.fs.errors import TABLE, blamed, errno_for, explain, is_unforeseen, level_for
from ossmount.wire import errors as oss


def all_classes(cls: type[BaseException]) -> list[type[BaseException]]:
    return [cls, *(below for child in cls.__subclasses__() for below in all_classes(child))]


def test_every_error_of_oss_has_a_row_of_its_own() -> None:
    missing = [
        cls.__name__
        for cls in all_classes(oss.OSSError)
        if cls not in TABLE and cls.__module__.startswith("ossmount.wire")
    ]

    assert missing == []


def test_every_row_says_why() -> None:
    for cls, row in TABLE.items():
        assert row.reason, cls
        assert row.errno in errno.errorcode, cls


def test_enoent_means_that_the_object_is_not_there_and_nothing_else() -> None:
    absent = {cls.__name__ for cls, row in TABLE.items() if row.errno == errno.ENOENT}

    assert absent == {"NoSuchKey", "NoSuchVersion", "SymlinkTargetNotExist", "FileNotFoundError"}


def test_no_row_makes_the_kernel_stop_asking_or_a_program_spin() -> None:
    assert not {errno.ENOSYS, errno.EAGAIN, errno.EINTR} & {row.errno for row in TABLE.values()}


def test_an_archived_object_has_an_errno_of_its_own() -> None:
    assert [cls for cls, row in TABLE.items() if row.errno == errno.EREMOTE] == [oss.InvalidObjectState]


class FUSEError(Exception):
    """As the library's: no OSError, but with an errno."""

    def __init__(self, number: int) -> None:
        self.errno = number


class NoSuchBucketPolicy(oss.NoSuchKey, status=404):
    """A subclass that has no row."""


# No answer is to be read as one.
del oss.ServiceError.by_code[NoSuchBucketPolicy.code]


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (oss.NoSuchKey(), errno.ENOENT),
        (oss.NoSuchBucket(), errno.ENODEV),
        (oss.AccessDenied(), errno.EACCES),
        (oss.PreconditionFailed(), errno.ESTALE),
        (oss.EntityTooLarge(), errno.EFBIG),
        (oss.FileAlreadyExists(), errno.EEXIST),
        (oss.TotalQpsLimitExceeded(), errno.EBUSY),
        (oss.NotImplementedByOSS(), errno.EOPNOTSUPP),
        (oss.ServiceError("?", code="SomethingNew", status=404), errno.EIO),
        (oss.ServiceError("?", code="SomethingNew", status=403), errno.EACCES),
        (oss.ServiceError("?", code="SomethingNew", status=503), errno.EBUSY),
        (NoSuchBucketPolicy(), errno.ENOENT),
        (oss.TimedOut("no answer"), errno.ETIMEDOUT),
        (oss.ConnectFailed("refused"), errno.EHOSTUNREACH),
        (oss.BrokenResponse("ended"), errno.EIO),
        (oss.IntegrityError("crc"), errno.EIO),
        (oss.CredentialsError("none"), errno.EACCES),
        (OSError(errno.ENOSPC, "full"), errno.ENOSPC),
        (OSError(errno.EDQUOT, "full"), errno.EDQUOT),
        (OSError(errno.ENOSYS, "no fallocate"), errno.EOPNOTSUPP),
        (OSError("no number"), errno.EIO),
        (OSError(100000, "no errno"), errno.EIO),
        (IsADirectoryError(), errno.EISDIR),
        (NotADirectoryError("d"), errno.ENOTDIR),
        (FileNotFoundError(), errno.ENOENT),
        (PermissionError(), errno.EACCES),
        (TimeoutError(), errno.ETIMEDOUT),
        (trio.TooSlowError(), errno.ETIMEDOUT),
        (FUSEError(errno.EXDEV), errno.EXDEV),
        (ssl.SSLError(1, "bad certificate"), errno.EIO),
        (socket.gaierror(-2, "Name or service not known"), errno.EHOSTUNREACH),
        (MemoryError(), errno.ENOMEM),
        (RecursionError(), errno.EIO),
        (NotImplementedError(), errno.EIO),
        (KeyError("x"), errno.EIO),
        (KeyboardInterrupt(), errno.EINTR),
    ],
)
def test_the_errno_of_an_exception(exc: BaseException, code: int) -> None:
    assert errno_for(exc) == code
    assert errno_for(BaseExceptionGroup("", [BaseExceptionGroup("", [exc])])) == code


async def test_a_cancelled_request_is_interrupted() -> None:
    caught: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as exc:
            caught.append(exc)
            raise

    assert errno_for(caught[0]) == errno.EINTR
    assert errno_for(BaseExceptionGroup("", [caught[0], oss.NoSuchKey()])) == errno.ENOENT


def test_a_full_disk_under_the_log_is_a_full_disk() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA page_size = 512")
    database.execute("CREATE TABLE t (b BLOB)")
    database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    database.close()

    assert errno_for(caught.value) == errno.ENOSPC
    assert "make room" in explain(caught.value)


def test_of_a_group_the_failure_that_stays_is_told() -> None:
    group = ExceptionGroup("", [oss.TimedOut("slow"), oss.ServiceUnavailable(), oss.AccessDenied(), oss.NoSuchKey()])

    assert isinstance(blamed(group), oss.AccessDenied)
    assert isinstance(blamed(ExceptionGroup("", [oss.ServiceUnavailable(), oss.TimedOut("")])), oss.ServiceUnavailable)
    assert isinstance(blamed(ExceptionGroup("", [trio.TooSlowError(), ValueError()])), ValueError)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (errno.ENOENT, logging.DEBUG),
        (errno.ENODATA, logging.DEBUG),
        (errno.ENOTEMPTY, logging.DEBUG),
        (errno.EACCES, logging.WARNING),
        (errno.EREMOTE, logging.WARNING),
        (errno.ENOSPC, logging.WARNING),
        (errno.EBUSY, logging.WARNING),
        (errno.EIO, logging.ERROR),
        (errno.ENODEV, logging.ERROR),
    ],
)
def test_the_level_of_an_errno(code: int, level: int) -> None:
    assert level_for(code) == level


def test_only_mistakes_of_ours_are_unforeseen() -> None:
    assert is_unforeseen(ZeroDivisionError())
    assert is_unforeseen(ExceptionGroup("", [AssertionError()]))
    assert not is_unforeseen(oss.InternalError())
    assert not is_unforeseen(OSError())


def test_an_error_of_oss_is_explained_in_one_line() -> None:
    error = oss.AccessDenied(
        "You have no right\nto access this object.", request_id="5C3D9175B6FC201293AD4890", ec="0003-00000001",
        details={"Key": "secret/plan.txt"},
    )  # fmt: skip

    assert explain(error) == (
        "AccessDenied (403): You have no right to access this object. [Key: secret/plan.txt] "
        "[request id 5C3D9175B6FC201293AD4890] [EC 0003-00000001]; "
        "check the RAM policy of the access key, the bucket's policy and the ACLs"
    )


def test_other_exceptions_are_explained_by_their_class() -> None:
    assert explain(MemoryError()) == "MemoryError; lower the memory options of the mount"
    assert explain(KeyError("x")) == "KeyError: 'x'; please report this with the log around it"
    assert explain(OSError(errno.ENOSPC, "full")) == "OSError: [Errno 28] full"


def test_the_rest_of_a_group_is_counted() -> None:
    assert explain(ExceptionGroup("", [oss.NoSuchKey(), oss.NoSuchKey()])).endswith("(and 1 more)")
