"""Which credentials are used: those that are asked for explicitly, and only if none are, the first of the usual places.

Source: the order is that of the credentials chain of the Alibaba Cloud SDKs, with the files of ossfs and ossutil, which
are about OSS alone, before those that all tools share.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..wire.errors import CredentialsError
from .credentials import EnvironmentCredentials, OssutilConfig, PasswordFile, StaticCredentials
from .profiles import Profile
from .sts import STS, sts_endpoint as usual_endpoint
from .temporary import AssumeRole, AssumeRoleWithOIDC, CredentialProcess, CredentialsURI, EcsRamRole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..wire.credentials import Credentials
    from .credentials import CredentialsProvider

log = logging.getLogger(__name__)

_ANY_ROLE = "auto"


class Chain:
    """The first of several providers that has credentials."""

    def __init__(self, providers: Sequence[CredentialsProvider]) -> None:
        self._providers = providers
        self._chosen: CredentialsProvider | None = None

    def __repr__(self) -> str:
        return f"Chain({list(self._providers)!r})"

    @property
    def chosen(self) -> CredentialsProvider | None:
        """The provider that had credentials, once they were asked for."""
        return self._chosen

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        """Return the first credentials there are, from then on always from the same place.

        Raises:
            CredentialsError: there are none; the message names everything that was tried.
        """
        if self._chosen is not None:
            return await self._chosen.get(refresh=refresh)
        tried = []
        for provider in self._providers:
            try:
                credentials = await provider.get(refresh=refresh)
            except CredentialsError as exc:
                tried.append(str(exc))
            else:
                self._chosen = provider
                log.debug("credentials from %r", provider)
                return credentials
        raise CredentialsError("no credentials found; tried " + "; ".join(tried))


def find_credentials(
    *,
    environ: Mapping[str, str],
    home: Path,
    bucket: str = "",
    access_key_id: str = "",
    access_key_secret: str = "",
    security_token: str = "",
    passwd_file: Path | None = None,
    ram_role: str = "",
    credentials_uri: str = "",
    credential_process: str = "",
    credentials_file: Path | None = None,
    profile: str = "",
    role_arn: str = "",
    role_session_name: str = "ossmount",
    role_duration: int = 3600,
    external_id: str = "",
    oidc_provider_arn: str = "",
    oidc_token_file: Path | None = None,
    sts_endpoint: str = "",
    region: str = "",
    internal: bool = False,
) -> CredentialsProvider:
    """Return where credentials are looked for: what is given explicitly, and only if nothing is, the usual places.

    These are the environment and what it names (an OIDC token, a profile, a RAM role, a credentials URI),
    ``~/.passwd-ossfs``, ``/etc/passwd-ossfs``, ``~/.ossutilconfig``, ``~/.aliyun/config.json`` and
    ``~/.alibabacloud/credentials.ini``.  *ram_role* is a name, a URL, or ``auto``.  With *role_arn* what was found
    assumes that role, unless an OIDC token does.
    """
    sts = sts_endpoint or usual_endpoint(region, vpc=internal)
    if role_arn and oidc_token_file is not None:
        return AssumeRoleWithOIDC(
            STS(endpoint=sts), role_arn, oidc_provider_arn, oidc_token_file, role_session_name, duration=role_duration
        )
    found: CredentialsProvider
    if access_key_id or access_key_secret:
        found = StaticCredentials(access_key_id, access_key_secret, security_token)
    elif passwd_file is not None:
        found = PasswordFile(passwd_file, bucket)
    elif ram_role:
        found = EcsRamRole("" if ram_role == _ANY_ROLE else ram_role)
    elif credentials_uri:
        found = CredentialsURI(credentials_uri)
    elif credential_process:
        found = CredentialProcess(credential_process)
    elif credentials_file is not None:
        found = Profile(credentials_file, profile, sts_endpoint=sts_endpoint)
    elif profile:
        found = Chain([Profile(file, profile, sts_endpoint=sts_endpoint) for file in _profiles(home)])
    else:
        found = Chain(_usual(environ, home, bucket, sts_endpoint))
    if not role_arn:
        return found
    return AssumeRole(
        STS(found, endpoint=sts), role_arn, role_session_name, duration=role_duration, external_id=external_id
    )


def _usual(environ: Mapping[str, str], home: Path, bucket: str, sts: str) -> list[CredentialsProvider]:
    return [
        EnvironmentCredentials(environ),
        *environment_providers(environ, home, sts_endpoint=sts),
        PasswordFile(home / ".passwd-ossfs", bucket),
        PasswordFile(home.joinpath("/etc/passwd-ossfs"), bucket),
        OssutilConfig(home / ".ossutilconfig"),
        *(Profile(file, sts_endpoint=sts) for file in _profiles(home)),
    ]


def _profiles(home: Path) -> tuple[Path, ...]:
    return (home / ".aliyun/config.json", home / ".alibabacloud/credentials.ini")


def environment_providers(
    environ: Mapping[str, str], home: Path, *, sts_endpoint: str = ""
) -> list[CredentialsProvider]:
    """Return the providers that *environ* names by the variables of the Alibaba Cloud SDKs; *home* finds files."""
    providers: list[CredentialsProvider] = []
    region = environ.get("ALIBABA_CLOUD_STS_REGION", "")
    vpc = environ.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "").lower() == "true"
    session = environ.get("ALIBABA_CLOUD_ROLE_SESSION_NAME") or "ossmount"
    role, provider = environ.get("ALIBABA_CLOUD_ROLE_ARN"), environ.get("ALIBABA_CLOUD_OIDC_PROVIDER_ARN")
    token = environ.get("ALIBABA_CLOUD_OIDC_TOKEN_FILE")
    if role and provider and token:
        sts = STS(endpoint=sts_endpoint or usual_endpoint(region, vpc=vpc))
        providers.append(AssumeRoleWithOIDC(sts, role, provider, home.joinpath(token), session))
    file, profile = environ.get("ALIBABA_CLOUD_CREDENTIALS_FILE"), environ.get("ALIBABA_CLOUD_PROFILE", "")
    if file or profile:
        files = (home.joinpath(file),) if file else _profiles(home)
        providers += [Profile(each, profile, sts_endpoint=sts_endpoint) for each in files]
    off = environ.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() == "true"
    if (name := environ.get("ALIBABA_CLOUD_ECS_METADATA")) and not off:
        v1 = environ.get("ALIBABA_CLOUD_IMDSV1_DISABLED", "").lower() != "true"
        providers.append(EcsRamRole(name, v1=v1))
    if url := environ.get("ALIBABA_CLOUD_CREDENTIALS_URI"):
        providers.append(CredentialsURI(url))
    return providers
