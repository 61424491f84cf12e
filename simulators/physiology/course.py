"""The course of all people at whole minutes, computed in blocks, and between them by straight lines."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from simulators.noise import Floats, Integers
from simulators.physiology import activity, glucose, heart, sensor
from simulators.physiology.people import People
from vitals.metrics import MINUTE_US

_CELLS = 2400
"""Values of a block, about: what one computation costs."""
_BLOCKS_KEPT = 30


class Block(NamedTuple):
    """People's state at whole minutes, each array of shape (people, minutes)."""

    activity: Floats
    heart_rate: Floats
    blood: Floats
    shown: Floats


class Course:
    """One group of people; ask for any time, in any order."""

    def __init__(self, people: People) -> None:
        self.people = people
        self._minutes = max(2, min(60, _CELLS // max(1, len(people.index))))
        self._blocks: OrderedDict[int, Block] = OrderedDict()

    def block(self, number: int) -> Block:
        """The block of this number since 1970; its last minute is the next one's first."""
        if number not in self._blocks:
            self._blocks[number] = self._compute(number)
            while len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return self._blocks[number]

    def _compute(self, number: int) -> Block:
        minutes = np.arange(number * self._minutes, (number + 1) * self._minutes + 1, dtype=np.int64)
        at = minutes * MINUTE_US
        moved = activity.level(self.people, at)
        beat = heart.rate(self.people, at, moved)
        blood = glucose.blood(self.people, at)
        interstitial = glucose.blood(self.people, at - self.people.lag_us)
        return Block(moved, beat, blood, sensor.shown(self.people, minutes, interstitial))

    def minutes(self, first: int, last: int) -> Block:
        """Everybody's state at the whole minutes first to last (exclusive) since 1970."""
        numbers = range(first // self._minutes, (last - 1) // self._minutes + 1)
        blocks = [self._compute(number) for number in numbers]
        skip = first - numbers[0] * self._minutes
        return Block._make(
            np.concatenate([part[:, :-1] for part in parts], axis=1)[:, skip : skip + last - first]
            for parts in zip(*blocks, strict=True)
        )

    def at(self, name: str, patient: Integers, at: Integers) -> Floats:
        """The array ``name`` of `Block` for people at times (µs), shape of both."""
        value = np.empty(len(at))
        block_us = self._minutes * MINUTE_US
        blocks = at // block_us
        for number in np.unique(blocks).tolist():
            here = blocks == number
            grid: Floats = getattr(self.block(number), name)
            minute, rest = np.divmod(at[here] - number * block_us, MINUTE_US)
            share = rest / MINUTE_US
            who = patient[here]
            value[here] = grid[who, minute] * (1 - share) + grid[who, minute + 1] * share
        return value
