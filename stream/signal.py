"""The signal rule of one metric: who has gone silent, why, and who is heard again (RULES, *Signal*).

Silence counts from the last deciding reading's arrival, the end of warm-up or the binding, whichever is last.
``why`` is what the newest row since then says; ``level`` is a priority rank (0 off, 1 low, 2 medium, 3 high).
Where a window rule applies, the time without an evaluation counts as well: from the last evaluated T, from one width
of the narrowest window after the binding or the warm-up, or from the end of the last silence, whichever is last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from stream.series import LONG_AGO, NEVER, Bools, Ints, Series, Slots, Table
from vitals.readings import INVALID_SHIFT, Flag, Invalid

if TYPE_CHECKING:
    from stream.medians import Medians
    from vitals.policies import Policy

SILENT, CONTACT_LOST, OLD, SENSOR_ERROR, WAITING, TOO_FEW = range(6)
NO_WORD = -1
"""Of a row that says nothing about the signal: warm-up or control solution."""
REASONS = (
    "silent",
    "contact lost",
    "only old readings",
    "sensor error",
    "waiting for the first reading",
    "too few readings",
)

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

    FILL: ClassVar[dict[str, float]] = {"run_last": LONG_AGO, "run_start": LONG_AGO, "heard_at": LONG_AGO}

    def __init__(self, series: Series, medians: Medians) -> None:
        self.series, self.medians = series, medians
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
        self.heard_at: Ints = np.full(self.capacity, LONG_AGO, np.int64)
        """When the last silence ended."""
        self.few: Bools = np.zeros(self.capacity, np.bool_)
        """Readings that decide come, and not enough of them for an evaluation, or not for long enough."""

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
        return np.where(waits, self.base(slots) + self.series.silent_after[slots], NEVER)

    def base(self, slots: Slots) -> Ints:
        """From when silence counts (µs): readings or evaluations, whichever have been missing longer."""
        readings = self.series.base(slots)
        if not self.medians.kinds:
            return readings
        width = self.medians.narrowest[slots]
        expected = np.maximum(self.series.waits_from[slots] + width, self.heard_at[slots])
        evaluations = np.maximum(self.medians.evaluated[slots], expected)
        return np.where(width > 0, np.minimum(readings, evaluations), readings)

    def medium_at(self, slots: Slots) -> Ints:
        """When each open low-priority silence rises to medium, NEVER where none does; shape of ``slots``."""
        return np.where(self.level[slots] == 1, self.opened_at[slots] + self.medium_after[slots], NEVER)

    def open(self, slot: int, at: int, level: int) -> None:
        """A series has been silent for too long."""
        self.level[slot] = level
        self.opened_at[slot] = at
        one = np.array([slot])
        self.since[slot] = self.base(one)[0]
        self.few[slot] = self.series.base(one)[0] + self.series.silent_after[slot] > at
        self.told[slot] = self.reason(slot)
        self.run_start[slot] = self.run_last[slot] = LONG_AGO

    def close(self, slot: int, at: int) -> None:
        """The silence is over: somebody was heard, or nobody is expected, at an arrival or an instant (µs)."""
        if self.level[slot]:
            self.heard_at[slot] = at
        self.level[slot] = 0
        self.why[slot] = SILENT
        self.few[slot] = False

    def reason(self, slot: int) -> int:
        """The reason now: what the newest row since the base says, else silent or still waiting."""
        if self.why[slot] != SILENT:
            return int(self.why[slot])
        if self.series.dec_rx[slot] < self.series.waits_from[slot]:
            return WAITING
        return TOO_FEW if self.few[slot] else SILENT

    def heard(self, slots: Slots, events: Ints) -> tuple[Bools, Bools]:
        """Deciding readings of silent series, one per slot: whether each ends its silence, and whether it begins a
        run, both shape (m,). Only a run's first is news: else a band that slips at every beat would fill the journal.
        """
        joins = events - self.run_last[slots] <= self.series.gap[slots]
        start = np.where(joins, self.run_start[slots], events)
        self.run_start[slots] = start
        self.run_last[slots] = events
        self.few[slots] = True
        return self.recovered(slots), ~joins

    def recovered(self, slots: Slots) -> Bools:
        """Whether the readings since silence began end it: for long enough, and where a window rule applies with an
        evaluation at or after their first; shape (m,).
        """
        start = self.run_start[slots]
        evaluated = (self.medians.narrowest[slots] == 0) | (self.medians.evaluated[slots] >= start)
        return np.asarray((start > LONG_AGO) & (self.run_last[slots] - start >= self.recover_span[slots]) & evaluated)

    def tell(self, slot: int, why: int) -> bool:
        """A silent series said why; whether that is news."""
        self.why[slot] = why
        reason = self.reason(slot)
        news = bool(reason != self.told[slot])
        self.told[slot] = reason
        return news
