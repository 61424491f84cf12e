"""How active somebody is: the one latent signal behind heart rate (up) and glucose (down).

0 is sleep, about 0.1 is a quiet day in and around a bed, 1 is the utmost that a patient on a ward does.
"""

from __future__ import annotations

import numpy as np

from simulators.noise import Floats, Integers, ramp, smooth, uniform
from simulators.physiology.people import DAY_US, HOUR_US, People
from vitals.metrics import MINUTE_US

_STIR, _WANDER, _CHANCE, _BEGIN, _LENGTH, _EFFORT = 100, 110, 120, 130, 140, 150
"""Streams of `simulators.noise`."""
BOUTS = ((10.5, 0.45), (15.5, 0.4))
"""Physiotherapy and walks: hour of day around which they begin, and how likely on a day."""
_EDGE_US = 4 * MINUTE_US
STILL = 0.18
"""Up to this activity nobody walks."""
_STRIDE = 150.0


def awake(people: People, at: Integers) -> Floats:
    """0 asleep, 1 awake, smooth between; ``at`` of shape (instants,), result (people, instants)."""
    of_day = at % DAY_US
    up = ramp((of_day - people.wakes_us) / (HOUR_US / 2))
    result: Floats = up * (1 - ramp((of_day - people.sleeps_us) / (HOUR_US * 0.75)))
    return result


def level(people: People, at: Integers) -> Floats:
    """Activity at instants (µs, shape (instants,)), shape (people, instants), 0 to 1."""
    stir = 0.6 * smooth(people.seed, _STIR, people.index, at, 9 * MINUTE_US)
    wander = 0.6 * smooth(people.seed, _WANDER, people.index, at, 47 * MINUTE_US)
    day = awake(people, at) * (0.06 + 0.16 * np.maximum(0.0, stir + wander))
    result: Floats = np.clip(day + bouts(people, at), 0.0, 1.0)
    return result


def steps(activity: Floats) -> Floats:
    """Steps per minute at an activity, shape of it: stirring in and around a bed is none, a brisk walk is about 110."""
    result: Floats = np.maximum(0.0, activity - STILL) * _STRIDE
    return result


def bouts(people: People, at: Integers) -> Floats:
    """The part of exercise, shape (people, instants)."""
    day, of_day = np.divmod(at, DAY_US)
    total = np.zeros(np.broadcast(people.index, at).shape)
    for number, (hour, chance) in enumerate(BOUTS):
        draw = [uniform(people.seed, each + number, people.index, day) for each in (_CHANCE, _BEGIN, _LENGTH, _EFFORT)]
        there, when, length, effort = draw
        begin = (hour - 1.0 + 2.0 * when) * HOUR_US
        end = begin + (12.0 + 25.0 * length) * MINUTE_US
        within = ramp((of_day - begin) / _EDGE_US) * (1 - ramp((of_day - end) / _EDGE_US))
        total += np.where(there < chance, (0.45 + 0.5 * effort) * within, 0.0)
    return total
