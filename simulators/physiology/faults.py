"""What devices do wrong (DOMAIN): samples that get lost, holes, a band that comes off, motion taken for a pulse."""

from __future__ import annotations

import numpy as np

from simulators.noise import Booleans, Floats, Integers, uniform
from simulators.physiology.people import DAY_US, HOUR_US
from simulators.physiology.spells import Kind, Spells
from vitals.metrics import MINUTE_US, SECOND_US

_LOST = 600
"""Stream of `simulators.noise`; the metric's code is added."""
LOST_PER_DAY = 10
"""Single samples of each metric that never arrive."""
HOLE = Kind(610, DAY_US, 0.1, 10 * MINUTE_US, 6 * HOUR_US)
"""A device sends nothing: a median of an hour."""
OFF = Kind(620, 6 * HOUR_US, 0.35, 30 * SECOND_US, 7 * MINUTE_US)
"""A band without contact; the heart rate says so."""
MOTION = Kind(630, 10 * MINUTE_US, 0.5, 6 * SECOND_US, 18 * SECOND_US)
"""Cadence taken for a pulse; only where there is motion."""
_MOTION_FROM = 0.4


def lost(seed: int, metric: int, patient: Integers, index: Integers, interval_us: int) -> Booleans:
    """Whether the sample ``index`` of a metric (its code) never arrives."""
    chance = min(0.05, LOST_PER_DAY * interval_us / DAY_US)
    result: Booleans = uniform(seed, _LOST + metric, patient, index) < chance
    return result


def hole(seed: int, patient: Integers, at: Integers) -> Booleans:
    """Whether a device sends nothing at all."""
    return HOLE.at(seed, patient, at).covers(at)


def off(seed: int, patient: Integers, at: Integers) -> Booleans:
    """Whether a band has no contact."""
    return OFF.at(seed, patient, at).covers(at)


def motion(seed: int, patient: Integers, at: Integers, activity: Floats) -> tuple[Booleans, Floats, Booleans]:
    """Whether a reading is motion instead of a pulse, the cadence per minute, and whether the device marks it."""
    spells: Spells = MOTION.at(seed, patient, at)
    there = spells.covers(at) & (activity > _MOTION_FROM)
    cadence: Floats = np.asarray(138.0 + 34.0 * spells.fate)
    return there, cadence, np.asarray((spells.fate * 997) % 1.0 < 0.6)
