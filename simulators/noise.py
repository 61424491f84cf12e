"""Randomness by address: the same number for the same (seed, stream, patient, index), in any order of asking.

So a ward's readings do not depend on how its time was sliced. The mixer is splitmix64 (Steele, Lea, Flood 2014,
"Fast splittable pseudorandom number generators"); normals by Box and Muller.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uniform(seed: int, stream: int, patient: Integers, index: Integers) -> Floats:
    """Uniform numbers in (0, 1), shape of ``patient`` and ``index`` broadcast."""
    with np.errstate(over="ignore"):
        bits = _mix(np.full(np.broadcast(patient, index).shape, seed % (1 << 63), np.uint64) + _GOLDEN)
        for part in (np.uint64(stream), patient.astype(np.uint64), index.astype(np.uint64)):
            bits = _mix((bits ^ part) + _GOLDEN)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int, stream: int, patient: Integers, index: Integers) -> Floats:
    """Standard normal numbers, shape of ``patient`` and ``index`` broadcast; uses ``stream`` and ``stream + 1``."""
    radius = np.sqrt(-2.0 * np.log(uniform(seed, stream, patient, index)))
    angle = 2.0 * np.pi * uniform(seed, stream + 1, patient, index)
    values: Floats = radius * np.cos(angle)
    return values
