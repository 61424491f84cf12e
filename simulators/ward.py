"""A ward: what the devices of its patients send, and when. Vectorised over patients and pure: seed and time are
arguments, and the same readings come for any slicing of time, from any beginning on.

The patients' bodies are in ``physiology/``, what is scripted for them in ``stories.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators import stories
from simulators.noise import Booleans, Floats, Integers
from simulators.physiology import activity, battery, faults, heart
from simulators.physiology.course import Course
from simulators.physiology.people import people
from vitals.metrics import BATTERY, GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, STEPS, Metric

GLUCOSE_US = MINUTE_US
"""One glucose reading per patient in this time."""
BATTERY_US = 10 * MINUTE_US
"""One report of the device's charge in this time."""
STEPS_US = MINUTE_US
"""One count of steps in this time."""
NO_CONTACT, MOTION = 1, 2
"""Marks of a reading: the device says that it does not touch the body, or that it doubts the value."""


class Due(NamedTuple):
    """Readings in order of time, arrays of one length: patient's index, metric's code, µs UTC, value in the canonical
    unit (a whole number; 0 without contact), the device's counter, and marks.
    """

    patient: Integers
    metric: NDArray[np.uint8]
    at: Integers
    value: Floats
    sequence: Integers
    marks: NDArray[np.uint8]

    def chosen(self, which: Booleans | Integers) -> Due:
        """Some of the readings."""
        return Due._make(column[which] for column in self)

    def part(self, first: int, last: int) -> Due:
        """The readings from number ``first`` up to, not including, ``last``."""
        return Due._make(column[first:last] for column in self)


@dataclass(frozen=True, slots=True)
class WardSpec:
    """A ward: how many patients, heart rate readings per second, seed, and the anchor of its stories (µs UTC, None
    without stories).
    """

    patients: int
    rate_hz: float
    seed: int
    story_at: int | None = None

    @property
    def heart_rate_us(self) -> int:
        """Interval of the heart rate."""
        return round(SECOND_US / self.rate_hz)

    @property
    def script(self) -> stories.Script | None:
        """Its stories, None without."""
        return None if self.story_at is None else stories.Script(self.story_at, self.patients)


class Ward:
    """The patients of a spec; ask for the readings of any time."""

    def __init__(self, spec: WardSpec) -> None:
        self.spec = spec
        self._patients = np.arange(spec.patients, dtype=np.int64)
        self._course = Course(people(spec.seed, spec.patients))
        self._script = spec.script

    def due(self, begin: int, end: int) -> Due:
        """Readings in [begin, end), µs UTC."""
        parts = [self._sent(metric, *self._scheduled(begin, end, interval)) for metric, interval in self._metrics()]
        return _ordered(parts)

    def now(self, at: int) -> Due:
        """One reading of each metric at one moment, of all devices that speak: how devices report themselves."""
        here = np.full_like(self._patients, at)
        parts = [self._sent(metric, self._patients, here, here // interval) for metric, interval in self._metrics()]
        return _ordered(parts)

    def _metrics(self) -> tuple[tuple[Metric, int], ...]:
        return (HEART_RATE, self.spec.heart_rate_us), (GLUCOSE, GLUCOSE_US), (BATTERY, BATTERY_US), (STEPS, STEPS_US)

    def _scheduled(self, begin: int, end: int, interval: int) -> tuple[Integers, Integers, Integers]:
        """Patient, time and number of the samples in [begin, end): at ``phase + k interval`` since 1970."""
        phase = self._phase(interval)
        first = -((phase - begin) // interval)
        count = np.maximum(-((phase - end) // interval) - first, 0)
        patient = np.repeat(self._patients, count)
        starts = np.repeat(np.cumsum(count) - count, count)
        index = np.arange(len(patient), dtype=np.int64) - starts + np.repeat(first, count)
        return patient, phase[patient] + index * interval, index

    def _phase(self, interval: int) -> Integers:
        """Even phases in [0, interval), shuffled by index, so that a ward's load is even."""
        patients = max(1, self.spec.patients)
        order = (self._patients * 5) % patients if patients % 5 else self._patients
        return order * interval // patients

    def _sent(self, metric: Metric, patient: Integers, at: Integers, index: Integers) -> Due:
        """The samples of one metric that are sent, with their values."""
        marks = np.zeros(len(at), np.uint8)
        if metric is HEART_RATE:
            value, marks, told = self._heart_rate(patient, at)
        elif metric is GLUCOSE:
            value, told = self._told("glucose", patient, at, self._course.at("shown", patient, at))
        elif metric is STEPS:
            # the count of a minute is what its middle was like, by the same activity that drives the heart
            moved = self._course.at("activity", patient, at - STEPS_US // 2)
            value, told = activity.steps(moved), np.zeros(len(at), np.bool_)
        else:
            value, told = battery.charge(self.spec.seed, patient, at), np.zeros(len(at), np.bool_)
        gone = self._silent(patient, at) | (~told & self._lost(metric, patient, at, index))
        code = np.full(len(at), metric.code, np.uint8)
        whole = np.maximum(np.floor(value + 0.5), 0.0)
        return Due(patient, code, at, whole, index & 0xFFFF, marks).chosen(~gone)

    def _heart_rate(self, patient: Integers, at: Integers) -> tuple[Floats, NDArray[np.uint8], Booleans]:
        own = self._course.at("heart_rate", patient, at)
        value, told = self._told("heart_rate", patient, at, own)
        value = value + heart.noise(self.spec.seed, patient, at)
        moved, cadence, known = faults.motion(self.spec.seed, patient, at, self._course.at("activity", patient, at))
        moved &= ~told
        off = faults.off(self.spec.seed, patient, at) & ~told
        marks = np.where(off, NO_CONTACT, np.where(moved & known, MOTION, 0)).astype(np.uint8)
        return np.where(off, 0.0, np.where(moved, cadence, value)), marks, told

    def _told(self, name: stories.Name, patient: Integers, at: Integers, own: Floats) -> tuple[Floats, Booleans]:
        if self._script is None:
            return own, np.zeros(len(own), np.bool_)
        return self._script.tell(name, patient, at, own)

    def _lost(self, metric: Metric, patient: Integers, at: Integers, index: Integers) -> Booleans:
        interval = next(us for each, us in self._metrics() if each is metric)
        lost = faults.lost(self.spec.seed, metric.code, patient, index, interval)
        return lost | faults.hole(self.spec.seed, patient, at)

    def _silent(self, patient: Integers, at: Integers) -> Booleans:
        silent = np.zeros(len(at), np.bool_)
        if self._script is not None and len(at):
            for span in self._script.silences(int(at.min()), int(at.max()) + 1):
                silent |= (patient == span.patient) & (at >= span.begin) & (at < span.end)
        return silent


def _ordered(parts: list[Due]) -> Due:
    """Readings of all parts by time, patient and metric."""
    whole = Due._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    return whole.chosen(np.lexsort((whole.metric, whole.patient, whole.at)))


class Ahead:
    """A ward's readings, computed a block of ``block_us`` at a time and handed out in slices, time going on."""

    def __init__(self, ward: Ward, block_us: int) -> None:
        self._ward, self._block_us = ward, block_us
        self._begin = self._end = 0
        self._due = ward.due(0, 0)

    def due(self, begin: int, end: int) -> Due:
        """The readings in [begin, end), µs UTC: those of `Ward.due`."""
        if begin < self._begin or end > self._end:
            self._begin, self._end = begin, max(end, begin + self._block_us)
            self._due = self._ward.due(self._begin, self._end)
        first, last = np.searchsorted(self._due.at, [begin, end])
        return self._due.part(int(first), int(last))
