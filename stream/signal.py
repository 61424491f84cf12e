"""The signal rule of one metric: who has gone silent, why, and who is heard again (RULES, *Signal*).

Silence counts from the last deciding reading's arrival, the end of warm-up or the binding, whichever is last.
``why`` is what the newest row since then says; ``level`` is a priority rank (0 off, 1 low, 2 medium, 3 high).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from stream.series import LONG_AGO, NEVER, Bools, Ints, Series, Slots, Table
from vitals.readings import INVALID_SHIFT, Flag, Invalid

if TYPE_CHECKING:
    from vitals.policies import Policy

SILENT, CONTACT_LOST, OLD, SENSOR_ERROR, WAITING = range(5)
NO_WORD = -1
"""Of a row that says nothing about the signal: warm-up or control solution."""
REASONS = ("silent", "contact lost", "only old readings", "sensor error", "waiting for the first reading")

# plain integers: arithmetic with enumerations costs more than the arrays
_CONTACT_LOST, _INVALID_CONTACT = int(Flag.CONTACT_LOST), int(Invalid.CONTACT_LOST)
_QUIET = int(Flag.WARM_UP | Flag.CONTROL_SOLUTION)


def words(flags: NDArray[np.uint16]) -> NDArray[np.int8]:
    """What a row that does not decide says about the signal, by its flags; shape of ``flags``."""
    invalid = flags >> INVALID_SHIFT
    contact = (flags & _CONTACT_LOST != 0) | (invalid == _INVALID_CONTACT)
    quiet = flags & _QUIET != 0
    word = np.where(contact, CONTACT_LOST, np.where(invalid != 0, SENSOR_ERROR, np.where(quiet, NO_WORD, OLD)))
    return word.astype(np.int8)


class Signals(Table):
    """The signal rule of all series of one metric; rows are slots, times µs."""

    FILL: ClassVar[dict[str, float]] = {"run_last": LONG_AGO, "run_start": LONG_AGO}

    def __init__(self, series: Series) -> None:
        self.series = series
        self.rule: Bools = np.zeros(self.capacity, np.bool_)
        self.medium_after: Ints = np.zeros(self.capacity, np.int64)
        self.recover_span: Ints = np.zeros(self.capacity, np.int64)
        self.level: NDArray[np.int8] = np.zeros(self.capacity, np.int8)
        self.why: NDArray[np.int8] = np.zeros(self.capacity, np.int8)
        self.told: NDArray[np.int8] = np.zeros(self.capacity, np.int8)
        self.opened_at: Ints = np.zeros(self.capacity, np.int64)
        self.since: Ints = np.zeros(self.capacity, np.int64)
        self.run_start: Ints = np.full(self.capacity, LONG_AGO, np.int64)
        self.run_last: Ints = np.full(self.capacity, LONG_AGO, np.int64)

    def set_policy(self, slot: int, policy: Policy) -> None:
        """Take a patient's rule of this metric, or none. Devices slow enough recover with one reading."""
        rule = next((rule for rule in policy.signals if rule.metric == self.series.metric.name), None)
        self.rule[slot] = rule is not None
        if rule is not None:
            slow = self.series.interval[slot] >= rule.recover_interval_us
            self.medium_after[slot] = rule.medium_after_us
            self.recover_span[slot] = 0 if slow else rule.recover_span_us

    def due_at(self, slots: Slots) -> Ints:
        """When each series goes silent, NEVER where it cannot; shape of ``slots``."""
        waits = self.rule[slots] & self.series.bound[slots] & (self.level[slots] == 0)
        return np.where(waits, self.series.base(slots) + self.series.silent_after[slots], NEVER)

    def medium_at(self, slots: Slots) -> Ints:
        """When each open low-priority silence rises to medium, NEVER where none does; shape of ``slots``."""
        return np.where(self.level[slots] == 1, self.opened_at[slots] + self.medium_after[slots], NEVER)

    def open(self, slot: int, at: int, level: int) -> None:
        """A series has been silent for too long."""
        self.level[slot] = level
        self.opened_at[slot] = at
        self.since[slot] = self.series.base(np.array([slot]))[0]
        self.told[slot] = self.reason(slot)
        self.run_start[slot] = self.run_last[slot] = LONG_AGO

    def close(self, slot: int) -> None:
        """The silence is over."""
        self.level[slot] = 0
        self.why[slot] = SILENT

    def reason(self, slot: int) -> int:
        """The reason now: what the newest row since the base says, else silent or still waiting."""
        if self.why[slot] != SILENT:
            return int(self.why[slot])
        return WAITING if self.series.dec_rx[slot] < self.series.waits_from[slot] else SILENT

    def heard(self, slots: Slots, events: Ints) -> Bools:
        """Deciding readings of silent series, one per slot: whether each ends its silence; shape (m,)."""
        joins = events - self.run_last[slots] <= self.series.gap[slots]
        start = np.where(joins, self.run_start[slots], events)
        self.run_start[slots] = start
        self.run_last[slots] = events
        return np.asarray(events - start >= self.recover_span[slots])

    def tell(self, slot: int, why: int) -> bool:
        """A silent series said why; whether that is news."""
        self.why[slot] = why
        reason = self.reason(slot)
        news = bool(reason != self.told[slot])
        self.told[slot] = reason
        return news
