"""Driver: exports of real devices through MQTT like any device's readings, on simulated time.

How ticks and readings are published, and what happens when a server fails, is in ``pacemaker.py``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runtime.clock import Clock
from runtime.observe import get_logger
from runtime.settings import Settings
from simulators.exports import Export, parse
from simulators.pacemaker import Pacemaker, pacemaker
from simulators.pacing import floor_to, slots, step_us
from simulators.registry import Registry, enrol
from simulators.roll import Wearer
from vitals.errors import InputError, ServerStalled, StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import READINGS, device_id, readings_topic

SITE = "replay"
EXPORT_BYTES_MAX = 64 << 20
"""More than 20 years of readings of 5 min, five of one each minute; a row takes some ten times its bytes while it is
replayed."""
STALLS_MAX = 3
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
    ambiguous_local_times: int = 0
    clock: int | None = None
    """The last tick that is in every partition, µs UTC."""
    seconds: float = 0.0

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self) | {"seconds": round(self.seconds, 1)})


class Item(NamedTuple):
    """One row on its way: event time (µs UTC), the number of its export, the value as in the file, and a counter."""

    at: int
    device: int
    value: float
    sequence: int


def read(paths: Sequence[Path]) -> list[Export]:
    """The exports in files. Raises `InputError` for one that is missing or cannot be read, with its line."""
    exports = []
    for path in paths:
        try:
            with path.open("rb") as opened:
                data = opened.read(EXPORT_BYTES_MAX + 1)
        except OSError as error:
            raise InputError("cannot read the file", str(path), error.strerror or type(error).__name__) from None
        if len(data) > EXPORT_BYTES_MAX:
            raise InputError("too large for one person's export", str(path), f"at most {EXPORT_BYTES_MAX >> 20} MiB")
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
    await enrol(registry, SITE, [wearer(export, step) for export in chosen])
    sites = await registry.sites()
    ids = [device_id(export.device) for export in chosen]
    async with pacemaker(settings, sites, clock, ids) as pace:
        return await Replay(settings, chosen, options, pace, clock).play(progress)


def wearer(export: Export, step: int) -> Wearer:
    """Who wears an export's device, and since when: the tick (each ``step`` µs) of its first reading."""
    since = floor_to(min(sample.at for sample in export.samples), step)
    return Wearer(export.device, export.type, export.patient, since)


class Replay:
    """One replay between an MQTT connection and a reader of ``vitals.readings``."""

    def __init__(
        self, settings: Settings, exports: Sequence[Export], options: Options, pace: Pacemaker, clock: Clock
    ) -> None:
        self._exports = exports
        self._options = options
        self._step = step_us(options.speed)
        self._pace, self._view, self._clock = pace, pace.view, clock
        self._topics = [readings_topic(settings.namespace, SITE, export.device) for export in exports]
        self._ids = [device_id(export.device) for export in exports]
        self._items = merged(exports)
        self._end = self._items[-1].at + options.tail_us
        self._began = clock.monotonic()
        self.report = Report(
            readings=len(self._items),
            distinct=sum(export.distinct for export in exports),
            nonexistent_local_times=sum(export.guessed["does not exist"] for export in exports),
            ambiguous_local_times=sum(export.guessed["happens twice"] for export in exports),
        )

    async def play(self, progress: Callable[[Report], None]) -> Report:
        """Catch up with the log, then publish what is missing until the end's tick is in every partition."""
        await self._pace.catch_up()
        if self._view.clock is not None:
            await self._pace.quiet()
        self.report.skipped = len(self._items) - len(self._missing())
        clock = self._view.clock
        self.report.late = sum(item.at < clock for item in self._missing()) if clock is not None else 0
        async with self._pace.watching(self._options.report_s, lambda: self._tell(progress)):
            while not await self._attempt():
                self.report.stalls += 1
                log.warning("ticks do not come in Kafka: sending again what is not in it",
                            clock=self._view.clock, todo="look at the bridge's log")  # fmt: skip
                if self.report.stalls >= STALLS_MAX:
                    raise ServerStalled("ticks do not come in Kafka", READINGS, "is a bridge running?")
        self._account()
        return self.report

    def _tell(self, progress: Callable[[Report], None]) -> None:
        self._account()
        progress(self.report)

    def _account(self) -> None:
        self.report.clock = self._view.clock
        self.report.ticks, self.report.messages = self._pace.ticks, self._pace.messages
        self.report.rows_in_log, self.report.repeats_in_log = self._view.rows, self._view.repeats
        self.report.seconds = self._clock.monotonic() - self._began

    def _missing(self) -> list[Item]:
        """Rows that are not in the log; of k rows under one identity, of which the log has m, the last k - m."""
        before: Counter[tuple[int, int]] = Counter()
        missing = []
        for item in self._items:
            there = self._view.count(self._ids[item.device], self._exports[item.device].metric, item.at)
            before[item.device, item.at] += 1
            if before[item.device, item.at] > there:
                missing.append(item)
        return missing

    async def _attempt(self) -> bool:
        """Publish everything that the log misses, in order; False when its ticks stopped coming."""
        items, pace = self._missing(), self._pace
        pace.restart()
        times = np.array([item.at for item in items], np.int64)
        began, first_tick, last_tick = self._clock.monotonic(), None, None
        for slot in slots(times, self._view.clock, self._end, self._step):
            first_tick = slot.tick if first_tick is None else first_tick
            last_tick = slot.tick
            if self._options.speed is not None:
                due = began + (slot.tick - first_tick) / SECOND_US / self._options.speed
                await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            if not await pace.tick(slot.tick):
                return False
            for item in items[slot.first : slot.last]:
                self._publish_reading(item)
        return last_tick is None or await pace.reached(last_tick)

    def _publish_reading(self, item: Item) -> None:
        self._pace.publish(self._topics[item.device], payload(self._exports[item.device], item))


def not_worn(export: Export, item: Item) -> bool:
    """Whether a row says that its device was not worn: a wrist's 0."""
    return export.metric == "heart_rate" and item.value == 0


def payload(export: Export, item: Item) -> str:
    """What a device of the export publishes for one of its rows."""
    contact = ',"contact":false' if not_worn(export, item) else ""
    return (
        f'{{"metric":"{export.metric}","value":{item.value!r},"unit":"{export.unit}",'
        f'"observed_at":{item.at},"seq":{item.sequence}{contact}}}'
    )


def merged(exports: Sequence[Export]) -> list[Item]:
    """Samples of all exports by time; of one time in file order."""
    items = [
        Item(sample.at, device, sample.value, (sample.line - 2) & 0xFFFF)
        for device, export in enumerate(exports)
        for sample in export.samples
    ]
    return sorted(items, key=lambda item: item.at)
