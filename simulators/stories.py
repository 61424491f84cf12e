"""Scripted stories of a ward, so that one need not wait for chance: known beforehand for ever, and repeated sparsely.

Their first cycle begins at an anchor, the moment at which a ward goes live; its lead lies before, in the history.
Within three minutes of the anchor: a low that worsens (level 1, then level 2), a high for fifteen minutes, a
tachycardia, a device whose silence is noticed, and a site whose gateway is away for 25 s. Then each cycle tells the
same of other patients. Times in courses are seconds from a cycle's beginning. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from simulators.noise import Booleans, Floats, Integers, ramp
from simulators.roll import SITES, TWO_SITES_FROM
from vitals.metrics import MINUTE_US, SECOND_US

CYCLE_US = 90 * MINUTE_US
"""From one telling to the next."""
LEAD_US = 45 * MINUTE_US
"""No story begins earlier than this before its cycle."""
ROTATION = 5
"""The patients of each cycle lie so many further on."""
SWAP_AFTER_US = 15 * 60 * MINUTE_US
"""A history at least `HISTORY_WITH_SWAP_US` long has a device swapped so long after its beginning."""
HISTORY_WITH_SWAP_US = 20 * 60 * MINUTE_US
SWAP_TAKES_US = 8 * MINUTE_US
SWAP_PATIENT = 5

Name = Literal["glucose", "heart_rate"]


@dataclass(frozen=True, slots=True)
class Course:
    """What a metric of the cycle's patient number ``role`` does: straight lines between ``points`` (s, value), entered
    from and left to the patient's own course within ``fade_s`` before the first and behind the last.
    """

    title: str
    role: int
    metric: Name
    points: tuple[tuple[int, float], ...]
    fade_s: tuple[int, int]

    @property
    def span_s(self) -> tuple[int, int]:
        """Begin and end with both fades."""
        return self.points[0][0] - self.fade_s[0], self.points[-1][0] + self.fade_s[1]


WORSENING = Course(
    "a low that worsens",
    role=0,
    metric="glucose",
    # below 70 at -225 s: level 1 is due at the fifth reading; below 54 from 90 s on, for sixteen minutes
    points=(
        *((-1200, 116), (-720, 98), (-480, 82), (-210, 69), (30, 60), (100, 53), (180, 49), (420, 46), (900, 48)),
        *((1200, 59), (1500, 82), (1800, 108)),
    ),
    fade_s=(1200, 600),
)
HIGH = Course(
    "a high",
    role=1,
    metric="glucose",
    # above 250 at -810 s
    points=(
        *((-1500, 214), (-1080, 240), (-810, 250.6), (-300, 276), (0, 290), (600, 318), (1200, 326), (1800, 300)),
        *((2400, 246), (2520, 234)),
    ),
    fade_s=(1080, 120),
)
TACHYCARDIA = Course(
    "a tachycardia",
    role=2,
    metric="heart_rate",
    # the median of a minute passes 150 at 38 s, six times in a row until 100 s; less than ten minutes' median
    points=((0, 98), (8, 152), (20, 168), (150, 171), (240, 166), (255, 132), (420, 108)),
    fade_s=(45, 300),
)
COURSES = (WORSENING, HIGH, TACHYCARDIA)
SILENT_ROLE = 3
SILENT_S = (-240, 1500)
"""Nothing comes from this device: five minutes without a heart rate are over at 60 s."""
AWAY_SITE = SITES[1]
AWAY_S = (60, 85)
"""The gateway of `AWAY_SITE` is away; its devices send afterwards what they measured."""

assert all(course.span_s[0] * SECOND_US >= -LEAD_US for course in COURSES)
assert all(course.span_s[1] * SECOND_US < CYCLE_US - LEAD_US for course in COURSES), "cycles do not overlap"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts from ``begin`` to ``end`` (µs UTC, end exclusive) at a patient (None: a site)."""

    title: str
    patient: int | None
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Script:
    """The stories of a ward of so many patients, told from ``anchor`` (µs UTC) on."""

    anchor: int
    patients: int

    def cycles(self, begin: int, end: int) -> range:
        """The cycles of which something may lie in [begin, end)."""
        first = max(0, (begin - self.anchor - (CYCLE_US - LEAD_US)) // CYCLE_US + 1)
        return range(first, max(first, (end - 1 - self.anchor + LEAD_US) // CYCLE_US + 1))

    def patient(self, role: int, cycle: int) -> int | None:
        """Who plays a role in a cycle; None where the ward is too small."""
        return (role + ROTATION * cycle) % self.patients if role < self.patients else None

    def silences(self, begin: int, end: int) -> list[Span]:
        """Devices that send nothing, as far as they reach into [begin, end)."""
        if self.patients <= SILENT_ROLE:
            return []
        return [
            replace(span, patient=self.patient(SILENT_ROLE, cycle))
            for cycle, span in self._spans("a silent device", SILENT_S, begin, end)
        ]

    def absences(self, begin: int, end: int) -> list[Span]:
        """When the gateway of `AWAY_SITE` is away, as far as that reaches into [begin, end)."""
        if self.patients < TWO_SITES_FROM:
            return []
        return [span for _, span in self._spans("a site that comes back", AWAY_S, begin, end)]

    def _spans(self, title: str, seconds: tuple[int, int], begin: int, end: int) -> Iterator[tuple[int, Span]]:
        for cycle in self.cycles(begin, end):
            zero = self.anchor + cycle * CYCLE_US
            span = Span(title, None, zero + seconds[0] * SECOND_US, zero + seconds[1] * SECOND_US)
            if span.begin < end and begin < span.end:
                yield cycle, span

    def tell(self, metric: Name, patient: Integers, at: Integers, own: Floats) -> tuple[Floats, Booleans]:
        """``own`` values of patients at times ``at`` (µs) with the courses of the stories where they are told, and
        whether one is told there (then no fault of a device disturbs it). All of one shape.
        """
        value, inside = own.copy(), np.zeros(len(own), np.bool_)
        if not len(at):
            return value, inside
        for cycle in self.cycles(int(at.min()), int(at.max()) + 1):
            seconds = (at - self.anchor - cycle * CYCLE_US) / SECOND_US
            for course in COURSES:
                if course.metric != metric or (who := self.patient(course.role, cycle)) is None:
                    continue
                here = (patient == who) & (seconds >= course.span_s[0]) & (seconds < course.span_s[1])
                weight, target = _at(course, seconds[here])
                value[here] += weight * (target - value[here])
                inside |= here
        return value, inside


def _at(course: Course, seconds: Floats) -> tuple[Floats, Floats]:
    """Weight of a course and its value."""
    times, values = _columns(course)
    into = ramp((seconds - course.span_s[0]) / course.fade_s[0])
    out = 1 - ramp((seconds - times[-1]) / course.fade_s[1])
    return into * out, np.interp(seconds, times, values)


@lru_cache(maxsize=16)
def _columns(course: Course) -> tuple[Floats, Floats]:
    times, values = zip(*course.points, strict=True)
    return np.array(times, np.float64), np.array(values, np.float64)


@dataclass(frozen=True, slots=True)
class Swap:
    """A patient's device is taken off at ``off_at`` and another one is put on at ``on_at`` (µs UTC)."""

    patient: int
    off_at: int
    on_at: int


def swap(began_at: int, until: int, patients: int) -> Swap | None:
    """The swap in a history, None where that is too short."""
    if until - began_at < HISTORY_WITH_SWAP_US:
        return None
    off_at = began_at + SWAP_AFTER_US
    return Swap(SWAP_PATIENT % patients, off_at, off_at + SWAP_TAKES_US)
