"""Carries intents out: in order where they conflict, in parallel otherwise, again and again until done.

Theory of operation.  An intent that is free of blockers waits in a heap until it is *due*: a moment after it was
made, so that what usually follows at once (chmod after write, rename after both, the other thousand deletes of ``rm
-r``) finds it not started and becomes part of it.  Whoever waits for an intent (fsync, commit=close, flush) makes it
and all it waits for due at once.

Deletes wait for each other's company: one DeleteMultipleObjects takes up to a thousand.

A failure that may pass by itself is tried again with growing delays, for ever; the intent stays in the log.  Any
other failure leaves the intent FAILED: kept in the log with its bytes, shown in the status, tried again when somebody
asks (`retry_failed`), at the next mount, or when its file is changed again.  One that somebody will see to without
telling us, such as credentials that have ended, is tried again now and then as well.

Rules for editors: the bookkeeping methods are all `def`, so nothing runs between a check and what follows from it.
`_carry` and `_carry_deletes` are the only places that await, and what they await may be cancelled through
`Intent.scope`.
"""

from __future__ import annotations

import heapq
import logging
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from .intents import Intent, IntentLog, State, Verb
from .options import ExecutorOptions
from .ordering import Ordering
from .parties import ExecutorStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .parties import Carrier, Observer

log = logging.getLogger(__name__)


