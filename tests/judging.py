"""Patients on sensors and rules that judge readings one by one, for tests of their machines (`stream.glucose`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream.glucose import Arrived, GlucoseMachines
from stream.panes import Ring
from stream.rules import CONDITIONS, Deciding, Machines
from stream.series import Series
from stream.verdicts import Moved
from tests.logs import T0, worn
from tests.sugar import KINDS
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import DEFAULT, ForecastRule, GlucoseRule, Policy, RateRule, SustainedRule
from vitals.policy_edits import edited

G = 11 * MINUTE_US
RISING = edited(DEFAULT, ["glucose_rising=on"]).rates[0]
SOON = edited(DEFAULT, ["low_soon=on"]).forecasts[0]
HIGH = edited(DEFAULT, ["high_sustained=on"]).sustained[0].model_copy(
    update={"limit": 180.0, "quick_limit": 170.0, "on_span_us": 15 * MINUTE_US, "quick_span_us": 5 * MINUTE_US,
            "slow_span_us": 10 * MINUTE_US, "priority": "low"}
)  # fmt: skip
LOW = HIGH.model_copy(
    update={"name": "low_sustained", "side": "low", "limit": 80.0, "quick_limit": 90.0, "priority": "medium"}
)


def policy_of(*rules: Any) -> Policy:
    """The default with these rules."""
    kinds: dict[str, type[GlucoseRule]] = {"sustained": SustainedRule, "rates": RateRule, "forecasts": ForecastRule}
    update = {field: tuple(each for each in rules if isinstance(each, kind)) for field, kind in kinds.items()}
    return DEFAULT.model_copy(update=update)


class Ward:
    """Patients on five-minute sensors, in slots; minutes count from T0."""

    def __init__(self, *rules: Any, slots: tuple[int, ...] = (3,), every: int = 5) -> None:
        self.series, self.ring, self.machines = Series(GLUCOSE), Ring(GLUCOSE, timed=True), Machines()
        self.glucose = GlucoseMachines(self.series, self.ring, self.machines)
        self.every = every
        for slot in slots:
            self.series.wear(slot, (worn("ann", "cgm-1", KINDS[every], T0 - 600 * MINUTE_US),))
            self.take(*rules, slot=slot)

    def take(self, *rules: Any, slot: int = 3) -> None:
        """Another policy."""
        self.glucose.set_policy(slot, policy_of(*rules))

    def read(
        self, minute: float, values: float | dict[int, float], *, late: float = 0, censored: int = 0
    ) -> list[Moved]:
        """A deciding reading of one slot or several; what it moved."""
        mine = values if isinstance(values, dict) else {3: values}
        slots, exact = np.array(list(mine)), np.array([float(value) for value in mine.values()])
        events = np.full(len(slots), T0 + round(minute * MINUTE_US))
        wholes = np.floor(exact + 0.5)
        self.ring.write(slots, events, exact, wholes, np.zeros(len(slots), np.bool_))
        arrivals = events + round(late * MINUTE_US)
        deciding = Deciding(slots, events, wholes, self.series.gap[slots])
        return self.glucose.step(Arrived(deciding, exact, arrivals, np.full(len(slots), censored, np.int8)))

    def live(self, first: int, last: int, value: float) -> list[tuple[float, str]]:
        """Readings each five minutes; the changes with their minutes."""
        return [
            ((each.at - T0) / MINUTE_US, each.change)
            for minute in range(first, last + 1, self.every) for each in self.read(minute, value)
        ]  # fmt: skip


def short(moved: list[Moved]) -> list[tuple[str, int, str]]:
    """Change, level and condition of each."""
    return [(each.change, each.level, CONDITIONS[each.condition]) for each in moved]
