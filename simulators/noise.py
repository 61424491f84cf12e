"""Randomness by address: the same number for the same (seed, stream, patient, index), in any order of asking.

So a ward's readings do not depend on how its time was sliced. The mixer is splitmix64 (Steele, Lea, Flood 2014,
"Fast splittable pseudorandom number generators"); normals by Box and Muller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Draw = Callable[[int, int, Integers, Integers], Floats]

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


def shared(draw: Draw, seed: int, stream: int, patient: Integers, index: Integers) -> Floats:
    """``draw(seed, stream, patient, index)``; by a table of all of them, where many (patient, index) are the same."""
    if patient.ndim != 1 or patient.shape != index.shape or not patient.size:
        return draw(seed, stream, patient, index)
    first, people = int(index.min()), int(patient.max()) + 1
    width = int(index.max()) + 1 - first
    if 2 * width * people > patient.size:
        return draw(seed, stream, patient, index)
    each = np.arange(people, dtype=np.int64)[:, np.newaxis]
    table = draw(seed, stream, each, np.arange(first, first + width, dtype=np.int64))
    values: Floats = table[patient, index - first]
    return values


def smooth(seed: int, stream: int, patient: Integers, at: Integers, knot_us: int) -> Floats:
    """Smooth noise of unit variance at its knots, which lie ``knot_us`` apart, each person's elsewhere: normals joined
    by Catmull-Rom splines. Shape of ``patient`` and ``at`` (µs) broadcast; uses ``stream`` and the two behind it.
    """
    shift = (shared(uniform, seed, stream + 2, patient, np.zeros_like(patient)) * knot_us).astype(np.int64)
    knot, rest = np.divmod(at + shift, knot_us)
    share = rest / knot_us
    before, left, right, behind = (shared(normal, seed, stream, patient, knot + step) for step in (-1, 0, 1, 2))
    linear = right - before
    square = 2 * before - 5 * left + 4 * right - behind
    cubic = 3 * (left - right) + behind - before
    values: Floats = left + 0.5 * share * (linear + share * (square + share * cubic))
    return values


def ramp(value: Floats) -> Floats:
    """0 below 0, 1 above 1, and a smooth step between."""
    share = np.clip(value, 0.0, 1.0)
    result: Floats = share * share * (3 - 2 * share)
    return result
