"""What windows say: their `WINDOW` rows from the panes of a ring, or of stored readings; and which ends are due.

Per window the sums n, Σx, Σx² of thousandths are exact integers; each float follows once, last:
sd = sqrt(n Σx² - (Σx)²) / (1000 n), the slopes as `stream.trends` says, the median is the mean of the middle two. The
mean is Σx / (1000 n) or, where the window looks back for it, the mean height of the line through its readings. So any
order of summation gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.trends import SPAN_MIN_US, Spread, arrows, fitted, known, spread, theil_sen
from vitals.metrics import GLUCOSE, SECOND_US
from vitals.windows import ARROW_UNKNOWN, WINDOW, WindowSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Floats, Ints, Series, Slots

    Cells = NDArray[np.int32]

EMPTY_LEAST = np.iinfo(np.int32).max
"""No cell lies above."""
CELLS_FEW = 20_000
"""Windows with different ends that are made of so many cells are computed together: each call costs as much as these.
"""
CELLS_MAX = 60_000
"""So many cells are computed at a time: what is made of them on the way stays in the processor's cache."""


class Closing(NamedTuple):
    """Windows that close: their ends (µs), slots and `WINDOW` rows, all (n,)."""

    ends: Ints
    slots: Slots
    rows: NDArray[np.void]


class Worn(NamedTuple):
    """What a window must know of the devices, all shape (n,): interval and gap (µs), the arrow's scheme."""

    interval: Ints
    gap: Ints
    scheme: NDArray[np.int8]

    def some(self, at: Slots | slice) -> Worn:
        """Those at an index."""
        return Worn(self.interval[at], self.gap[at], self.scheme[at])


def last_end(spec: WindowSpec, clock: int) -> int:
    """The newest end (µs) that a site clock has closed: the greatest with end + close_after_us <= clock."""
    return (clock - spec.close_after_us) // spec.step_us * spec.step_us


def due_ends(spec: WindowSpec, closed: int, clock: int, newest: int) -> range:
    """Ends to close at ``clock`` after ``closed``: those that data up to ``newest`` can reach (all µs).

    A jump of days costs no more than the ring is long: what lies beyond the newest reading or before the ring is
    empty or out of reach.
    """
    last = last_end(spec, clock)
    reach = spec.metric.panes * spec.metric.pane_us
    filled = (newest + spec.width_us - 1) // spec.step_us * spec.step_us
    first = max(closed, last - reach) + spec.step_us
    return range(first, min(last, filled) + 1, spec.step_us)