class Executor:
    """The one who carries intents out."""

    def __init__(
        self,
        intents: IntentLog,
        carrier: Carrier,
        *,
        is_passing: Callable[[BaseException], bool],
        is_curable: Callable[[BaseException], bool] = lambda _: False,
        explain: Callable[[BaseException], str] = repr,
        options: ExecutorOptions | None = None,
    ) -> None:
        """Make an executor; `run` starts it.  *is_passing* tells failures that may pass by themselves, *is_curable*
        those that somebody may end unnoticed; *explain* puts a failure in words for the log and for people.
        """
        self.observer: Observer | None = None
        self._log = intents
        self._carrier = carrier
        self._is_passing = is_passing
        self._is_curable = is_curable
        self._explain = explain
        self._options = options or ExecutorOptions()
        self._ordering = Ordering()
        self._live: dict[int, Intent] = {}
        self._due: list[tuple[float, int, Intent]] = []
        self._deletes: dict[int, Intent] = {}  # free and waiting for company
        self._deletes_since = 0.0
        self._deletes_due = 0.0
        self._running: set[Intent] = set()
        self._wakeup = trio.Event()
        self._idle = trio.Event()
        self._closing = False
        self._done_count = 0
        self._retries = 0

    # What programs did

    def append(
        self,
        verb: Verb,
        key: str,
        target: str = "",
        data: dict[str, Any] | None = None,
        *,
        subject: Any = None,
        upload: Any = None,
        instead_of: Iterable[Intent] = (),
    ) -> Intent:
        """Log a change and see that it is carried out; *instead_of* are intents that it makes void.

        Raises:
            OSError: it could not be logged, so it did not happen.
        """
        intent = Intent(self._log.number(), verb, key, target, data or {}, time.time(), subject=subject, upload=upload)
        void = list(instead_of)
        with self._log.together():
            if void:
                self._log.remove(void)
            self._log.append(intent)
        for other in void:
            if other.verb is verb:
                other.successor = intent
            self._retire(other)
        self._enter(intent)
        return intent

    def restore(self) -> list[Intent]:
        """Take up what an earlier daemon left in the log; return it, oldest first.  Nothing starts before `run`."""
        intents = self._log.load()
        for intent in intents:
            intent.tried = True
            self._enter(intent)
        return intents

    def amend(self, intent: Intent) -> None:
        """Log what was changed in the data of an intent that has not started."""
        self._log.update(intent)
        self._reconsider(intent)

    def drop(self, *intents: Intent) -> None:
        """Make void intents that have not started; the others are left alone."""
        void = [intent for intent in intents if intent.live and not intent.started]
        self._log.remove(void)
        for intent in void:
            self._retire(intent)

    def abandon(self, intent: Intent) -> None:
        """Make *intent* void, also when it has begun: it is interrupted and then forgotten."""
        if intent.state is State.RUNNING:
            intent.is_void = True
            if intent.scope is not None:
                intent.scope.cancel()
        else:
            self.drop(intent)

    def hold(self, intent: Intent) -> None:
        """Keep *intent* from being carried out until `release`; interrupt it when it has begun and nobody waits for it.

        An interrupted intent is HELD once `State.RUNNING` is left; nothing of what it sent is visible in the bucket.
        """
        if intent.state is State.RUNNING:
            if intent.scope is not None and not self._is_awaited(intent):
                intent.scope.cancel()
        elif intent.live and intent.state is not State.HELD:
            intent.state = State.HELD
            self._notify_all(intent)

    def release(self, intent: Intent) -> None:
        """Let a held or failed intent be carried out."""
        if intent.state in {State.HELD, State.FAILED}:
            intent.failure = None
            self._reconsider(intent)

    def kick(self, intent: Intent) -> None:
        """Carry out *intent* and all it waits for without delay, held ones, too.

        Raises:
            OSError: what is held could not be logged.
        """
        for current in list(self._chain(intent)):
            if current.state is State.HELD and self.observer is not None:
                self.observer.wanted(current)
            if current.verb is Verb.DELETE and current.id in self._deletes:
                self._deletes_due = 0.0
            if current.state is State.WAITING and current.attempts == 0 and current.due > 0:
                current.due = 0.0
                self._push(current)
        self._wakeup.set()

    # Who waits

    async def wait(self, intent: Intent, *, until: float | None = None) -> None:
        """Wait until *intent* has been carried out, or what has taken its place.

        *until* is the moment, on the trio clock, when enough failures that may pass have been met; by default there is
        a limit to that, and none to how long the work itself may take.

        Raises:
            Exception: what keeps it, or an intent before it, from being carried out.
            TimeoutError: only passing failures were met, for too long; it is still being tried.
        """
        until = trio.current_time() + self._options.patience if until is None else until
        intent.waiters += 1
        try:
            await self._wait(intent, until)
        finally:
            intent.waiters -= 1
        if intent.successor is not None:
            await self.wait(intent.successor, until=until)

    async def _wait(self, intent: Intent, until: float) -> None:
        while intent.live:
            self.kick(intent)  # whoever writes may have held it back again
            if failure := self._failure(intent):
                raise failure
            is_late = trio.current_time() >= until
            if is_late and (stuck := self._stuck(intent)) is not None:
                why = stuck.error or "it is being written"
                raise TimeoutError(f"{intent.verb} of {intent.key} is still not done; {stuck.key}: {why}")
            if intent.settled is None or intent.settled.is_set():
                intent.settled = trio.Event()
            with trio.move_on_at(float("inf") if is_late else until):
                await intent.settled.wait()

    async def wait_settled(self, intent: Intent) -> None:
        """Wait until no request of *intent* is under way any more."""
        while intent.started:
            if intent.settled is None or intent.settled.is_set():
                intent.settled = trio.Event()
            await intent.settled.wait()

    async def wait_all(self, intents: Iterable[Intent] | None = None) -> list[BaseException]:
        """Wait until every intent made before now (or each of *intents*) is done or has failed; return the failures."""
        failures: list[BaseException] = []
        until = trio.current_time() + self._options.patience
        awaited = list(self._live.values() if intents is None else intents)
        for intent in awaited:
            intent.waiters += 1
        try:
            for intent in awaited:
                with suppress(OSError):  # is met again below
                    self.kick(intent)
            for intent in awaited:
                try:
                    await self.wait(intent, until=until)
                except Exception as exc:
                    failures.append(exc)
        finally:
            for intent in awaited:
                intent.waiters -= 1
        return failures

    def retry_failed(self) -> None:
        """Try again what had failed for good: somebody thinks that things have changed."""
        for intent in list(self._live.values()):
            if intent.state is State.FAILED or (intent.state is State.WAITING and intent.attempts):
                intent.failure = None
                intent.due = 0.0
                intent.state = State.WAITING
                self._reconsider(intent, due=0.0)

    # What there is

    @property
    def live(self) -> list[Intent]:
        """All intents that are not carried out yet, oldest first."""
        return list(self._live.values())

    def touching(self, key: str) -> set[Intent]:
        """Return the live intents that touch *key*, or everything around it."""
        return self._ordering.touching(key)

    def behind(self, intent: Intent) -> set[Intent]:
        """Return the live intents that wait for *intent*, or for one that does."""
        todo, found = [intent], set[Intent]()
        while todo:
            for dependent in todo.pop().dependents - found:
                found.add(dependent)
                todo.append(dependent)
        return found

    def inside(self, prefix: str) -> set[Intent]:
        """Return the live intents that touch a key inside *prefix*."""
        return self._ordering.inside(prefix)

    def statistics(self) -> ExecutorStatistics:
        """Count what is left."""
        states = [intent.state for intent in self._live.values()]
        oldest = next(iter(self._live.values()), None)
        return ExecutorStatistics(
            pending=len(states),
            running=states.count(State.RUNNING),
            failed=states.count(State.FAILED),
            held=states.count(State.HELD),
            oldest=oldest.created if oldest else None,
            done=self._done_count,
            retries=self._retries,
        )

    # The machinery

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry intents out until cancelled."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            while True:
                self._wakeup = trio.Event()
                deadline = self._start_due(nursery, trio.current_time())
                with trio.move_on_at(deadline):
                    await self._wakeup.wait()

    def _start_due(self, nursery: trio.Nursery, now: float) -> float:
        """Start whatever is due and return when to look again."""
        while self._due and len(self._running) < self._options.parallel:
            due, _, intent = self._due[0]
            if intent.state is State.FAILED and intent.due == due <= now:
                self.release(intent)  # it is pushed again with another moment
            if intent.state not in {State.WAITING, State.FAILED} or intent.blockers or intent.due != due:
                heapq.heappop(self._due)  # outdated
            elif due > now:
                break
            else:
                heapq.heappop(self._due)
                self._begin([intent])
                nursery.start_soon(self._carry, intent)
        while self._deletes and (len(self._deletes) >= self._options.batch or self._deletes_due <= now):
            batch = [self._deletes.pop(number) for number in sorted(self._deletes)[: self._options.batch]]
            batch = [intent for intent in batch if intent.state is State.WAITING]
            if batch:
                self._begin(batch)
                nursery.start_soon(self._carry_deletes, batch)
        deadline = self._deletes_due if self._deletes else float("inf")
        if self._due and len(self._running) < self._options.parallel:
            deadline = min(deadline, self._due[0][0])
        return deadline

    def _begin(self, intents: list[Intent]) -> None:
        for intent in intents:
            intent.state = State.RUNNING
            intent.scope = trio.CancelScope()
            self._running.add(intent)

    async def _carry(self, intent: Intent) -> None:
        assert intent.scope is not None
        outcome: Any = None
        failure: Exception | None = None
        finished = False
        try:
            with intent.scope:
                outcome = await self._carrier.carry(intent)
                finished = True
        except Exception as exc:
            failure = exc
        if finished:
            self._succeed(intent, outcome)
        elif failure is not None:
            self._fail(intent, failure)
        else:
            self._interrupt(intent)

    async def _carry_deletes(self, batch: list[Intent]) -> None:
        try:
            await self._carrier.carry_deletes(batch)
        except Exception as exc:
            if len(batch) == 1 or self._is_passing(exc) or self._is_curable(exc):
                for intent in batch:
                    self._fail(intent, exc)
                return
            log.info("deleting %d objects at once failed (%s); trying one by one", len(batch), exc)
            for intent in batch:
                await self._carry(intent)
        else:
            for intent in batch:
                self._succeed(intent, None)

    def _succeed(self, intent: Intent, outcome: Any) -> None:
        self._running.discard(intent)
        self._done_count += 1
        try:
            with self._log.together():
                if self.observer is not None:
                    self.observer.done(intent, outcome)
                self._log.remove([intent])
        except OSError as exc:  # carried out again at the next mount, it does no harm
            log.error("%s", exc)
        except Exception:
            log.exception("%r is in OSS, and what follows from that could not be noted", intent)
        self._retire(intent)

    def _interrupt(self, intent: Intent) -> None:
        self._running.discard(intent)
        intent.scope = None
        intent.state = State.HELD
        if intent.is_void:
            self.drop(intent)
            if self.observer is not None:
                self.observer.dropped(intent)
        self._notify(intent)
        self._wakeup.set()

    def _fail(self, intent: Intent, exc: Exception) -> None:
        if intent.is_void:
            self._interrupt(intent)
            return
        self._running.discard(intent)
        intent.scope = None
        intent.attempts += 1
        intent.error = self._explain(exc)
        try:
            self._log.update(intent)
        except OSError as problem:
            log.error("%s", problem)
        ceiling = min(self._options.retry_limit, self._options.retry_base * 2 ** min(intent.attempts, 10))
        delay = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        due = trio.current_time() + delay
        if self._is_passing(exc):
            intent.tried = True
            self._retries += 1
            # Ever less often: there may be thousands that fail alike.
            is_told = intent.attempts.bit_count() == 1
            level = logging.INFO if intent.attempts < 3 else logging.WARNING if is_told else logging.DEBUG
            log.log(level, "%r: attempt %d failed, next in %.1f s: %s", intent, intent.attempts, delay, intent.error)
            intent.state = State.WAITING
            self._reconsider(intent, due=due)
        else:
            log.error("%r cannot be carried out and is kept: %s", intent, intent.error)
            intent.state = State.FAILED
            intent.failure = exc
            intent.due = due if self._is_curable(exc) else float("inf")
            if self._is_curable(exc):
                heapq.heappush(self._due, (intent.due, intent.id, intent))
            if self.observer is not None:
                self.observer.failed(intent, exc)
        self._notify_all(intent)
        self._wakeup.set()

    def _enter(self, intent: Intent) -> None:
        self._live[intent.id] = intent
        self._ordering.add(intent)
        self._reconsider(intent)

    def _reconsider(self, intent: Intent, *, due: float | None = None) -> None:
        """Set *intent* waiting for its moment, when it waits for nobody."""
        if intent.state in {State.RUNNING, State.DONE}:
            return
        intent.state = State.WAITING
        if due is None:
            due = trio.current_time() + self._linger(intent)
        intent.due = due
        if not intent.blockers:
            self._push(intent)

    def _linger(self, intent: Intent) -> float:
        return 0.0 if intent.data.get("large") else self._options.linger

    def _push(self, intent: Intent) -> None:
        if intent.blockers:
            return
        if intent.verb is Verb.DELETE and not intent.attempts:
            now = trio.current_time()
            if not self._deletes:
                self._deletes_since = now
                self._deletes_due = float("inf")
            self._deletes[intent.id] = intent
            if intent.due > 0 and self._deletes_due > 0:
                latest = self._deletes_since + self._options.delete_patience
                self._deletes_due = min(now + self._options.delete_linger, latest)
            else:
                self._deletes_due = 0.0
        else:
            heapq.heappush(self._due, (intent.due, intent.id, intent))
        self._wakeup.set()

    def _retire(self, intent: Intent) -> None:
        intent.state = State.DONE
        intent.scope = None
        self._live.pop(intent.id, None)
        self._deletes.pop(intent.id, None)
        for free in self._ordering.retire(intent):
            if free.state is State.WAITING:
                self._push(free)
        self._notify(intent)
        self._wakeup.set()

    def _is_awaited(self, intent: Intent) -> bool:
        return any(each.waiters for each in (intent, *self.behind(intent)))

    def _failure(self, intent: Intent) -> BaseException | None:
        """Return what keeps *intent* from ever being carried out: its own failure or that of one before it."""
        return next((each.failure for each in self._chain(intent) if each.failure is not None), None)

    def _stuck(self, intent: Intent) -> Intent | None:
        """Return the one of *intent* and those before it that has failed and waits for another try, or is held."""
        for each in self._chain(intent):
            if each.state is State.HELD or (each.state is State.WAITING and each.attempts):
                return each
        return None

    @staticmethod
    def _chain(intent: Intent) -> Iterator[Intent]:
        """Yield *intent* and all that it waits for."""
        todo, seen = [intent], {intent}
        while todo:
            yield (current := todo.pop())
            todo += current.blockers - seen
            seen |= current.blockers

    def _notify_all(self, intent: Intent) -> None:
        """Wake who waits for *intent*, or for one behind it."""
        for each in (intent, *self.behind(intent)):
            self._notify(each)

    def _notify(self, intent: Intent) -> None:
        if intent.settled is not None:
            intent.settled.set()
