"""One window of one series as the oracle sees it: plain Python, numbers as fractions until the last (``oracle.py``)."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise
from statistics import median
from typing import NamedTuple

from tests.oracle_series import Series, numbers_in
from vitals.metrics import MINUTE_US as MINUTE
from vitals.metrics import SECOND_US as SECOND
from vitals.windows import ARROW_UNKNOWN, WINDOW_BY_CODE, WindowSpec

ARROWS = {"dexcom": (1, 2, 3), "xdrip": (1, 2, 3.5), "libre": (1, 2, math.inf)}


class Closed(NamedTuple):
    """One window's result, in the words and units of `vitals.windows.WINDOW`."""

    metric: int
    window: int
    start: int
    end: int
    n: int
    gap: int
    mean: float
    sd: float
    low: float
    high: float
    slope: float
    median: float
    theil_sen: float
    coverage: float
    arrow: int


class Dirty(NamedTuple):
    """A mark, in the words and units of `vitals.windows.DIRTY`."""

    metric: int
    window: int
    first: int
    last: int
    interval: int
    below: float
    above: float
    scheme: int


def dirty(series: Series, spec: WindowSpec, first: int, last: int) -> Dirty:
    """The mark of the windows of a kind whose ends lie from the first to the last."""
    scheme = ("dexcom", "xdrip", "libre").index(series.worn.type.arrow)
    below, above = series.stream.low - 1, series.stream.high + 1
    return Dirty(spec.metric.code, spec.code, first, last, series.interval, below, above, scheme)


def out_of_reach(series: Series, spec: WindowSpec, end: int) -> bool:
    """Whether a window looks at a pane that the ring has left behind."""
    first = (end - spec.reach_us) // spec.metric.pane_us + 1
    return bool(series.panes) and first <= series.head - spec.metric.panes


def reaches(series: Series, spec: WindowSpec, end: int) -> bool:
    """Whether the newest pane lies in or after the window that ends there; if not, those of later windows are empty."""
    return bool(series.panes) and series.head * spec.metric.pane_us > end - spec.width_us


def closed(series: Series, spec: WindowSpec, end: int) -> Closed | None:
    """The result of the window that ends there, None where it holds no reading or is out of reach."""
    pane = spec.metric.pane_us
    if not reaches(series, spec, end) or out_of_reach(series, spec, end):
        return None
    numbers = numbers_in(series.panes, (end - spec.reach_us) // pane, end // pane)
    return result(series, spec, end, {number: series.panes[number][2] for number in numbers})


def recomputed(series: Series, mark: Dirty) -> list[Closed]:
    """What the windows of a mark say by all readings that there ever were."""
    spec = WINDOW_BY_CODE[mark.window]
    ends = range(mark.first, mark.last + 1, spec.step_us)
    pane, found = spec.metric.pane_us, []
    for end in ends:
        numbers = numbers_in(series.seen, (end - spec.reach_us) // pane, end // pane)
        found.append(result(series, spec, end, {number: series.seen[number] for number in numbers}))
    return [each for each in found if each is not None]


def result(series: Series, spec: WindowSpec, end: int, seen: dict[int, int]) -> Closed | None:
    """The result of the window that ends there, from the thousandths of the panes that it looks at, in order; None
    where it holds none.
    """
    pane = spec.metric.pane_us
    start, last = (end - spec.width_us) // pane, end // pane
    cells = [(number, value) for number, value in seen.items() if number > start]
    if not cells:
        return None
    values = sorted(value for _, value in cells)
    n, x, xx = len(cells), sum(values), sum(value * value for value in values)
    slope, theil_sen, arrow = rates(series, spec, cells)
    steps = [b - a for a, b in pairwise([start, *(number for number, _ in cells), last])]
    mean = line(seen, start, series.gap // pane) if spec.before_us else None
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2000
    return Closed(
        spec.metric.code, spec.code, end - spec.width_us, end, n, max(steps) * pane // SECOND,
        float(Fraction(x, n) / 1000 if mean is None else mean / 1000), math.sqrt(n * xx - x * x) / (1000 * n),
        values[0] / 1000, values[-1] / 1000, slope, middle if spec.median else math.nan, theil_sen,
        min(n * max(series.interval, pane) / spec.width_us, 1.0), arrow,
    )  # fmt: skip


def line(seen: dict[int, int], start: int, gap: int) -> Fraction | None:
    """The mean height of the line through readings, from the start on, wherever it has no step above the gap."""
    area, length = Fraction(0), 0
    for (a, low), (b, high) in pairwise(seen.items()):
        if b > start and b - a <= gap:
            since = max(a, start)
            height = low + Fraction((high - low) * (since - a), b - a)
            area += (height + high) / 2 * (b - since)
            length += b - since
    return area / length if length else None


def rates(series: Series, spec: WindowSpec, cells: list[tuple[int, int]]) -> tuple[float, float, int]:
    """Both slopes per minute, and the arrow."""
    pane, n = spec.metric.pane_us, len(cells)
    steps = [(b - a) * pane for (a, _), (b, _) in pairwise(cells)]
    need = 10 * MINUTE if spec.metric.name == "glucose" else 20 * SECOND
    if n < 3 or sum(steps) < need or max(steps) * 10 > 22 * max(series.interval, pane):
        return math.nan, math.nan, ARROW_UNKNOWN
    x, t, tt = sum(v for _, v in cells), sum(t for t, _ in cells), sum(t * t for t, _ in cells)
    tx = sum(t * v for t, v in cells)
    per_minute = Fraction(MINUTE, pane * 1000)
    slope = float(Fraction(n * tx - t * x, n * tt - t * t) * per_minute)
    pairs = [Fraction(w - v, u - t) for (t, v), (u, w) in combinations(cells, 2)] if spec.theil_sen else []
    theil_sen = float(median(pairs) * per_minute) if pairs else math.nan
    arrow = ARROW_UNKNOWN
    if spec.metric.name == "glucose":
        one, two, three = ARROWS[series.worn.type.arrow]
        size = (abs(slope) >= one) + (abs(slope) >= two) + (abs(slope) > three)
        arrow = size if slope > 0 else -size
    return slope, theil_sen, arrow
