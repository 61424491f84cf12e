"""What is usual for somebody at night, as the oracle sees it: lists of values (RULES, *Above the usual*)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.oracle_nights import shows
from vitals.metrics import MINUTE_US as MINUTE
from vitals.metrics import SECOND_US as SECOND

if TYPE_CHECKING:
    from vitals.policies import UsualRate


@dataclass
class Nights:
    """The nights of one patient: the values of the present one, and (end, median) of those that are over."""

    values: list[int] = field(default_factory=list)
    until: int = 0
    least: int = 0
    over: list[tuple[int, float]] = field(default_factory=list)

    def close(self) -> None:
        """The present night is over."""
        if self.values and len(self.values) >= self.least:
            self.over = [*self.over, (self.until, middle([float(each) for each in self.values]))][-14:]
        self.values, self.until = [], 0

    def rate(self, asked: UsualRate, at: int) -> float | None:
        """The usual rate at T."""
        if self.until and self.until <= at:
            self.close()
        found = [rate for end, rate in self.over if at - 14 * 24 * 60 * MINUTE < end <= at]
        return middle(found) if len(found) >= asked.nights else None

    def add(self, asked: UsualRate, at: int, median: float) -> None:
        """A T that may be of a night."""
        until = end_of(asked.zone, asked.begins, asked.ends, at)
        if until is None:
            return
        if self.until not in {0, until}:
            self.close()
        self.until, self.least = until, asked.least_us // (10 * SECOND)
        self.values.append(math.floor(median + 0.5))


def middle(values: list[float]) -> float:
    """The median."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def end_of(zone: str, begins: str, ends: str, at: int) -> int | None:
    """When the hours around an instant end, None outside of them."""
    return _end(zone, begins, ends, at // MINUTE)


@lru_cache(maxsize=4096)
def _end(zone: str, begins: str, ends: str, minute: int) -> int | None:
    if not shows(zone, begins, ends, minute * MINUTE):
        return None
    while shows(zone, begins, ends, minute * MINUTE):
        minute += 1
    return minute * MINUTE
