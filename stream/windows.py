"""What windows say: their `WINDOW` rows from the panes of a ring, or of stored readings; and which ends are due.

Per window the sums n, Σx, Σx² of thousandths are exact integers; each float follows once, last:
sd = sqrt(n Σx² - (Σx)²) / (1000 n), the slopes as `stream.trends` says, the median is the mean of the middle two. The
mean is Σx / (1000 n) or, where the window looks back for it, the mean height of the line through its readings. So any
order of summation gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.series import LONG_AGO, NEVER
from stream.strips import EMPTY_LEAST, Strip
from stream.trends import SPAN_MIN_US, arrows, fitted, known, theil_sen
from vitals.metrics import GLUCOSE, SECOND_US
from vitals.windows import ARROW_UNKNOWN, WINDOW, WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stream.panes import Ring
    from stream.series import Bools, Floats, Ints, Series, Slots
    from stream.strips import Cells, Spread

CELLS_MAX = 60_000
"""So many cells are computed at a time: what is made of them on the way stays in the processor's cache."""


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
    the number in ``specs`` of its kind, slot, and the numbers of the first pane that it looks at and of its last.
    """

    specs: list[WindowSpec]
    which: Slots
    kind: Slots
    slots: Slots
    begins: Ints
    untils: Ints

    def some(self, at: Slots) -> _Places:
        """Those at an index array."""
        return _Places(self.specs, *(column[at] for column in self[1:]))


def close(asked: list[Asked], ring: Ring, series: Series) -> tuple[Slots, NDArray[np.void]]:
    """Which windows of those asked for, one after the other, hold a reading, and their `WINDOW` rows; both (k,), those
    of a slot and a kind in the order in which they were asked for.

    There is none where the ring no longer reaches the first pane that it looks at. Patient, offset and ordinal are left
    to the caller.
    """
    asked = [each for each in asked if len(each.slots)]
    if not asked:
        return np.zeros(0, np.intp), np.zeros(0, WINDOW)
    places, ends = _places(asked, ring)
    found, tables = [], []
    for strip, mine, origins in _strips(places, ring):
        which, rows = said(strip, mine.specs, mine.kind, mine.begins + origins, Worn.of(series, mine.slots))
        found.append(mine.which[which])
        tables.append(rows)
    which = np.concatenate([*found, np.zeros(0, np.intp)])
    rows = np.concatenate([*tables, np.zeros(0, WINDOW)])
    rows["end"] = ends[which]
    widths = np.repeat([each.spec.width_us for each in asked], [len(each.slots) for each in asked])
    rows["start"] = rows["end"] - widths[which]
    return which, rows


def _places(asked: list[Asked], ring: Ring) -> tuple[_Places, Ints]:
    """Those windows asked for that may hold a reading, and the ends of all (µs)."""
    pane, specs = ring.pane_us, [each.spec for each in asked]
    counts = [len(each.slots) for each in asked]
    slots, ends = np.concatenate([each.slots for each in asked]), np.concatenate([each.ends for each in asked])
    kind = np.repeat(np.arange(len(specs)), counts)
    untils = ends // pane
    begins = untils - np.array([spec.reach_us // pane for spec in specs])[kind] + 1
    starts = begins + np.array([spec.before_us // pane for spec in specs])[kind]
    head = ring.head[slots]
    which = ((begins > head - ring.size) & (starts <= head)).nonzero()[0]
    return _Places(specs, which, kind[which], slots[which], begins[which], untils[which]), ends


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
    usual = int(latest.max()) + 1 - max(spec.reach_us for spec in places.specs) // ring.pane_us
    age = np.where(needed[slots] < usual, needed[slots] // ring.size, NEVER)
    pieces: list[_Piece] = []
    for number in np.unique(age).tolist():
        group = slots[age == number]
        since, until = int(needed[group].min()), int(latest[group].max())
        most = max(1, CELLS_MAX // (until - since + 1))
        pieces += (_Piece(group[at : at + most], since, until) for at in range(0, len(group), most))
    return pieces


def _strips(places: _Places, ring: Ring) -> Iterator[tuple[Strip, _Places, Ints]]:
    """Strips of panes with the windows over them and where in the strip each one's pane of number 0 would be; each slot
    is in one strip.
    """
    if not places.which.size:
        return
    pieces = _pieces(places, ring)
    cells = sum(len(piece.slots) * piece.width for piece in pieces)
    for chunk in [pieces] if cells <= CELLS_MAX else [[piece] for piece in pieces]:
        origin, tables, size = np.full(ring.capacity, NEVER), [], 0
        for piece in chunk:
            table = np.abs(ring.strip(*piece)).reshape(-1)
            origin[piece.slots] = size + np.arange(len(piece.slots)) * piece.width - piece.since
            size += len(table)
            tables.append(table)
        mine, origins = places, origin[places.slots]
        if len(chunk) < len(pieces):
            rows = np.flatnonzero(origins < NEVER)
            mine, origins = places.some(rows), origins[rows]
        yield Strip(tables[0] if len(tables) == 1 else np.concatenate(tables)), mine, origins


def results(spec: WindowSpec, cells: Cells, worn: Worn) -> tuple[Slots, NDArray[np.void]]:
    """Which windows hold a reading, and their `WINDOW` rows; both (k,). Patient, times and version are left out.

    ``cells`` are thousandths plus one, 0 where empty, oldest first, of everything that the window looks at: shape
    (n, reach / pane).
    """
    count, reach = cells.shape
    strip = Strip(np.ascontiguousarray(cells).reshape(-1))
    return said(strip, [spec], np.zeros(count, np.intp), np.arange(count) * reach, worn)


def said(
    strip: Strip, specs: list[WindowSpec], kind: Slots, begins: Slots, worn: Worn
) -> tuple[Slots, NDArray[np.void]]:
    """What windows over a strip say, as `results` does. They are of the kinds ``specs[kind]``, kinds of one metric in
    ascending order, and look at the strip from the places ``begins`` on; both (n,).
    """
    pane = specs[0].metric.pane_us
    before = np.array([spec.before_us // pane for spec in specs])
    panes = np.array([spec.width_us // pane for spec in specs])
    firsts = begins + before[kind]
    lasts = firsts + panes[kind]
    some = (strip.counts(firsts, lasts) > 0).nonzero()[0]
    if len(some) < len(kind):
        kind, firsts, lasts, worn = kind[some], firsts[some], lasts[some], worn.some(some)
    sums, spread = strip.sums(firsts, lasts), strip.spread(firsts, lasts)
    n, total = sums.n, sums.x
    rows = np.zeros(len(some), WINDOW)
    rows["metric"], rows["window"] = specs[0].metric.code, np.array([spec.code for spec in specs])[kind]
    rows["count"], rows["gap"] = n, _gaps(spread, lasts - firsts) * (pane // SECOND_US)
    rows["mean"] = total / (1000 * n)
    rows["sd"] = np.sqrt((n * sums.xx - total * total).astype(np.float64)) / (1000 * n)
    rows["coverage"] = np.minimum(n * np.maximum(worn.interval, pane) / ((lasts - firsts) * pane), 1.0)
    sloping = known(n, spread, pane, worn.interval, SPAN_MIN_US[specs[0].metric.code])
    rows["slope"] = fitted(sums, pane, sloping)
    rows["median"] = rows["theil_sen"] = np.nan
    rows["arrow"] = arrows(rows["slope"], worn.scheme) if specs[0].metric.code == GLUCOSE.code else ARROW_UNKNOWN
    extremes = strip.extremes(set(panes.tolist()))
    bounds = np.searchsorted(kind, np.arange(len(specs) + 1)).tolist()
    for spec, width, begin, end in zip(specs, panes.tolist(), bounds[:-1], bounds[1:], strict=True):
        mine = slice(begin, end)
        if begin < end:
            most, least = extremes[width][:, firsts[mine]]
            rows["max"][mine], rows["min"][mine] = (most - 1) / 1000, (-1 - least) / 1000
            if spec.before_us:
                reach = strip.windows(firsts[mine] - before[kind[begin]], spec.reach_us // pane)
                _weigh(rows["mean"][mine], reach, spec.before_us // pane, worn.gap[mine] // pane)
            _further(spec, rows[mine], strip, firsts[mine], sloping[mine])
    return some, rows


def _further(spec: WindowSpec, rows: NDArray[np.void], strip: Strip, firsts: Slots, sloping: Bools) -> None:
    """What only some kinds have, and asks for each of a window's cells: into the rows (n,) of one kind."""
    pane, width = spec.metric.pane_us, spec.width_us // spec.metric.pane_us
    if spec.median:
        rows["median"] = _medians(strip.windows(firsts, width), rows["count"].astype(np.intp))
    if spec.theil_sen:
        cells = strip.windows(firsts[sloping], width)
        rows["theil_sen"][sloping] = theil_sen(cells > 0, cells, pane)


def _medians(cells: Cells, n: Slots) -> Floats:
    """The median of each window (n,) of cells (n, panes); these are sorted."""
    cells[cells == 0] = EMPTY_LEAST
    cells.sort(axis=1)
    at = np.arange(len(n))
    return np.asarray((cells[at, (n - 1) // 2].astype(np.int64) + cells[at, n // 2] - 2) / 2000)


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
    whole, covered = np.zeros((2, len(means)), np.int64)
    np.add.at(whole, row[within], ((low + high) * step)[within])
    np.add.at(covered, row[within], step[within])
    lead, entry = np.ones(len(means), np.int64), np.zeros(len(means), np.int64)
    which, long, inside = row[enters], step[enters], (b - start)[enters]
    lead[which], covered[which] = long, covered[which] + inside
    entry[which] = (low[enters] * inside + high[enters] * (2 * long - inside)) * inside
    some = covered > 0
    means[some] = (whole * lead + entry)[some] / (2000 * covered * lead)[some]
