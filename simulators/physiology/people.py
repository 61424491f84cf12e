"""What does not change about a person: the heart's rest, the day's habits, glucose and how the body answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.noise import Floats, Integers, uniform
from vitals.metrics import MINUTE_US

HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

_RESTING, _SWING, _PEAK, _WAKES, _SLEEPS, _LEVEL, _APPETITE, _LAG, _SENSOR = range(9)
"""Streams of `simulators.noise`; 0 to 99 are people's."""


@dataclass(frozen=True, slots=True)
class People:
    """Constants of each person, arrays of shape (people, 1); times of day in µs UTC."""

    seed: int
    index: Integers
    resting: Floats
    """Mean of the resting heart rate over the day, per minute."""
    swing: Floats
    """Highest less lowest resting heart rate, per minute (DOMAIN: 8 to 18)."""
    peak_us: Integers
    """Time of day of the highest resting heart rate; the lowest is 12 h apart."""
    wakes_us: Integers
    sleeps_us: Integers
    level: Floats
    """Where glucose lies between meals, mg/dL."""
    appetite: Floats
    """How much a meal lifts glucose, compared with others."""
    lag_us: Integers
    """By how much interstitial glucose follows blood glucose."""
    sensor_us: Integers
    """Age of the glucose sensor at 1970; sensors are changed every ten days."""

    @property
    def reserve(self) -> Floats:
        """Per minute by which the utmost activity lifts the heart rate; a ward's patients do not run."""
        result: Floats = np.minimum(46.0, 120.0 - self.resting - self.swing / 2)
        return result


def people(seed: int, count: int) -> People:
    """The people of a seed; the first of a larger group are those of a smaller one."""
    index = np.arange(count, dtype=np.int64)[:, np.newaxis]

    def between(stream: int, low: float, high: float) -> Floats:
        return low + (high - low) * uniform(seed, stream, index, np.zeros_like(index))

    def hours(stream: int, low: float, high: float) -> Integers:
        return (between(stream, low, high) * HOUR_US).astype(np.int64)

    return People(
        seed=seed,
        index=index,
        resting=between(_RESTING, 58.0, 80.0),
        swing=between(_SWING, 9.0, 17.0),
        peak_us=hours(_PEAK, 14.0, 16.5),
        wakes_us=hours(_WAKES, 5.75, 7.25),
        sleeps_us=hours(_SLEEPS, 21.25, 23.0),
        level=between(_LEVEL, 112.0, 158.0),
        appetite=between(_APPETITE, 0.7, 1.25),
        lag_us=hours(_LAG, 0.09, 0.14),
        sensor_us=hours(_SENSOR, 0.0, 240.0),
    )
