"""How long each hop of the pipeline takes, from the times that its records carry anyway; pure.

Nothing is measured where alarms run: a record has a timestamp (real ms, when its writer sent it), a row the times at
which a device measured and the bridge took it, an output the offset of the record that caused it. Arrays are kept as
they come, and joined only when somebody looks.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals import causes, readings
from vitals.errors import CodecError
from vitals.metrics import TICK
from vitals.readings import Flag
from vitals.steps import Records
from vitals.topics import CONTROL_HEADER, FEED, JOURNAL, READINGS, WINDOWS
from vitals.windows import decode

KEPT_MS = 60_000
"""How far back a quantile looks."""
TRAIL_MS = 3 * KEPT_MS
"""How far back causes are found: what takes longer than this is not measured but behind, which the lag says."""
INPUT = {WINDOWS: READINGS, JOURNAL: READINGS, FEED: JOURNAL}
"""The topic that holds the causes of a topic's records."""
NAMES = {WINDOWS: "windows", JOURNAL: "journal", FEED: "feed"}
NOT_LIVE = Flag.LATE | Flag.BACKFILL | Flag.CLOCK_SUSPECT

Numbers = NDArray[np.int64]


class Stretch(NamedTuple):
    """Records of one poll: offsets and timestamps (ms), both of the shape (n,)."""

    offset: Numbers
    at: Numbers


class Latencies:
    """Durations of the last minute by hop; ``simulated``: rows carry the times of another clock than records do."""

    def __init__(self, *, simulated: bool) -> None:
        self._simulated = simulated
        self._known: dict[str, deque[Stretch]] = defaultdict(deque)
        self._trails: dict[tuple[str, int], deque[Stretch]] = defaultdict(deque)
        self._caused: dict[tuple[str, int], deque[Stretch]] = defaultdict(deque)

    def take(self, records: Records) -> None:
        """Note records of one partition, with their timestamps."""
        at = np.asarray(records.timestamps, np.int64)
        if records.topic in (READINGS, JOURNAL):
            _add(self._trails[records.topic, records.partition], np.asarray(records.offsets, np.int64), at, TRAIL_MS)
        if records.topic == READINGS and not self._simulated:
            self._rows(records, at)
        elif records.topic == WINDOWS:
            self._windows(records, at)
        elif records.topic in (JOURNAL, FEED):
            self._outputs(records, at)

    def add(self, name: str, at_ms: int, took_ms: float) -> None:
        """Note one duration that somebody else has measured."""
        _add(self._known[name], np.array([round(took_ms)], np.int64), np.array([at_ms], np.int64), KEPT_MS)

    def quantiles(self, name: str, now_ms: int) -> tuple[int, int] | None:
        """The median and the 99th percentile in ms of a hop's last minute; None where nothing passed it."""
        found = [took for took, at in self._of(name) if len(took) for took in (took[at > now_ms - KEPT_MS],)]
        durations = np.concatenate(found) if found else np.zeros(0, np.int64)
        if not len(durations):
            return None
        middle, high = np.percentile(np.maximum(durations, 0), (50, 99))
        return round(float(middle)), round(float(high))

    def _of(self, name: str) -> list[Stretch]:
        topic = next((each for each, known in NAMES.items() if known == name), None)
        if topic is None:
            return list(self._known[name])
        return [
            _joined(stretches, self._trails[INPUT[topic], partition])
            for (each, partition), stretches in list(self._caused.items())
            if each == topic
        ]

    def _rows(self, records: Records, at: Numbers) -> None:
        plain = [place for place, each in enumerate(records.headers) if not _is_control(each)]
        values = [records.values[place] for place in plain]
        try:
            rows = readings.decode(values)
        except CodecError:
            return  # the tiles count it
        sent = np.repeat(at[plain], [len(value) // rows.itemsize for value in values])
        ticks = rows["metric"] == TICK
        live = ~ticks & ((rows["flags"] & NOT_LIVE) == 0)
        for name, mask, took in (
            ("broker", ticks, sent - rows["observed_at"] // 1000),
            ("readings", ~ticks, sent - rows["received_at"] // 1000),
            ("devices", live, (rows["received_at"] - rows["observed_at"]) // 1000),
        ):
            if mask.any():
                _add(self._known[name], took[mask], sent[mask], KEPT_MS)

    def _windows(self, records: Records, at: Numbers) -> None:
        rows, counts = decode(records.values)  # the tiles count what is none
        sent = np.repeat(at, counts)
        _add(self._caused[WINDOWS, records.partition], rows["offset"].astype(np.int64), sent, KEPT_MS)

    def _outputs(self, records: Records, at: Numbers) -> None:
        """Records of a step say their cause; what people and gateways write has none."""
        found = [(cause.offset, place) for place, each in enumerate(records.headers)
                 if each and (cause := causes.of_headers(each)) is not None]  # fmt: skip
        if found:
            offsets, places = (np.array(column, np.int64) for column in zip(*found, strict=True))
            _add(self._caused[records.topic, records.partition], offsets, at[places], KEPT_MS)


def _is_control(headers: tuple[tuple[str, bytes], ...]) -> bool:
    return bool(headers) and any(name == CONTROL_HEADER for name, _ in headers)


def _add(kept: deque[Stretch], first: Numbers, at: Numbers, keep_ms: int) -> None:
    if not len(at):
        return
    kept.append(Stretch(first, at))
    while kept[0].at[-1] < at[-1] - keep_ms:
        kept.popleft()


def _joined(caused: deque[Stretch], trail: deque[Stretch]) -> Stretch:
    """How long after its cause each output came (ms), and when; those whose cause is not known any more left out."""
    if not caused or not trail:
        return Stretch(np.zeros(0, np.int64), np.zeros(0, np.int64))
    cause, at = (np.concatenate(column) for column in zip(*caused, strict=True))
    offset, sent = (np.concatenate(column) for column in zip(*trail, strict=True))
    place = np.minimum(np.searchsorted(offset, cause), len(offset) - 1)
    known = offset[place] == cause
    return Stretch((at - sent[place])[known], at[known])
