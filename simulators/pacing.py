"""What a replay publishes when: the slots of simulated time, how far ahead it may run, and what the log holds.

All pure; ``replay.py`` is the loop around it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import METRIC_BY_NAME, SECOND_US, TICK
from vitals.readings import decode
from vitals.topics import CONTROL_HEADER

TICK_STEP_S_MAX = 60
"""The next tick is at most so much simulated time on (DESIGN, *Simulated time*)."""

Identity = tuple[bytes, int, int]
"""(device's 16 bytes, metric's code, observed_at µs): what makes a reading the same reading."""


class Slot(NamedTuple):
    """A tick and the readings behind it: those at ``first`` (inclusive) to ``last`` (exclusive)."""

    tick: int
    first: int
    last: int


def step_us(speed: float | None) -> int:
    """Simulated time between ticks (µs): a second of real time's worth, 1 to 60 s; ``speed`` None is as fast as
    it goes.
    """
    seconds = TICK_STEP_S_MAX if speed is None else max(1, min(TICK_STEP_S_MAX, int(speed)))
    return seconds * SECOND_US


def floor_to(at: int, step: int) -> int:
    """The last multiple of ``step`` at or before ``at``."""
    return at - at % step


def slots(times: NDArray[np.int64], clock: int | None, end: int, step: int) -> Iterator[Slot]:
    """Slots for readings at ``times`` (µs, ascending): tick S, then the readings with e in [S, S + step).

    ``clock`` is the last tick in the log, None for a new one. Ticks never go back, and none is left out: they go on
    from it in steps of at most ``step`` up to ``end``. Readings that lie behind the clock come with its next slot,
    which repeats the clock's tick. The last tick is the first multiple of ``step`` that is not before ``end``.
    """
    if clock is None:
        if not len(times):
            return
        tick = floor_to(int(times[0]), step)
    else:
        tick = clock
    ticks = [tick]
    last = max(end, int(times[-1])) if len(times) else end
    following = floor_to(tick, step) + step
    ticks.extend(range(following, last + step, step))
    edges = np.searchsorted(times, np.array([*ticks[1:], np.iinfo(np.int64).max]), side="left")
    first = 0
    for at, edge in zip(ticks, edges.tolist(), strict=True):
        yield Slot(at, first, edge)
        first = edge


class Lead:
    """How many messages the publisher is ahead of its ticks in Kafka."""

    def __init__(self, messages_max: int) -> None:
        self._messages_max = messages_max
        self._ticks: deque[tuple[int, int]] = deque()
        self._sent = 0
        self._known = 0

    @property
    def ahead(self) -> int:
        """Messages sent behind the last tick that is known to be in Kafka."""
        return self._sent - self._known

    @property
    def full(self) -> bool:
        """Whether the publisher has to wait; never while its last tick is in Kafka, however many readings follow."""
        return self.ahead >= self._messages_max and bool(self._ticks)

    def tick(self, at: int) -> None:
        """A tick was sent."""
        self._sent += 1
        self._ticks.append((at, self._sent))

    def readings(self, count: int) -> None:
        """So many readings were sent."""
        self._sent += count

    def seen(self, at: int) -> None:
        """The tick ``at`` is in every partition."""
        while self._ticks and self._ticks[0][0] <= at:
            self._known = self._ticks.popleft()[1]


class LogView:
    """A fold of ``vitals.readings``: the last tick of each partition, and which readings of some devices are in."""

    def __init__(self, partitions: int, devices: Sequence[UUID]) -> None:
        self._ticks: dict[int, int] = dict.fromkeys(range(partitions), -1)
        self._devices = [np.void(device.bytes) for device in devices]
        self._identities: Counter[Identity] = Counter()
        self.repeats = 0
        """Rows of our devices under an identity that the log had already."""
        self.rows = 0
        """Rows of our devices."""

    @property
    def clock(self) -> int | None:
        """The lowest over partitions of their last ticks (µs), None while one has none."""
        lowest = min(self._ticks.values())
        return None if lowest < 0 else lowest

    def take(self, partition: int, values: Sequence[bytes], headers: Sequence[Sequence[tuple[str, bytes]]]) -> None:
        """Records of one partition in offset order; control records are none of ours."""
        plain = [
            value
            for value, carried in zip(values, headers, strict=True)
            if not any(name == CONTROL_HEADER for name, _ in carried)
        ]
        rows = decode(plain)
        ticks = rows["observed_at"][rows["metric"] == TICK]
        if len(ticks):
            self._ticks[partition] = max(self._ticks[partition], int(ticks.max()))
        mine = np.zeros(len(rows), np.bool_)
        for device in self._devices:
            mine |= rows["device"] == device
        ours = rows[mine & (rows["metric"] != TICK)]
        self.rows += len(ours)
        for device, metric, at in zip(
            ours["device"].tolist(), ours["metric"].tolist(), ours["observed_at"].tolist(), strict=True
        ):
            identity = (bytes(device), metric, at)
            self.repeats += identity in self._identities
            self._identities[identity] += 1

    def count(self, device: UUID, metric: str, at: int) -> int:
        """How many rows of a reading the log has; more than one are repeats or conflicts."""
        return self._identities[device.bytes, METRIC_BY_NAME[metric].code, at]
