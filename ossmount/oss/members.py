"""Several buckets that hold the same: who of them is alive, who is asked, and what becomes of what is written to all.

A read goes to one member.  When there is no answer, or the service fails (5xx), the member counts as down and the next
one is asked; any other answer, such as NoSuchKey, is the answer.  But one that has another ETag than was asked for
(PreconditionFailed) may be all right, since ETags of appendable or encrypted objects are a member's own: then the
others are asked before that is the answer.  When all are down, the round begins again as often as *retry* says.

A write goes to every member, down or not, all at once.  If all succeed, their results are returned.  If all fail, the
first error that may pass is raised, else the first.  If some fail, the members differ from now on, and that is never
hidden: `PartialWriteFailed` names who has what.  It is transient if all failures were, so to try again is to repair.

A member is alive until traffic or a probe says otherwise, and is alive again when either succeeds: its client knows
(`oss.health`).  As long as there is somebody else to ask, nobody is waited for long: one that is silent counts as down
after a few seconds.  When all others have failed it is asked again with all patience, for it may only be slow.  A write
has nobody else to go to.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import trio

from ..wire.errors import (
    ConnectFailed,
    NoSuchKey,
    OSSError,
    PartialWriteFailed,
    PreconditionFailed,
    TransportError,
)
from .bucket import Bucket
from .health import is_down
from .hurry import hurried
from .retry import RetryPolicy
from .statistics import ClientStatistics

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

T = TypeVar("T")

Schedule = Literal["roundRobin", "masterSlave"]
OnError = Callable[[Bucket, OSSError], object]

# Looked for by the probe; that it is not there is as good an answer as any.
PROBE_KEY = "._ossmount/alive"
PROBE_EVERY = 10.0
# Seconds of silence after which another is asked.
FAILOVER_AFTER = 3.0
# So long, in seconds, what a probe has told is believed of those that are down.
_BELIEVED = 0.25
ONE_ROUND = RetryPolicy(attempts=1)


class Members(Bucket):
    """*members* as one bucket, as far as who is asked; see `Cluster` for the arguments.

    Raises:
        ValueError: there are no members, or no such schedule.
    """

    def __init__(
        self,
        members: Sequence[Bucket],
        *,
        schedule: Schedule = "roundRobin",
        steady: bool = False,
        retry: RetryPolicy = ONE_ROUND,
        on_error: OnError | None = None,
        failover_after: float = FAILOVER_AFTER,
    ) -> None:
        if not members:
            raise ValueError("a cluster has at least 1 member")
        if schedule not in get_args(Schedule):
            raise ValueError(f"the schedule must be one of {', '.join(get_args(Schedule))}, not {schedule!r}")
        if failover_after <= 0:
            raise ValueError(f"failover_after is a positive number of seconds, not {failover_after}")
        super().__init__(members[0].client, members[0].name)
        self._members = tuple(members)
        self._schedule = schedule
        self._steady = steady
        self._retry = retry
        self._on_error = on_error
        self._failover_after = failover_after
        self._turn = 0
        self._probing = trio.Lock()
        self._probed = float("-inf")

    def __repr__(self) -> str:
        return f"<Cluster {list(self.members)!r} {self._schedule}>"

    @property
    def members(self) -> tuple[Bucket, ...]:
        """The buckets that hold the same."""
        return self._members

    def is_alive(self, member: Bucket) -> bool:
        """Return whether *member* answered when it was last asked."""
        return member.client.health.alive

    def choose_available(self) -> Bucket:
        """Return the member that the next read would go to."""
        return self.members[self._order()[0]]

    def tell_differing(self, member: Bucket, keys: Iterable[str]) -> None:
        """Take note that *keys* are not at *member*, or not as at the others, and tell *on_error*."""
        listed = list(keys)
        super().tell_differing(member, listed)
        for key in listed:
            self._failed(self.members.index(member), NoSuchKey("not as at other members", details={"Key": key}))

    def statistics(self) -> ClientStatistics:
        """Return what was done so far by the clients of all members together."""
        return ClientStatistics.sum(member.statistics() for member in self.members)

    def _order(self, *, in_turn: bool = True) -> list[int]:
        """Return the members to ask, the first first: those alive by schedule, then those that are down."""
        count = len(self.members)
        in_turn = in_turn and self._schedule == "roundRobin"
        first = self._turn if in_turn else 0
        turned = [(first + number) % count for number in range(count)]
        # The turn is that of the living: one that is down does not double its neighbour's share.
        living = [index for index in range(count) if self._lives(index)]
        if in_turn and living:
            start = self._turn % len(living)
            living = living[start:] + living[:start]
        return living + [index for index in turned if not self._lives(index)]

    def _lives(self, index: int) -> bool:
        return self.is_alive(self.members[index])

    def _hurried(self, *, when: bool) -> AbstractContextManager[None]:
        return hurried(self._failover_after if when else math.inf)

    # -- health ----------------------------------------------------------------------------------------------------

    async def run(self, *, every: float = PROBE_EVERY) -> None:
        """Probe every member each *every* seconds, for ever; start it in a nursery."""
        while True:
            await self.probe()
            await trio.sleep(every)

    async def probe(self) -> None:
        """Ask every member for a sign of life."""
        async with trio.open_nursery() as nursery:
            for index in range(len(self.members)):
                nursery.start_soon(partial(self._probe, index, hurry=True))

    async def see_all_alive(self) -> None:
        """Return if all members are alive, having probed those that were not.

        Raises:
            ConnectFailed: some are down.
        """
        async with self._probing:
            down = [index for index in range(len(self.members)) if not self._lives(index)]
            if down and trio.current_time() >= self._probed + _BELIEVED:
                async with trio.open_nursery() as nursery:
                    for index in down:
                        nursery.start_soon(partial(self._probe, index, hurry=False))
                self._probed = trio.current_time()
        away = [repr(member) for member in self.members if not self.is_alive(member)]
        if away:
            raise ConnectFailed(f"{', '.join(away)} is down")

    async def _probe(self, index: int, *, hurry: bool) -> None:
        try:
            with self._hurried(when=hurry):
                await self.members[index].head_object(PROBE_KEY)
        except NoSuchKey:
            pass
        except OSSError as exc:
            self._failed(index, exc)

    def _failed(self, index: int, error: OSSError) -> None:
        if self._on_error is not None:
            self._on_error(self.members[index], error)

    # -- one of them -----------------------------------------------------------------------------------------------

    async def _read(self, ask: Callable[[Bucket], Awaitable[T]], *, in_turn: bool = True) -> T:
        """Let *ask* ask a member, the next one if that is down, and so on.

        Raises:
            OSSError: the answer is no, or there is none at all.
        """
        attempt = 0
        while True:
            attempt += 1
            refusal: PreconditionFailed | None = None
            failure: OSSError | None = None
            slow: set[int] = set()
            order = self._order(in_turn=in_turn)
            self._turn += 1
            while order:
                index = order.pop(0)
                hurry = refusal is not None or (index not in slow and any(map(self._lives, order)))
                try:
                    with self._hurried(when=hurry):
                        return await ask(self.members[index])
                except PreconditionFailed as exc:
                    refusal = refusal or exc
                except OSSError as exc:
                    if not is_down(exc):
                        raise
                    self._failed(index, exc)
                    failure = exc
                    if hurry and refusal is None and isinstance(exc, TransportError):
                        slow.add(index)
                        order.append(index)
            if refusal is not None:
                raise refusal
            assert failure is not None
            delay = self._retry.delay_after(failure, attempt=attempt, idempotent=True, jitter=self.client.jitter())
            if delay is None:
                failure.add_note("all members of the cluster are down")
                raise failure
            await trio.sleep(delay)

    # -- all of them -----------------------------------------------------------------------------------------------

    async def everywhere(self, operation: str, act: Callable[[Bucket], Awaitable[T]]) -> list[T]:
        """Let *act* act on each member as if there were no other, and return the results in their order.

        What takes several requests, and must be right at every member, is done with this: *act* must do no harm when
        it is done again where it had succeeded.

        Raises:
            PartialWriteFailed: some failed.
            OSSError: all failed.
        """
        return await self._write(operation, lambda _, member: act(member))

    async def _write(
        self,
        operation: str,
        act: Callable[[int, Bucket], Awaitable[T]],
        *,
        at: Iterable[int] | None = None,
        settle: Callable[[Bucket, OSSError, T], Awaitable[bool]] | None = None,
    ) -> list[T]:
        """Let *act* write to every member, or to those *at* these places, and return the results in their order.

        When some fail, *settle* is given each such member, its error and the result of another, and says whether all
        is well there all the same.

        Raises:
            PartialWriteFailed: some failed.
            OSSError: all failed: the first error that may pass, else the first.
        """
        places = list(range(len(self.members)) if at is None else at)
        results: dict[int, Any] = {}

        async def one(index: int) -> None:
            try:
                results[index] = await act(index, self.members[index])
            except OSSError as exc:
                results[index] = exc
                self._failed(index, exc)

        async with trio.open_nursery() as nursery:
            for index in places:
                nursery.start_soon(one, index)
        made = [result for result in results.values() if not isinstance(result, OSSError)]
        if made and settle is not None:
            for index, result in results.items():
                if isinstance(result, OSSError) and await settle(self.members[index], result, made[0]):
                    results[index] = made[0]
        ordered = [results[index] for index in places]
        errors = [result for result in ordered if isinstance(result, OSSError)]
        if not errors:
            return ordered
        if not made:
            raise next((error for error in errors if error.transient), errors[0])
        raise PartialWriteFailed(operation, [self.members[index] for index in places], ordered)
