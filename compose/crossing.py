"""The crossing of a new folder from simulated to real time: a ward's history first, then the wall's clock.

The order makes a crash honest at every point: the folder says *crossing* before the first record of the history, the
log says *real* before any service lives by it, and the folder says so last. A start that finds *crossing* goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from compose.services import Ward
from compose.wiring import RegistryClient
from ingest.service import last_tick
from runtime.clock import Clock
from runtime.kafka import Reader
from runtime.settings import Settings
from vitals.alerts import FeedMark, decode
from vitals.errors import InputError, ServerStalled, StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import FEED, READINGS

if TYPE_CHECKING:
    from simulators.backfill import Report

HOUR_US = 60 * MINUTE_US
TELL_S = 1.5
POLL_S = 0.5
STALL_S = 180.0
"""A processor that is started again reads the history from its beginning, and writes nothing new meanwhile."""
MARK_US = 2 * SECOND_US
"""Marks are written each second of clock, so the last tick may have none."""
Progress = Callable[[str], None]


def beginning(clock: Clock, hours: float) -> int:
    """When a ward begins whose history is to be so long, a whole minute (µs UTC)."""
    at = clock.now_us() - round(hours * HOUR_US)
    return at - at % MINUTE_US


async def begin(settings: Settings) -> None:
    """Say in the log of a new folder that it lives by the simulated clock; again changes nothing.

    Raises:
        StateError: the log has been living by the real one.
    """
    try:
        await RegistryClient(settings).set_clock("simulated")
    except InputError as error:
        remedy = "with servers of your own that hold a log already, use vigil up --history 0"
        raise StateError("simulated time is refused", error.subject, remedy) from None


async def write_history(settings: Settings, ward: Ward, clock: Clock, progress: Progress) -> Ward:
    """Publish a ward's history from ``ward.began_at`` to the present, and give the log to the real clock.

    ``settings`` are on the simulated clock. Returns the ward as it goes on live.

    Raises:
        StateError: the simulated clock is ahead of the wall's.
        ServerError, InputError: what `simulators.backfill.run` raises.
    """
    from simulators import backfill
    from simulators.fleet import Options

    options = Options(ward.patients, ward.rate, seed=ward.seed, began_at=ward.began_at)
    registry = RegistryClient(settings)
    report = await backfill.run(settings, options, registry, clock, Teller(clock, progress))
    progress(f"history: {_said(report, clock)} in {report.seconds:.1f} s; from here on by the real clock")
    await cross(settings, registry, clock)
    return replace(ward, resume_at=report.until, story_at=report.story_at)


async def digested(settings: Settings, until: int, clock: Clock, progress: Progress) -> None:
    """Wait until processor and manager have come to ``until`` (µs UTC) in every partition.

    Until then the manager lives by the simulated clock: by the wall's it would find old timers overdue.

    Raises:
        ServerStalled: they do not move any more.
    """
    partitions = [(FEED, partition) for partition in range(settings.partitions)]
    async with Reader(settings, partitions) as reader:
        ends = await reader.end_offsets()
        clocks = {partition: await _last_mark(reader, partition) for _, partition in partitions}
        for topic, partition in partitions:
            reader.seek(topic, partition, ends[topic, partition])
        moved = told = clock.monotonic()
        while (slowest := min(clocks.values())) < until - MARK_US:
            now = clock.monotonic()
            for records in await reader.poll(POLL_S):
                clocks[records.partition] = max(clocks[records.partition], _mark_of(records.values))
            if min(clocks.values()) > slowest:
                moved = now
            elif now - moved > STALL_S:
                what = f"{(until - slowest) / HOUR_US:.1f} h before the end of the history"
                raise ServerStalled("the rules stand still", what, "look at the logs of process and manage")
            if now - told >= TELL_S and slowest:
                told = now
                progress(f"history: the rules are {(until - slowest) / HOUR_US:.1f} h behind")


async def _last_mark(reader: Reader, partition: int) -> int:
    async for records in reader.backwards((FEED, partition)):
        if at := _mark_of(records.values):
            return at
    return 0


def _mark_of(values: Sequence[bytes]) -> int:
    """The slowest site's clock (µs UTC) in the last mark among values of ``alerts.feed``; 0 without one."""
    for value in reversed(values):
        message = decode(value)
        if isinstance(message, FeedMark) and message.sites:
            return min(message.sites.values())
    return 0


async def cross(settings: Settings, registry: RegistryClient, clock: Clock) -> None:
    """Give the log to the real clock, in every partition, once and for good.

    Raises:
        StateError: a partition's simulated clock is ahead of the wall's: what comes next would lie in its past.
    """
    partitions = [(READINGS, partition) for partition in range(settings.partitions)]
    async with Reader(settings, partitions) as reader:
        ticks = [await last_tick(reader, partition) for _, partition in partitions]
    ahead = max((tick for tick in ticks if tick is not None), default=0) - clock.now_us()
    if ahead > 0:
        what = f"by {ahead / SECOND_US:g} s"
        raise StateError("the simulated clock is ahead of the real one", what, "start again once it has passed")
    await registry.set_clock("real")


class Teller:
    """Says how far a history is, not more often than every `TELL_S` seconds."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._told = clock.monotonic()

    def __call__(self, report: Report) -> None:
        """Take the report as it is now."""
        if self._clock.monotonic() - self._told >= TELL_S:
            self._told = self._clock.monotonic()
            self._progress(f"history: {_said(report, self._clock)}")


def _said(report: Report, clock: Clock) -> str:
    done = (report.until - report.began_at) / HOUR_US
    whole = (clock.now_us() - report.began_at) / HOUR_US
    return f"{done:.1f} of {whole:.1f} h, {report.readings} readings"