def close(spec: WindowSpec, end: int, slots: Slots, ring: Ring, series: Series) -> tuple[Slots, NDArray[np.void]]:
    """The slots with readings in (end - width, end] and their `WINDOW` rows, both (k,).

    A series whose ring no longer reaches the first pane that the window looks at has none. Patient, offset and ordinal
    are left to the caller.
    """
    block = max(1, CELLS_MAX * ring.pane_us // spec.reach_us)
    found, tables = [], []
    for begin in range(0, len(slots), block):
        some = slots[begin : begin + block]
        cells = np.abs(ring.cells(some, end, spec.reach_us))
        which, rows = results(spec, cells, Worn(series.interval[some], series.gap[some], series.scheme[some]))
        found.append(some[which])
        tables.append(rows)
    if not tables:
        return slots, np.zeros(0, WINDOW)
    rows = joined(tables)
    rows["start"], rows["end"] = end - spec.width_us, end
    return np.concatenate(found), rows


def close_all(spec: WindowSpec, ends: Ints, slots: Slots, ring: Ring, series: Series) -> Closing:
    """As `close`, of pairs of an end (µs) and a slot, both (n,): for so few of them that one call costs the most."""
    cells = np.abs(ring.cells_at(slots, ends, spec.reach_us))
    which, rows = results(spec, cells, Worn(series.interval[slots], series.gap[slots], series.scheme[slots]))
    rows["start"], rows["end"] = ends[which] - spec.width_us, ends[which]
    return Closing(ends[which], slots[which], rows)


def joined(tables: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Tables of `WINDOW` rows as one: to join them as bytes costs a fifth, to join one nothing."""
    if len(tables) == 1:
        return tables[0]
    return np.concatenate([each.view(f"V{WINDOW.itemsize}") for each in tables]).view(WINDOW)


def few(spec: WindowSpec, count: int) -> bool:
    """Whether so many windows of a kind are few enough for `close_all`."""
    return count * spec.reach_us <= CELLS_FEW * spec.metric.pane_us


def results(spec: WindowSpec, cells: Cells, worn: Worn) -> tuple[Slots, NDArray[np.void]]:
    """Which windows hold a reading, and their `WINDOW` rows; both (k,). Patient, times and version are left out.

    ``cells`` are thousandths plus one, 0 where empty, oldest first, of everything that the window looks at: shape
    (n, reach / pane).
    """
    pane, before = spec.metric.pane_us, spec.before_us // spec.metric.pane_us
    some = np.flatnonzero(cells[:, before:].any(axis=1))
    if not some.size:
        return some, np.zeros(0, WINDOW)
    cells, worn = cells[some], worn.some(some)
    inside = cells[:, before:]
    filled = inside > 0
    millis = inside - filled
    found = spread(filled)
    n, total, squares = found.count, millis.sum(1, dtype=np.int64), _squares(millis)
    rows = np.zeros(len(some), WINDOW)
    rows["metric"], rows["window"] = spec.metric.code, spec.code
    rows["count"], rows["gap"] = n, _gaps(found, filled.shape[1]) * (pane // SECOND_US)
    rows["mean"] = total / (1000 * n)
    if before:
        _weigh(rows["mean"], cells, before, worn.gap // pane)
    rows["sd"] = np.sqrt((n * squares - total * total).astype(np.float64)) / (1000 * n)
    rows["max"] = millis.max(axis=1, initial=0) / 1000
    ordered = np.where(filled, millis, EMPTY_LEAST)
    if spec.median:
        ordered.sort(axis=1)
        at = np.arange(len(n))
        middle = ordered[at, (n - 1) // 2].astype(np.int64) + ordered[at, n // 2]
        rows["min"], rows["median"] = ordered[:, 0] / 1000, middle / 2000
    else:
        rows["min"], rows["median"] = ordered.min(axis=1, initial=EMPTY_LEAST) / 1000, np.nan
    _rates(spec, rows, _Panes(filled, millis, found), worn)
    rows["coverage"] = np.minimum(n * np.maximum(worn.interval, pane) / spec.width_us, 1.0)
    return some, rows


class _Panes(NamedTuple):
    """The panes of windows: which are filled, their thousandths (0 where empty), both (n, panes), and how they lie."""

    filled: NDArray[np.bool_]
    millis: Cells
    found: Spread


def _rates(spec: WindowSpec, rows: NDArray[np.void], panes: _Panes, worn: Worn) -> None:
    """Both slopes, and the arrow of the first."""
    pane, span = spec.metric.pane_us, SPAN_MIN_US[spec.metric.code]
    rows["slope"] = rows["theil_sen"] = np.nan
    rows["arrow"] = ARROW_UNKNOWN
    if spec.width_us - pane < span:  # too narrow for any
        return
    filled, millis, found = panes
    at = known(filled, found, pane, worn.interval, span)
    rows["slope"] = fitted(filled, millis, pane, at)
    if spec.theil_sen:
        rows["theil_sen"][at] = theil_sen(filled[at], millis[at], pane)
    if spec.metric.code == GLUCOSE.code:
        rows["arrow"] = arrows(rows["slope"], worn.scheme)


def _squares(millis: Cells) -> Ints:
    """Σx², exact: whole numbers below 2^53, also as floats, which cost less."""
    values = millis.astype(np.float64)
    return np.asarray(np.einsum("ij,ij->i", values, values)).astype(np.int64)


def _gaps(found: Spread, panes: int) -> Ints:
    """The longest way of each window from its start or a reading to the next reading or its end, in panes; (n,)."""
    return np.asarray(np.maximum(np.maximum(found.first + 1, panes - 1 - found.last), found.widest))


def _weigh(means: Floats, cells: Cells, before: int, gaps: Ints) -> None:
    """Put the mean of the line through the readings where there is one; what no line covers stays.

    A step of more than ``gaps`` panes has no line. The step that leads into the window counts from the window's start
    on, at the height that the line has there: with D its panes and h those inside, all is a whole number over 2 D.
    """
    rows, panes = cells.nonzero()
    values = cells[rows, panes].astype(np.int64) - 1
    row, a, b, low, high = rows[1:], panes[:-1], panes[1:], values[:-1], values[1:]
    start, step = before - 1, b - a
    line = (row == rows[:-1]) & (b > start) & (step <= gaps[row])
    within, enters = line & (a >= start), line & (a < start)
    whole, covered = np.zeros((2, len(means)), np.int64)
    np.add.at(whole, row[within], ((low + high) * step)[within])
    np.add.at(covered, row[within], step[within])
    lead, entry = np.ones(len(means), np.int64), np.zeros(len(means), np.int64)
    which, long, inside = row[enters], step[enters], (b - start)[enters]
    lead[which], covered[which] = long, covered[which] + inside
    entry[which] = (low[enters] * inside + high[enters] * (2 * long - inside)) * inside
    some = covered > 0
    means[some] = (whole * lead + entry)[some] / (2000 * covered * lead)[some]
