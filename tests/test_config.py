"""Where options come from, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ossmount.config import (
    Config,
    ConfigError,
    default_files,
    load,
    options,
    parse_mount_options,
    parse_source,
    runtime_dir,
)
from ossmount.connecting import client_options_of

ENVIRON = {"HOME": "/home/someone", "OSSMOUNT_REGION": "cn-hangzhou"}


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def compose(environ: dict[str, str] | None = None, files: tuple[Path, ...] = (), **given: Any) -> Config:
    return load("bucket", "/mnt/oss", given=given, environ=ENVIRON | (environ or {}), files=files)


def test_the_later_source_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a.toml", 'memory = "32MiB"\nttl = 1\nparallel = 2\nlog_level = "debug"\n')
    second = write(tmp_path / "b.toml", "ttl = 2\n[bucket.bucket]\nparallel = 3\n[bucket.other]\nparallel = 4\n")
    files = (first, second, tmp_path / "absent.toml")

    config = compose({"OSSMOUNT_LOG_LEVEL": "error", "OSSMOUNT_COMMIT": "close"}, files, commit="background")

    assert config.memory == 32 << 20  # first file
    assert config.ttl == 2.0  # second file
    assert config.parallel == 3  # its section
    assert config.log_level == "error"  # environment
    assert config.commit == "background"  # command line
    assert config.signature == "v4"  # default


def test_a_named_file_is_read_instead_of_the_usual_ones(tmp_path: Path) -> None:
    usual = write(tmp_path / "usual.toml", "parallel = 2\n")
    named = write(tmp_path / "named.toml", "ttl = 9\n")

    assert compose(files=(usual,), config=str(named)).parallel == 32
    assert compose({"OSSMOUNT_CONFIG": str(named)}, (usual,)).ttl == 9.0
    with pytest.raises(ConfigError, match=r"no configuration file .*gone\.toml"):
        compose(config=str(tmp_path / "gone.toml"))


def test_a_section_may_say_where_the_bucket_is_mounted(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", '[bucket.bucket]\nmountpoint = "/srv/data"\nprefix = "/in/side"\n')

    config = load("bucket", environ=ENVIRON, files=(file,))
    assert (config.mountpoint, config.prefix) == (Path("/srv/data"), "in/side/")
    config = load("bucket:other", "/mnt/here", environ=ENVIRON, files=(file,))
    assert (config.mountpoint, config.prefix, config.source) == (Path("/mnt/here"), "other/", "bucket:other")
    with pytest.raises(ConfigError, match="no mountpoint"):
        load("another", environ=ENVIRON, files=(file,))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("memry = 1", "unknown option memry in .*did you mean memory"),
        ("[bucket.other]\nmemry = 1", r"unknown option memry in \[bucket.other\] of"),
        ("memory = 1", "option memory in .*cannot use 1: expected at least 16777216"),
        ('part_size = "6GiB"', "expected at most"),
        ("parallel = 0", "expected at least 1"),
        ("commit = 'sometimes'", "expected one of background, close"),
        ("umask = 22", "octal mask"),
        ("config = 'x'", "makes no sense in a file"),
        ("bucket = 3", "must be sections"),
        ("[bucket]\nname = 3", "must be sections"),
        ("[bucket.bucket]\nprefix = 3", "must be texts"),
        ("= 3", "is no TOML"),
    ],
)
def test_a_slip_in_a_file_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    file = write(tmp_path / "a.toml", content)

    with pytest.raises(ConfigError, match=complaint) as caught:
        compose(files=(file,))
    assert "a.toml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()

    with pytest.raises(ConfigError, match=r"cannot read .*a\.toml: Is a directory"):
        compose(files=(tmp_path / "a.toml",))


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    content = "access_key_id = 'me'\naccess_key_secret = 'hush'\n"

    assert compose(files=(write(tmp_path / "a.toml", content),)).access_key_secret == "hush"
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        compose(files=(write(tmp_path / "a.toml", content, 0o644),))
    assert "hush" not in str(caught.value)


def test_unknown_variables_are_named_and_empty_ones_are_not_set() -> None:
    assert compose({"OSSMOUNT_ENDPOINT": "", "PATH": "/bin"}).endpoint == ()
    with pytest.raises(ConfigError, match=r"unknown option memry in the environment \(OSSMOUNT_MEMRY\)"):
        compose({"OSSMOUNT_MEMRY": "1"})
    with pytest.raises(ConfigError, match=r"OSSMOUNT_TTL\): cannot use 'soon'"):
        compose({"OSSMOUNT_TTL": "soon"})


def test_the_variables_of_ossutil_say_region_and_endpoint_when_ours_do_not() -> None:
    foreign = {"OSS_REGION": "cn-beijing", "OSS_ENDPOINT": "https://oss-cn-beijing.aliyuncs.com"}

    config = load("bucket", "/mnt/oss", environ=foreign, files=())
    assert (config.region, config.endpoint) == ("cn-beijing", ("https://oss-cn-beijing.aliyuncs.com",))
    assert compose(foreign).region == "cn-hangzhou"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"internal": True, "embedded": "/tmp/x"}, "exclude each other"),
        ({"access_key_id": "me"}, "go together"),
        ({"security_token": "t"}, "security_token needs"),
        ({"role_arn": "a", "oidc_token_file": "/t"}, "oidc_provider_arn and oidc_token_file go together"),
        ({"external_id": "x"}, "need role_arn"),
        ({"role_arn": "a", "role_duration": "1m"}, "at least 15m"),
        ({"frobnicate": "x"}, "unknown option frobnicate on the command line"),
    ],
)
def test_what_cannot_go_together_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        compose(**given)


def test_a_url_is_good_for_as_long_as_its_signature_allows() -> None:
    assert compose().url_expires == 3600.0
    assert compose(url_expires="7d").url_expires == 7 * 86400.0
    assert compose(url_expires="30d", signature="v1").url_expires == 30 * 86400.0
    with pytest.raises(ConfigError, match="url_expires is at most 7d with signature v4"):
        compose(url_expires="169h")
    for wrong in ("0", "500ms", "9" * 400 + "d", "soon"):
        with pytest.raises(ConfigError, match="option url_expires on the command line: cannot use"):
            compose(url_expires=wrong, signature="v1")


def test_patience_with_the_service_has_limits() -> None:
    usual, patient, hasty = (client_options_of(compose(timeout=said)) for said in ("20s", "2m", "3s"))
    assert (usual.timeout, patient.timeout, hasty.timeout) == (20.0, 120.0, 3.0)
    assert hasty.connect_timeout == 3.0
    assert usual.connect_timeout == patient.connect_timeout
    for wrong in ("0", "500ms", "6m"):
        with pytest.raises(ConfigError, match="option timeout on the command line: cannot use"):
            compose(timeout=wrong)


def test_a_service_must_be_named() -> None:
    with pytest.raises(ConfigError, match="which service"):
        load("bucket", "/mnt/oss", environ={}, files=())


def test_masks_for_files_and_directories_follow_the_umask() -> None:
    assert (compose().fmask, compose().dmask) == (None, None)
    config = compose(umask="077", dmask="022")
    assert (config.fmask, config.dmask) == (0o77, 0o22)


def test_the_repr_masks_secrets_and_hides_defaults() -> None:
    config = compose(access_key_id="visible?", access_key_secret="hush", security_token="token", ttl="9s")

    text = repr(config)
    assert "ttl=9.0" in text
    assert "region='cn-hangzhou'" in text
    assert not any(word in text for word in ("visible?", "hush", "'token'", "parallel"))


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("bucket", ("bucket", "")),
        ("bucket:", ("bucket", "")),
        ("bucket:a/b", ("bucket", "a/b/")),
        ("bucket:/a/b/", ("bucket", "a/b/")),
        ("oss://bucket/a/b", ("bucket", "a/b/")),
        ("oss://bucket", ("bucket", "")),
        ("bucket:文件", ("bucket", "文件/")),
    ],
)
def test_a_source_is_a_bucket_and_a_prefix(source: str, parts: tuple[str, str]) -> None:
    assert parse_source(source) == parts


@pytest.mark.parametrize("source", ["", "ab", "Bucket", "-bucket", "bucket-", "a_b_c", "x" * 64, "/bucket", "oss://"])
def test_what_is_no_bucket_name_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="no bucket name"):
        parse_source(source)


def test_mount_options_are_ours_the_kernels_or_for_mount() -> None:
    words = r"rw,_netdev,nofail,x-systemd.automount,noexec,allow_other,uid=12,log-file=/var/log/a\,b,ro,allow_other=no"

    given, kernel = parse_mount_options(words)

    assert kernel == ("noexec",)
    assert given == {"read_only": True, "allow_other": "no", "uid": "12", "log_file": "/var/log/a,b"}
    assert parse_mount_options("") == ({}, ())
    with pytest.raises(ConfigError, match=r"unknown option memry in -o: did you mean memory"):
        parse_mount_options("memry=1")
    with pytest.raises(ConfigError, match="needs a value: memory=SIZE"):
        parse_mount_options("memory")


def test_pending_changes_are_found_again_wherever_the_bucket_is_mounted() -> None:
    here = load("bucket:a", "/mnt/here", environ=ENVIRON, files=())
    there = load("bucket:a/", "/mnt/there", given={"internal": "yes"}, environ=ENVIRON, files=())
    public = compose(endpoint="https://oss-cn-hangzhou.aliyuncs.com/")

    assert here.state == there.state
    assert here.state.name.startswith("bucket-")
    assert len({here.state, public.state, compose(endpoint="localhost:9000").state, compose(embedded="/x").state}) == 4
    assert public.state == compose().state
    assert here.cache.name == here.state.name


def test_the_usual_places_follow_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert runtime_dir({"XDG_RUNTIME_DIR": "/run/user/0"}) == Path("/run/ossmount")
    assert compose().state.parent == Path("/var/lib/ossmount")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert runtime_dir({"XDG_RUNTIME_DIR": "/run/user/1000"}) == Path("/run/user/1000/ossmount")
    assert runtime_dir({"HOME": "/home/me"}) == Path("/home/me/.cache/ossmount/run")
    assert runtime_dir({"OSSMOUNT_RUNTIME_DIR": "/x/y"}) == Path("/x/y")
    assert compose().state.parent == Path("/home/someone/.local/state/ossmount")
    assert default_files({"HOME": "/home/me"})[1] == Path("/home/me/.config/ossmount/config.toml")


def test_every_option_can_be_told_apart_and_explained() -> None:
    for option in options():
        assert option.help.endswith("."), option.name
        assert option.flag == "--" + option.name.replace("_", "-")
        assert option.variable == "OSSMOUNT_" + option.name.upper()
        assert option.is_flag == (option.metavar == ""), option.name


def test_endpoints_may_be_several_in_every_form(tmp_path: Path) -> None:
    both = ("http://a", "http://b")
    file = write(tmp_path / "a.toml", 'endpoint = ["http://a", "http://b"]\nschedule = "masterSlave"\n')

    config = compose(files=(file,))
    assert (config.endpoint, config.schedule) == (both, "masterSlave")
    assert compose({"OSSMOUNT_ENDPOINT": "http://a; http://b"}).endpoint == both
    assert compose(endpoint=both).endpoint == both
    for words in ("endpoint=http://a,endpoint=http://b", "endpoint=http://a;http://b,ro"):
        given, _ = parse_mount_options(words)
        assert compose(endpoint=given["endpoint"]).endpoint == both
    assert compose({"OSSMOUNT_ENDPOINT": "http://c"}, (file,)).endpoint == ("http://c",)  # not a third one
    with pytest.raises(ConfigError, match=r"option endpoint .*http://a is there twice"):
        compose(endpoint=("http://a", "http://a"))


def test_pending_changes_are_found_again_whatever_the_order_of_the_endpoints() -> None:
    def state(*endpoints: str) -> Path:
        return compose(endpoint=endpoints).state

    assert state("http://a", "http://b") == state("http://b/", "http://a")
    assert state("http://a") != state("http://a", "http://b") != state("http://b")
    assert state("oss-cn-hangzhou.aliyuncs.com") == state(
        "oss-cn-hangzhou-internal.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"
    )
    # What is pending for both is not done when one of them has it.
    assert len({state("oss-cn-hangzhou.aliyuncs.com", "http://a"), state("http://a"), compose().state}) == 3


def test_who_asks_is_said_in_one_way_and_the_later_source_wins(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", "access_key_id = 'me'\naccess_key_secret = 'hush'\n")

    config = compose(files=(file,), ram_role="auto")
    assert (config.access_key_id, config.access_key_secret, config.ram_role) == (None, None, "auto")
    config = compose(files=(file,), role_arn="acs:ram::1:role/reader")
    assert (config.access_key_id, config.role_arn) == ("me", "acs:ram::1:role/reader")
