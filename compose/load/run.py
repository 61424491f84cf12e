"""One run of a load test on a stack that is there: register, connect, offer, watch, wait for the last, report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from compose.drills.bedside import BOUND_BEFORE_US, POLICY
from compose.drills.watching import stored
from compose.load import store
from compose.load.feed import Socket
from compose.load.logs import WATCHED, Ledger, at_end, partitions, watch_messages, watch_readings
from compose.load.processes import OBSERVER, OTHERS, WORKERS, Sampler, listening, machine, ports
from compose.load.sampling import Sample, Sampling, hops_of
from compose.load.workers import LoadWorker, Merged, workers
from compose.wiring import RegistryClient
from runtime.clock import Clock
from runtime.database import AsyncConnection, connect
from runtime.database_errors import statements
from runtime.kafka import Reader
from runtime.settings import Settings
from simulators.load.histogram import Latencies
from simulators.load.limits import verdict
from simulators.load.plan import SITE, Messages, Plan, buffered, crossings, messages, name_of
from simulators.load.report import KEPT, Counts, Percentiles, Report
from simulators.registry import Wearer, enrol
from vitals.devices import DEVICE_TYPES
from vitals.errors import InputError, ServerStalled, StateError
from vitals.journal import Mark
from vitals.journal import decode as decode_journal
from vitals.metrics import SECOND_US
from vitals.topics import JOURNAL, MARK_KEY

START_S = 1.0
"""From the word to the first intended time."""
SETTLE_S = 30.0
"""How long the last readings may take into log and feed, and into the database, once nothing more is offered."""
DIGEST_S = 180.0
TOGETHER = 250
"""Devices that are registered at a time: the registry has 20 s for them, also on a busy machine."""
POLL_S = 0.05
LATE_MS = 20.0
"""Devices that send later than this at p99 measure themselves as well."""
OTHERS_MAX = 0.25
"""Other programs that take more than this share of a core are measured as well."""
Tell = Callable[[str], None]
Told = Callable[["Moment"], None]


@dataclass(frozen=True, slots=True)
class Where:
    """The stack: the feed with somebody's token, health ports by name, and a folder for the workers' logs."""

    feed: str
    token: str
    health: Mapping[str, int]
    logs: Path


@dataclass(frozen=True, slots=True)
class How:
    """How the devices are played."""

    workers: int = 2
    protocol: Literal[4, 5] = 5
    window: int = 20
    p99_alert_ms: float = 250.0
    """What the verdict of the limits calls slow."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a person is shown while it runs."""

    plan: Plan
    sample: Sample
    before: Sample | None
    connected: int
    to_puback: dict[str, float] | None
    to_log: dict[str, float] | None
    to_alert: dict[str, float] | None


async def register(settings: Settings, patients: int, clock: Clock, tell: Tell) -> None:
    """Make the site, the devices, their patients and the policy under which one low is an alert, where missing.

    Raises:
        InputError: the registry refuses.
    """
    registry = RegistryClient(settings)
    kind = DEVICE_TYPES["ward"]
    since = clock.now_us() - BOUND_BEFORE_US
    known = {binding.label for device in await registry.devices() for binding in device.bindings}
    names = [name_of(index) for index in range(patients)]
    if missing := sum(name not in known for name in names):
        tell(f"registering {missing} devices at the site {SITE}")
    for first in range(0, patients, TOGETHER):
        part = names[first : first + TOGETHER]
        await enrol(registry, SITE, [Wearer(name, kind, name, since) for name in part if name not in known])
        await asyncio.gather(*(registry.set_policy(name, POLICY) for name in part))
    tell("waiting until processor and sink have taken that in")
    await _digested(settings, clock)
    async with await connect(settings.database_url, autocommit=True, application="vigil simulate") as connection:
        with statements(settings.database_url, connection):
            await stored(settings, connection, clock)


async def _digested(settings: Settings, clock: Clock) -> None:
    """Wait for a mark of every partition's processor that is younger than now. Raises `ServerStalled`."""
    now, began = clock.now_us(), clock.monotonic()
    left = set(range(settings.partitions))
    async with Reader(settings, partitions(settings, JOURNAL)) as reader:
        await at_end(reader)
        while left:
            if clock.monotonic() - began > DIGEST_S:
                raise ServerStalled("the processor does not take the registrations in", f"within {DIGEST_S:g} s", "")
            for records in await reader.poll(POLL_S):
                if any(
                    _clock_of(value) > now
                    for key, value in zip(records.keys, records.values, strict=True)
                    if key == MARK_KEY
                ):
                    left.discard(records.partition)


def _clock_of(value: bytes) -> int:
    """The newest site clock in a processor's mark, µs UTC."""
    match decode_journal(value):
        case Mark() as mark:
            return max(mark.sites.values(), default=0)
        case _:
            return 0


