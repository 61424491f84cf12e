"""A patient's series for a chart: down-sampled so that every extreme survives; pure.

A bucket holds the least, the greatest and the last valid value of its readings. What is stored (single readings, or
roll-ups of a minute or five, see ``vitals/rollups.py``) is chosen by the span and the points asked for, and rolled up
further here; so a chart of 14 days reads some thousand rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dashboards.tiles import Limits
from vitals import nights
from vitals.metrics import SECOND_US
from vitals.policies import Policy
from vitals.rollups import CENSORED_HIGH, CENSORED_LOW, WIDTHS_S, Rollups, join, of_readings
from vitals.units import canonical

POINTS_MIN, POINTS_DEFAULT, POINTS_MAX = 10, 1000, 5000
SPAN_US_MAX = 31 * 24 * 3600 * SECOND_US
RAW_ROWS_MAX = 25_000
"""Single readings read for one chart; where more are expected, roll-ups are."""
RAW_PER_POINT_MAX = 5
"""Where more readings than this would come to one point of a minute or longer, roll-ups are read."""
NICE_S = (60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800)
"""Widths of buckets above a minute, seconds."""

POSTGRES_EPOCH_US = 946_684_800_000_000
RAW = np.dtype([("e", ">i8"), ("value", ">f8"), ("unit", ">i2"), ("flags", ">i4")])
"""A stored reading as the database sends it; times µs since 2000."""
ROLLUP = np.dtype(
    [
        ("bucket", ">i8"), ("first_at", ">i8"), ("last_at", ">i8"), ("low", ">f8"), ("high", ">f8"), ("last", ">f8"),
        ("count", ">i4"), ("marks", ">i2"),
    ]
)  # fmt: skip
"""A stored roll-up as the database sends it."""


LimitsOf = Callable[[Policy], Limits | None]
"""The limits of one metric, for the interval of one device, in a policy."""


class Plan(NamedTuple):
    """What to read and how wide the buckets are: ``level_s`` is 0 for single readings, else a stored width."""

    level_s: int
    bucket_us: int


class Samples(NamedTuple):
    """A stretch of one series: where each part begins (µs, ascending) and what it holds; shape (n,)."""

    start: NDArray[np.int64]
    parts: Rollups


def plan(span_us: int, points: int, interval_us: int) -> Plan:
    """What to read for ``points`` points of a series with this nominal interval."""
    bucket_us = _nice(-(-span_us // points))
    expected = span_us // interval_us
    if expected <= RAW_ROWS_MAX and (bucket_us < WIDTHS_S[0] * SECOND_US or expected <= RAW_PER_POINT_MAX * points):
        return Plan(0, bucket_us)
    return rolled_plan(span_us, points)


def rolled_plan(span_us: int, points: int) -> Plan:
    """What to read where single readings are too many."""
    bucket = max(_nice(-(-span_us // points)), WIDTHS_S[0] * SECOND_US)
    level = max(width for width in WIDTHS_S if bucket % (width * SECOND_US) == 0)
    return Plan(level, bucket)


def _nice(width_us: int) -> int:
    """The least round width that is not below ``width_us``: whole seconds, and above a minute one of `NICE_S`."""
    seconds = -(-width_us // SECOND_US)
    if seconds <= NICE_S[0]:
        return max(seconds, 1) * SECOND_US
    return next((nice for nice in NICE_S if nice >= seconds), seconds) * SECOND_US


def of_raw(data: bytes) -> Samples:
    """Single readings as the database sent them (`RAW` rows, ordered by event time)."""
    rows = np.frombuffer(data, RAW)
    e = rows["e"].astype(np.int64) + POSTGRES_EPOCH_US
    value = canonical(rows["value"].astype(np.float64), rows["unit"].astype(np.uint8))
    return Samples(e, of_readings(e, value, rows["flags"].astype(np.uint16)))


def of_rollups(data: bytes) -> Samples:
    """Roll-ups as the database sent them (`ROLLUP` rows, ordered by bucket)."""
    rows = np.frombuffer(data, ROLLUP)
    some = rows["count"] > 0
    first, last = rows["first_at"].astype(np.int64), rows["last_at"].astype(np.int64)
    parts = Rollups(
        rows["low"].astype(np.float64),
        rows["high"].astype(np.float64),
        rows["last"].astype(np.float64),
        np.where(some, first + np.where(some, POSTGRES_EPOCH_US, 0), first),
        np.where(some, last + np.where(some, POSTGRES_EPOCH_US, 0), last),
        rows["count"].astype(np.int64),
        rows["marks"].astype(np.int16),
    )
    return Samples(rows["bucket"].astype(np.int64) + POSTGRES_EPOCH_US, parts)


def thin(samples: Samples, bucket_us: int) -> Samples:
    """One part for each bucket of ``bucket_us`` that holds anything; buckets begin at whole multiples."""
    bucket = samples.start // bucket_us
    chosen, parts = join(samples.parts, bucket)
    return Samples(bucket[chosen] * bucket_us, parts)


def gaps(samples: Samples, begin: int, end: int, gap_us: int) -> list[tuple[int, int]]:
    """Spans of [begin, end] longer than ``gap_us`` without a valid reading, oldest first.

    In roll-ups a gap within one of them cannot be seen.
    """
    some = samples.parts.readings > 0
    lasts = np.concatenate(([begin], np.maximum(samples.parts.last_at[some], begin)))
    firsts = np.concatenate((np.minimum(samples.parts.first_at[some], end), [end]))
    wide = firsts - lasts > gap_us
    return list(zip(lasts[wide].tolist(), firsts[wide].tolist(), strict=True))


def by_day_and_night(policies: Sequence[tuple[int, Policy]], begin: int, end: int) -> list[tuple[int, Policy]]:
    """Policies (from µs, policy) in the order of the log, one with a night as its parts that hold in [begin, end).

    One that a later record has made void from its beginning on is taken for its whole time: `limits_then` drops it.
    """
    found: list[tuple[int, Policy]] = []
    for place, (from_at, policy) in enumerate(policies):
        later = policies[place + 1 :]
        until = min([end, *(at for at, _ in later)])
        parts = nights.parts(policy, max(begin, from_at), until) if policy.night is not None else []
        found += [(from_at, parts[0][1]), *parts[1:]] if parts else [(from_at, policy)]
    return found


def limits_then(policies: Sequence[tuple[int, Policy]], begin: int, limits: LimitsOf) -> list[tuple[int, Limits]]:
    """The limits that held from ``begin`` on: (from µs, limits), each where they differ from those before.

    ``policies`` are (from µs, policy) in the order of the log. What held before the first of them is not known but by
    it: the patient had no other.
    """
    found: list[tuple[int, Limits]] = []
    for place, (from_at, policy) in enumerate(policies):
        held = limits(policy)
        if held is None:
            continue
        since = max(begin, from_at) if place else begin
        while found and found[-1][0] >= since:
            found.pop()
        if not found or found[-1][1] != held:
            found.append((since, held))
    return found


def clip(samples: Samples, low: float, high: float) -> Samples:
    """Censored values at one beyond the edge of the device's range (``low`` - 1, ``high`` + 1), as rules see them."""
    parts = samples.parts
    under, over = (parts.marks & CENSORED_LOW) != 0, (parts.marks & CENSORED_HIGH) != 0
    some = parts.readings > 0

    def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.where(under & some, np.maximum(values, low - 1), values)
        return np.where(over & some, np.minimum(values, high + 1), values)

    return samples._replace(
        parts=parts._replace(low=bounded(parts.low), high=bounded(parts.high), last=bounded(parts.last))
    )
