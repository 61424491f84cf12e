"""The error of a glucose sensor, after Vettoretti 2019 (Sensors 19:5320) for the Dexcom G6, as DOMAIN gives it.

CGM = a(t) IG(t - lag) + b(t) + v + cc, t in days of the sensor's life, v and cc autoregressive of order 2 per minute.
As they stand v and cc would move a reading by 3.5 mg/dL a minute, which no sensor shows (DOMAIN's rates of change):
devices smooth. Here the noise is its own mean over `_MEAN_MINUTES`. At night the sensor is lain on now and then.
"""

from __future__ import annotations

import numpy as np

from simulators.noise import Floats, Integers, normal
from simulators.physiology.people import DAY_US, HOUR_US, People
from simulators.physiology.spells import Kind
from vitals.metrics import MINUTE_US

_V, _CC = 500, 510
"""Streams of `simulators.noise`."""
LIFE_US = 10 * DAY_US
_MEAN_MINUTES = 12
_TAPS = 60
PRESSED = Kind(520, 6 * HOUR_US, 0.2, 14 * MINUTE_US, 34 * MINUTE_US)
"""Compression lows; only those that fall into the hours from midnight to six."""


def _response(first: float, second: float, variance: float) -> Floats:
    """Weights by which the last shocks, the newest first, make a value of AR(2) averaged over the minutes."""
    weights = [1.0, first]
    while len(weights) < _TAPS:
        weights.append(first * weights[-1] + second * weights[-2])
    result: Floats = np.convolve(weights, np.full(_MEAN_MINUTES, np.sqrt(variance) / _MEAN_MINUTES))
    return result


_PARTS = ((_V, _response(1.220, -0.331, 3.641)), (_CC, _response(1.34, -0.492, 5.538)))


def noise(people: People, minutes: Integers) -> Floats:
    """V + cc in mg/dL at consecutive whole minutes since 1970, shape (people, minutes)."""
    total = np.zeros((len(people.index), len(minutes)))
    for stream, weights in _PARTS:
        back = np.arange(minutes[0] - len(weights) + 1, minutes[-1] + 1, dtype=np.int64)
        shocks = normal(people.seed, stream, people.index, back)
        for age, weight in enumerate(weights.tolist()):
            begin = len(weights) - 1 - age
            total += weight * shocks[:, begin : begin + len(minutes)]
    return total


def shown(people: People, minutes: Integers, interstitial: Floats) -> Floats:
    """What the sensor makes of interstitial glucose at consecutive whole minutes, mg/dL, shape (people, minutes)."""
    at = minutes * MINUTE_US
    days = (at + people.sensor_us) % LIFE_US / DAY_US
    gain = 1.048 - 0.033 * days + 0.002 * days**2
    offset = -6.398 + 6.179 * days - 0.448 * days**2
    pressed = PRESSED.at(people.seed, people.index, at)
    asleep = at % DAY_US < PRESSED.slot_us
    depth = np.where(asleep, (22.0 + 40.0 * pressed.fate) * pressed.weight(at, 0.3, 0.4), 0.0)
    value = gain * interstitial + offset + noise(people, minutes)
    result: Floats = np.maximum(value - depth, np.minimum(value, 44.0))
    return result
