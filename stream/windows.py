"""What windows say: their `WINDOW` rows from the panes of a ring, or of stored readings; and which ends are due.

Per window the sums n, Σx, Σx² of thousandths are exact integers; each float follows once, last:
sd = sqrt(n Σx² - (Σx)²) / (1000 n), the slopes as `stream.trends` says, the median is the mean of the middle two. The
mean is Σx / (1000 n) or, where the window looks back for it, the mean height of the line through its readings. So any
order of summation gives the same bytes.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.series import LONG_AGO, NEVER
from stream.strips import EMPTY_LEAST, Strip
from stream.trends import SPAN_MIN_US, arrows, fitted, known, theil_sen
from vitals.metrics import GLUCOSE, SECOND_US
from vitals.windows import ARROW_UNKNOWN, WINDOW, WINDOW_BY_CODE, WINDOWS, WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Bools, Floats, Ints, Series, Slots
    from stream.strips import Cells, Spread

CELLS_MAX = 60_000
"""So many cells are computed at a time: what is made of them on the way stays in the processor's cache."""


assert list(WINDOW_BY_CODE) == [number for number, _ in enumerate(WINDOWS, 1)]
_KINDS = [(spec.width_us, spec.before_us, spec.reach_us, spec.metric.pane_us) for spec in WINDOWS]
_PANES, _BEFORE, _REACH = np.array([[0, *(kind[at] // kind[-1] for kind in _KINDS)] for at in range(3)], np.int64)
"""In panes, by code of window."""
_WIDTHS = np.array([0, *(spec.width_us for spec in WINDOWS)], np.int64)
"""In µs, by code of window."""
_BLOCK = {
    spec.code: gcd(*(gcd(each.step_us, each.width_us) for each in WINDOWS if each.metric is spec.metric))
    // spec.metric.pane_us
    for spec in WINDOWS
}
"""The panes that all windows of a metric begin and end at whole multiples of, by code of window."""
assert all(_BEFORE[code] % block == 0 for code, block in _BLOCK.items())
_BYTES = f"V{WINDOW.itemsize}"
_NO_SLOTS, _NO_ENDS = np.zeros(0, np.intp), np.zeros(0, np.int64)


class Worn(NamedTuple):
    """What a window must know of the devices, all shape (n,): interval and gap (µs), the arrow's scheme."""

    interval: Ints
    gap: Ints
    scheme: NDArray[np.int8]

    @staticmethod
    def of(series: Series, slots: Slots) -> Worn:
        """What is worn by these slots."""
        return Worn(series.interval[slots], series.gap[slots], series.scheme[slots])

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


class Asked(NamedTuple):
    """Windows of one kind: slots and ends (µs), both (n,)."""

    spec: WindowSpec
    slots: Slots
    ends: Ints


class _Places(NamedTuple):
    """Windows of one metric, row by row in the order in which they were asked for, all (n,): which of those asked for,
    the code of its kind, slot, and the numbers of the first pane that it looks at and of its last.
    """

    which: Slots
    kinds: Ints
    slots: Slots
    begins: Ints
    untils: Ints

    def some(self, at: Slots) -> _Places:
        """Those at an index array."""
        return _Places(*(column[at] for column in self))


class Copied(NamedTuple):
    """Windows of one metric and a copy of the panes that they look at: which of those asked for, the codes of their
    kinds, slots, ends (µs), and at which of the ``cells`` each begins to look; all but the cells (n,).
    """

    cells: Cells
    which: Slots
    kinds: Ints
    slots: Slots
    ends: Ints
    begins: Ints


def copied(asked: list[Asked], ring: Ring) -> Iterator[Copied]:
    """Those windows of those asked for, kinds in ascending order, that may hold a reading, with their panes as the ring
    has them now. None of a copy is in another, and those of a slot and a kind stay in their order.

    There is none where the ring no longer reaches the first pane that it looks at.
    """
    codes = np.array([each.spec.code for each in asked], np.int64).repeat([len(each.slots) for each in asked])
    ends = np.concatenate([_NO_ENDS, *(each.ends for each in asked)])
    slots = np.concatenate([_NO_SLOTS, *(each.slots for each in asked)])
    for cells, places, begins in _tables(_places(codes, slots, ends, ring), ring):
        yield Copied(cells, places.which, places.kinds, places.slots, ends[places.which], begins)


def close(copies: Sequence[Copied], series: Series) -> tuple[Slots, NDArray[np.void]]:
    """Which windows of some copies, of one or more, hold a reading, and their `WINDOW` rows; both (k,), those of a slot
    and a kind in the order of the copies. Patient, offset and ordinal are left to the caller.
    """
    cells, kinds, slots, ends, begins = copies[0].cells, *copies[0][2:]
    order: Slots | slice = slice(None)
    if len(copies) > 1:
        tables = [each.cells for each in copies]
        origins = np.cumsum([0, *map(len, tables[:-1])]).repeat([len(each.which) for each in copies])
        cells, begins = np.concatenate(tables), np.concatenate([each.begins for each in copies]) + origins
        kinds, slots, ends = (np.concatenate([each[at] for each in copies]) for at in (2, 3, 4))
        order = np.argsort(kinds, kind="stable")
        kinds, slots, begins = kinds[order], slots[order], begins[order]
    block = _BLOCK[int(kinds[0])]
    which, rows = said(Strip(cells, block), kinds, begins // block, Worn.of(series, slots))
    if isinstance(order, np.ndarray):
        which = order[which]
    rows["end"] = ends[which]
    rows["start"] = rows["end"] - _WIDTHS[rows["window"]]
    return which, rows


def joined(tables: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Tables of `WINDOW` rows one behind the other."""
    if len(tables) == 1:
        return tables[0]
    # numpy joins structures field by field, and asks of each whether it fits
    return np.concatenate([np.zeros(0, _BYTES), *(table.view(_BYTES) for table in tables)]).view(WINDOW)


def _places(codes: Ints, slots: Slots, ends: Ints, ring: Ring) -> _Places:
    """Those windows that may hold a reading."""
    untils = ends // ring.pane_us
    begins, head = untils - _REACH[codes] + 1, ring.head[slots]
    which = np.flatnonzero((begins > head - ring.size) & (untils - _PANES[codes] < head))
    return _Places(which, codes[which], slots[which], begins[which], untils[which])


class _Piece(NamedTuple):
    """Slots whose panes from ``since`` to ``until`` stand in a strip."""

    slots: Slots
    since: int
    until: int

    @property
    def width(self) -> int:
        return self.until - self.since + 1


def _pieces(places: _Places, ring: Ring) -> list[_Piece]:
    """All slots of the windows, those with older ones apart: the strips of the others are shorter, and readings of some
    may be of days ago.
    """
    needed, latest = np.full(ring.capacity, NEVER), np.full(ring.capacity, LONG_AGO)
    np.minimum.at(needed, places.slots, places.begins)
    np.maximum.at(latest, places.slots, places.untils)
    slots = np.flatnonzero(needed < NEVER)
    usual = int(latest.max()) - int(_REACH[places.kinds].max())
    age = np.where(needed[slots] <= usual, needed[slots] // ring.size, NEVER)
    pieces: list[_Piece] = []
    for number in np.unique(age).tolist():
        group = slots[age == number]
        since, until = int(needed[group].min()), int(latest[group].max())
        most = CELLS_MAX // (until - since) or 1
        pieces += (_Piece(group[at : at + most], since, until) for at in range(0, len(group), most))
    return pieces


def _tables(places: _Places, ring: Ring) -> Iterator[tuple[Cells, _Places, Ints]]:
    """Panes one behind the other with the windows over them and the place of the first pane that each looks at; each
    slot is in one table.
    """
    if not places.which.size:
        return
    pieces = _pieces(places, ring)
    cells = sum(len(piece.slots) * piece.width for piece in pieces)
    for chunk in [pieces] if cells <= CELLS_MAX else [[piece] for piece in pieces]:
        origin, tables, size = np.full(ring.capacity, NEVER), [], 0
        for piece in chunk:
            table = np.abs(ring.strip(*piece)).ravel()
            origin[piece.slots] = size + np.arange(len(piece.slots)) * piece.width - piece.since
            size += len(table)
            tables.append(table)
        mine, origins = places, origin[places.slots]
        if len(chunk) < len(pieces):
            rows = np.flatnonzero(origins < NEVER)
            mine, origins = places.some(rows), origins[rows]
        yield (tables[0] if len(tables) == 1 else np.concatenate(tables)), mine, mine.begins + origins


def results(spec: WindowSpec, cells: Cells, worn: Worn) -> tuple[Slots, NDArray[np.void]]:
    """Which windows hold a reading, and their `WINDOW` rows; both (k,). Patient, times and version are left out.

    ``cells`` are thousandths plus one, 0 where empty, oldest first, of everything that the window looks at: shape
    (n, reach / pane).
    """
    count, reach = cells.shape
    block = _BLOCK[spec.code]
    strip = Strip(cells.ravel(), block)
    return said(strip, np.full(count, spec.code), np.arange(count) * reach // block, worn)


def said(strip: Strip, kinds: Ints, begins: Ints, worn: Worn) -> tuple[Slots, NDArray[np.void]]:
    """What windows over a strip say, as `results` does: ``kinds`` are codes of one metric, ascending, ``begins`` the
    places in the strip from which on each looks; all (n,), of one or more.
    """
    metric = WINDOW_BY_CODE[int(kinds[0])].metric
    pane, block = metric.pane_us, _BLOCK[int(kinds[0])]
    firsts = begins + _BEFORE[kinds] // block
    lasts = firsts + _PANES[kinds] // block
    some = np.flatnonzero(strip.counts(firsts, lasts))
    if len(some) < len(kinds):
        kinds, firsts, lasts, worn = kinds[some], firsts[some], lasts[some], worn.some(some)
    sums, spread, panes = strip.sums(firsts, lasts), strip.spread(firsts, lasts), _PANES[kinds]
    n, total = sums.n, sums.x
    rows = np.zeros(len(some), WINDOW)
    rows["metric"], rows["window"] = metric.code, kinds
    rows["count"], rows["gap"] = n, _gaps(spread, panes) * (pane // SECOND_US)
    rows["mean"] = total / (1000 * n)
    rows["sd"] = np.sqrt(n * sums.xx - total * total) / (1000 * n)
    rows["coverage"] = np.minimum(n * np.maximum(worn.interval, pane) / (panes * pane), 1.0)
    sloping = known(n, spread, pane, worn.interval, SPAN_MIN_US[metric.code])
    rows["slope"] = fitted(sums, pane, sloping)
    rows["median"] = rows["theil_sen"] = np.nan
    rows["arrow"] = arrows(rows["slope"], worn.scheme) if metric.code == GLUCOSE.code else ARROW_UNKNOWN
    bounds = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
    mine = [(WINDOW_BY_CODE[int(kinds[at])], slice(at, until)) for at, until in pairwise(bounds) if at < until]
    extremes = strip.extremes({int(_PANES[spec.code]) // block for spec, _ in mine})
    for spec, at in mine:
        most, least = extremes[int(_PANES[spec.code]) // block][:, firsts[at]]
        rows["max"][at], rows["min"][at] = (most - 1) / 1000, (-1 - least) / 1000
        _further(spec, rows[at], strip, firsts[at], (sloping[at], worn.gap[at] // pane))
    return some, rows


def _further(spec: WindowSpec, rows: NDArray[np.void], strip: Strip, firsts: Ints, about: tuple[Bools, Ints]) -> None:
    """What only some kinds have, and asks for each of a window's cells: into the rows (n,) of one kind. ``about`` says
    whether each has a slope, and its device's gap in panes.
    """
    pane, (sloping, gaps) = spec.metric.pane_us, about
    before, panes = int(_BEFORE[spec.code]), int(_PANES[spec.code])
    if before:
        _weigh(rows["mean"], strip.windows(firsts - before // _BLOCK[spec.code], before + panes), before, gaps)
    if spec.median:
        rows["median"] = _medians(strip.windows(firsts, panes), rows["count"].astype(np.intp))
    if spec.theil_sen:
        cells = strip.windows(firsts[sloping], panes)
        rows["theil_sen"][sloping] = theil_sen(cells > 0, cells, pane)


def _medians(cells: Cells, n: Slots) -> Floats:
    """The median of each window (n,) of cells (n, panes); these are sorted."""
    cells[cells == 0] = EMPTY_LEAST
    cells.sort(axis=1)
    at = np.arange(len(n))
    return np.asarray((cells[at, (n - 1) // 2] + cells[at, n // 2] - 2) / 2000)


def _gaps(found: Spread, panes: Ints) -> Ints:
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
    whole, covered, entry = np.zeros((3, len(means)), np.int64)
    np.add.at(whole, row[within], ((low + high) * step)[within])
    np.add.at(covered, row[within], step[within])
    lead = np.ones_like(covered)
    which, long, inside = row[enters], step[enters], (b - start)[enters]
    lead[which], covered[which] = long, covered[which] + inside
    entry[which] = (low[enters] * inside + high[enters] * (2 * long - inside)) * inside
    some = covered > 0
    means[some] = (whole * lead + entry)[some] / (2000 * covered * lead)[some]