async def run(
    settings: Settings, plan: Plan, where: Where, how: How, *, clock: Clock, tell: Tell, told: Told
) -> Report:
    """Run a plan whose devices are registered.

    Raises:
        StateError: the stack lives by the simulated clock.
        InputError: the plan has too many messages.
        ServerError: a server or a worker fails.
    """
    if settings.clock != "real":
        raise StateError("a load test needs the real clock", "this stack is simulated", "start one on the real clock")
    try:
        found = messages(plan)
    except ValueError as error:
        raise InputError("the load is out of bounds", str(error)) from None
    socket = Socket(where.feed, where.token, clock)
    tell(f"{plan.patients} devices connect")
    async with (
        socket.listening(),
        workers(settings, plan, how.workers, where.logs, version=how.protocol, window=how.window) as load,
        _watchers(settings) as (connection, readers),
    ):
        start = clock.now_us() + round(START_S * SECOND_US)
        ledger = socket.ledger = Ledger(plan, found, crossings(found), start)
        known = listening(ports(settings, where.health))
        processes: dict[str, Sequence[psutil.Process]] = {name: [each] for name, each in known.items()}
        processes |= {WORKERS: [psutil.Process(each.pid) for each in load], OBSERVER: [psutil.Process()]}
        sampling = Sampling(plan, found, ledger, load, Sampler(processes), where.health.get("process"))
        watching = Watching(ledger, sampling, load, clock, told)
        tell(f"{len(found.at)} readings in {plan.length_us / SECOND_US:g} s, {len(ledger.crossings)} of them low")
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(watch_readings(readers["readings"], ledger, clock), name="readings"),
                tasks.create_task(watch_messages(readers["journal"], ledger, clock), name="journal"),
                tasks.create_task(watch_messages(readers["feed"], ledger, clock), name="feed"),
                tasks.create_task(store.watch(connection, ledger, clock), name="store"),
                tasks.create_task(sampling.run(clock, watching.told), name="samples"),
            ]
            for each in load:
                each.begin(start)
            merged = Merged(await asyncio.gather(*(each.until("done") for each in load)))
            tell("everything is sent; waiting for the last to arrive")
            await watching.settled(merged)
            for task in beside:
                task.cancel()
        with statements(settings.database_url, connection):
            rows = await store.stored(connection, ledger)
    return _report(watching, merged, socket, rows, how)


@asynccontextmanager
async def _watchers(settings: Settings) -> AsyncIterator[tuple[AsyncConnection, dict[str, Reader]]]:
    """A connection to the database and a reader for each kind of record, behind what is there now."""
    async with AsyncExitStack() as stack:
        connection = await connect(settings.database_url, autocommit=True, application="vigil simulate")
        await stack.enter_async_context(connection)
        readers = {}
        for name, topics in WATCHED.items():
            reader = await stack.enter_async_context(Reader(settings, partitions(settings, *topics)))
            await at_end(reader)
            readers[name] = reader
        yield connection, readers


class Watching:
    """What is known while a run goes on, and when all of it has arrived."""

    def __init__(
        self, ledger: Ledger, sampling: Sampling, load: Sequence[LoadWorker], clock: Clock, told: Told
    ) -> None:
        self.ledger, self.sampling = ledger, sampling
        self._load, self._clock, self._told = load, clock, told
        self._before: Sample | None = None
        self.unsettled: list[str] = []
        """What did not arrive in time, for a person."""

    def told(self, sample: Sample) -> None:
        """A second has gone by."""
        figures = [each.figures for each in self._load if each.figures is not None]
        self._told(
            Moment(
                plan=self.ledger.plan,
                sample=sample,
                before=self._before,
                connected=sum(each.connected for each in figures),
                to_puback=Merged(figures).to_puback.summary_ms(),
                to_log=self.ledger.to_log.summary_ms(),
                to_alert=to_alert(self.ledger)[0].summary_ms(),
            )
        )
        self._before = sample

    async def settled(self, merged: Merged) -> None:
        """Wait until everything acknowledged is in log, feed and database, or nothing more comes in time."""
        ledger = self.ledger
        acknowledged = merged.total("acknowledged")

        def logged() -> bool:
            return ledger.logged() >= acknowledged and bool((ledger.times["socket"] > 0).all())

        def stored() -> bool:
            return ledger.stored >= ledger.logged()

        for what, arrived in (("log and feed", logged), ("database", stored)):
            if not await self._until(arrived):
                self.unsettled.append(what)

    async def _until(self, arrived: Callable[[], bool]) -> bool:
        """Wait for a condition while things still move; whether it came."""
        moved, before = self._clock.monotonic(), -1
        while not arrived() and self._clock.monotonic() - moved < SETTLE_S:
            now = self.ledger.logged() + self.ledger.stored + int((self.ledger.times["socket"] > 0).sum())
            if now != before:
                moved, before = self._clock.monotonic(), now
            await self._clock.sleep(POLL_S)
        return arrived()


