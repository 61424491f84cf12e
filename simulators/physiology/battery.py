"""A device's charge: down over some days, and up again within an hour or two."""

from __future__ import annotations

import numpy as np

from simulators.noise import Floats, Integers, uniform
from simulators.physiology.people import DAY_US

_PERIOD, _PHASE, _DEPTH = 700, 710, 720
"""Streams of `simulators.noise`."""
_CHARGING = 0.015
"""Share of the period on the charger."""


def charge(seed: int, patient: Integers, at: Integers) -> Floats:
    """Percent at times (µs), shape of ``patient`` and ``at``."""
    zero = np.zeros_like(patient)
    period = (4.0 + 3.0 * uniform(seed, _PERIOD, patient, zero)) * DAY_US
    lowest = 6.0 + 22.0 * uniform(seed, _DEPTH, patient, zero)
    share = ((at + uniform(seed, _PHASE, patient, zero) * period) % period) / period
    down = share / (1 - _CHARGING)
    up = (1 - share) / _CHARGING
    result: Floats = 100.0 - (100.0 - lowest) * np.minimum(down, up)
    return result
