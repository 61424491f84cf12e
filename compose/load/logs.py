"""What the log has of a load test, as it comes: readings, episodes, alerts, rejections.

The clock is this process's, the machine's wall clock, at the moment at which a reader of its own has the record in
hand; ``to_bridge`` alone is by the bridge's clock (the row's ``received_at``), which is the same machine's. That moment
is all that is noted when a record comes: sense is made of a second's records at once, since this process shares its
machine with what it measures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from runtime.clock import Clock
from runtime.kafka import Reader
from runtime.settings import Settings
from simulators.load.histogram import Latencies
from simulators.load.plan import SITE, Crossing, Messages, Plan, buffered
from simulators.load.tally import Tally
from vitals.alerts import Alert
from vitals.alerts import decode as decode_alert
from vitals.journal import Episode
from vitals.journal import decode as decode_journal
from vitals.readings import READING, decode
from vitals.steps import Records
from vitals.topics import CONTROL_HEADER, FEED, JOURNAL, READINGS, REJECTED, TICK_KEY, mqtt_root

POLL_S = 0.2
HELD_MAX = 8192
"""So many records are held, at most, before sense is made of them."""
NO_CROSSING = -1
STAGES = ("received", "log", "journal", "feed", "socket")
"""Moments on an alert's way that are watched."""


class Waiting(NamedTuple):
    """Rows of ours that are in the log and perhaps not in the database, in its order: the offsets of their records,
    their intended times (µs UTC) and whether each counts in a latency.
    """

    offset: NDArray[np.int64]
    at: NDArray[np.int64]
    counts: NDArray[np.bool_]


@dataclass(slots=True)
class _Held:
    """Records of readings in the order in which they came, and when each did (µs UTC); ``first`` is the first offset
    of each partition.
    """

    values: list[bytes] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    """Partition, offset, time."""
    first: dict[int, int] = field(default_factory=dict)


