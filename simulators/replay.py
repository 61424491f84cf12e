"""Driver: exports of real devices through MQTT like any device's readings, on simulated time.

The replay is the only publisher of ticks: tick S, the readings with e in [S, S + 60 s), the next tick, holes included.
It does not wait for each PUBACK, for it publishes on *one connection*: the broker takes its packets in order, and a
bridge reads them in order through one subscription. When the connection is lost the broker has taken a prefix of what
was sent, and the client sends again, in order, everything from the first message without PUBACK; so the first copies
of all messages still arrive in order, and a second copy of a tick or a reading changes nothing. A broker that lost
what it had acknowledged shows as ticks that do not come in Kafka: then everything behind the last tick there that is
not in Kafka is sent again.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from runtime.clock import Clock
from runtime.kafka import Reader
from runtime.mqtt import Connection
from runtime.observe import get_logger
from runtime.settings import Settings
from simulators.exports import Export, parse
from simulators.pacing import Lead, LogView, floor_to, slots, step_us
from simulators.registry import Registry, Wearer, enrol
from vitals.errors import InputError, ServerStalled, StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import READINGS, device_id, readings_topic, ticks_topic

SITE = "replay"
PUBLISHER = "replay"
AHEAD_MESSAGES_MAX = 500
"""Messages behind the last tick that is known to be in Kafka (DESIGN)."""
STALL_S = 60.0
"""No tick comes in Kafka for so long: the broker may have lost some. Longer than any restart of a bridge."""
STALLS_MAX = 3
BEGIN_S = 2.0
BEGIN_TRIES_MAX = 15
POLL_S = 0.5
QUIET_S = 1.0
REPORT_S = 5.0
TAIL_MINUTES = 60
"""Ticks go on for so long behind the last reading, so that its silence, too, is noticed."""

log = get_logger("vigil.replay")


@dataclass(frozen=True, slots=True)
class Options:
    """What ``vigil replay`` can be asked. ``begin`` and ``days`` cut the exports (µs UTC, days of 24 h); ``speed`` is
    simulated per real time, None as fast as it goes; ``patient`` is the pseudonym instead of the file's own.
    """

    begin: int | None = None
    days: float | None = None
    speed: float | None = None
    patient: str | None = None
    tail_us: int = TAIL_MINUTES * MINUTE_US
    report_s: float = REPORT_S


@dataclass(slots=True)
class Report:
    """What a replay did. ``late`` readings lay behind the log's clock; ``skipped`` ones were in the log already."""

    readings: int = 0
    distinct: int = 0
    skipped: int = 0
    late: int = 0
    ticks: int = 0
    messages: int = 0
    stalls: int = 0
    rows_in_log: int = 0
    repeats_in_log: int = 0
    nonexistent_local_times: int = 0
    clock: int | None = None
    """The last tick that is in every partition, µs UTC."""
    seconds: float = 0.0

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self) | {"seconds": round(self.seconds, 1)})


@dataclass(frozen=True, slots=True)
class _Item:
    at: int
    device: int
    value: float
    sequence: int


def read(paths: Sequence[Path]) -> list[Export]:
    """The exports in files. Raises `InputError` for one that is missing or cannot be read, with its line."""
    exports = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError("cannot read the file", str(path), error.strerror or type(error).__name__) from None
        exports.append(parse(path.name, data))
    return exports


def cut(export: Export, options: Options) -> Export | None:
    """The part of an export that lies in the options' time, None where that is nothing."""
    begin = options.begin if options.begin is not None else min(sample.at for sample in export.samples)
    end = begin + int(options.days * 24 * 60 * MINUTE_US) if options.days is not None else None
    kept = tuple(sample for sample in export.samples if begin <= sample.at and (end is None or sample.at < end))
    if not kept:
        return None
    return replace(export, samples=kept, patient=options.patient or export.patient)


