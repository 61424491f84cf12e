"""Blood glucose: a person's level and its drift, meals and their insulin, exercise, and now and then a low or a high.

The parts are superposed, each a function of time alone. Within 78 to 238 mg/dL they move freely; beyond those lie
only the lows and highs that are drawn for the day (`LOW`, `HIGH`), so that their number is believable.
"""

from __future__ import annotations

import numpy as np

from simulators.noise import Floats, Integers, normal, smooth, uniform
from simulators.physiology import activity
from simulators.physiology.people import DAY_US, HOUR_US, People
from simulators.physiology.spells import Kind
from vitals.metrics import MINUTE_US

_DRIFT, _SWAY, _SHIVER, _MEAL_AT, _MEAL_SIZE, _MEAL_PACE, _MEAL_EATEN = 300, 310, 320, 330, 350, 370, 390
"""Streams of `simulators.noise`."""
MEALS = ((7.75, 1.0, 1.0), (12.5, 1.0, 0.95), (15.75, 0.35, 0.5), (18.0, 1.0, 0.9), (20.75, 0.35, 0.45))
"""Hour of day, how large compared with breakfast, and how likely it is eaten."""
_RISE = 82.0
"""mg/dL by which a breakfast lifts glucose, before insulin takes it back."""
LOW = Kind(400, 8 * HOUR_US, 0.22, 45 * MINUTE_US, 95 * MINUTE_US)
HIGH = Kind(410, 8 * HOUR_US, 0.12, 150 * MINUTE_US, 290 * MINUTE_US)
_FLOOR, _CEILING, _SOFT = 80.0, 232.0, 9.0
_EXERCISE_STEP_US = 10 * MINUTE_US
_EXERCISE_STEPS = 15
_EXERCISE = 5.2
"""mg/dL that ten minutes of the utmost activity take away in the end."""


def blood(people: People, at: Integers) -> Floats:
    """Blood glucose in mg/dL at instants (µs, shape (instants,) or (people, instants)), shape (people, instants)."""
    drift = 15.0 * smooth(people.seed, _DRIFT, people.index, at, 110 * MINUTE_US)
    sway = 6.5 * smooth(people.seed, _SWAY, people.index, at, 33 * MINUTE_US)
    shiver = 2.6 * smooth(people.seed, _SHIVER, people.index, at, 11 * MINUTE_US)
    free = people.level + drift + sway + shiver + meals(people, at) - exercise(people, at)
    value = _within(free)
    high, low = HIGH.at(people.seed, people.index, at), LOW.at(people.seed, people.index, at)
    up = high.weight(at, 0.36, 0.42)
    value = value + up * (258.0 + 70.0 * high.fate - value)
    down = np.where(high.length > 0, 0.0, low.weight(at, 0.42, 0.38))
    result: Floats = value + down * (nadir(low.fate) - value)
    return result


def nadir(fate: Floats) -> Floats:
    """Lowest glucose of a low in mg/dL: three in four stay above 54."""
    result: Floats = np.where(fate < 0.25, 45.0 + 30.0 * fate, 56.0 + 14.0 * (fate - 0.25))
    return result


def meals(people: People, at: Integers) -> Floats:
    """What the meals of today and yesterday add, and their insulin takes away again, mg/dL."""
    total = np.zeros(np.broadcast(people.index, at).shape)
    for number, (hour, size, chance) in enumerate(MEALS):
        for ago in (1, 0):
            day = at // DAY_US - ago
            eaten = uniform(people.seed, _MEAL_EATEN + number, people.index, day) < chance
            when = hour + 0.45 * normal(people.seed, _MEAL_AT + 2 * number, people.index, day)
            portion = 0.55 + 0.9 * uniform(people.seed, _MEAL_SIZE + number, people.index, day)
            peak = 48.0 + 30.0 * uniform(people.seed, _MEAL_PACE + number, people.index, day)
            minutes = np.maximum(0.0, (at - day * DAY_US - when * HOUR_US) / MINUTE_US)
            effect = _hump(minutes / peak, 2) - 0.4 * _hump(minutes / (2.9 * peak), 3)
            total += np.where(eaten, _RISE * size * people.appetite * portion * effect, 0.0)
    return total


def _hump(share: Floats, order: int) -> Floats:
    """0 at 0, 1 at 1, and back towards 0."""
    result: Floats = share**order * np.exp(order * (1 - share))
    return result


def exercise(people: People, at: Integers) -> Floats:
    """What the activity of the last two and a half hours takes away, mg/dL: most of it after forty minutes."""
    first, last = int(at.min()) // _EXERCISE_STEP_US, int(at.max()) // _EXERCISE_STEP_US + 1
    steps = np.arange(first - _EXERCISE_STEPS, last + 1, dtype=np.int64)
    done = activity.level(people, steps * _EXERCISE_STEP_US)
    effect = np.zeros((done.shape[0], last - first + 1))
    weights = _EXERCISE * _hump(np.arange(_EXERCISE_STEPS) / 4.0, 1)
    for back in range(_EXERCISE_STEPS):
        begin = _EXERCISE_STEPS - back
        effect += float(weights[back]) * done[:, begin : begin + effect.shape[1]]
    step, rest = np.divmod(at, _EXERCISE_STEP_US)
    share = rest / _EXERCISE_STEP_US
    left = np.broadcast_to(step - first, np.broadcast(people.index, at).shape)
    rows = np.arange(done.shape[0])[:, np.newaxis]
    result: Floats = effect[rows, left] * (1 - share) + effect[rows, left + 1] * share
    return result


def _within(value: Floats) -> Floats:
    """``value``, bent softly so that it stays between floor and ceiling."""
    up = _FLOOR + _SOFT * np.logaddexp(0.0, (value - _FLOOR) / _SOFT)
    result: Floats = _CEILING - _SOFT * np.logaddexp(0.0, (_CEILING - up) / _SOFT)
    return result
