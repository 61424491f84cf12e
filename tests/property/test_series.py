"""Extremes survive every level of a chart: against a plain program that knows only single readings."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboards import series
from dashboards.series import Samples
from vitals import rollups
from vitals.metrics import SECOND_US
from vitals.readings import INVALID_SHIFT, Flag
from vitals.rollups import WIDTHS_S, Rollups

FLAGS = (0, Flag.LATE, Flag.BACKFILL, Flag.CENSORED_LOW, Flag.CENSORED_HIGH, 2 << INVALID_SHIFT, Flag.WARM_UP)


class Reading(NamedTuple):
    """One reading as the plain program sees it."""

    e: int
    value: float
    flags: int


class Bucket(NamedTuple):
    """What the plain program says of one bucket."""

    low: float | None
    high: float | None
    last: float | None
    readings: int
    marks: int


readings = st.lists(
    st.builds(
        Reading,
        st.integers(-3000, 40_000).map(lambda seconds: seconds * SECOND_US // 2),
        st.integers(20, 400).map(float),
        st.sampled_from(FLAGS).map(int),
    ),
    max_size=60,
)


def plain(given_readings: list[Reading], bucket_us: int) -> dict[int, Bucket]:
    """Every bucket by its begin, one reading at a time."""
    found: dict[int, Bucket] = {}
    for begin in {reading.e // bucket_us * bucket_us for reading in given_readings}:
        inside = [reading for reading in given_readings if begin <= reading.e < begin + bucket_us]
        valid = [reading for reading in inside if reading.flags >> INVALID_SHIFT == 0]
        marks = 0
        for reading in inside:
            marks |= 1 if reading.flags & (Flag.LATE | Flag.BACKFILL) else 0
            marks |= 2 if reading.flags & Flag.CENSORED_LOW else 0
            marks |= 4 if reading.flags & Flag.CENSORED_HIGH else 0
            marks |= 8 if reading.flags >> INVALID_SHIFT else 0
            marks |= 32 if reading.flags & Flag.WARM_UP else 0
        values = [reading.value for reading in valid]
        last = max(valid, key=lambda reading: (reading.e, reading.value), default=None)
        found[begin] = Bucket(
            min(values, default=None), max(values, default=None), last and last.value, len(valid), marks
        )
    return found


def as_parts(given_readings: list[Reading]) -> Samples:
    """The same readings as single parts, in the order given."""
    e = np.array([reading.e for reading in given_readings], np.int64)
    value = np.array([reading.value for reading in given_readings])
    flags = np.array([reading.flags for reading in given_readings], np.uint16)
    return Samples(e, rollups.of_readings(e, value, flags))


def told(samples: Samples) -> dict[int, Bucket]:
    """What `Samples` say, in the plain program's words."""
    columns = zip(*(column.tolist() for column in samples.parts), strict=True)
    return {
        start: Bucket(low, high, last, n, marks) if n else Bucket(None, None, None, n, marks)
        for start, (low, high, last, _, _, n, marks) in zip(samples.start.tolist(), columns, strict=True)
    }


@given(readings, st.sampled_from(WIDTHS_S), st.integers(1, 12))
def test_every_extreme_survives_every_level(found: list[Reading], level_s: int, factor: int):
    """A low of one reading in fourteen days is the one that somebody looks for."""
    level_us = level_s * SECOND_US
    stored = series.thin(as_parts(found), level_us)
    assert told(stored) == plain(found, level_us)
    assert told(series.thin(stored, level_us * factor)) == plain(found, level_us * factor)


@given(readings, st.integers(0, 60), st.randoms(use_true_random=False))
def test_a_roll_up_does_not_depend_on_how_the_readings_came(found: list[Reading], cut: int, chance: Random):
    """Late readings, retries and batches of any size: the sink joins what it gets, and the chart is the same."""
    shuffled = list(found)
    chance.shuffle(shuffled)
    width = 60 * SECOND_US
    halves = [series.thin(as_parts(half), width) for half in (shuffled[:cut], shuffled[cut:])]
    both = Samples(
        np.concatenate([half.start for half in halves]),
        Rollups(*(np.concatenate(columns) for columns in zip(*(half.parts for half in halves), strict=True))),
    )
    assert told(series.thin(both, width)) == plain(found, width)


@given(st.lists(st.integers(0, 4000), max_size=40), st.integers(1, 400))
def test_gaps_are_the_spans_without_a_reading(seconds: list[int], gap: int):
    """An empty stretch that is drawn as a line is a calm patient that nobody has seen."""
    found = sorted({second * SECOND_US for second in seconds})
    edges = [0, *found, 4000 * SECOND_US]
    expected = [(a, b) for a, b in pairwise(edges) if b - a > gap * SECOND_US]
    samples = as_parts([Reading(e, 100.0, 0) for e in found])
    assert series.gaps(samples, 0, 4000 * SECOND_US, gap * SECOND_US) == expected
