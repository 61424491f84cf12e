"""How far apart the readings of an export lie: the interval of the sensor that wrote it, found by days. Pure.

A lost reading or a hole is a longer step, scans or a second phone for a night are shorter ones, and seconds come and
go: the median step of a day sees through all of that, and what most days say is the file's interval. It does not see
through a second stream that is as dense as the first: such a file is read as of a faster sensor.
The median of all steps would not see a change of sensor: a month of a 1-minute sensor has as many steps as fifteen
months of one of 15 min, whose every step would then be a hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.errors import InputError
from vitals.metrics import MINUTE_US

KNOWN = {1: (0.5, 2.1), 5: (2.5, 11.0), 15: (11.0, 30.0)}
"""Intervals of sensors (min), and the median steps that are theirs: those of each second reading too, with jitter, so
that no edge lies where readings do. Beyond 11 min a sensor of 5 has a gap.
"""
OTHERWISE = 5
"""Of a file with one row."""
DAY_US = 24 * 60 * MINUTE_US
STEPS_MIN = 24
"""With fewer a day says nothing: six hours of a 15-minute sensor."""
ODD_SHARE_MAX = 0.2
"""Days of another interval: up to so many are outages, or a sensor that was lent for a week, and are counted; more are
a file of several sensors."""


class Spacing(NamedTuple):
    """A file's interval (min), and how many of its days have readings each so many minutes instead."""

    minutes: int
    odd_days: Counter[float]


class _Day(NamedTuple):
    """The interval of one day in min (the median step itself where no sensor has it), and its first instant (µs)."""

    minutes: float
    begin: int


def spacing(name: str, times: Sequence[int], lines: Sequence[int]) -> Spacing:
    """The interval of a file's readings, by their times (µs UTC) and lines in the file.

    Raises:
        InputError: no sensor has such an interval, or there are days of several sensors in the file.
    """
    at = np.unique(np.array(times, np.int64))
    if len(at) < 2:
        return Spacing(OTHERWISE, Counter())
    days = list(_days(at))
    counted = Counter(day.minutes for day in days)
    minutes = max(KNOWN, key=lambda known: counted[known])
    if not counted[minutes]:
        step = float(np.median(np.diff(at))) / MINUTE_US
        *others, last = KNOWN
        known = f"{', '.join(map(str, others))} and {last} min are known"
        raise InputError("no device type for this interval", f"{name}: median step {step:g} min", known)
    odd = Counter({each: count for each, count in counted.most_common() if each != minutes})
    if odd.total() > ODD_SHARE_MAX * len(days):
        shares = ", ".join(f"{count} each {each:g} min" for each, count in odd.items())
        changed = next(day.begin for before, day in pairwise(days) if day.minutes != before.minutes)
        what = f"{name}: of {len(days)} days {counted[minutes]} have readings each {minutes} min, {shares}"
        where = f"the first change is at line {lines[times.index(changed)]}"
        raise InputError("readings of several sensors", f"{what}; {where}", "give each sensor a file of its own")
    return Spacing(minutes, odd)


def _days(at: NDArray[np.int64]) -> Iterator[_Day]:
    """Days (UTC) with enough steps; the whole time as one where there is none."""
    steps, numbers = np.diff(at), at[:-1] // DAY_US
    turns = np.flatnonzero(np.diff(numbers)) + 1
    bounds = [pair for pair in pairwise([0, *turns.tolist(), len(steps)]) if pair[1] - pair[0] >= STEPS_MIN]
    for first, last in bounds or [(0, len(steps))]:
        yield _Day(_minutes(float(np.median(steps[first:last])) / MINUTE_US), int(at[first]))


def _minutes(step: float) -> float:
    return next((minutes for minutes, (least, most) in KNOWN.items() if least <= step <= most), round(step, 1))
