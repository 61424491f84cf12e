"""People with wrists and window rules, for tests of the table of these rules by itself (`stream.medians`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.medians import Medians
from stream.panes import Ring
from stream.rules import CONDITIONS
from stream.series import Series
from stream.verdicts import Moved
from tests.logs import T0, worn
from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import (
    DEFAULT,
    HEART_RATE_GLUCOSE,
    HEART_RATE_REST,
    HEART_RATE_USUAL,
    HEART_RATES,
    Policy,
    UsualRate,
    WindowRule,
)

ANN, BOB, CYD = 3, 5, 1
HIGH = HEART_RATES[0].model_copy(update={"width_us": MINUTE_US, "on_above": 120.0, "off_at_most": 110.0})
LOW = HEART_RATES[1].model_copy(
    update={"width_us": 2 * MINUTE_US, "on_at_most": 40.0, "off_at_least": 45.0, "priority": "low"}
)
ROW = HIGH.model_copy(update={"name": "heart_rate_extreme", "successive": 3})
RESTS = HEART_RATE_REST.model_copy(
    update={"width_us": MINUTE_US, "on_above": 100.0, "off_at_most": 90.0, "rest_at_most": 0}
)
NIGHT = UsualRate(above=30, begins="22:00", ends="22:30", least_us=10 * SECOND_US, nights=1)
"""T0 is a quarter past ten."""
SWEET = HEART_RATE_GLUCOSE.model_copy(update={"width_us": MINUTE_US, "rest_at_most": None})
USUAL = HEART_RATE_USUAL.model_copy(update={"width_us": MINUTE_US, "rest_at_most": None, "usual": NIGHT})
HOLDS = HIGH.model_copy(update={"artefact_hold_us": 30 * SECOND_US})


def policy_of(*rules: WindowRule) -> Policy:
    """The default with these window rules."""
    return DEFAULT.model_copy(update={"windows": rules})


class Ward:
    """People with a wrist that sends each second; seconds count from T0."""

    def __init__(self, *rules: WindowRule, slots: tuple[int, ...] = (ANN,), interval: int = 1) -> None:
        self.series, self.ring, self.activity = Series(HEART_RATE), Ring(HEART_RATE, timed=False), Activity()
        self.artefacts = Artefacts(self.ring)
        self.medians = Medians(self.series, self.ring, self.activity, self.artefacts)
        for slot in slots:
            self.series.wear(slot, (worn("ann", "wrist", "wrist", T0 - MINUTE_US),))
            self.series.interval[slot] = interval * SECOND_US
            self.artefacts.make(slot)
            self.take(*rules, slot=slot)

    def take(self, *rules: WindowRule, slot: int = ANN) -> None:
        """Another policy."""
        self.medians.set_policy(slot, policy_of(*rules))

    def read(self, first: int, last: int, *values: float, slot: int = ANN, every: int = 1, late: bool = False,
             doubted: bool = False) -> None:  # fmt: skip
        """Readings after a second up to another one, the values by turns."""
        seconds = np.arange(first + every, last + 1, every)
        rates = np.array([float(values[at % len(values)]) for at in range(len(seconds))])
        slots, events, one = np.full(len(seconds), slot), T0 + seconds * SECOND_US, np.ones(len(seconds), np.bool_)
        self.ring.write(slots, events, rates, rates, one & late)
        self.artefacts.write(slots, events, one & doubted)

    def at(self, second: int, *slots: int) -> list[Moved]:
        """What T moves; whom it evaluated stands in ``seen``."""
        evaluated, moved = self.medians.evaluate(T0 + second * SECOND_US, np.array(slots or (ANN,)))
        self.seen = evaluated.tolist()
        return moved

    def live(self, first: int, last: int, *values: float, slot: int = ANN, **more: Any) -> list[tuple[int, str, str]]:
        """Readings up to a second, and each T; the changes with their T."""
        found: list[tuple[int, str, str]] = []
        for end in range(first + 10, last + 1, 10):
            self.read(end - 10, end, *values, slot=slot, **more)
            found += [(second(each.at), each.shown.rule.name[11:], each.change) for each in self.at(end, slot)]
        return found


def second(at: int) -> int:
    """Seconds after T0, which a T is whole ones."""
    assert at % SECOND_US == 0
    return (at - T0) // SECOND_US


def short(moved: list[Moved]) -> list[tuple[int, str, str, int, str, str]]:
    """Slot, rule, change, level, condition and reason of each."""
    return [(each.slot, each.shown.rule.name[11:], each.change, each.level, CONDITIONS[each.condition], each.reason)
            for each in moved]  # fmt: skip