async def run(
    settings: Settings,
    exports: Sequence[Export],
    options: Options,
    *,
    registry: Registry,
    clock: Clock,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Replay exports to their end; what is in the log already is not sent again, and its clock goes on.

    ``progress`` gets the report every few seconds.

    Raises:
        StateError: the stack lives by the real clock.
        InputError: nothing to replay, or the registry refuses.
        MqttUnavailable, KafkaUnavailable, KafkaStalled, ServerStalled: servers' troubles.
    """
    if settings.clock != "simulated":
        raise StateError("a replay needs the simulated clock", "this stack lives by the real one",
                         "vigil up --clock simulated with a data folder of its own")  # fmt: skip
    chosen = [kept for export in exports if (kept := cut(export, options)) is not None]
    if not chosen:
        raise InputError("nothing to replay", "no reading lies in the chosen time", "choose another --from or --days")
    if len({export.device for export in chosen}) < len(chosen):
        raise InputError("one device twice", ", ".join(export.device for export in chosen), "name each file once")
    step = step_us(options.speed)
    await enrol(registry, SITE, [_wearer(export, step) for export in chosen])
    sites = await registry.sites()
    partitions = [(READINGS, partition) for partition in range(settings.partitions)]
    async with (
        Reader(settings, partitions) as reader,
        Connection(settings, PUBLISHER, forget=True) as connection,
    ):
        replay = Replay(settings, chosen, options, sites=sites, reader=reader, connection=connection, clock=clock)
        return await replay.play(progress)


def _wearer(export: Export, step: int) -> Wearer:
    since = floor_to(min(sample.at for sample in export.samples), step)
    return Wearer(export.device, export.type, export.patient, since)


class Replay:
    """One replay between an MQTT connection and a reader of ``vitals.readings``."""

    def __init__(
        self,
        settings: Settings,
        exports: Sequence[Export],
        options: Options,
        *,
        sites: Sequence[str],
        reader: Reader,
        connection: Connection,
        clock: Clock,
    ) -> None:
        self._exports = exports
        self._options = options
        self._step = step_us(options.speed)
        self._reader, self._connection, self._clock = reader, connection, clock
        self._sites = json.dumps(list(sites))
        self._tick_topic = ticks_topic(settings.namespace, PUBLISHER)
        self._topics = [readings_topic(settings.namespace, SITE, export.device) for export in exports]
        self._ids = [device_id(export.device) for export in exports]
        self._items = _merged(exports)
        self._view = LogView(settings.partitions, self._ids)
        self._lead = Lead(AHEAD_MESSAGES_MAX)
        self._moved = asyncio.Event()
        self._pending: deque[asyncio.Future[None]] = deque()
        self._end = self._items[-1].at + options.tail_us
        self._began = clock.monotonic()
        self.report = Report(
            readings=len(self._items),
            distinct=sum(export.distinct for export in exports),
            nonexistent_local_times=sum(export.nonexistent for export in exports),
        )

    async def play(self, progress: Callable[[Report], None]) -> Report:
        """Catch up with the log, then publish what is missing until the end's tick is in every partition."""
        await self._catch_up()
        if self._view.clock is not None:
            await self._quiet()
        self.report.skipped = len(self._items) - len(self._missing())
        clock = self._view.clock
        self.report.late = sum(item.at < clock for item in self._missing()) if clock is not None else 0
        watch = asyncio.create_task(self._watch(progress), name="replay watches the log")
        watch.add_done_callback(lambda _: self._moved.set())
        try:
            while not await self._attempt(watch):
                self.report.stalls += 1
                log.warning("ticks do not come in Kafka: sending again what is not in it",
                            clock=self._view.clock, todo="look at the bridge's log")  # fmt: skip
                if self.report.stalls >= STALLS_MAX:
                    raise ServerStalled("ticks do not come in Kafka", READINGS, "is a bridge running?")
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        self._account()
        return self.report

    async def _catch_up(self) -> None:
        """Read the log as it is now; the reader goes on from there."""
        ends = await self._reader.end_offsets()
        left = {partition for (_, partition), end in ends.items() if end > 0}
        while left:
            for records in await self._reader.poll(POLL_S):
                self._view.take(records.partition, records.values, records.headers)
                if records.offsets[-1] + 1 >= ends[READINGS, records.partition]:
                    left.discard(records.partition)

    async def _quiet(self) -> None:
        """Let in what an earlier replay left in the broker: sent again it would only be repeats."""
        while found := await self._reader.poll(QUIET_S):
            for records in found:
                self._view.take(records.partition, records.values, records.headers)

    async def _watch(self, progress: Callable[[Report], None]) -> None:
        """Follow the log, so that the publisher knows how far it is ahead."""
        told = self._clock.monotonic()
        while True:
            for records in await self._reader.poll(POLL_S):
                self._view.take(records.partition, records.values, records.headers)
            if self._view.clock is not None:
                self._lead.seen(self._view.clock)
            self._moved.set()
            if self._clock.monotonic() - told >= self._options.report_s:
                told = self._clock.monotonic()
                self._account()
                progress(self.report)

    def _account(self) -> None:
        self.report.clock = self._view.clock
        self.report.rows_in_log, self.report.repeats_in_log = self._view.rows, self._view.repeats
        self.report.seconds = self._clock.monotonic() - self._began

    def _missing(self) -> list[_Item]:
        """Rows that are not in the log; of k rows under one identity, of which the log has m, the last k - m."""
        before: Counter[tuple[int, int]] = Counter()
        missing = []
        for item in self._items:
            there = self._view.count(self._ids[item.device], self._exports[item.device].metric, item.at)
            before[item.device, item.at] += 1
            if before[item.device, item.at] > there:
                missing.append(item)
        return missing

    async def _attempt(self, watch: asyncio.Task[None]) -> bool:
        """Publish everything that the log misses, in order; False when its ticks stopped coming."""
        items = self._missing()
        self._lead = Lead(AHEAD_MESSAGES_MAX)
        times = np.array([item.at for item in items], np.int64)
        began, first_tick, last_tick = self._clock.monotonic(), None, None
        for slot in slots(times, self._view.clock, self._end, self._step):
            first_tick = slot.tick if first_tick is None else first_tick
            last_tick = slot.tick
            if self._options.speed is not None:
                due = began + (slot.tick - first_tick) / SECOND_US / self._options.speed
                await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            if self._lead.full and not await self._until(lambda: not self._lead.full, watch):
                return False
            if self._view.clock is None and slot.tick == first_tick:
                await self._begin(slot.tick, watch)
            else:
                self._publish_tick(slot.tick)
            for item in items[slot.first : slot.last]:
                self._publish_reading(item)
            self._lead.readings(slot.last - slot.first)
            self._settle()
        end = last_tick
        return end is None or await self._until(lambda: (self._view.clock or 0) >= end, watch)

    async def _begin(self, tick: int, watch: asyncio.Task[None]) -> None:
        """Publish a new log's first tick until it is there: a broker drops what nobody has subscribed to yet.

        Raises:
            ServerStalled: no bridge takes it.
        """
        for _ in range(BEGIN_TRIES_MAX):
            self._publish_tick(tick)
            if await self._until(lambda: self._view.clock is not None, watch, BEGIN_S):
                return
        raise ServerStalled("the first tick does not come in Kafka", READINGS, "is a bridge running, on this broker?")

    async def _until(
        self, condition: Callable[[], bool], watch: asyncio.Task[None], patience_s: float = STALL_S
    ) -> bool:
        """Wait for the log; False once it has not moved for ``patience_s``."""
        seen, since = self._view.clock, self._clock.monotonic()
        while not condition():
            self._moved.clear()
            await self._moved.wait()
            if watch.done():
                watch.result()
            if self._connection.failure is not None:
                raise self._connection.failure
            self._settle()
            if self._view.clock != seen:
                seen, since = self._view.clock, self._clock.monotonic()
            elif self._clock.monotonic() - since > patience_s:
                return False
        return True

    def _settle(self) -> None:
        """Forget publishes that are acknowledged; one that failed raises here."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()

    def _publish_tick(self, at: int) -> None:
        self._publish(self._tick_topic, f'{{"tick":{at},"sites":{self._sites}}}')
        self._lead.tick(at)
        self.report.ticks += 1

    def _publish_reading(self, item: _Item) -> None:
        export = self._exports[item.device]
        # a wrist's 0 means that it is not worn
        contact = ',"contact":false' if export.metric == "heart_rate" and item.value == 0 else ""
        self._publish(
            self._topics[item.device],
            f'{{"metric":"{export.metric}","value":{item.value!r},"unit":"{export.unit}",'
            f'"observed_at":{item.at},"seq":{item.sequence}{contact}}}',
        )

    def _publish(self, topic: str, payload: str) -> None:
        self._pending.append(self._connection.publish_nowait(topic, payload.encode()))
        self.report.messages += 1


def _merged(exports: Sequence[Export]) -> list[_Item]:
    """Samples of all exports by time; of one time in file order."""
    items = [
        _Item(sample.at, device, sample.value, (sample.line - 2) & 0xFFFF)
        for device, export in enumerate(exports)
        for sample in export.samples
    ]
    return sorted(items, key=lambda item: item.at)
