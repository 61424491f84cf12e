"""The script of a ward and its truth: when which patient runs low, high or silent, known beforehand.

Times are seconds since the ward began. The script repeats every `CYCLE_S`; the first lows begin at once, so that a
demonstration has its alert within the first minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

CYCLE_S = 3600
"""The script's period. Every event of a cycle ends within it."""
RAMP_S = 600
"""Time in which an event after the first cycle is reached from wherever the patient's glucose is."""
GROUP = 8
"""One patient in so many has each part of the script."""
GROUP_DELAY_S = 60
"""Each further group plays the script so much later; the eleventh begins with the first."""
ENTRY_S = 180
"""Time from a safe value to the course's first point, after the ramp."""

Label = Literal["low 2", "low 1", "high 1", "high 2"]
LIMITS: dict[Label, float] = {"low 1": 69.5, "low 2": 53.5, "high 1": 250.5, "high 2": 399.5}
"""Edges in mg/dL before rounding: 69.5 rounds to 70, which is not low (RULES)."""


@dataclass(frozen=True, slots=True)
class Event:
    """A scripted course of one patient's glucose: straight lines between ``points`` (seconds from the event's
    beginning, mg/dL).
    """

    patient: int
    begin_s: int
    ramp_s: int
    points: tuple[tuple[int, float], ...]

    @property
    def end_s(self) -> int:
        """When the course is over and the patient's own process goes on."""
        return self.begin_s + self.ramp_s + self.points[-1][0]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A scripted crossing of a limit, at a time in seconds since the ward began, to the second."""

    patient: int
    label: Label
    at_s: float


@dataclass(frozen=True, slots=True)
class Silence:
    """A device that sends nothing in [begin_s, end_s)."""

    patient: int
    begin_s: int
    end_s: int


# A fast fall through 54 at 17 s, seven minutes below, then back to normal.
LOW_2 = ((0, 56.0), (60, 47.0), (420, 46.0), (780, 82.0), (1200, 118.0))
# Below 70 for nine minutes, never below 54.
LOW_1 = ((0, 67.0), (240, 62.0), (540, 66.0), (900, 90.0), (1200, 112.0))
# Above 250 for 25 minutes, HIGH for eight of them.
HIGH = ((0, 256.0), (600, 310.0), (960, 404.0), (1440, 402.0), (1800, 300.0), (2100, 230.0), (2400, 180.0))

_COURSES = (LOW_2, LOW_1, HIGH)
SILENT_BEGIN_S, SILENT_END_S = 120, 2700


def events(patients: int, cycle: int) -> tuple[Event, ...]:
    """The events that begin in a cycle (0 is the first), at most one per patient."""
    found = []
    for patient in range(patients):
        group, part = divmod(patient, GROUP)
        if part >= len(_COURSES):
            continue
        begin = cycle * CYCLE_S + (group % 10) * GROUP_DELAY_S
        at_once = cycle == 0 and group == 0
        ramp = 0 if at_once else RAMP_S
        points = _COURSES[part] if at_once else ((0, 80.0 if part < 2 else 240.0), *_later(_COURSES[part]))
        found.append(Event(patient, begin, ramp, points))
    return tuple(found)


def _later(points: tuple[tuple[int, float], ...]) -> Iterator[tuple[int, float]]:
    """The same course, entered from above (below) its limit within a minute or two."""
    return ((at + ENTRY_S, value) for at, value in points[:-1])


def silence(patients: int, cycle: int) -> Silence | None:
    """The silent device of a cycle: the last of the first group, if the ward has at least four patients."""
    if patients < 4:
        return None
    begin = cycle * CYCLE_S
    return Silence(min(patients, GROUP) - 1, begin + SILENT_BEGIN_S, begin + SILENT_END_S)


def crossings(event: Event) -> tuple[Crossing, ...]:
    """Where an event's own course (not the ramp that leads to it) first lies beyond each limit that it passes."""
    found = []
    for label, limit in LIMITS.items():
        sign = -1.0 if label.startswith("low") else 1.0
        at = _first_beyond(event.points, limit * sign, sign)
        if at is not None:
            found.append(Crossing(event.patient, label, event.begin_s + event.ramp_s + at))
    return tuple(sorted(found, key=lambda crossing: crossing.at_s))


def _first_beyond(points: tuple[tuple[int, float], ...], limit: float, sign: float) -> float | None:
    if points[0][1] * sign > limit:
        return float(points[0][0])
    for (begin, left), (end, right) in pairwise(points):
        if right * sign > limit:
            return begin + (end - begin) * (limit - left * sign) / (right * sign - left * sign)
    return None
