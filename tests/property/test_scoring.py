"""Scoring against a plain program: events by walking from reading to reading, alarms by asking every event."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulators.intervals import by_day, total
from simulators.scoring import Side, Trace, events, judge, leads, refractory
from vitals.metrics import GLUCOSE, MINUTE_US

T0 = 1_700_006_400_000_000
QUARTER, HALF_HOUR = 15 * MINUTE_US, 30 * MINUTE_US
EARLIEST, LATEST = 45 * MINUTE_US, 5 * MINUTE_US


class Case(NamedTuple):
    interval: int
    points: list[tuple[int, int]]
    alarms: list[int]
    limit: int
    side: Side

    @property
    def gap(self) -> int:
        return GLUCOSE.gap_of_us(self.interval)

    @property
    def trace(self) -> Trace:
        at, values = (np.array(each) for each in zip(*self.points, strict=True))
        return Trace(at.astype(np.int64), values.astype(np.float64), self.interval, self.gap)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Hours of a sensor with holes, near a limit more often than not, and alarms at any time."""
    interval = draw(st.sampled_from([1, 5, 15])) * MINUTE_US
    limit = draw(st.sampled_from([70, 54, 250]))
    side: Side = "high" if limit == 250 else "low"
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 1, 2, 3, 12]), min_size=1, max_size=60))
    beyond = st.integers(limit - 20, limit + 20) | st.sampled_from([limit - 1, limit, limit + 1])
    at, points = T0, []
    for step in steps:
        points.append((at, draw(beyond)))
        at += step * interval + draw(st.sampled_from([0, 0, 0, 37_000_001]))
    minutes = (at - T0) // MINUTE_US
    alarms = sorted(draw(st.lists(st.integers(-60, minutes + 60), max_size=12, unique=True)))
    return Case(interval, points, [T0 + each * MINUTE_US for each in alarms], limit, side)


def beyond(case: Case, value: int) -> bool:
    return value < case.limit if case.side == "low" else value > case.limit


def edges(case: Case) -> list[tuple[int, int, int, int]]:
    """Each run beyond the limit as (first reading, begin, end, beginning of its stretch)."""
    edge = case.limit - Fraction(1, 2) if case.side == "low" else case.limit + Fraction(1, 2)
    runs: list[tuple[int, int, int, int]] = []
    stretch, inside, before = case.points[0][0], None, None
    for at, value in case.points:
        connected = before is not None and at - before[0] <= case.gap
        if before is not None and not connected:
            if inside is not None:
                runs.append((*inside, before[0] + case.interval, stretch))
                inside = None
            stretch = at
        if connected and before is not None and beyond(case, value) != beyond(case, before[1]):
            share = (edge - before[1]) / Fraction(value - before[1])
            crossing = floor(before[0] + share * (at - before[0]))
        else:
            crossing = at
        if beyond(case, value) and inside is None:
            inside = at, crossing
        elif not beyond(case, value) and inside is not None:
            runs.append((*inside, crossing, stretch))
            inside = None
        before = at, value
    if inside is not None and before is not None:
        runs.append((*inside, before[0] + case.interval, stretch))
    return runs


def plain_events(case: Case) -> list[tuple[int, int, bool]]:
    """Runs of a quarter of an hour, and those that follow one within less than that in the same stretch."""
    found: list[list[int]] = []
    for first, begin, end, stretch in edges(case):
        if found and found[-1][2] == stretch and begin - found[-1][1] < QUARTER:
            found[-1][1] = end
        elif end - begin >= QUARTER:
            found.append([first, end, stretch])
    return [(first, end, first - stretch >= HALF_HOUR) for first, end, stretch in found]


def plain_verdict(case: Case, found: list[tuple[int, int, bool]], alarm: int) -> tuple[str, bool]:
    if any(begin <= alarm < end for begin, end, _ in found):
        return "inside", False
    ahead = [(begin, counts) for begin, _, counts in found if begin > alarm]
    if ahead and ahead[0][0] - alarm <= EARLIEST:
        begin, counts = ahead[0]
        if not counts:
            return "ineligible", False
        return ("hit" if begin - alarm >= LATEST else "late"), False
    times = [at for at, _ in case.points]
    for minute in range(46):  # does anybody know what it was, each minute until 45 min later
        at = alarm + minute * MINUTE_US
        earlier, later = [each for each in times if each <= at], [each for each in times if each > at]
        if not earlier:
            return "unjudged", False
        held = later[0] - earlier[-1] <= case.gap if later else False
        if not held and at > earlier[-1] + case.interval:
            return "unjudged", False
    values = [value for at, value in case.points if alarm <= at <= alarm + EARLIEST]
    near = any(value <= case.limit + 10 if case.side == "low" else value >= case.limit - 10 for value in values)
    return "false", near


@given(cases())
def test_events_are_a_plain_programs(case: Case):
    """Every score stands on them, and arrays hide their mistakes well."""
    assert [tuple(event) for event in events(case.trace, case.limit, case.side)] == plain_events(case)


@given(cases())
def test_verdicts_are_a_plain_programs(case: Case):
    """A hit that is none, or a false alarm too few, and the wrong rule is chosen."""
    found = events(case.trace, case.limit, case.side)
    judged = judge(case.trace, found, case.alarms, case.limit, case.side)
    expected = [plain_verdict(case, plain_events(case), alarm) for alarm in case.alarms]
    assert [(each.verdict, each.near) for each in judged] == expected


@given(cases())
def test_counts_by_day_are_those_of_the_whole(case: Case):
    """Whatever day an event or an alarm falls into, it is counted once."""
    found = events(case.trace, case.limit, case.side)
    judged = judge(case.trace, found, case.alarms, case.limit, case.side)
    judged = [each for each in judged if case.trace.stretches[0].begin <= each.at <= case.trace.stretches[-1].end]
    whole = total(by_day(case.trace, found, judged))
    assert whole.events == sum(event.eligible for event in found)
    assert whole.found == len(leads(found, judged))
    assert whole.hits == sum(each.verdict == "hit" for each in judged)
    assert whole.false == sum(each.verdict == "false" for each in judged)
    assert abs(whole.days * 24 * 60 * MINUTE_US - case.trace.covered_us) < 1


@given(st.lists(st.integers(0, 500), max_size=50).map(sorted))
def test_of_any_alarms_each_is_kept_or_follows_a_kept_one_closely(minutes: list[int]):
    """Thirty minutes of silence after a call, and not one more."""
    times = [minute * MINUTE_US for minute in minutes]
    kept = refractory(times)
    assert all(after - before >= HALF_HOUR for before, after in pairwise(kept))
    assert all(at in kept or any(0 <= at - each < HALF_HOUR for each in kept) for at in times)
