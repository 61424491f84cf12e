"""Forecasts: what a series will be some minutes ahead, from its panes up to the newest reading; pure, many at once.

A spec is data, and builds the logic; the logic takes a `Past` and gives values, NaN where nothing can be said. Slopes
are asked for as everywhere (DOMAIN, *Rate and arrow*): at least 3 points over at least 10 min without a step above 2.2
intervals, in the last 15 min or, where a device is slower than that, in the last three intervals.

- `PersistenceSpec`: it stays as it is. The yardstick.
- `Ar2Spec`: Nightscout's second-order autoregression of the logarithm, in steps of 5 min. Source: the constants and
  the conditions of ``lib/plugins/ar2.js`` in nightscout/cgm-remote-monitor; five minutes ago lies on the line between
  the readings around it, as its ``delta`` does for readings further apart.
- `Ar2LineSpec`: AR2, or the straight line to the device's next reading where that is lower. AR2 turns back towards 140
  and goes on for about three of its five-minute steps at most. For a device of 5 min that is beyond its next reading,
  and the line adds nothing; for one of 15 min it ends before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from stream.trends import POINTS_MIN, SPAN_MIN_US, slopes, steady
from vitals.metrics import GLUCOSE, MINUTE_US

if TYPE_CHECKING:
    from stream.series import Bools, Floats, Ints

CENTRE = 140.0
"""mg/dL that AR2 turns back to."""
BEFORE, NOW = -0.723, 1.716
"""AR2's weights of five minutes ago and of now."""
STEP_MINUTES = 5
CLAMP = (36.0, 400.0)
"""mg/dL: AR2 says nothing from values below the first, and forecasts nothing beyond either."""
HORIZON = (5, 10, 15, 20)
"""The minutes ahead at which a predicted low is looked for."""
LOOK_BACK_US = 15 * MINUTE_US
LOOK_BACK_INTERVALS = 3
CHUNK = 8192


class Past(NamedTuple):
    """Panes up to the newest reading, which the last one holds; ``filled`` and ``millis`` (thousandths of mg/dL, 0
    where empty) have shape (n, panes), oldest first, ``intervals`` (the devices', µs) has shape (n,).
    """

    filled: Bools
    millis: Ints
    intervals: Ints
    pane_us: int = GLUCOSE.pane_us


class Forecast(Protocol):
    """The logic of a forecast."""

    def ahead(self, past: Past, minutes: Sequence[int]) -> Floats:
        """Values so many minutes ahead (whole steps of 5), in mg/dL; shape (n, len(minutes)), NaN where unknown."""
        ...


class ForecastSpec(Protocol):
    """A forecast as data."""

    def build(self) -> Forecast:
        """Its logic."""
        ...


@dataclass(frozen=True, slots=True)
class PersistenceSpec:
    """It stays as it is."""

    def build(self) -> Forecast:
        """Its logic."""
        return _Persistence()


@dataclass(frozen=True, slots=True)
class Ar2Spec:
    """Nightscout's AR2."""

    def build(self) -> Forecast:
        """Its logic."""
        return _Ar2()


@dataclass(frozen=True, slots=True)
class Ar2LineSpec:
    """The lower of AR2 and the straight line to the next reading."""

    def build(self) -> Forecast:
        """Its logic."""
        return _Ar2Line()


FORECASTS: dict[str, ForecastSpec] = {
    "persistence": PersistenceSpec(),
    "ar2": Ar2Spec(),
    "ar2-line": Ar2LineSpec(),
}
"""Every forecast by name."""


class _Persistence:
    def ahead(self, past: Past, minutes: Sequence[int]) -> Floats:
        return np.repeat(now(past)[:, None], len(minutes), axis=1)


class _Ar2:
    def ahead(self, past: Past, minutes: Sequence[int]) -> Floats:
        return _ar2(past, minutes, known(past))


class _Ar2Line:
    def ahead(self, past: Past, minutes: Sequence[int]) -> Floats:
        here, ago, knows = now(past), earlier(past, past.intervals), known(past)
        slope = np.where(knows, (here - ago) / past.intervals, np.nan)
        reach = np.minimum(np.array(minutes) * MINUTE_US, past.intervals[:, None])
        line = here[:, None] + slope[:, None] * reach
        return np.asarray(np.fmin(_ar2(past, minutes, knows), np.maximum(line, CLAMP[0])))


