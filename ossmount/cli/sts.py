"""`ossmount sts` and `ossmount whoami`: temporary credentials, and which ones are used here."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, ServiceGroup, connected, make, print_json, read_text
from .console import moment
from .parameters import DURATION, json_option
from .running import run_async

if TYPE_CHECKING:
    from ..wire.sts import AssumedRole


@click.group(cls=ServiceGroup)
def sts() -> None:
    """Get temporary credentials (Security Token Service)."""


@connected(
    sts,
    "assume-role",
    "ossmount sts assume-role acs:ram::1234567890:role/reader",
    'eval "$(ossmount sts assume-role acs:ram::1234567890:role/reader --duration 15m --export)"',
)
@click.argument("role_arn", metavar="ROLE_ARN")
@click.option(
    "--session-name", default="ossmount", show_default=True, metavar="NAME", help="Who you are, for the logs."
)
@click.option(
    "--duration",
    default="1h",
    show_default=True,
    metavar="DURATION",
    type=DURATION,
    help="For how long; 15m at least.",
)
@click.option("--policy", metavar="JSON|FILE", help="What of the role's rights to keep.")
@click.option("--external-id", default="", metavar="ID", help="What the owner of the role asks for.")
@click.option("--sts-endpoint", metavar="URL", help="Where STS is.  [default: that of the region, or the central one]")
@click.option("--export", is_flag=True, help="Print lines for a shell, instead of JSON.")
def assume_role(
    connection: Connection,
    role_arn: str,
    session_name: str,
    duration: float,
    policy: str | None,
    external_id: str,
    sts_endpoint: str | None,
    export: bool,
) -> None:
    """Get credentials of a role, which are valid for some time.

    The answer holds a secret: send it where nobody else reads.
    """
    config = connection.config(anywhere=True)
    if policy is not None and not policy.lstrip().startswith("{"):
        policy = read_text(policy)

    async def run() -> AssumedRole:
        from ..connecting import credentials_of
        from ..oss.sts import STS, sts_endpoint as usual

        where = sts_endpoint or usual(config.region or "", vpc=config.internal)
        return await STS(credentials_of(config), endpoint=where).assume_role(
            role_arn, session_name, duration=int(duration), policy=policy, external_id=external_id
        )

    role = run_async(run)
    found = role.credentials
    if export:
        for name, value in (
            ("OSS_ACCESS_KEY_ID", found.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", found.access_key_secret),
            ("OSS_SESSION_TOKEN", found.security_token),
        ):
            click.echo(f"export {name}={shlex.quote(value)}")
        return
    print_json(
        {
            "AssumedRoleUser": {"Arn": role.arn, "AssumedRoleId": role.assumed_role_id},
            "Credentials": {
                "AccessKeyId": found.access_key_id,
                "AccessKeySecret": found.access_key_secret,
                "SecurityToken": found.security_token,
                "Expiration": moment(found.expiration),
            },
            "RequestId": role.request_id,
        }
    )


@make("whoami", "ossmount whoami --region cn-hangzhou", "ossmount whoami --no-check --json")
@click.option("--check/--no-check", default=True, help="Ask the service whose they are, or only look.")
@json_option
def whoami(connection: Connection, check: bool, as_json: bool) -> None:
    """Show which credentials are used, where they are from, and whose they are.

    The secret is never shown.
    """
    config = connection.config()

    async def run() -> dict[str, Any]:
        from ..connecting import ask_any, credentials_of, endpoints_of
        from ..oss import Chain
        from ..wire.errors import AccessDenied

        provider = credentials_of(config)
        endpoints = endpoints_of(config)
        found = await provider.get()
        source = provider.chosen if isinstance(provider, Chain) else provider
        facts: dict[str, Any] = {
            "access_key_id": found.access_key_id if found else "",
            "temporary": bool(found and found.security_token),
            "expiration": moment(found.expiration) if found else "",
            "source": repr(source),
            "endpoint": ", ".join(map(str, endpoints)),
            "region": endpoints[0].region,
        }
        if check:
            try:
                owner = (await ask_any(config, lambda client: client.list_buckets(max_keys=1), provider)).owner
                facts |= {"owner_id": owner.id, "owner": owner.display_name}
            except AccessDenied as exc:
                # Good enough: the key exists, and its signature was right.
                facts["owner"] = f"not told: {exc}"
        return facts

    facts = run_async(run)
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if value not in ("", None):
            click.echo(f"{name:<14} {json.dumps(value) if isinstance(value, bool) else value}")