def to_alert(ledger: Ledger) -> tuple[Latencies, Latencies]:
    """From the intended time to the socket, of live crossings and of those that a device kept."""
    at = ledger.at
    there = (ledger.times["socket"] > 0) & (at >= ledger.plan.warm_us)
    kept = buffered(ledger.plan, at)
    took = ledger.times["socket"] - ledger.start - at
    live, late = Latencies(), Latencies()
    live.record_all(took[there & ~kept])
    late.record_all(took[there & kept])
    return live, late


def _report(watching: Watching, merged: Merged, socket: Socket, rows: store.Stored, how: How) -> Report:
    ledger, sampling = watching.ledger, watching.sampling
    ledger.digest()
    ledger.left(merged.lows)
    live, late = to_alert(ledger)
    latencies = {
        "to_send": merged.to_send,
        "to_puback": merged.to_puback,
        "to_bridge": ledger.to_bridge,
        "to_log": ledger.to_log,
        "to_stored": ledger.to_stored,
        "to_alert": live,
        f"to_puback{KEPT}": merged.to_puback_kept,
        f"to_log{KEPT}": ledger.to_log_kept,
        f"to_stored{KEPT}": ledger.to_stored_kept,
        f"to_alert{KEPT}": late,
    }
    found = {name: each for name, each in latencies.items() if each.count}
    hops = hops_of(ledger)
    late_ms = merged.to_send.at(99) / 1000 if merged.to_send.count else None
    alert_ms = live.at(99) / 1000 if live.count else None
    measured = sampling.measured(hops, late_ms, alert_ms)
    return Report(
        made_at=ledger.start,
        machine=machine(),
        plan=ledger.plan,
        workers=how.workers,
        protocol=how.protocol,
        counts=_counts(ledger, merged, socket, rows, sampling.messages),
        back_s=merged.back_s,
        latencies={name: percentiles(each) for name, each in found.items()},
        curves={name: tuple(each.curve()) for name, each in found.items()},
        histograms={name: each.encoded() for name, each in found.items()},
        hops=hops,
        processes=sampling.processes(),
        series=sampling.series(),
        limit=verdict(measured, p99_ms_max=how.p99_alert_ms),
        problems=tuple(_problems(watching, merged, socket, late_ms, measured.busy.get(OTHERS, 0.0))),
    )


def _counts(ledger: Ledger, merged: Merged, socket: Socket, rows: store.Stored, found: Messages) -> Counts:
    outcome = ledger.tally.outcome(merged.open)
    alerted = int((ledger.times["socket"] > 0).sum())
    return Counts(
        planned=len(found.at),
        sent=merged.total("sent"),
        acknowledged=merged.total("acknowledged"),
        refused=merged.total("refused"),
        open=len(merged.open),
        resent=merged.total("resent"),
        logged=outcome.logged,
        lost=outcome.lost,
        duplicated=outcome.duplicated,
        reordered=outcome.reordered,
        stored=rows.distinct,
        unstored=max(0, outcome.logged - rows.distinct),
        doubled=rows.rows - rows.distinct,
        rejected=ledger.rejected,
        crossings=len(ledger.crossings),
        alerted=alerted,
        alerts_missing=len(ledger.crossings) - alerted,
        alerts_doubled=socket.doubled,
        not_recovered=socket.not_recovered,
        connects=merged.total("connects"),
        connections_lost=merged.total("lost"),
        connections_failed=merged.total("failed"),
    )


def _problems(
    watching: Watching, merged: Merged, socket: Socket, late_ms: float | None, others: float
) -> Sequence[str]:
    ledger = watching.ledger
    lines = [f"{what}: not all of it {SETTLE_S:g} s after the last that moved" for what in watching.unsettled]
    if others > OTHERS_MAX:
        lines.append(f"other programs took {others:.0%} of a core: the figures are of them, too")
    if late_ms is not None and late_ms > LATE_MS:
        lines.append(f"the devices sent {late_ms:.0f} ms late at p99: part of every latency is theirs")
    if ledger.tally.strange:
        lines.append(f"{ledger.tally.strange} rows of these devices are in no plan: does another load test run?")
    if socket.not_recovered:
        lines.append(f"the feed broke off {socket.not_recovered} times without a promise that nothing was missed")
    if lost := ledger.tally.lost(merged.open):
        lines.append(f"not in the log although acknowledged: {', '.join(lost)}")
    if ledger.reasons:
        lines.append(f"rejected: {', '.join(f'{reason} {count}' for reason, count in ledger.reasons.items())}")
    return lines


def percentiles(found: Latencies) -> Percentiles:
    """The usual quantiles of a latency that has some."""
    summary = found.summary_ms()
    assert summary is not None
    return Percentiles.model_validate({name.replace(".", "_"): value for name, value in summary.items()})


def silent(_moment: Moment) -> None:
    """Shows nothing."""
