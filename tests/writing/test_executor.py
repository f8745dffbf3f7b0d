"""When intents are carried out, and what becomes of those that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from ossmount.writing.executor import Executor
from ossmount.writing.intents import Intent, IntentLog, State, Verb
from ossmount.writing.options import ExecutorOptions


class Passing(Exception):
    """What may pass by itself."""


class Curable(Exception):
    """What somebody may end without telling us."""


class Carrier:
    """Notes what it carries, and fails or waits as it is told."""

    def __init__(self) -> None:
        self.carried: list[tuple[float, str, tuple[str, ...]]] = []
        self.failures: dict[str, list[Exception]] = {}
        self.gates: dict[str, trio.Event] = {}
        self.running = self.most = 0

    async def carry(self, intent: Intent) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.lowlevel.checkpoint()
            if intent.key in self.gates:
                await self.gates[intent.key].wait()
            self.note(intent.verb.value, [intent])
        finally:
            self.running -= 1
        return f"outcome of {intent.key}"

    async def carry_deletes(self, intents: Sequence[Intent]) -> None:
        await trio.lowlevel.checkpoint()
        self.note("delete", intents)

    def note(self, verb: str, intents: Sequence[Intent]) -> None:
        for intent in intents:
            if waiting := self.failures.get(intent.key):
                raise waiting.pop(0)
        self.carried.append((trio.current_time(), verb, tuple(intent.key for intent in intents)))

    @property
    def keys(self) -> list[str]:
        return [key for _, _, keys in self.carried for key in keys]


class Observer:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def done(self, intent: Intent, outcome: Any) -> None:
        self.told.append(("done", intent.key))

    def failed(self, intent: Intent, exc: BaseException) -> None:
        self.told.append(("failed", intent.key))

    def dropped(self, intent: Intent) -> None:
        self.told.append(("dropped", intent.key))

    def wanted(self, intent: Intent) -> None:
        if ("wanted", intent.key) not in self.told:
            self.told.append(("wanted", intent.key))


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
async def executor(
    tmp_path: Path, carrier: Carrier, observer: Observer, nursery: trio.Nursery
) -> AsyncIterator[Executor]:
    log = IntentLog(tmp_path / "state.db")
    made = Executor(
        log,
        carrier,
        is_passing=lambda exc: isinstance(exc, Passing),
        is_curable=lambda exc: isinstance(exc, Curable),
        explain=lambda exc: f"{type(exc).__name__}: {exc}",
        options=ExecutorOptions(parallel=3),
    )
    made.observer = observer
    await nursery.start(made.run)
    yield made
    nursery.cancel_scope.cancel()
    log.close()


def logged(executor: Executor) -> list[str]:
    return [intent.key for intent in executor._log.load()]


async def test_an_intent_is_carried_out_after_a_moment_and_forgotten(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    intent = executor.append(Verb.PUT, "a")
    assert logged(executor) == ["a"]
    await trio.testing.wait_all_tasks_blocked()
    assert carrier.carried == []  # more may come
    await trio.sleep(1)
    assert carrier.keys == ["a"]
    assert observer.told == [("done", "a")]
    assert not intent.live
    assert logged(executor) == []


async def test_who_waits_does_not_wait_for_company(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    start = trio.current_time()
    first = executor.append(Verb.PUT, "d/a")
    second = executor.append(Verb.RENAME, "d/", "e/")
    third = executor.append(Verb.DELETE, "e/b")
    await executor.wait(third)
    assert trio.current_time() == start
    assert not first.live
    assert not second.live
    assert carrier.keys == ["d/a", "d/", "e/b"]


async def test_what_conflicts_goes_in_order_and_the_rest_at_once(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    carrier.gates["x"] = trio.Event()
    executor.append(Verb.PUT, "x")
    executor.append(Verb.RENAME, "x", "y")
    executor.append(Verb.UPDATE, "y")
    others = [executor.append(Verb.PUT, f"other{number}") for number in range(5)]
    assert await executor.wait_all(others) == []
    assert set(carrier.keys) == {f"other{number}" for number in range(5)}
    carrier.gates["x"].set()
    assert await executor.wait_all() == []
    assert carrier.keys[5:] == ["x", "x", "y"]
    assert carrier.most <= 3


async def test_deletes_wait_for_each_other(autojump_clock: object, executor: Executor, carrier: Carrier) -> None:
    for number in range(2500):
        executor.append(Verb.DELETE, f"k{number}")
    await trio.sleep(5)
    assert [len(keys) for _, verb, keys in carrier.carried if verb == "delete"] == [1000, 1000, 500]
    assert logged(executor) == []


async def test_a_refused_batch_is_tried_one_by_one(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    carrier.failures["no"] = [PermissionError("batch"), PermissionError("alone")]
    intents = [executor.append(Verb.DELETE, key) for key in ("a", "no", "b")]
    failures = await executor.wait_all()
    assert [str(failure) for failure in failures] == ["alone"]
    assert [intent.state for intent in intents] == [State.DONE, State.FAILED, State.DONE]
    assert logged(executor) == ["no"]
    assert ("failed", "no") in observer.told


async def test_passing_failures_are_tried_again_with_growing_delays(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    carrier.failures["a"] = [Passing() for _ in range(6)]
    intent = executor.append(Verb.PUT, "a")
    begun = trio.current_time()
    await executor.wait(intent)
    assert intent.attempts == 6
    assert 10 < trio.current_time() - begun < 300
    assert executor.statistics().retries == 6


async def test_who_waits_too_long_is_told_and_the_rest_goes_on(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    carrier.failures["a"] = [Passing("still no answer") for _ in range(40)]
    intent = executor.append(Verb.PUT, "a")
    with pytest.raises(TimeoutError, match="still no answer"):
        await executor.wait(intent)
    assert intent.live
    assert logged(executor) == ["a"]
    del carrier.failures["a"]
    executor.retry_failed()
    await executor.wait(intent)


async def test_what_cannot_be_done_is_kept_with_the_reason_until_it_can(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    carrier.failures["a"] = [PermissionError("no")]
    intent = executor.append(Verb.PUT, "a")
    behind = executor.append(Verb.UPDATE, "a")
    with pytest.raises(PermissionError, match="no"):
        await executor.wait(intent)
    with pytest.raises(PermissionError, match="no"):
        await executor.wait(behind)
    await trio.sleep(3600)
    assert intent.state is State.FAILED
    assert executor._log.load()[0].error == "PermissionError: no"
    assert executor.statistics().failed == 1
    executor.retry_failed()
    assert await executor.wait_all() == []
    assert carrier.keys == ["a", "a"]
    assert logged(executor) == []


async def test_what_somebody_may_have_cured_is_told_at_once_and_tried_again(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    carrier.failures["a"] = carrier.failures["b"] = [Curable("expired") for _ in range(8)]
    intent = executor.append(Verb.PUT, "a")
    gone = executor.append(Verb.DELETE, "b")
    for each in (intent, gone):
        with pytest.raises(Curable, match="expired"):
            await executor.wait(each)
    assert trio.current_time() < 5
    assert executor.statistics().failed > 0
    await trio.sleep(300)
    assert sorted(carrier.keys) == ["a", "b"]
    assert logged(executor) == []
    assert executor.statistics().failed == 0


async def test_a_held_intent_waits_and_an_interrupted_one_is_carried_out_again(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    gate = carrier.gates["a"] = trio.Event()
    intent = executor.append(Verb.PUT, "a")
    await trio.sleep(1)
    assert intent.started
    executor.hold(intent)
    await executor.wait_settled(intent)
    assert intent.state is State.HELD
    gate.set()
    await trio.sleep(60)
    assert carrier.keys == []
    assert observer.told == []
    [failure] = await executor.wait_all()
    assert "it is being written" in str(failure)
    executor.release(intent)
    await executor.wait(intent)
    assert carrier.keys == ["a"]
    assert observer.told == [("wanted", "a"), ("done", "a")]


async def test_what_somebody_waits_for_is_not_interrupted(
    autojump_clock: object, executor: Executor, carrier: Carrier, nursery: trio.Nursery
) -> None:
    gate = carrier.gates["a"] = trio.Event()
    intent = executor.append(Verb.PUT, "a")
    behind = executor.append(Verb.RENAME, "a", "b")
    nursery.start_soon(executor.wait, behind)
    await trio.sleep(1)
    executor.hold(intent)
    await trio.sleep(1)
    assert intent.started
    gate.set()
    await executor.wait_all()
    assert carrier.keys == ["a", "a"]


async def test_an_abandoned_intent_is_interrupted_and_forgotten(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    carrier.gates["a"] = trio.Event()
    intent = executor.append(Verb.PUT, "a")
    after = executor.append(Verb.DELETE, "a")
    await trio.sleep(1)
    executor.abandon(intent)
    await executor.wait(after)
    assert observer.told == [("dropped", "a"), ("done", "a")]
    assert carrier.carried[0][1:] == ("delete", ("a",))
    assert logged(executor) == []


async def test_an_intent_takes_the_place_of_others(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    put = executor.append(Verb.PUT, "tmp")
    final = executor.append(Verb.PUT, "final", instead_of=[put])
    assert logged(executor) == ["final"]
    assert put.state is State.DONE
    await executor.wait(put)  # for what takes its place
    assert not final.live
    assert carrier.keys == ["final"]


async def test_dropped_intents_are_nothing_and_free_those_behind(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    first = executor.append(Verb.PUT, "a")
    second = executor.append(Verb.UPDATE, "a")
    executor.hold(first)
    executor.drop(first)
    await executor.wait(second)
    assert carrier.keys == ["a"]


async def test_the_next_daemon_goes_on_in_the_same_order(
    tmp_path: Path, carrier: Carrier, observer: Observer, autojump_clock: object, nursery: trio.Nursery
) -> None:
    log = IntentLog(tmp_path / "state.db")
    before = Executor(log, carrier, is_passing=lambda exc: False)
    for verb, key, target in ((Verb.PUT, "d/a", ""), (Verb.RENAME, "d/", "e/"), (Verb.DELETE, "e/a", "")):
        before.append(verb, key, target)
    log.close()
    log = IntentLog(tmp_path / "state.db")
    after = Executor(log, carrier, is_passing=lambda exc: False)
    after.observer = observer
    restored = after.restore()
    assert [len(intent.blockers) for intent in restored] == [0, 1, 1]
    assert after.behind(restored[0]) == set(restored[1:])
    await nursery.start(after.run)
    assert await after.wait_all() == []
    assert carrier.keys == ["d/a", "d/", "e/a"]
    nursery.cancel_scope.cancel()
    log.close()


async def test_a_log_that_cannot_be_written_refuses_the_change(
    autojump_clock: object, executor: Executor, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(executor._log, "append", full)
        with pytest.raises(OSError, match="no space"):
            executor.append(Verb.PUT, "a")
    assert executor.live == []
    intent = executor.append(Verb.PUT, "b")
    with monkeypatch.context() as patch:
        patch.setattr(executor._log, "remove", full)
        await executor.wait(intent)  # done, though the log still has it: again is no harm
    assert carrier.keys == ["b"]
    assert logged(executor) == ["b"]


async def test_a_thousand_intents_of_all_kinds_are_each_carried_out_once(
    autojump_clock: object, executor: Executor, carrier: Carrier, observer: Observer
) -> None:
    verbs = (Verb.PUT, Verb.UPDATE, Verb.DELETE, Verb.MKDIR)
    for number in range(1000):
        executor.append(verbs[number % 4], f"{number % 7}/{number % 13}")
    assert await executor.wait_all() == []
    assert len(carrier.keys) == 1000
    assert Counter(what for what, _ in observer.told) == {"done": 1000}
    assert executor.statistics().pending == 0


async def test_who_waits_is_patient_as_long_as_nothing_fails(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    carrier.gates["large"] = trio.Event()
    intent = executor.append(Verb.PUT, "large")
    with trio.move_on_after(3600) as scope:
        await executor.wait(intent)
    assert scope.cancelled_caught
    carrier.gates["large"].set()
    await executor.wait(intent)


async def test_who_waits_for_many_has_no_more_patience_than_for_one(
    autojump_clock: object, executor: Executor, carrier: Carrier
) -> None:
    for number in range(20):
        carrier.failures[f"{number}"] = [Passing("still no answer")] * 1000
        executor.append(Verb.PUT, f"{number}")
    executor.append(Verb.RENAME, "1", "behind")
    begun = trio.current_time()
    failures = await executor.wait_all()
    assert len(failures) == 21
    assert trio.current_time() - begun < 400


async def test_nobody_waits_for_ever_for_a_file_that_is_written_on_and_on(
    autojump_clock: object, executor: Executor
) -> None:
    first = executor.append(Verb.PUT, "a")
    executor.hold(first)
    behind = executor.append(Verb.RENAME, "a", "b")
    with trio.fail_after(1000), pytest.raises(TimeoutError, match="a: it is being written"):
        await executor.wait(behind)
    executor.release(first)
    await executor.wait(behind)
