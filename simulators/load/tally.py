"""What became of the messages of a load test, device by device, counted as rows of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from simulators.load.plan import LOW, Messages, Plan, name_of
from vitals.readings import Rows
from vitals.topics import device_id

UNKNOWN = -1


class Taken(NamedTuple):
    """Rows of ours among some rows of the log, arrays of one length: their place there, the device's index, the
    message's number, and whether the row is the first of its message.
    """

    place: NDArray[np.intp]
    device: NDArray[np.intp]
    number: NDArray[np.int64]
    first: NDArray[np.bool_]


class Outcome(NamedTuple):
    """Messages by what became of them: in the log, not there although acknowledged, there more than once (further
    rows), and rows that a later message of the same device was before.
    """

    logged: int
    lost: int
    duplicated: int
    reordered: int


class Tally:
    """Follows the log in its order. ``start`` is the run's start (µs UTC): rows of other runs are not ours."""

    def __init__(self, plan: Plan, found: Messages, start: int) -> None:
        self._start, self._end = start, start + plan.length_us
        ids = [device_id(name_of(index)) for index in range(plan.patients)]
        keys = np.array([_key(each) for each in ids], np.uint64)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        assert len(np.unique(keys)) == len(keys), "two devices begin with the same eight bytes"
        width = int(found.number.max()) + 1 if len(found.number) else 1
        self._planned = np.zeros((plan.patients, width), bool)
        self._planned[found.device, found.number] = True
        self._seen = np.zeros((plan.patients, width), bool)
        self._low = np.zeros((plan.patients, width), bool)
        lows = found.kind == LOW
        self._low[found.device[lows], found.number[lows]] = True
        self._highest = np.full(plan.patients, -1, np.int64)
        self.logged = self.duplicated = self.reordered = 0
        self.strange = 0
        """Rows of our devices that are in no plan: another load test runs."""

    def take(self, rows: Rows) -> Taken:
        """Count rows of one partition, in its order; a device is in one partition."""
        at, number = rows["observed_at"], rows["seq"].astype(np.int64)
        device = self._devices(rows)
        ours = (device != UNKNOWN) & (at >= self._start) & (at < self._end)
        ours &= number < self._seen.shape[1]
        place = np.flatnonzero(ours)
        device, number = device[place], number[place]
        known = self._planned[device, number]
        self.strange += int((~known).sum())
        place, device, number = place[known], device[known], number[known]
        first = np.zeros(len(place), bool)
        first[np.unique(device * self._seen.shape[1] + number, return_index=True)[1]] = True
        first &= ~self._seen[device, number]
        self.logged += int(first.sum())
        self.duplicated += int((~first).sum())
        self.reordered += int((first & (number < self._before(device, number))).sum())
        self._seen[device, number] = True
        np.maximum.at(self._highest, device, number)
        return Taken(place, device, number, first)

    def _before(self, device: NDArray[np.intp], number: NDArray[np.int64]) -> NDArray[np.int64]:
        """The highest number of each row's device before that row."""
        order = np.argsort(device, kind="stable")
        level = device[order] * np.int64(self._seen.shape[1] + 1)  # above every number of the devices before
        before = level + self._highest[device[order]]
        running = np.maximum.accumulate(level + number[order])
        before[1:] = np.maximum(before[1:], running[:-1])
        found = np.empty_like(number)
        found[order] = before - level
        return found

    def low(self, device: int, number: int) -> bool:
        """Whether a message is a scripted crossing."""
        return bool(self._low[device, number])

    def outcome(self, opened: Iterable[tuple[int, int]]) -> Outcome:
        """The end of it; ``opened`` are the messages without PUBACK, (device, number), which may be missing."""
        missing = self._planned & ~self._seen
        for who, which in opened:
            missing[who, which] = False
        return Outcome(self.logged, int(missing.sum()), self.duplicated, self.reordered)

    def lost(self, opened: Iterable[tuple[int, int]], most: int = 10) -> Sequence[str]:
        """The first few lost messages, for a person: device and number."""
        missing = self._planned & ~self._seen
        for who, which in opened:
            missing[who, which] = False
        return [f"{name_of(int(who))} number {which}" for who, which in np.argwhere(missing)[:most]]

    def _devices(self, rows: Rows) -> NDArray[np.intp]:
        raw = np.ascontiguousarray(rows["device"]).view(np.uint64).reshape(len(rows), 2)[:, 0]
        place = np.minimum(np.searchsorted(self._keys, raw), len(self._keys) - 1)
        return np.where(self._keys[place] == raw, self._order[place], UNKNOWN)


def _key(device: UUID) -> int:
    return int.from_bytes(device.bytes[:8], "little")
