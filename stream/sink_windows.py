"""Dirty marks, and the windows that they ask for, from stored readings; pure (``store_windows.py`` has the SQL).

`KeptWindows` says which windows the database keeps. The panes are filled as the processor fills its ring: the first row
in the log takes a pane. So the result is what the processor would have said of the same rows with a ring without end,
and computing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from stream import windows
from stream.panes import millis_of
from stream.windows import Worn
from vitals.readings import UNUSABLE_MASK, Flag
from vitals.units import canonical
from vitals.windows import DIRTY, WINDOW_BY_CODE, WINDOWS, WindowSpec, is_dirty

ENDS_MAX, PANES_MAX = 360, 3600
"""So many windows at most are computed in one transaction, whose ends lie in so many panes: an hour of heart rate or
30 h of glucose.
"""


@dataclass(frozen=True, slots=True)
class KeptWindows:
    """Which windows the database keeps: every one, or those at a whole multiple of the kind's ``kept_step_us``.

    Kinds that this sink does not know are kept.
    """

    every: bool = False

    def step_us(self, spec: WindowSpec) -> int:
        """How far apart the ends are that are kept of a kind; 0 where none is."""
        return spec.step_us if self.every else spec.kept_step_us

    def of(self, rows: NDArray[np.void]) -> NDArray[np.void]:
        """Those of `WINDOW` rows (n,) that are kept."""
        steps = np.ones(256, np.int64)
        for spec in WINDOWS:
            steps[spec.code] = self.step_us(spec)
        step = steps[rows["window"]]
        return np.asarray(rows[(step > 0) & (rows["end"] % np.maximum(step, 1) == 0)])


class Mark(NamedTuple):
    """A dirty mark of a partition: the windows of one kind of one patient whose ends (µs) lie from first to last.

    ``interval`` (µs), ``below`` and ``above`` (canonical values of censored readings) and ``scheme`` are of the device
    worn.
    """

    partition: int
    offset: int
    ordinal: int
    patient: UUID
    window: int
    first: int
    last: int
    interval: int
    below: float
    above: float
    scheme: int

    @property
    def spec(self) -> WindowSpec:
        """The kind of window."""
        return WINDOW_BY_CODE[self.window]


class Readings(NamedTuple):
    """Stored readings of one series in log order, all shape (n,): event time (µs), value and unit as sent, flags; and
    whose they are: the device, and its own time (µs).
    """

    events: NDArray[np.int64]
    values: NDArray[np.float64]
    units: NDArray[np.int64]
    flags: NDArray[np.int64]
    whose: list[tuple[UUID, int]]


def marks_in(rows: NDArray[np.void], partition: int) -> Iterator[Mark]:
    """The dirty marks among `WINDOW` rows of a partition; of kinds of windows that nobody knows there are none."""
    for row in rows[is_dirty(rows)].view(DIRTY):
        if int(row["window"]) in WINDOW_BY_CODE and row["start"] <= row["end"]:
            yield Mark(
                partition=partition,
                offset=int(row["offset"]),
                ordinal=int(row["ordinal"]),
                patient=UUID(bytes=row["patient"].tobytes()),
                window=int(row["window"]),
                first=int(row["start"]),
                last=int(row["end"]),
                interval=int(row["interval"]),
                below=float(row["below"]),
                above=float(row["above"]),
                scheme=int(row["arrow"]),
            )


def next_ends(mark: Mark, since: int, step: int) -> range:
    """The ends from ``since`` (µs) on that one transaction computes: whole multiples of ``step``; of 0 none."""
    if not step:
        return range(0)
    first, count = -(-since // step) * step, min(ENDS_MAX, PANES_MAX * mark.spec.metric.pane_us // step)
    return range(first, min(mark.last, first + (count - 1) * step) + 1, step)


def recomputed(mark: Mark, ends: range, found: Readings) -> NDArray[np.void]:
    """The `WINDOW` rows of a mark at these ends, one at least, at the mark's version; of those that hold a reading.

    ``found`` holds at least all that the windows look at.
    """
    spec, pane = mark.spec, mark.spec.metric.pane_us
    reach, hop = spec.reach_us // pane, ends.step // pane
    first = (ends[0] - spec.reach_us) // pane + 1
    cells = np.zeros((len(ends) - 1) * hop + reach, np.int32)
    numbers, values = _filled(mark, found)
    inside = (numbers >= first) & (numbers < first + len(cells))
    cells[numbers[inside] - first] = values[inside]
    table = np.lib.stride_tricks.sliding_window_view(cells, reach)[::hop]
    count = len(ends)
    worn = Worn(
        np.full(count, mark.interval),
        np.full(count, spec.metric.gap_of_us(mark.interval)),
        np.full(count, mark.scheme, np.int8),
    )
    which, rows = windows.results(spec, table, worn)
    rows["patient"] = np.void(mark.patient.bytes)
    rows["end"] = np.asarray(ends)[which]
    rows["start"] = rows["end"] - spec.width_us
    rows["offset"], rows["ordinal"] = mark.offset, mark.ordinal
    return rows


def _filled(mark: Mark, found: Readings) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The panes that usable readings fill, ascending, and the cell of each."""
    values = canonical(found.values, found.units.astype(np.uint8))
    low, high = (found.flags & Flag.CENSORED_LOW) != 0, (found.flags & Flag.CENSORED_HIGH) != 0
    values = np.where(low, mark.below, np.where(high, mark.above, values))
    usable = ((found.flags & UNUSABLE_MASK) == 0) & np.isfinite(values)
    usable[_repeats(found)] = False
    numbers, firsts = np.unique(-(-found.events[usable] // mark.spec.metric.pane_us), return_index=True)
    return numbers, millis_of(values[usable][firsts])


def _repeats(found: Readings) -> list[int]:
    """Which readings of a clock that runs ahead were there before (RULES, *Duplicate*), as far as these tell."""
    repeats: list[int] = []
    last: tuple[UUID, int] | None = None
    for at in np.flatnonzero(found.flags & Flag.CLOCK_SUSPECT).tolist():
        device, observed = found.whose[at]
        if last is not None and last[0] == device and observed <= last[1]:
            repeats.append(at)
        else:
            last = device, observed
    return repeats
