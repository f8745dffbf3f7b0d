"""Credentials that lie somewhere: in options, in the environment, in the files of ossfs and ossutil.

Files are read when they are first needed, and again when the service refuses what was in them: a program may write new
credentials into them at any time.  What cannot be used says why, and never shows a secret.
"""

from __future__ import annotations

import configparser
import logging
import os
import stat
from typing import TYPE_CHECKING, Protocol

from ..wire.credentials import Credentials
from ..wire.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

# Access key id, secret, token; the first pair that is set counts.
_ENVIRONMENT = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("OSSACCESSKEYID", "OSSSECRETACCESSKEY", "OSSSESSIONTOKEN"),
)


class CredentialsProvider(Protocol):
    """Anything that gives credentials."""

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return credentials, or None to send requests unsigned; with *refresh* those it gave last are refused.

        Raises:
            CredentialsError: there are none.
        """
        ...


class _Found:
    """A provider that looks once and remembers: subclasses say where."""

    def __init__(self) -> None:
        self._credentials: Credentials | None = None

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return what was found, see `CredentialsProvider`."""
        if self._credentials is None or refresh:
            had, self._credentials = self._credentials, self.find()
            if had is not None and had != self._credentials:
                log.info("%r: other credentials are there now: %s", self, self._credentials.access_key_id)
        return self._credentials

    def find(self) -> Credentials:
        """Look for credentials.

        Raises:
            CredentialsError: there are none here.
        """
        raise NotImplementedError


class StaticCredentials(_Found):
    """One pair, given once and for all."""

    def __init__(self, access_key_id: str, access_key_secret: str, security_token: str = "") -> None:
        super().__init__()
        self._given = Credentials(access_key_id, access_key_secret, security_token)

    def __repr__(self) -> str:
        return f"StaticCredentials({self._given!r})"

    def find(self) -> Credentials:
        """Return the pair.

        Raises:
            CredentialsError: one half of it is missing.
        """
        if not self._given.access_key_id and not self._given.access_key_secret:
            raise CredentialsError("options: no access key id given")
        if not self._given.access_key_id or not self._given.access_key_secret:
            missing = "secret" if self._given.access_key_id else "id"
            raise CredentialsError(f"options: the access key {missing} is missing")
        return self._given


class Anonymous:
    """No credentials: public buckets only."""

    def __repr__(self) -> str:
        return "Anonymous()"

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return None, which means unsigned."""
        return None


class EnvironmentCredentials(_Found):
    """Environment variables: those of the OSS SDKs, of Alibaba Cloud's, and of ossfs, in this order."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = environ

    def __repr__(self) -> str:
        return "EnvironmentCredentials()"

    def find(self) -> Credentials:
        """Return the first pair that is set.

        Raises:
            CredentialsError: none is.
        """
        for key_id, secret, token in _ENVIRONMENT:
            if self._environ.get(key_id) and self._environ.get(secret):
                return Credentials(self._environ[key_id], self._environ[secret], self._environ.get(token, ""))
        names = ", ".join(name for name, _, _ in _ENVIRONMENT)
        raise CredentialsError(f"environment: none of {names} is set together with its secret")


class PasswordFile(_Found):
    """The password file of ossfs: lines of ``BUCKET:ID:SECRET`` or ``ID:SECRET``; a line for the bucket goes
    first.
    """

    def __init__(self, path: Path, bucket: str = "") -> None:
        super().__init__()
        self._path = path
        self._bucket = bucket

    def __repr__(self) -> str:
        return f"PasswordFile({str(self._path)!r})"

    def find(self) -> Credentials:
        """Return the pair for the bucket.

        Raises:
            CredentialsError: no such file or line, or the file may be read by others.
        """
        general: Credentials | None = None
        for number, line in enumerate(read_private(self._path).splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            fields = line.split(":")
            if len(fields) not in (2, 3) or not all(fields):
                raise CredentialsError(f"{self._path}: line {number} is not BUCKET:ID:SECRET or ID:SECRET")
            if len(fields) == 2:
                general = general or Credentials(fields[0], fields[1])
            elif fields[0] == self._bucket:
                return Credentials(fields[1], fields[2])
        if general is None:
            raise CredentialsError(f"{self._path}: no line for bucket {self._bucket!r}, and none for all buckets")
        return general


class OssutilConfig(_Found):
    """The configuration file of ossutil: ``[Credentials]`` of version 1, ``[default]`` or ``[profile X]`` of version
    2.
    """

    def __init__(self, path: Path, profile: str = "default") -> None:
        super().__init__()
        self._path = path
        self._profile = profile

    def __repr__(self) -> str:
        return f"OssutilConfig({str(self._path)!r})"

    def find(self) -> Credentials:
        """Return the pair of the file.

        Raises:
            CredentialsError: no such file or pair, or the file may be read by others.
        """
        text = read_private(self._path)
        parser = configparser.RawConfigParser(strict=False, default_section="")
        try:
            parser.read_string(text)
        except configparser.Error as exc:
            # The message of the parser quotes the line, and the line may be the secret.
            raise CredentialsError(f"{self._path}: not a configuration file ({type(exc).__name__})") from None
        for section in ("Credentials", self._profile, f"profile {self._profile}"):
            if parser.has_section(section):
                # It is spelt accessKeyID, accessKeyId, access_key_id ...
                values = {name.replace("_", "").lower(): value.strip() for name, value in parser.items(section)}
                if values.get("accesskeyid") and values.get("accesskeysecret"):
                    token = values.get("ststoken") or values.get("securitytoken") or ""
                    return Credentials(values["accesskeyid"], values["accesskeysecret"], token)
        raise CredentialsError(f"{self._path}: no accessKeyID and accessKeySecret in it")


def read_private(path: Path) -> str:
    """Read a file that holds secrets, and refuse one that others can read.

    Raises:
        CredentialsError: there is none, it cannot be read, or others can.
    """
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CredentialsError(f"{path}: not a file")
            # ossfs allows its group to read the file of the whole machine.
            allowed = 0o740 if path.is_absolute() and path.parts[1] == "etc" else 0o700
            if stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
                mode = stat.S_IMODE(status.st_mode)
                raise CredentialsError(f"{path}: others can read it (mode {mode:04o}); do: chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        raise CredentialsError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise CredentialsError(f"{path}: {getattr(exc, 'strerror', None) or 'not text'}") from None
