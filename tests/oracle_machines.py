"""What happens alike to all machines of one level, whatever they judge: time, sites, bindings, and rules that go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.oracle_series import GlucoseMachine, MedianMachine, Series
from tests.oracle_told import Teller
from vitals.evidence import Evidence

Machine = TypeVar("Machine", MedianMachine, GlucoseMachine)


def take(
    machines: dict[str, Machine], rules: Iterable[Any], make: Callable[[Any], Machine]
) -> list[tuple[Machine, Any, Any]]:
    """A policy's rules: of each machine the rule that was in force, and the one that is. One that is gone ends by the
    next judgement; it is forgotten when nothing of it is open, and begins anew if it comes back.
    """
    for name in [name for name, each in machines.items() if each.gone and not each.level]:
        del machines[name]
    before = {name: None if each.gone else each.rule for name, each in machines.items()}
    for each in machines.values():
        each.gone = True
    for rule in rules:
        machine = machines.setdefault(rule.name, make(rule))
        machine.rule, machine.gone = rule, False
    return [(each, before.get(name), None if each.gone else each.rule) for name, each in machines.items()]


class OneLevel(Teller):
    """Machines of one level."""

    def lose_each(self, key: bytes, series: Series, reason: str, at: int, *, known_only: bool = False) -> None:
        for machine in series.singles():
            unknown = machine.condition == "unknown"
            if machine.level and machine.reason != reason and not (known_only and unknown):
                machine.condition, machine.reason = "unknown", reason
                self.say(key, series, machine, "reason" if unknown else "unknown", at)

    def regain_each(self, key: bytes, series: Series, at: int) -> None:
        """The site is heard again."""
        for machine in series.singles():
            if machine.reason != "site silent":
                continue
            if machine.due(series.gap) <= at:
                machine.reason, change = "no data", "reason"
            else:
                machine.condition, machine.reason = ("active" if machine.beyond else "returning"), ""
                change = "known"
            self.say(key, series, machine, change, at)

    def close_each(self, key: bytes, series: Series, at: int) -> None:
        """Somebody closed what a removed device left open."""
        for machine in series.singles():
            if machine.reason == "device removed":
                machine.level, machine.condition, machine.reason = 0, "over", "closed"
                self.say(key, series, machine, "clear", at)
                machine.reason = machine.restless = ""

    def forget_each(self, key: bytes, series: Series, clock: int) -> None:
        """What has not been judged for too long."""
        for machine in series.singles():
            due = machine.due(series.gap)
            if machine.level and machine.condition != "unknown" and due <= clock:
                machine.condition, machine.reason = "unknown", machine.restless or "no data"
                self.say(key, series, machine, "unknown", due)

    def say(
        self,
        key: bytes,
        series: Series,
        machine: MedianMachine | GlucoseMachine,
        change: str,
        at: int,
        *,
        instant: int | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        rule = machine.rule
        episode = self.about(
            key, series, rule.name, machine.opened_at, category="physiological", level=machine.level,
            condition=machine.condition, priority=rule.priority, change=change, at=at, since=machine.since,
            value=machine.value, value_at=machine.value_at, limit=machine.limit, censored=machine.censored,
            reason=machine.reason or machine.beside, response=rule.response, evidence=evidence,
        )  # fmt: skip
        self.tell(at if instant is None else instant, key, episode)