class Ledger:
    """What is known of a run: the tally, latencies, and for each crossing when it reached each stage (µs UTC)."""

    def __init__(self, plan: Plan, found: Messages, crossings: list[Crossing], start: int) -> None:
        self.plan, self.start = plan, start
        self.tally = Tally(plan, found, start)
        self.to_bridge, self.to_log, self.to_log_kept = Latencies(), Latencies(), Latencies()
        self.to_stored, self.to_stored_kept = Latencies(), Latencies()
        self.waiting: dict[int, deque[Waiting]] = {}
        self.stored = 0
        self.rejected = 0
        self.reasons: dict[str, int] = {}
        self.crossings = crossings
        self.ids = {crossing.alert(start): index for index, crossing in enumerate(crossings)}
        self.times = {stage: np.zeros(len(crossings), np.int64) for stage in STAGES}
        self.at = np.array([each.at for each in crossings], np.int64)
        """Intended times of the crossings, µs since the start."""
        self.sent = np.zeros(len(crossings), np.int64)
        """When each left its device (µs UTC), 0 where that is not known."""
        self._held = _Held()
        self._index = np.full((plan.patients, int(found.number.max(initial=0)) + 1), NO_CROSSING, np.int64)
        for index, each in enumerate(crossings):
            self._index[each.device, each.number] = index

    def reached(self, stage: str, alert: str, now: int) -> None:
        """An alert of ours is there, for the first time or again."""
        index = self.ids.get(alert)
        if index is None:
            return
        if self.times[stage][index] == 0:
            self.times[stage][index] = now

    def left(self, lows: Iterable[tuple[int, int, int]]) -> None:
        """Take what the devices say of when their crossings left: device, number, µs UTC."""
        for device, number, now in lows:
            self.sent[self._index[device, number]] = now

    def counts(self, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which intended times (µs UTC) count in latencies."""
        return np.asarray(at >= self.start + self.plan.warm_us)

    def readings(self, records: Records, now: int) -> None:
        """Take records of ``vitals.readings``, of one partition in its order, that came now; `digest` counts them."""
        held, partition = self._held, records.partition
        for offset, key, value, headers in zip(
            records.offsets, records.keys, records.values, records.headers, strict=True
        ):
            if key == TICK_KEY or (headers and any(name == CONTROL_HEADER for name, _ in headers)):
                continue
            held.first.setdefault(partition, offset)
            held.values.append(value)
            held.places.append((partition, offset, now))
        if len(held.values) >= HELD_MAX:
            self.digest()

    def digest(self) -> None:
        """Make sense of the readings that came since the last time."""
        held, self._held = self._held, _Held()
        if not held.values:
            return
        rows = decode(held.values)
        count = np.array([len(value) // READING.itemsize for value in held.values])
        partition, offset, now = np.repeat(np.array(held.places, np.int64), count, axis=0).T
        taken = self.tally.take(rows)
        place = taken.place[taken.first]
        at, now = rows["observed_at"][place], now[place]
        received = rows["received_at"][place]
        counts = self._note(at, received, now)
        partition, offset = partition[place], offset[place]
        for each in np.unique(partition).tolist():
            which = partition == each
            self.waiting.setdefault(each, deque()).append(Waiting(offset[which], at[which], counts[which]))
        index = self._index[taken.device[taken.first], taken.number[taken.first]]
        low = index != NO_CROSSING
        self.times["received"][index[low]] = received[low]
        self.times["log"][index[low]] = now[low]

    def logged(self) -> int:
        """How many readings are in the log by now; makes sense first of what has come, as `digest`."""
        self.digest()
        return self.tally.logged

    def store(self, partition: int, position: int, now: int) -> None:
        """The database has everything of a partition before ``position``."""
        if self._held.first.get(partition, position) < position:
            self.digest()
        queue = self.waiting.get(partition)
        while queue and queue[0].offset[0] < position:
            first = queue.popleft()
            end = int(np.searchsorted(first.offset, position))
            if end < len(first.offset):
                queue.appendleft(Waiting(first.offset[end:], first.at[end:], first.counts[end:]))
            at, counts = first.at[:end], first.counts[:end]
            self.stored += end
            kept = buffered(self.plan, at - self.start)
            self.to_stored.record_all(now - at[counts & ~kept])
            self.to_stored_kept.record_all(now - at[counts & kept])

    def reject(self, records: Records) -> None:
        """Take records of ``vitals.rejected``."""
        mine = f"{mqtt_root('')}/{SITE}/load-"
        for carried in records.headers:
            headers = {name: value.decode("utf-8", "replace") for name, value in carried}
            if mine in headers.get("topic", ""):
                count = int(headers.get("readings", "1"))
                self.rejected += count
                reason = headers.get("reason", "?")
                self.reasons[reason] = self.reasons.get(reason, 0) + count

    def _note(self, at: NDArray[np.int64], received: NDArray[np.int64], now: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Note latencies of rows that are in the log for the first time; returns which count."""
        counts = self.counts(at)
        kept = buffered(self.plan, at - self.start)
        live, late = counts & ~kept, counts & kept
        self.to_bridge.record_all((received - at)[live])
        self.to_log.record_all((now - at)[live])
        self.to_log_kept.record_all((now - at)[late])
        return counts


async def watch_readings(reader: Reader, ledger: Ledger, clock: Clock) -> None:
    """Follow the readings, for ever."""
    while True:
        for records in await reader.poll(POLL_S):
            ledger.readings(records, clock.now_us())


async def watch_messages(reader: Reader, ledger: Ledger, clock: Clock) -> None:
    """Follow journal or feed, and rejections, for ever."""
    while True:
        for records in await reader.poll(POLL_S):
            now = clock.now_us()
            if records.topic == REJECTED:
                ledger.reject(records)
                continue
            for value in records.values:
                alert = _opened(records.topic, value)
                if alert is not None:
                    ledger.reached("journal" if records.topic == JOURNAL else "feed", alert, now)


def _opened(topic: str, value: bytes) -> str | None:
    """The id of the alert that a record of journal or feed opens."""
    if b'"change":"open"' not in value:
        return None
    try:
        match decode_journal(value) if topic == JOURNAL else decode_alert(value):
            case Episode() | Alert() as found if found.change == "open":
                return str(found.id)
            case _:
                return None
    except ValidationError:
        return None


async def at_end(reader: Reader) -> None:
    """Let a reader begin behind what is there now."""
    for (topic, partition), end in (await reader.end_offsets()).items():
        reader.seek(topic, partition, end)


def partitions(settings: Settings, *topics: str) -> list[tuple[str, int]]:
    """Every partition of some topics."""
    return [(topic, partition) for topic in topics for partition in range(settings.partitions)]


WATCHED = {"readings": (READINGS,), "journal": (JOURNAL,), "feed": (FEED, REJECTED)}
"""Each has a reader of its own, so that no busy one delays another."""
