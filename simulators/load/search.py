"""Looks for the largest load that still holds: up by a factor until it does not, then halving between, then a longer
run of what was found. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FACTOR = 1.6
CLOSE = 1.1
"""The search ends when what holds and what does not are closer than this."""
DEEPEST = 16.0
"""It gives up below this part of where it began."""


@dataclass(slots=True)
class Search:
    """``next`` is the load to try, None when it is over; `tell` says how it went. A load that fails is tried once
    more before it counts: one bad minute of the machine must not end the search. What held is then tried again for
    longer (`check`, `confirm`), and lowered until it holds there too: one good minute must not be the answer.
    """

    first: float
    most: float
    held: float | None = None
    failed: float | None = None
    confirmed: float | None = None
    tries: list[tuple[float, bool]] = field(default_factory=list)
    _again: float | None = None

    @property
    def next(self) -> float | None:
        """The load to try now."""
        if self._again is not None:
            return self._again
        if self.failed is None:
            if self.held is None:
                return self.first
            return None if self.held >= self.most else min(self.most, self.held * FACTOR)
        if self.held is None:
            down = self.failed / FACTOR
            return down if down >= self.first / DEEPEST else None
        if self.failed / self.held <= CLOSE:
            return None
        return math.sqrt(self.held * self.failed)

    def tell(self, *, holds: bool) -> None:
        """How the load `next` went."""
        load = self.next
        assert load is not None, "the search is over"
        self.tries.append((load, holds))
        if holds:
            self._again = None
            self.held = load
        elif self._again is None:
            self._again = load
        else:
            self._again = None
            self.failed = load

    @property
    def check(self) -> float | None:
        """The load to try for longer, once there is no `next`; None when one is confirmed, or none holds."""
        return None if self.confirmed is not None else self.held

    def confirm(self, *, holds: bool) -> None:
        """How the longer try of `check` went."""
        load = self.check
        assert load is not None, "nothing is left to confirm"
        self.tries.append((load, holds))
        if holds:
            self.confirmed = load
            return
        self.failed = load
        lower = load / CLOSE
        self.held = lower if lower >= self.first / DEEPEST else None
