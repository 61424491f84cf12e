"""Spells by address: at most one in each slot of time, its beginning and length known beforehand for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulators.noise import Booleans, Floats, Integers, ramp, shared, uniform


class Spells(NamedTuple):
    """The spell of each (person, slot): ``begin`` and ``length`` in µs, length 0 where there is none; ``fate`` in
    (0, 1) decides whatever else there is to decide about it.
    """

    begin: Integers
    length: Integers
    fate: Floats

    def covers(self, at: Integers) -> Booleans:
        """Whether the spell lasts at ``at`` (µs)."""
        result: Booleans = (at >= self.begin) & (at < self.begin + self.length)
        return result

    def weight(self, at: Integers, rise: float, fall: float) -> Floats:
        """0 outside and 1 inside, with smooth edges that take these shares of the length."""
        share = (at - self.begin) / np.maximum(self.length, 1)
        result: Floats = np.where(self.length > 0, ramp(share / rise) * (1 - ramp((share - 1 + fall) / fall)), 0.0)
        return result


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of spell: with ``chance`` one in each slot of ``slot_us``, between ``shortest_us`` and ``longest_us``
    long, as often below as above their geometric mean. Uses ``stream`` and the three behind it.
    """

    stream: int
    slot_us: int
    chance: float
    shortest_us: int
    longest_us: int

    def at(self, seed: int, patient: Integers, at: Integers) -> Spells:
        """The spell of the slot in which each ``at`` lies; ``patient`` and ``at`` (µs) broadcast."""
        return self.of_slot(seed, patient, at // self.slot_us)

    def of_slot(self, seed: int, patient: Integers, slot: Integers) -> Spells:
        """The spell of a slot by its number since 1970; it begins and ends within it."""
        there = shared(uniform, seed, self.stream, patient, slot) < self.chance
        share = shared(uniform, seed, self.stream + 1, patient, slot)
        length = self.shortest_us * (self.longest_us / self.shortest_us) ** share
        lasting: Integers = np.where(there, length, 0.0).astype(np.int64)
        begin = slot * self.slot_us + shared(uniform, seed, self.stream + 2, patient, slot) * (self.slot_us - lasting)
        return Spells(begin.astype(np.int64), lasting, shared(uniform, seed, self.stream + 3, patient, slot))
