"""Writes evidence from the ring: the run that ends at a reading, the window that ends at an instant (RULES, *Why*).

Called only for episodes that open or rise, so it may look at readings one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vitals.evidence import SHOWN_MAX, Evidence, Judged, Shown, WindowSeen, of_readings

if TYPE_CHECKING:
    from stream.panes import Ring


def run(ring: Ring, slot: int, last: Shown, belongs: Callable[[int], bool], *, gap_us: int, judged: Judged) -> Evidence:
    """The run that ends at a deciding reading, as the ring knows it: the reading itself (event time µs, thousandths),
    and before it all whose whole value ``belongs`` to it, without a step above the gap.
    """
    found = [last]
    for at, whole, millis in ring.before(slot, last[0]):
        if found[-1][0] - at > gap_us or not belongs(whole):
            break
        found.append((at, millis))
    return of_readings(judged, found[::-1])


def recent(
    ring: Ring, slot: int, last: Shown, since: int, *, judged: Judged, slope: float | None, forecast: float | None
) -> Evidence:
    """The readings from an event time (µs) on, as the ring knows them, up to the deciding one; what they came to."""
    found = [last, *((at, millis) for at, _, millis in ring.before(slot, last[0]) if at >= since)]
    return of_readings(judged, found[::-1]).model_copy(update={"slope": slope, "forecast": forecast})


def window(
    ring: Ring, slot: int, median: float, instants: range, *, width_us: int, interval_us: int, judged: Judged
) -> Evidence:
    """The window of so many µs that ends at the last of these ``instants``, the T in a row that turned a rule on, for
    a device of this interval.
    """
    end = instants[-1]
    cells = ring.cells(np.array([slot]), end, width_us)[0]
    interval = max(interval_us, ring.pane_us)
    back = (len(cells) - 1 - cells.nonzero()[0]) * ring.pane_us  # how far before its end each reading stands
    slots = width_us // interval
    filled = {each for each in (back // interval).tolist() if each < slots}
    latest = tuple(instants[-SHOWN_MAX:])
    seen = WindowSeen(median=median, begin=end - width_us, end=end, filled=len(filled), slots=slots, instants=latest)
    return Evidence(**judged._asdict(), count=len(back), window=seen)
