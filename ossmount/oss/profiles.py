"""Profiles that the tools of Alibaba Cloud share: how each gets its credentials is told in a file.

Two forms: JSON as the command ``aliyun`` writes it, with a ``mode`` for each profile, and INI, with a ``type`` for each
section.  A profile is read when it is first needed, and again when its credentials are refused.

Source: the documents "Configure Alibaba Cloud CLI" (``~/.aliyun/config.json``) and "Manage access credentials"
(``~/.alibabacloud/credentials.ini``).
"""

from __future__ import annotations

import configparser
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wire.errors import CredentialsError
from .credentials import Anonymous, StaticCredentials, read_private
from .sts import STS, sts_endpoint as usual_endpoint
from .temporary import AssumeRole, AssumeRoleWithOIDC, CredentialProcess, CredentialsURI, EcsRamRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.credentials import Credentials
    from .credentials import CredentialsProvider

    Facts = Mapping[str, Any]

log = logging.getLogger(__name__)

# The types of INI by the modes of JSON that they are.
_MODES = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "ecs_ram_role": "EcsRamRole",
    "oidc_role_arn": "OIDC",
    "credentials_uri": "CredentialsURI",
}
# And the names of what is told.
_NAMES = {
    "security_token": "sts_token",
    "role_name": "ram_role_name",
    "role_arn": "ram_role_arn",
    "role_session_name": "ram_session_name",
    "oidc_token_file_path": "oidc_token_file",
}


class Profile:
    """The profile called *name* of the file *path*, without a name the one that is current there.

    *sts_endpoint* is where roles are assumed, whatever the profile says.
    """

    def __init__(self, path: Path, name: str = "", *, sts_endpoint: str = "") -> None:
        self._path = path
        self._name = name
        self._sts_endpoint = sts_endpoint
        self._facts: list[Facts] = []
        self._provider: CredentialsProvider | None = None

    def __repr__(self) -> str:
        return f"Profile({str(self._path)!r}{f', {self._name!r}' if self._name else ''})"

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return the credentials that the profile leads to, see `CredentialsProvider`.

        Raises:
            CredentialsError: no such file or profile, others may read it, or it leads to none.
        """
        if self._provider is not None and not refresh:
            return await self._provider.get()
        profiles, current = self._read()
        facts: list[Facts] = []
        provider = self._make(self._name or current, profiles, facts)
        if self._provider is None or facts != self._facts:
            if self._provider is not None:
                log.info("%r: the profile has changed", self)
            self._provider, self._facts = provider, facts
            refresh = False
        return await self._provider.get(refresh=refresh)

    def _read(self) -> tuple[dict[str, Facts], str]:
        """Return the profiles of the file by name, and which one is current."""
        text = read_private(self._path)
        try:
            if self._path.suffix == ".json":
                said = json.loads(text)
                return {each["name"]: each for each in said["profiles"]}, said.get("current") or "default"
            parser = configparser.RawConfigParser(strict=False, default_section="", inline_comment_prefixes=("#",))
            parser.read_string(text)
        except (configparser.Error, ValueError, LookupError, TypeError, AttributeError) as exc:
            # What parsers say quotes the line, and the line may be the secret.
            raise CredentialsError(f"{self._path}: not a file of profiles ({type(exc).__name__})") from None
        return {name: _translated(dict(parser.items(name))) for name in parser.sections()}, "default"

    def _make(self, name: str, profiles: Mapping[str, Facts], seen: list[Facts]) -> CredentialsProvider:
        """Return the provider of the profile *name*, and note in *seen* what was told of it."""
        facts = profiles.get(name)
        if facts is None:
            raise CredentialsError(f"{self._path}: no profile {name!r}")
        if facts in seen:
            raise CredentialsError(f"{self._path}: the profile {name!r} has itself as its source")
        seen.append(facts)

        def of(key: str, *, must: bool = True) -> str:
            value = facts.get(key) or ""
            if not value and must:
                raise CredentialsError(f"{self._path}: the profile {name!r} has no {key}")
            return str(value)

        def keys() -> CredentialsProvider:
            return StaticCredentials(of("access_key_id"), of("access_key_secret"), of("sts_token", must=False))

        def assumed(source: CredentialsProvider) -> CredentialsProvider:
            return AssumeRole(
                STS(source, endpoint=sts),
                of("ram_role_arn"),
                session,
                duration=duration,
                external_id=of("external_id", must=False),
                policy=of("policy", must=False) or None,
            )

        def instance() -> CredentialsProvider:
            try:
                return EcsRamRole(of("ram_role_name", must=False))
            except ValueError as exc:
                raise CredentialsError(f"{self._path}: the profile {name!r}: {exc}") from None

        sts = self._sts_endpoint or usual_endpoint(of("sts_region", must=False))
        session = of("ram_session_name", must=False) or "ossmount"
        try:
            duration = int(of("expired_seconds", must=False) or 3600)
        except ValueError:
            raise CredentialsError(f"{self._path}: the profile {name!r} has no number as expired_seconds") from None
        match of("mode").lower():
            case "ak" | "ststoken":
                return keys()
            case "ramrolearn":
                return assumed(keys())
            case "ecsramrole":
                return instance()
            case "ramrolearnwithrolename":
                return assumed(instance())
            case "chainableramrolearn":
                return assumed(self._make(of("source_profile"), profiles, seen))
            case "oidc":
                token = Path(of("oidc_token_file"))
                return AssumeRoleWithOIDC(
                    STS(endpoint=sts),
                    of("ram_role_arn"),
                    of("oidc_provider_arn"),
                    token,
                    session,
                    duration=duration,
                    policy=of("policy", must=False) or None,
                )
            case "credentialsuri":
                return CredentialsURI(of("credentials_uri"))
            case "external":
                return CredentialProcess(of("process_command"))
            case "anonymous":
                return Anonymous()
            case mode:
                raise CredentialsError(f"{self._path}: the mode {mode!r} of the profile {name!r} is not supported")


def _translated(section: Mapping[str, str]) -> Facts:
    """Return what a section of INI tells, by the names of JSON."""
    facts = {_NAMES.get(key, key): value.strip() for key, value in section.items()}
    if facts.get("enable", "true").lower() == "false":
        return {}
    kind = facts.get("type", "access_key")
    return {**facts, "mode": _MODES.get(kind, kind)}
