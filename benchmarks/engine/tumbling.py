"""The job that every engine can do, as a step of Vigil's kind: count, mean, least and greatest of each patient's
heart rate in windows of 10 s, one record per patient and window when it has closed; pure.

It lives here and not in `stream`, since the product has no use for it: its own windows close at ticks, slide, and come
from a ring that also takes what is late. The pieces are the same: rows by one ``frombuffer`` a poll, keys interned once
a record, sums of whole thousandths, no Python per reading. A window [start, end) closes when a reading of its partition
lies `GRACE_US` or more behind its end, as in Kafka Streams; what comes later counts as late.
"""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.readings import READING
from vitals.steps import Records

WIDTH_US = 10 * SECOND_US
GRACE_US = MINUTE_US
"""Devices that send sixty readings a record are up to a minute behind each other."""
RESULT = np.dtype([("start", "<i8"), ("count", "<i8"), ("mean", "<f8"), ("min", "<f8"), ("max", "<f8")])
"""A closed window as it is written; the key is the patient. ``start`` in µs UTC."""
BYTES = np.dtype(f"V{RESULT.itemsize}")
UNKNOWN = -1
DENSE = 0.1
"""Windows for each row up to which the empty ones between cost less than a sort."""
GREATEST = np.iinfo(np.int64).max
ALWAYS = np.array([True])

Ints = NDArray[np.int64]


class Open(NamedTuple):
    """One open window of all slots: number, sum, least and greatest of thousandths, all shape (slots,)."""

    n: Ints
    total: Ints
    least: Ints
    most: Ints


def opened(slots: int) -> Open:
    """A window without readings."""
    return Open(
        np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.full(slots, GREATEST), np.full(slots, -GREATEST)
    )


class Tumbling:
    """The step of one partition."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.late = 0
        self._slot_of: dict[bytes | None, int] = {}
        self._open: dict[int, Open] = {}
        self._newest = -(1 << 62)

    def step(self, records: Records) -> list[tuple[bytes, bytes]]:
        """Take records in offset order; keys and values of the windows that they close, oldest first."""
        rows = np.frombuffer(b"".join(records.values), READING)
        chosen = rows["metric"] == HEART_RATE.code
        slots = self._slots(records)
        if not chosen.all():
            rows, slots = rows[chosen], slots[chosen]
        if not len(rows):
            return []
        events = rows["observed_at"]
        newest = np.maximum.accumulate(events)
        numbers = events // WIDTH_US
        # no window that these rows reach has been passed before them: then none is late
        before = np.concatenate([[self._newest], np.maximum(newest[:-1], self._newest)])
        late = (numbers + 1) * WIDTH_US + GRACE_US <= before
        if late.any():
            self.late += int(np.count_nonzero(late))
            rows, slots, numbers = rows[~late], slots[~late], numbers[~late]
        self._add(numbers, slots, np.floor(rows["value"] * 1000 + 0.5).astype(np.int64))
        self._newest = max(self._newest, int(newest[-1]))
        return self._close()

    def _slots(self, records: Records) -> NDArray[np.intp]:
        """The slot of each row, patients known by their record's key."""
        known = self._slot_of
        slots = list(map(known.get, records.keys, repeat(UNKNOWN)))
        if UNKNOWN in slots:
            for key in records.keys:
                if key not in known:
                    known[key] = len(self.keys)
                    self.keys.append(key or b"")
            slots = [known[key] for key in records.keys]
        sizes = np.fromiter(map(len, records.values), np.int64, len(slots)) // READING.itemsize
        return np.repeat(np.array(slots, np.intp), sizes)

    def _add(self, numbers: Ints, slots: NDArray[np.intp], millis: Ints) -> None:
        """Add readings to their windows: one table of windows by slots for all of a poll."""
        if not len(numbers):
            return
        windows, at = _numbered(numbers)
        size = len(self.keys)
        cells = at * size + slots
        # rows of one record that fall into one window stand together: they become one before the table is touched
        firsts = np.flatnonzero(np.concatenate([ALWAYS, cells[1:] != cells[:-1]]))
        cells = cells[firsts]
        shape, table = (len(windows), size), len(windows) * size
        count = np.bincount(cells, np.diff(firsts, append=len(millis)), table).astype(np.int64).reshape(shape)
        total = np.bincount(cells, np.add.reduceat(millis, firsts), table).astype(np.int64).reshape(shape)
        least, most = np.full(shape, GREATEST), np.full(shape, -GREATEST)
        np.minimum.at(least.reshape(-1), cells, np.minimum.reduceat(millis, firsts))
        np.maximum.at(most.reshape(-1), cells, np.maximum.reduceat(millis, firsts))
        for row in np.flatnonzero(count.any(axis=1)).tolist():
            number = int(windows[row])
            mine = self._of(number, size)
            self._open[number] = Open(
                mine.n + count[row],
                mine.total + total[row],
                np.minimum(mine.least, least[row]),
                np.maximum(mine.most, most[row]),
            )

    def _of(self, number: int, slots: int) -> Open:
        window = self._open.get(number)
        if window is None:
            return opened(slots)
        if len(window.n) == slots:
            return window
        more = opened(slots - len(window.n))
        return Open(*(np.concatenate(pair) for pair in zip(window, more, strict=True)))

    def _close(self) -> list[tuple[bytes, bytes]]:
        """Windows that the newest reading has passed."""
        over = sorted(number for number in self._open if (number + 1) * WIDTH_US + GRACE_US <= self._newest)
        keys: list[bytes] = []
        parts = []
        for number in over:
            window = self._open.pop(number)
            slots = window.n.nonzero()[0]
            rows = np.empty(len(slots), RESULT)
            rows["start"], rows["count"] = number * WIDTH_US, window.n[slots]
            rows["mean"] = window.total[slots] / (1000 * rows["count"])
            rows["min"], rows["max"] = window.least[slots] / 1000, window.most[slots] / 1000
            keys += map(self.keys.__getitem__, slots.tolist())
            parts.append(rows)
        return list(zip(keys, np.concatenate(parts).view(BYTES).tolist(), strict=True)) if parts else []


def _numbered(numbers: Ints) -> tuple[Ints, Ints]:
    """Windows, ascending, and which of them each row falls into; without a sort where they lie close together."""
    first = int(numbers.min())
    span = int(numbers.max()) - first + 1
    if span <= DENSE * len(numbers):
        return np.arange(first, first + span), numbers - first
    return np.unique(numbers, return_inverse=True)
