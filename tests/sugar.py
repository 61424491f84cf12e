"""A patient whose rules of glucose are tried: readings at a sensor's pace, and what a rule says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.processor import Processor
from tests.logs import T0, Log, episodes, row, worn
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited

KINDS = {1: "libre", 5: "t1d-uom-5min", 15: "t1d-uom-15min"}


class Person:
    """A patient with a sensor that sends every so many minutes, and rules; times in minutes after T0."""

    def __init__(self, *changes: str, every: int = 5) -> None:
        self.every, self.version = every, 0
        self.worn = worn("ann", "cgm-1", KINDS[every], T0 - 600 * MINUTE_US)
        self.log = Log()
        self.log.site(1)
        self.policy = DEFAULT
        self.rules(*changes)
        self.log.tick(T0 - MINUTE_US)

    def rules(self, *changes: str) -> None:
        """The policy changed."""
        self.version += 1
        self.policy = edited(self.policy, changes).model_copy(update={"version": self.version})
        self.log.patient("ann", self.worn, version=self.version, policy=self.policy)

    def reads(self, at: float, values: Iterable[float]) -> float:
        """Readings from ``at`` on at the sensor's pace, each with its tick; when the next one would come."""
        for value in values:
            time = T0 + round(at * MINUTE_US)
            self.log.readings(row("ann", value, time))
            self.log.tick(time)
            at += self.every
        return at

    def said(self, rule: str) -> list[str]:
        """Changes in short: ``minute change condition``, and the reason where there is one."""
        found = episodes(self.log.run(Processor(0, 1)), rule)
        return [f"{(each.at - T0) // MINUTE_US} {each.change} {each.condition} {each.reason}".strip() for each in found]


def judged(rule: str, readings: Sequence[float], *changes: str, every: int = 5) -> list[str]:
    """What a rule, switched on and changed, says of readings from minute 0 on."""
    person = Person(f"{rule}=on", *changes, every=every)
    person.reads(0, readings)
    return person.said(rule)
