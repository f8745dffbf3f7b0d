"""Real mounts that outlive their credentials: no program sees it if others are there, and nothing is lost if not."""

from __future__ import annotations

import json
import os
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.credentials import Credentials

Mount = Any

ROLE = "acs:ram::123:role/worker"
METADATA = "latest/meta-data/ram/security-credentials/worker"


@pytest.fixture
def service(tmp_path: Path, bucket: Any) -> Iterator[ThreadedServer]:
    """A server that gives temporary credentials, with a bucket called as the test's."""
    with ThreadedServer(tmp_path / "service", options=AppOptions(role="worker")) as server:
        server.store.put_bucket(bucket.bucket_name)
        yield server


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def size_of(server: ThreadedServer, mount: Mount, key: str) -> int | None:
    """Return how long an object is, None if there is none."""
    bucket = server.store.bucket(mount.bucket.bucket_name)
    assert bucket is not None
    found = server.store.find(bucket, key)
    return None if found is None else found.size


def jwt(**claims: Any) -> str:
    """Make a token that nobody signed."""
    return "e30." + urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".sig"


def options_of(kind: str, service: ThreadedServer, home: Path) -> list[str]:
    """Return the options by which a mount gets temporary credentials."""
    sts = ["--sts-endpoint", service.url]
    match kind:
        case "ram_role":
            return ["--ram-role", f"{service.url}/{METADATA}"]
        case "credential_process":
            code = f"import urllib.request as u; print(u.urlopen({f'{service.url}/{METADATA}'!r}).read().decode())"
            return ["--credential-process", f'exec python3 -c "{code}"']
        case "oidc":
            token = private(home / "token", jwt())
            return ["--role-arn", ROLE, *sts, "--oidc-provider-arn", "acs:p", "--oidc-token-file", str(token)]
        case "config.json":
            said = {
                "current": "work",
                "profiles": [
                    {"name": "default", "mode": "AK", "access_key_id": "ak", "access_key_secret": "sk"},
                    {
                        "name": "work",
                        "mode": "ChainableRamRoleArn",
                        "source_profile": "default",
                        "ram_role_arn": ROLE,
                        "ram_session_name": "mount",
                    },
                ],
            }
            return ["--credentials-file", str(private(home / "config.json", json.dumps(said))), *sts]
    raise AssertionError(kind)


KINDS = ["ram_role", "credential_process", "oidc", "config.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mount_goes_on_when_its_credentials_are_replaced(
    mounted: Callable[..., Mount], service: ThreadedServer, tmp_path: Path, kind: str
) -> None:
    mount = mounted("--endpoint", service.url, "--ttl", "0", *options_of(kind, service, tmp_path))
    for number in range(16):
        (mount.place / f"{number}").write_text(str(number))
    mount.flush()
    service.reset()
    service.app.roles.revoke()

    read: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda n=number: read.update({n: (mount.place / f"{n}").read_text()}))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {number: str(number) for number in range(16)}
    (mount.place / "after").write_text("the change")
    mount.flush()

    assert size_of(service, mount, "after") == len("the change")
    assert "new credentials" in mount.log.read_text()
    # Once, however many were refused; the metadata service is asked for a token before.
    assert service.count("GetMetadata") + service.count("AssumeRole") == (2 if kind == "ram_role" else 1)
    mount.umount()


def test_without_credentials_nothing_is_lost_and_all_goes_on_when_there_are_some(
    mounted: Callable[..., Mount], service: ThreadedServer, tmp_path: Path
) -> None:
    passwd = private(tmp_path / "passwd", "ak:sk")
    mount = mounted("--endpoint", service.url, "--ttl", "0", "--passwd-file", str(passwd))
    (mount.place / "before").write_text("before")
    mount.flush()
    file = (mount.place / "after").open("w")
    file.write("not lost")
    file.flush()

    # The account gets other keys, and nobody tells the mount.
    service.stop()
    port = int(service.url.rpartition(":")[2])
    others = AppOptions(credentials=(Credentials("new", "secret"),))
    with ThreadedServer(tmp_path / "service", options=others, port=port) as server:
        with pytest.raises(PermissionError):
            (mount.place / "before").read_text()
        with pytest.raises(PermissionError):
            os.fsync(file.fileno())
        file.close()
        [failed] = mount.status()["failed"]
        assert (failed["path"], "InvalidAccessKeyId" in failed["error"]) == ("after", True)
        assert "check the access key" in mount.log.read_text()

        private(passwd, "new:secret")
        while mount.status()["pending"]:  # the watchdog of `mounted` ends it
            threading.Event().wait(0.05)
        assert mount.status()["failed"] == []
        assert (mount.place / "before").read_text() == "before"
        assert (mount.place / "after").read_text() == "not lost"
        assert size_of(server, mount, "after") == len("not lost")
        assert "other credentials are there now" in mount.log.read_text()
        mount.umount()
