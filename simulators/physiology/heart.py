"""The heart's rate: a day's rhythm at rest, activity on top, slow waves of a person's own, and the wrist's noise."""

from __future__ import annotations

import numpy as np

from simulators.noise import Floats, Integers, normal, smooth
from simulators.physiology.people import DAY_US, People
from vitals.metrics import MINUTE_US, SECOND_US

_WAVE, _SLOW, _BREATH, _NOISE = 200, 210, 220, 230
"""Streams of `simulators.noise`."""


def resting(people: People, at: Integers) -> Floats:
    """Resting heart rate per minute at instants (µs, shape (instants,)), shape (people, instants)."""
    angle = 2 * np.pi * ((at - people.peak_us) % DAY_US) / DAY_US
    result: Floats = people.resting + people.swing / 2 * np.cos(angle)
    return result


def rate(people: People, at: Integers, activity: Floats) -> Floats:
    """Heart rate per minute, shape (people, instants); ``activity`` is of that shape."""
    wave = 1.4 * smooth(people.seed, _WAVE, people.index, at, 6 * MINUTE_US)
    slow = 1.6 * smooth(people.seed, _SLOW, people.index, at, 25 * MINUTE_US)
    result: Floats = resting(people, at) + people.reserve * activity + wave + slow
    return result


def noise(seed: int, patient: Integers, at: Integers) -> Floats:
    """What breath and the sensor add to a reading, per minute; ``patient`` and ``at`` (µs) of one shape."""
    breath = 1.3 * smooth(seed, _BREATH, patient, at, 14 * SECOND_US)
    result: Floats = breath + 0.7 * normal(seed, _NOISE, patient, at)
    return result
