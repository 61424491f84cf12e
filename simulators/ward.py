"""A plain ward: patients whose heart rate has a day's rhythm and whose glucose is a believable slow process.

Vectorised over patients and pure: seed and time are arguments, and the same readings come for any slicing of time.

Glucose moves by the minute. Its rate is s z exp(v w) with z and w autoregressive: normal in the short run, with the
heavy tails of real sensors in the long run. With the pull to 140 mg/dL its 1/5/50/95/99 % are -3.7/-2.1/0/2.2/3.8
mg/dL/min (DOMAIN, type 1 diabetes: -3.8/-2.0/0/2.2/4.0). The script of ``truth.py`` overrides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators import truth
from simulators.noise import Floats, Integers, normal, uniform
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US

GLUCOSE_US = MINUTE_US
"""One glucose reading per patient in this time."""
DAY_US = 24 * 60 * MINUTE_US
PEAK_US = 15 * 60 * MINUTE_US
"""Time of day (UTC) of the highest resting heart rate; the trough is 12 h apart."""

_RATE, _VOLATILITY = 1.1, 0.5
_RATE_KEEP, _VOLATILITY_KEEP = np.exp(-1 / 8), np.exp(-1 / 60)
_MEAN, _PULL = 140.0, 1 / 120
_FLOOR, _FLOOR_PULL = 95.0, 0.05
_CEILING, _CEILING_PULL = 220.0, 0.01
_LOWEST, _HIGHEST = 42.0, 395.0
_RATE_MAX = 8.0
"""mg/dL/min; DOMAIN calls 10 plausible."""

(_BASE, _SWING, _PHASE, _START, _SHOCK, _SHAKE, _SENSOR, _WAVES) = range(0, 80, 10)
"""Streams of `simulators.noise`."""


class Due(NamedTuple):
    """Readings in order of time, arrays of one length: patient's index, metric's code, µs since the ward began, and
    value in the canonical unit, a whole number.
    """

    patient: Integers
    metric: NDArray[np.uint8]
    at: Integers
    value: Floats


@dataclass(frozen=True, slots=True)
class WardSpec:
    """A ward: how many patients, heart rate readings per second, seed, and when it began (µs UTC)."""

    patients: int
    rate_hz: float
    seed: int
    began_at: int

    @property
    def heart_rate_us(self) -> int:
        """Interval of the heart rate."""
        return round(SECOND_US / self.rate_hz)


class Ward:
    """The patients of a spec; ask for readings slice by slice, time never goes back."""

    def __init__(self, spec: WardSpec) -> None:
        self._spec = spec
        self._patients = np.arange(spec.patients, dtype=np.int64)
        zero = np.zeros(spec.patients, np.int64)
        self._base = 58.0 + 26.0 * uniform(spec.seed, _BASE, self._patients, zero)
        self._swing = 8.0 + 10.0 * uniform(spec.seed, _SWING, self._patients, zero)
        self._heart_phase = self._phase(spec.heart_rate_us)
        self._glucose_phase = self._phase(GLUCOSE_US)
        if spec.patients:
            # the first patient's second reading falls behind its scripted fall through 54
            self._glucose_phase[0] = GLUCOSE_US // 3
        self._glucose = _Glucose(spec)
        self._until = 0

    def _phase(self, interval: int) -> Integers:
        """Even phases in (0, interval], shuffled by index, so that a ward's load is even."""
        order = (self._patients * 5) % max(1, self._spec.patients) if self._spec.patients % 5 else self._patients
        return (order + 1) * interval // max(1, self._spec.patients)

    def due(self, until: int) -> Due:
        """Readings in [the last ``until``, ``until``), µs since the ward began; the first ones are at 0."""
        begin, self._until = self._until, max(self._until, until)
        heart = self._due(begin, self._until, self._spec.heart_rate_us, self._heart_phase)
        glucose = self._due(begin, self._until, GLUCOSE_US, self._glucose_phase)
        patient = np.concatenate([heart[0], glucose[0]])
        at = np.concatenate([heart[1], glucose[1]])
        metric = np.repeat(np.array([HEART_RATE.code, GLUCOSE.code], np.uint8), [len(heart[0]), len(glucose[0])])
        value = np.concatenate([self._heart_rate(*heart), self._glucose.at(glucose[0], glucose[1])])
        order = np.lexsort((metric, patient, at))
        order = order[~self._silent(patient[order], at[order])]
        return Due(patient[order], metric[order], at[order], np.floor(value[order] + 0.5))

    def _due(self, begin: int, end: int, interval: int, phase: Integers) -> tuple[Integers, Integers, Integers]:
        """Patient, time and index of readings at 0 and at ``phase + k interval`` within [begin, end)."""
        first = np.maximum(0, -((phase - begin) // interval))
        last = np.maximum(first, -((phase - end) // interval))
        count = last - first
        patient = np.repeat(self._patients, count)
        starts = np.repeat(np.cumsum(count) - count, count)
        index = np.arange(len(patient), dtype=np.int64) - starts + np.repeat(first, count)
        at = phase[patient] + index * interval
        if begin == 0 < end:
            patient = np.concatenate([self._patients, patient])
            at = np.concatenate([np.zeros_like(self._patients), at])
            index = np.concatenate([np.full_like(self._patients, 1 << 40), index])
        return patient, at, index

    def _heart_rate(self, patient: Integers, at: Integers, index: Integers) -> Floats:
        """A day's swing, two slow waves of a patient's own (7 and 29 min), and the sensor's noise."""
        of_day = (self._spec.began_at + at - PEAK_US) % DAY_US
        value = self._base[patient] + self._swing[patient] / 2 * np.cos(2 * np.pi * of_day / DAY_US)
        for wave, (minutes, height) in enumerate(((7, 2.0), (29, 3.0))):
            phase = uniform(self._spec.seed, _WAVES + wave, patient, np.zeros_like(patient))
            value = value + height * np.sin(2 * np.pi * (at / (minutes * MINUTE_US) + phase))
        result: Floats = value + 1.2 * normal(self._spec.seed, _SENSOR, patient, index)
        return result

    def _silent(self, patient: Integers, at: Integers) -> NDArray[np.bool_]:
        silent = np.zeros(len(patient), np.bool_)
        if len(at):
            for cycle in range(int(at[0]) // _CYCLE_US, int(at[-1]) // _CYCLE_US + 1):
                if found := truth.silence(self._spec.patients, cycle):
                    begin, end = found.begin_s * SECOND_US, found.end_s * SECOND_US
                    silent |= (patient == found.patient) & (at >= begin) & (at < end)
        return silent


_CYCLE_US = truth.CYCLE_S * SECOND_US


class _Glucose:
    """The process at whole minutes, kept for two of them, and the scripted courses between them."""

    def __init__(self, spec: WardSpec) -> None:
        self._spec = spec
        self._patients = np.arange(spec.patients, dtype=np.int64)
        zero = np.zeros(spec.patients, np.int64)
        self._z = normal(spec.seed, _SHOCK, self._patients, zero) * 0.3
        self._w = normal(spec.seed, _SHAKE, self._patients, zero)
        self._minute = 0
        value = 105.0 + 50.0 * uniform(spec.seed, _START, self._patients, zero)
        self._entry: dict[tuple[int, int], float] = {}
        self._left = self._scripted(self._patients, zero, value)
        self._right = self._next()

    def at(self, patient: Integers, at: Integers) -> Floats:
        """mg/dL at times (µs); the minutes of later calls are not before those of earlier ones."""
        minute = at // MINUTE_US
        value = np.empty(len(patient))
        for each in np.unique(minute).tolist():
            while self._minute < each:
                self._minute += 1
                self._left = self._right
                self._right = self._next()
            here = minute == each
            share = (at[here] % MINUTE_US) / MINUTE_US
            who = patient[here]
            between = self._left[who] * (1 - share) + self._right[who] * share
            value[here] = self._scripted(who, at[here], between)
        return value

    def _next(self) -> Floats:
        """The process one minute on."""
        minute, seed = self._minute + 1, self._spec.seed
        index = np.full_like(self._patients, minute)
        self._z = _autoregress(self._z, _RATE_KEEP, normal(seed, _SHOCK, self._patients, index))
        self._w = _autoregress(self._w, _VOLATILITY_KEEP, normal(seed, _SHAKE, self._patients, index))
        rate = _RATE * self._z * np.exp(_VOLATILITY * self._w) - (self._left - _MEAN) * _PULL
        rate += _FLOOR_PULL * np.maximum(0.0, _FLOOR - self._left)
        rate -= _CEILING_PULL * np.maximum(0.0, self._left - _CEILING)
        free = np.clip(self._left + np.clip(rate, -_RATE_MAX, _RATE_MAX), _LOWEST, _HIGHEST)
        return self._scripted(self._patients, index * MINUTE_US, free)

    def _scripted(self, patient: Integers, at: Integers, free: Floats) -> Floats:
        """``free`` with the script's values where an event covers (patient, time)."""
        value = free.copy()
        if not len(at):
            return value
        cycle = int(at[0]) // _CYCLE_US
        self._entry = {key: entry for key, entry in self._entry.items() if key[1] >= cycle - 1}
        for event in _events(self._spec.patients, cycle):
            seconds = (at - event.begin_s * SECOND_US) / SECOND_US
            inside = (patient == event.patient) & (seconds >= 0) & (seconds < event.end_s - event.begin_s)
            if not inside.any():
                continue
            times = [event.ramp_s + second for second, _ in event.points]
            values = [target for _, target in event.points]
            if event.ramp_s:
                # events begin at whole minutes, and `_next` comes through each of them first
                entry = self._entry.setdefault((event.patient, cycle), float(free[inside][0]))
                times, values = [0, *times], [entry, *values]
            value[inside] = np.interp(seconds[inside], times, values)
        return value


def _autoregress(value: Floats, keep: float, shock: Floats) -> Floats:
    result: Floats = keep * value + np.sqrt(1 - keep * keep) * shock
    return result


@lru_cache(maxsize=8)
def _events(patients: int, cycle: int) -> tuple[truth.Event, ...]:
    return truth.events(patients, cycle)
