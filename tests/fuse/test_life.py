"""The life of a mount: status, flush, unmount, signals, and who may ask."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuse.conftest import Mount


def test_status_tells_what_is_going_on(mount: Mount) -> None:
    (mount.place / "file").write_bytes(b"x" * 100_000)
    mount.flush()
    (mount.place / "file").read_bytes()
    facts = json.loads(mount.command("status", mount.place, "--json").stdout)
    assert facts["mountpoint"] == str(mount.place)
    assert facts["source"] == mount.bucket.bucket_name
    assert facts["commit"] == "background"
    assert facts["pid"] == mount.registration.pid
    assert (facts["pending"], facts["running"], facts["staged_files"], facts["failed"]) == (0, 0, 0, [])
    assert facts["requests"]["PutObject"] == 1
    assert facts["bytes_sent"] >= 100_000
    assert 0 < facts["memory"] < 400_000_000
    assert 0 < facts["memory_peak_bytes"] < 400_000_000
    assert [one["pid"] for one in json.loads(mount.command("status", "--json").stdout)] == [facts["pid"]]
    assert mount.bucket.bucket_name in mount.command("status").stdout


def test_status_shows_what_is_pending_and_why(mount: Mount) -> None:
    mount.server.fail({"operation": "PutObject", "count": None, "status": 403, "code": "AccessDenied"})
    (mount.place / "file").write_bytes(b"x")
    done = mount.command("flush", mount.place, check=False)
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr
    facts = mount.status()
    assert facts["pending"] == 1
    assert facts["failed"][0]["path"] == "file"
    assert "AccessDenied" in facts["failed"][0]["error"]
    assert mount.command("umount", mount.place, check=False).returncode == 1
    assert (mount.place).is_mount()
    mount.server.fail()
    mount.command("flush", mount.place)
    assert mount.content("file") == b"x"


def test_what_lies_on_the_disk_is_private(mount: Mount) -> None:
    (mount.place / "file").write_bytes(b"x")
    assert stat.S_IMODE(os.stat(mount.registration.socket).st_mode) == 0o600
    for root in (mount.state, mount.runtime, mount.work / "cache"):
        for directory, subdirectories, names in os.walk(root):
            for name in [".", *subdirectories, *names]:
                assert not os.stat(Path(directory) / name).st_mode & 0o077, f"{directory}/{name}"
    assert not mount.log.stat().st_mode & 0o077


def test_no_secret_is_in_the_log_or_on_the_disk(mounted: Callable[..., Mount]) -> None:
    mount = mounted("--log-level", "debug", "--access-key-secret", "sk")
    mount.environ["OSSMOUNT_ACCESS_KEY_SECRET"] = "sk"
    (mount.place / "file").write_bytes(b"x")
    mount.umount()
    assert "Signature=" not in mount.log.read_text()


def test_umount_waits_until_everything_is_in_the_bucket(mount: Mount) -> None:
    mount.server.fail({"operation": "PutObject", "count": None, "delay": 0.2})
    mount.run("sh", "-c", "for n in $(seq 30); do echo $n > f$n; done")
    mount.umount()
    assert len(mount.keys()) == 30
    assert not mount.place.is_mount()
    assert os.listdir(mount.place) == []


def test_umount_now_leaves_the_rest_to_the_next_mount(mount: Mount) -> None:
    mount.server.fail({"count": None, "status": 503, "code": "ServiceUnavailable"})
    mount.run("sh", "-c", "for n in $(seq 10); do echo $n > f$n; done; mv f1 g1; rm f2")
    mount.umount("--now")
    mount.server.fail()
    assert mount.keys() == []
    mount.mount()
    assert sorted(os.listdir(mount.place)) == sorted(["g1", *(f"f{number}" for number in range(3, 11))])
    assert len(mount.check()) == 9


def test_a_busy_mount_stays(mount: Mount) -> None:
    with (mount.place / "file").open("wb") as file:
        done = mount.command("umount", mount.place, check=False)
        assert done.returncode == 1
        assert "busy" in done.stderr
        file.write(b"goes on")
    mount.flush()
    assert mount.content("file") == b"goes on"


def test_sigterm_sees_everything_into_the_bucket(mount: Mount) -> None:
    mount.server.fail({"operation": "PutObject", "count": None, "delay": 0.1})
    mount.run("sh", "-c", "for n in $(seq 10); do echo $n > f$n; done")
    mount.signal(signal.SIGTERM)
    assert mount.process is not None
    assert select.select([mount.process], [], [], 120)[0]
    assert len(mount.keys()) == 10
    assert not mount.place.is_mount()
    os.close(mount.process)
    mount.process = None


def test_a_bucket_that_does_not_exist_is_told_at_once(mount: Mount) -> None:
    other = mount.work / "other"
    other.mkdir()
    done = mount.command("mount", "no-such-bucket", other, check=False)
    assert done.returncode == 1
    assert "no-such-bucket" in done.stderr or "NoSuchBucket" in done.stderr
    assert not other.is_mount()


def test_wrong_keys_are_told_at_once(mount: Mount) -> None:
    other = mount.work / "other"
    other.mkdir()
    mount.environ["OSSMOUNT_ACCESS_KEY_SECRET"] = "wrong"
    done = mount.command("mount", mount.bucket.bucket_name, other, "--state-dir", mount.work / "state2", check=False)
    assert done.returncode == 1
    assert "SignatureDoesNotMatch" in done.stderr
    assert "wrong" not in done.stderr.replace("ossmount", "")


def test_a_second_mount_with_the_same_state_is_refused(mount: Mount) -> None:
    other = mount.work / "other"
    other.mkdir()
    done = mount.command("mount", mount.bucket.bucket_name, other, check=False)
    assert done.returncode == 1
    assert "mounted already" in done.stderr