def _ar2(past: Past, minutes: Sequence[int], knows: Bools) -> Floats:
    """AR2 where the slope is known, which its callers have asked: that is half of what a forecast costs."""
    assert all(minute > 0 and minute % STEP_MINUTES == 0 for minute in minutes), "AR2 goes in whole steps"
    here, ago = now(past), earlier(past, np.full(len(past.filled), STEP_MINUTES * MINUTE_US))
    can = knows & (here >= CLAMP[0]) & (ago >= CLAMP[0])
    before = np.log(np.where(can, ago, np.nan) / CENTRE)
    current = np.log(np.where(can, here, np.nan) / CENTRE)
    found = np.empty((len(here), len(minutes)))
    wanted = {minute // STEP_MINUTES: column for column, minute in enumerate(minutes)}
    for step in range(1, max(wanted, default=0) + 1):
        before, current = current, BEFORE * before + NOW * current
        if step in wanted:
            found[:, wanted[step]] = np.clip(CENTRE * np.exp(current), *CLAMP)
    return found


def now(past: Past) -> Floats:
    """The newest reading in whole mg/dL, as rules see it, NaN where the last pane is empty; shape (n,)."""
    return np.where(past.filled[:, -1], _whole(past.millis[:, -1]), np.nan)


def earlier(past: Past, ages: Ints) -> Floats:
    """The value in mg/dL so long before the newest reading (µs, shape (n,)): on the line between the readings around
    it, NaN where there is none before it or they lie more than 2.2 intervals apart.
    """
    count = past.filled.shape[1]
    columns = np.arange(count)
    at = count - 1 - ages // past.pane_us
    rows, place = np.arange(len(at)), np.maximum(at, 0)
    before = np.maximum.accumulate(np.where(past.filled, columns, -1), axis=1)
    behind = np.minimum.accumulate(np.where(past.filled, columns, count)[:, ::-1], axis=1)[:, ::-1]
    older, newer = before[rows, place], behind[rows, place]
    apart = (newer - older) * past.pane_us
    some = (at >= 0) & (older >= 0) & (newer < count) & (apart * 10 <= np.maximum(past.intervals, past.pane_us) * 22)
    left, right = (_whole(past.millis[rows, np.minimum(each, count - 1)]) for each in (older, newer))
    share = (at - older) / np.maximum(newer - older, 1)
    return np.where(some, left + (right - left) * share, np.nan)


def _whole(millis: Ints) -> Ints:
    return (millis + 500) // 1000


def known(past: Past) -> Bools:
    """Whether the slope at the newest reading is known; shape (n,)."""
    recent = looked_at(past)
    points = recent.sum(axis=1) >= POINTS_MIN
    firm = steady(recent, past.pane_us, past.intervals, SPAN_MIN_US[GLUCOSE.code])
    return np.asarray(points & firm & past.filled[:, -1])


def look_back_us(interval_us: int) -> int:
    """How far back the slope of a device of this interval looks."""
    return max(LOOK_BACK_US, LOOK_BACK_INTERVALS * interval_us)


def looked_at(past: Past) -> Bools:
    """The filled panes that the slope is made from: the last 15 min, or three intervals; shape (n, panes)."""
    back = np.maximum(LOOK_BACK_US, LOOK_BACK_INTERVALS * past.intervals) // past.pane_us
    count = past.filled.shape[1]
    return np.asarray(past.filled & (np.arange(count) >= count - back[:, None]))


def rate(past: Past) -> Floats:
    """The slope at the newest reading in mg/dL/min, NaN where it is not known; shape (n,)."""
    found = slopes(looked_at(past), past.millis, past.pane_us, past.intervals, SPAN_MIN_US[GLUCOSE.code])
    return np.where(past.filled[:, -1], found, np.nan)


def lowest(ahead: Floats) -> Floats:
    """The least of what a forecast says in whole mg/dL, NaN where it says nothing; ``ahead`` has shape (n, minutes)."""
    return np.asarray(np.floor(ahead.min(axis=1) + 0.5))  # NaN stays NaN


def falls_below(here: Floats, ahead: Floats, limit: float) -> Bools:
    """Whether values that are not below a limit (whole mg/dL) will be, by a forecast: ``here`` has shape (n,), what the
    forecast says ``ahead`` (n, minutes).
    """
    return np.asarray((np.floor(here + 0.5) >= limit) & (lowest(ahead) < limit))  # NaN is below nothing


def panes_of(interval_us: int) -> int:
    """How many panes the past of a device of this interval needs: no forecast looks further back."""
    before = interval_us * 32 // 10  # one interval ago, or the reading before that; AR2's five minutes lie within 15
    return max(look_back_us(interval_us), before) // GLUCOSE.pane_us + 1


def pasts(events: Ints, values: Floats, interval_us: int) -> Iterator[tuple[slice, Past]]:
    """The pasts of one series at each of its readings, in slices of them: event times (µs) that grow, and mg/dL.

    A pane keeps its first reading, as in the ring (`stream.panes`); at a second one in its pane the past is that of
    the first.
    """
    if not len(events):
        return
    pane, panes = GLUCOSE.pane_us, panes_of(interval_us)
    numbers = -(-events // pane)
    assert (np.diff(events) > 0).all(), "event times grow"
    numbers -= numbers[0] - (panes - 1)
    cells = np.zeros(int(numbers[-1]) + 1, np.int64)
    cells[numbers[::-1]] = np.floor(values[::-1] * 1000 + 0.5).astype(np.int64) + 1
    reach = np.arange(1 - panes, 1)
    for first in range(0, len(events), CHUNK):
        part = slice(first, min(first + CHUNK, len(events)))
        found = cells[numbers[part][:, None] + reach]
        filled = found > 0
        yield part, Past(filled, np.where(filled, found - 1, 0), np.full(len(found), interval_us))
