"""What a file is called in the bucket.

One file is one object, so a path inside the mount and a key are the same text: the key is the mount's prefix, then
the path, and a directory's key ends with ``/``.  Nothing is escaped or encoded; what cannot be said in both worlds is
refused in both directions.  A file name that no key can hold raises the errno that a disk would give; a key that no
file name can hold is a :class:`Refusal`, to be counted and reported, and never an error of the directory it lies in.

File names are ``bytes`` above this module, keys are ``str`` below it.

Limits: an object name has 1 to 1023 bytes of UTF-8 and begins with neither ``/`` nor ``\\`` (OSS, "Naming conventions
of objects"); a file name has 1 to 255 bytes and contains neither ``/`` nor NUL (``path_resolution(7)``, ``NAME_MAX``).
"""

from __future__ import annotations

import enum
import errno
import re

NAME_MAX = 255
"""Bytes of a file name (limits.h); a disk of Linux has the same limit."""

KEY_MAX = 1023
"""Bytes of an object's key in UTF-8, the slash at the end of a directory's included."""


class Refusal(enum.Enum):
    """Why a key cannot be a path; the value is the sentence to be shown."""

    EMPTY_NAME = "the key holds an empty name: it begins with '/' or contains '//'"
    DOT_NAME = "the key holds the name '.' or '..', which mean something else in a path"
    LONG_NAME = "the key holds a name of more than 255 bytes"
    NUL = "the key holds a NUL character"
    NOT_TEXT = "the key is not UTF-8"
    OUTSIDE = "the key lies outside of the mounted prefix"
    SHADOWED = "a directory of the same name hides the object"

    @property
    def reason(self) -> str:
        """One sentence for the log and for ``ossmount status``."""
        return self.value


# Names that programs give to files which they are about to rename or to remove.
_TEMPORARY = re.compile(
    rb"""
      \.fuse_hidden.* | \.nfs[0-9a-f]{16,}          # an unlinked file that is still open
    | \..*\.sw[a-p] | 4913                          # vim: swap file, and its probe of the directory
    | \#.*\# | \.\#.* | .*~                         # emacs: auto-save and lock; backups of many editors
    | \.~lock\..*\# | ~\$.*                         # office programs: locks
    | \.goutputstream-.* | sed[A-Za-z0-9]{6}        # glib's and sed's safe replacement
    | \..+\.[A-Za-z0-9]{6}                          # rsync, and mkostemp(".name.XXXXXX") in general
    | .*\.(?:tmp|temp|part|partial|crdownload|dpkg-new|dpkg-tmp|filepart)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def is_temporary(name: bytes) -> bool:
    """Tell whether *name* looks like that of a file which will soon be renamed or removed.

    A hint for how long an upload may wait, and nothing that correctness rests on.
    """
    return _TEMPORARY.fullmatch(name) is not None


def is_directory_key(key: str) -> bool:
    """Tell whether *key* names a directory: its marker object or a common prefix."""
    return key.endswith("/")


def parent_of(key: str) -> str:
    """Give the prefix of the directory that holds *key*, which may itself be a directory's: ``a/b/`` lies in ``a/``."""
    return key[: key.rstrip("/").rfind("/") + 1]


def check_key(key: str) -> str:
    """Give *key* back if OSS would take it.

    A rename of a directory changes the keys of everything below, so the length is worth a question of its own.

    Raises:
        OSError: ENAMETOOLONG beyond 1023 bytes; EINVAL for no key at all or one that begins with ``/`` or ``\\``;
            EILSEQ if it is not UTF-8.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "the name is not UTF-8", key) from None
    if size > KEY_MAX:
        raise OSError(errno.ENAMETOOLONG, f"the key has {size} bytes, OSS takes {KEY_MAX}", key)
    if not key or key[0] in "/\\":
        raise OSError(errno.EINVAL, "a key in OSS begins with neither '/' nor '\\'", key)
    return key


def _refusal_of(name: str) -> Refusal | None:
    """Tell why one segment of a key cannot be a file name."""
    if not name:
        return Refusal.EMPTY_NAME
    if name in (".", ".."):
        return Refusal.DOT_NAME
    if "\0" in name:
        return Refusal.NUL
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return Refusal.NOT_TEXT
    return Refusal.LONG_NAME if size > NAME_MAX else None


class Keys:
    """The way from names to keys and back, for a mount of the bucket below *prefix*.

    Every ``prefix`` here and below is a whole key prefix: ``""`` or something that ends with ``/``.

    Raises:
        ValueError: *prefix* can be no directory.
    """

    __slots__ = ("prefix",)

    prefix: str
    """The prefix of the mount's root: ``""``, or a directory's key."""

    def __init__(self, prefix: str = "") -> None:
        path = prefix.strip("/")
        for name in path.split("/") if path else ():
            if refusal := _refusal_of(name):
                raise ValueError(f"cannot mount the prefix {prefix!r}: {refusal.reason}")
        try:
            self.prefix = check_key(path + "/") if path else ""
        except OSError as exc:
            raise ValueError(f"cannot mount the prefix {prefix!r}: {exc.strerror}") from None

    def __repr__(self) -> str:
        return f"Keys({self.prefix!r})"

    def key_for(self, parent_prefix: str, name: bytes, *, directory: bool = False) -> str:
        """Give the key of the entry *name* of the directory *parent_prefix*.

        Raises:
            OSError: ENAMETOOLONG for a name of more than 255 bytes or a key of more than 1023; EILSEQ for a name that
                is not UTF-8; EINVAL for an empty name, ``.``, ``..``, one with ``/`` or NUL, or a ``\\`` at the
                beginning of the key.
        """
        if len(name) > NAME_MAX:
            raise OSError(errno.ENAMETOOLONG, f"the name has {len(name)} bytes, the limit is {NAME_MAX}")
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise OSError(errno.EINVAL, f"{name!r} is not the name of a file")
        try:
            text = name.decode()
        except UnicodeDecodeError:
            # OSS takes nothing but UTF-8, and an encoding of our own would be a different name for everybody else.
            raise OSError(errno.EILSEQ, f"{name!r} is not UTF-8, as names in OSS are") from None
        return check_key(f"{parent_prefix}{text}/" if directory else parent_prefix + text)

    def name_of(self, key: str, prefix: str) -> bytes | Refusal:
        """Give the name under which *key* appears in the directory *prefix*.

        *key* is an object or a common prefix; of a key further down, the name is that of the subdirectory on the way.
        The directory's own marker, where *key* equals *prefix*, has the empty name.
        """
        if not key.startswith(prefix):
            return Refusal.OUTSIDE
        if key == prefix:
            return b""
        name, _, _ = key[len(prefix) :].partition("/")
        return _refusal_of(name) or name.encode()

    def path_of(self, key: str) -> tuple[bytes, ...] | Refusal:
        """Give all names from the mount's root down to *key*; none for the root's own marker."""
        if not key.startswith(self.prefix):
            return Refusal.OUTSIDE
        path = key[len(self.prefix) :]
        if not path:
            return ()
        names = path.removesuffix("/").split("/")
        for name in names:
            if refusal := _refusal_of(name):
                return refusal
        return tuple(name.encode() for name in names)
