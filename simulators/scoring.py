"""How alarms are scored against what the glucose itself did: DOMAIN's protocol, made exact in docs/backtest.md. Pure.

An *event* is at least 15 min beyond a limit, until at least 15 min back. Time counts, not samples: between two readings
the value goes straight from one to the other, so that sensors of 1, 5 and 15 min find the same events; across a gap
nothing is known, and an event ends there. It begins at its first reading beyond the limit: nobody could have seen it
sooner. An alarm from 45 to 5 min before it is a *hit*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.metrics import MINUTE_US

EVENT_US = 15 * MINUTE_US
"""Least time beyond the limit, and then back within it."""
BEFORE_US = 30 * MINUTE_US
"""Least data before an event that counts: nobody can foresee what lies behind a hole."""
EARLIEST_US, LATEST_US = 45 * MINUTE_US, 5 * MINUTE_US
REFRACTORY_US = 30 * MINUTE_US
USEFUL_LEAD_US = 15 * MINUTE_US
NEAR = 10.0
"""mg/dL: a false alarm was a *near miss* where the glucose came so near to the limit within 45 min, or beyond it for
less than an event."""

Side = Literal["low", "high"]
Verdict = Literal["hit", "false", "late", "inside", "ineligible", "unjudged"]
"""What an alarm was: *late*, less than 5 min before an event; *inside* one; before an event that does not count;
*unjudged*, since the readings end within 45 min of it. Only hits and false ones make the precision."""


class Span(NamedTuple):
    """Time from ``begin`` to ``end`` (µs UTC)."""

    begin: int
    end: int


class Event(NamedTuple):
    """Glucose beyond a limit from its first reading there; ``eligible`` with 30 min of data before."""

    begin: int
    end: int
    eligible: bool


class Judged(NamedTuple):
    """An alarm and what it was; ``near`` only of a false one."""

    at: int
    verdict: Verdict
    near: bool = False


@dataclass(frozen=True)
class Trace:
    """Readings of one person: times (µs UTC) that grow, values as rules see them (whole mg/dL), both (n,), the device's
    interval and the gap above which nothing is known between two readings (both µs).
    """

    at: NDArray[np.int64]
    values: NDArray[np.float64]
    interval_us: int
    gap_us: int

    @cached_property
    def stretch_of(self) -> NDArray[np.int64]:
        """Which stretch without a gap each reading lies in, shape (n,)."""
        return np.concatenate([[0], np.cumsum(np.diff(self.at) > self.gap_us)]) if len(self.at) else self.at

    @cached_property
    def stretches(self) -> tuple[Span, ...]:
        """Time without a gap, from a first reading to one interval behind the last."""
        edges = np.flatnonzero(np.diff(self.stretch_of)) + 1
        bounds = [0, *edges.tolist(), len(self.at)]
        return tuple(
            Span(int(self.at[first]), int(self.at[last - 1]) + self.interval_us)
            for first, last in pairwise(bounds)
            if last > first
        )

    @property
    def covered_us(self) -> int:
        """Time with data."""
        return sum(span.end - span.begin for span in self.stretches)


def events(trace: Trace, limit: float, side: Side) -> list[Event]:
    """The events beyond a limit (whole mg/dL), in time."""
    sign = 1 if side == "low" else -1
    signed, edge, stretch = trace.values * sign, limit * sign - 0.5, trace.stretch_of
    beyond = signed < edge
    turns = np.flatnonzero((np.diff(beyond) != 0) | (np.diff(stretch) != 0)) + 1
    found: list[tuple[int, int, int]] = []
    for first, last in pairwise([0, *turns.tolist(), len(beyond)]):
        if first == last or not beyond[first]:
            continue
        begin = _crossing(trace, signed, edge, first) if first and stretch[first - 1] == stretch[first] else None
        end = _crossing(trace, signed, edge, last) if last < len(beyond) and stretch[last] == stretch[first] else None
        begin = int(trace.at[first]) if begin is None else begin
        end = int(trace.at[last - 1]) + trace.interval_us if end is None else end
        if found and stretch[found[-1][0]] == stretch[first] and begin - found[-1][2] < EVENT_US:
            found[-1] = *found[-1][:2], end
        elif end - begin >= EVENT_US:
            found.append((first, begin, end))
    onsets = [(int(trace.at[first]), end, trace.stretches[int(stretch[first])].begin) for first, _, end in found]
    return [Event(at, end, at - known_from >= BEFORE_US) for at, end, known_from in onsets]


def _crossing(trace: Trace, signed: NDArray[np.float64], edge: float, right: int) -> int:
    """When (µs, rounded down) the line between a reading and the one before it crosses an edge, a half: in integers."""
    left = right - 1
    above, fall = int(2 * (signed[left] - edge)), int(2 * (signed[left] - signed[right]))
    return int(trace.at[left]) + int(trace.at[right] - trace.at[left]) * above // fall


def refractory(times: Iterable[int], span_us: int = REFRACTORY_US) -> list[int]:
    """The times (µs, ascending) that lie at least a span behind the last one kept."""
    kept: list[int] = []
    for at in times:
        if not kept or at - kept[-1] >= span_us:
            kept.append(at)
    return kept


def judge(trace: Trace, found: Sequence[Event], alarms: Iterable[int], limit: float, side: Side) -> list[Judged]:
    """What each alarm (µs) was; it speaks of the event that it lies in, or of the next one."""
    begins, ends = [event.begin for event in found], [event.end for event in found]
    judged = []
    for at in alarms:
        number = bisect_right(begins, at)
        if number and at < ends[number - 1]:
            judged.append(Judged(at, "inside"))
            continue
        lead = begins[number] - at if number < len(begins) else EARLIEST_US + 1
        if lead <= EARLIEST_US:
            verdict: Verdict = "hit" if lead >= LATEST_US else "late"
            judged.append(Judged(at, verdict if found[number].eligible else "ineligible"))
        else:
            judged.append(_missed(trace, at, limit, side))
    return judged


def _missed(trace: Trace, at: int, limit: float, side: Side) -> Judged:
    """An alarm without an event: false, and a near miss or not; or nobody knows."""
    ahead = trace.values[(trace.at >= at) & (trace.at <= at + EARLIEST_US)]
    near = bool((ahead <= limit + NEAR).any() if side == "low" else (ahead >= limit - NEAR).any())
    known = any(span.begin <= at and at + EARLIEST_US <= span.end for span in trace.stretches)
    return Judged(at, "false", near) if known else Judged(at, "unjudged")


def leads(found: Sequence[Event], judged: Iterable[Judged]) -> dict[int, int]:
    """How long before each event that was hit (its number) the first of its hits came (µs)."""
    begins = [event.begin for event in found]
    first: dict[int, int] = {}
    for alarm in judged:
        if alarm.verdict == "hit":
            number = bisect_right(begins, alarm.at)
            first.setdefault(number, begins[number] - alarm.at)
    return first


def told(found: Sequence[Event], alarms: Sequence[int]) -> dict[int, int]:
    """How long after the beginning of each event (its number) its first alarm came (µs), from 45 min before it to its
    end; below 0 is before. For rules that tell of an event and do not foresee it.
    """
    delays: dict[int, int] = {}
    for number, event in enumerate(found):
        at = next((at for at in alarms if event.begin - EARLIEST_US <= at < event.end), None)
        if at is not None:
            delays[number] = at - event.begin
    return delays
