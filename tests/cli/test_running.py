"""How failures are told, in which language, and what a command leaves behind that is stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

import click
import pytest
import trio
from click.testing import Result

from ossmount.cli.console import Failure, WrongUsage
from ossmount.cli.main import commands
from ossmount.cli.running import one_line, run_async
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import (
    BrokenResponse,
    ConnectFailed,
    CredentialsError,
    IntegrityError,
    NoSuchBucket,
    OutOfLimits,
    PartialWriteFailed,
    Redirected,
    ServiceError,
    TimedOut,
)
from ossmount.wire.explanations import EXPLANATIONS, explain, remedy

OSS = Callable[..., Result]
# What is no answer of the service.
OTHERS = [
    *(kind("so it is") for kind in (ConnectFailed, TimedOut, BrokenResponse, Redirected, IntegrityError)),
    CredentialsError("none"),
    PartialWriteFailed("PutObject", ["here", "there"], [None, TimedOut("late")]),
]


def test_what_would_drive_a_terminal_is_escaped() -> None:
    assert one_line("a\x1b[2J\nb\udc80é") == "a\\x1b[2J\\nb\\udc80é"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (NoSuchBucket(request_id="5C3D", ec="0015"), Failure, "[request id 5C3D] [EC 0015]. Remedy: see: ossmount"),
        (ConnectFailed("no route"), Failure, "ConnectFailed: no route. Remedy: see that the endpoint"),
        (OutOfLimits("at most 7"), WrongUsage, "at most 7"),
        (ValueError("no such thing"), WrongUsage, "no such thing"),
        (PermissionError(13, "Permission denied", "f"), Failure, "f: Permission denied"),
    ],
)
def test_a_failure_is_one_line(error: Exception, kind: type[Failure], text: str) -> None:
    async def alone() -> None:
        raise error

    async def in_a_nursery() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alone)

    for main in (alone, in_a_nursery):
        with pytest.raises(kind) as caught:
            run_async(main)
        assert text in caught.value.format_message()
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "zh_TW", "LANG": "C"}, True),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""}, False),
    ],
)
def test_what_to_do_is_said_in_the_language_of_the_user(oss: OSS, environ: dict[str, str], told: bool) -> None:
    said = oss("object", "ls", "no-such-bucket", status=1, **environ).stderr

    assert re.match(r"ossmount: NoSuchBucket \(404\): .*\[request id [0-9A-F]{24}\] \[EC 0015-00000101\]", said)
    assert ("Bucket 不存在。解决办法：查看 Bucket 列表：ossmount bucket ls" in said) is told
    assert (". Remedy: see: ossmount bucket ls" in said) is not told
    assert said.count("\n") == 1
    nobody = oss("object", "ls", "bucket", status=1, OSS_ACCESS_KEY_ID="", OSS_ACCESS_KEY_SECRET="", **environ).stderr
    assert ("解决办法" in nobody) is told


def test_every_command_that_a_remedy_names_exists() -> None:
    tree = dict(commands())
    errors = [*(ServiceError.by_code[code]() for code in EXPLANATIONS), *OTHERS]
    named = {
        words
        for error in errors
        for text in (remedy(error), remedy(error, "zh"))
        for words in re.findall(r"ossmount((?: [a-z][a-z-]*| --?[a-z-]+)+)", text)
    }

    assert len(named) > 5
    for words in named:
        command: click.Command | None = None
        for word in words.split():
            if word.startswith("-"):
                assert command is not None
                assert word in {option for each in command.params for option in each.opts}, words
            else:
                command = tree[word] if command is None else command.commands[word]  # type: ignore[attr-defined]
        assert not isinstance(command, click.Group), words


def test_a_remedy_in_one_language_is_one_in_the_other() -> None:
    for explanation in EXPLANATIONS.values():
        assert bool(explanation.remedy) == bool(explanation.chinese_remedy), explanation
    for error in OTHERS:
        for language in ("en", "zh"):
            assert remedy(error, language), error
            assert explain(error, language) != str(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_upload_that_is_stopped_leaves_no_parts(
    oss_server: ThreadedServer, service: Mapping[str, str], number: signal.Signals
) -> None:
    oss_server.store.put_bucket("bucket")
    options = ("--part-size", "100KiB", "--parallel", "1")
    command = [sys.executable, "-m", "ossmount", "object", "put", "-", "bucket/key", *options]
    with subprocess.Popen(command, env=service, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            # A part is read when the one before is sent, and a pipe holds 64 KiB: two parts have arrived by now.
            process.stdin.write(bytes(450 * 1024))
            process.stdin.flush()
            assert oss_server.count("UploadPart") >= 2
            process.send_signal(number)
            assert process.wait(120) == 130
        finally:
            process.kill()
    assert oss_server.count("AbortMultipartUpload") == 1
    assert oss_server.count("CompleteMultipartUpload") == 0


@pytest.mark.parametrize(
    ("words", "redirection", "said"),
    [
        (("get", "bucket/key"), ">&-", "standard output is closed"),
        (("get", "bucket/key"), ">/dev/full", "No space left on device"),
        (("ls", "bucket"), ">/dev/full", "No space left on device"),
        (("head", "bucket/key"), ">/dev/full", "No space left on device"),
        (("head", "bucket/key"), "| head -c 5 >/dev/null", ""),
        (("get", "bucket/key"), "| head -c 5 >/dev/null", ""),
        (("ls", "bucket", "--json"), "| head -c 5 >/dev/null", ""),
        (("put", "-", "bucket/key"), "<&-", "standard input is closed"),
    ],
)
def test_what_becomes_of_a_pipe_is_told_in_a_line_at_most(
    oss: OSS, service: Mapping[str, str], words: tuple[str, ...], redirection: str, said: str
) -> None:
    oss("object", "put", "-", "bucket/key", stdin=bytes(1 << 20))

    shell = ["sh", "-c", f'"$0" -m ossmount object "$@" {redirection}', sys.executable, *words]
    result = subprocess.run(shell, env=service, stderr=subprocess.PIPE, text=True, timeout=120, check=False)

    assert said in result.stderr
    assert len(result.stderr.splitlines()) == bool(said)
