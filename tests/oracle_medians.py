"""The oracle's window rules, one T and one machine at a time (RULES, *Heart rate*)."""

from __future__ import annotations

from tests import oracle_sugar as sugar
from tests.oracle_artefact import held_back
from tests.oracle_evidence import CALLS, of_window
from tests.oracle_machines import OneLevel, take
from tests.oracle_nights import in_force, is_night
from tests.oracle_rest import why_not
from tests.oracle_series import MedianMachine, Series, crossed, inside
from tests.oracle_told import Patient, Site
from tests.oracle_usual import Nights
from vitals.metrics import SECOND_US as SECOND
from vitals.policies import Policy


class MedianRules(OneLevel):
    """The window rules (RULES, *Heart rate*)."""

    def nights_of(self, key: bytes) -> Nights:
        """What is usual for a patient."""
        return self.nights.setdefault(key, Nights())

    @staticmethod
    def set_rules(series: Series, policy: Policy) -> None:
        """The rules of a policy."""
        rules = [rule for rule in policy.windows if rule.metric == series.metric.name == "heart_rate"]
        for machine, _, now in take(series.medians, rules, MedianMachine):
            machine.held = None if now is None else machine.held

    def take_rules(self, patient: Patient, series: Series) -> None:
        for side in ("low", "high"):
            if (rule := self.rule(patient, series, side)) is not None:
                series.rules[side] = rule

    def turn(self, number: int, clock: int) -> None:
        """Day and night, before all else that a tick does."""
        for patient in self.patients.values():
            if patient.site == number and is_night(patient.whole, clock) != (patient.policy.night is not None):
                patient.policy = in_force(patient.whole, clock)
                for series in patient.series.values():
                    self.set_rules(series, patient.policy)
                    self.take_rules(patient, series)

    def release_medians(self, key: bytes, series: Series, clock: int) -> None:
        """What artefact has held for as long as may be."""
        for machine in series.medians.values():
            held, rule = machine.held, machine.rule
            if held is None or held.until + 2 * SECOND > clock:
                continue
            machine.held = None
            usual = None if rule.usual is None else self.nights_of(key).rate(rule.usual, held.value_at)
            limit = crossed(rule, held.value, usual)
            if limit is None or rule not in series.applying():
                continue
            machine.level, machine.condition, machine.beyond = 1, "active", True
            machine.opened_at, machine.since, machine.limit = held.until, held.run_since, limit
            machine.value, machine.value_at, machine.width = held.value, held.value_at, held.width
            machine.beside = held.beside
            self.median(key, series, machine, "open", machine.opened_at, instant=machine.opened_at + 2 * SECOND)

    def median(
        self, key: bytes, series: Series, machine: MedianMachine, change: str, at: int, *, instant: int | None = None
    ) -> None:
        evidence = of_window(series, machine, self.patients[key].policy) if change in CALLS else None
        self.say(key, series, machine, change, at, instant=instant, evidence=evidence)

    def evaluations(self, key: bytes, series: Series, site: Site, clock: int) -> None:
        """Every T after the site's last up to the newest that the clock lets evaluate."""
        if not series.medians or not series.panes:
            return
        newest = series.head * series.metric.pane_us
        first = max(site.evaluated, newest // (10 * SECOND) * 10 * SECOND - 1000 * SECOND) + 10 * SECOND
        last = min((clock - 2 * SECOND) // (10 * SECOND) * 10 * SECOND, newest + 600 * SECOND)
        for at in range(first, last + 1, 10 * SECOND):
            self.evaluate(key, series, at)

    def evaluate(self, key: bytes, series: Series, at: int) -> None:
        widths = {rule.width_us for rule in series.applying()}
        medians = {width: series.median(width, at) for width in widths}
        if all(each is None for each in medians.values()):
            return
        for machine in sorted(series.medians.values(), key=lambda each: (each.rule.width_us, each.rule.name)):
            median = medians.get(machine.rule.width_us)
            applies = machine.rule.width_us >= 2 * series.interval and (machine.level or not machine.gone)
            if applies and median is not None:
                usual = machine.rule.usual if not machine.gone else None
                rate = None if usual is None else self.nights_of(key).rate(usual, at)
                restless = why_not(self.patients[key], machine, at)
                if usual is not None and not restless:
                    self.nights_of(key).add(usual, at, median)
                    restless = "no usual rate" if rate is None else ""
                if restless:
                    machine.restless = restless if machine.level else ""
                else:
                    self.move(key, series, machine, at, median)
        series.evaluated = at if series.evaluated is None else max(at, series.evaluated)
        signal = series.signal
        if signal.rank and series.recovered(self.needed(self.patients[key], series)):
            rank, signal.rank, signal.heard_at = signal.rank, 0, at + 2 * SECOND
            self.signal(key, series, "clear", at + 2 * SECOND, rank)

    def move(self, key: bytes, series: Series, machine: MedianMachine, at: int, median: float) -> None:
        """One evaluation of one rule."""
        rule = machine.rule
        if machine.level and machine.condition != "unknown" and at - (machine.at or 0) > 60 * SECOND:
            machine.condition, machine.reason = "unknown", machine.restless or "no data"
            self.median(key, series, machine, "unknown", (machine.at or 0) + 62 * SECOND)
        machine.restless = ""
        usual = None if machine.gone or rule.usual is None else self.nights_of(key).rate(rule.usual, at)
        limit = None if machine.gone else crossed(rule, median, usual)
        heart = "on" if limit is not None else "off" if machine.gone or inside(rule, median, usual) else "neither"
        says = sugar.says(self.patients[key], machine, at, heart)
        if machine.at != at - 10 * SECOND or machine.says != says:
            machine.run_since = at
        machine.at, machine.says = at, says
        run = (at - machine.run_since) // (10 * SECOND) + 1
        enough = run >= (1 if machine.gone else rule.successive)
        was, condition = machine.level, machine.condition
        machine.held = machine.held if says == "on" else None
        machine.beside = sugar.words(self.patients[key], machine, at) if usual is None else f"usual {usual:g} /min"
        opens = not was and says == "on" and enough
        if opens and not held_back(series, machine, at, median, limit):
            machine.level, machine.opened_at, machine.since = 1, at, machine.run_since
        elif was and says == "off" and enough:
            machine.level = 0
        if not (was or machine.level):
            return
        machine.value, machine.value_at, machine.beyond = median, at, says == "on"
        machine.limit, machine.width = machine.limit if limit is None else limit, rule.width_us
        machine.condition = "over" if not machine.level else "active" if says == "on" else "returning"
        machine.reason = ""
        change = "open" if machine.level > was else "clear" if machine.level < was else ""
        if not change and condition == "unknown":
            change = "known"
        elif not change and machine.condition != condition:
            change = machine.condition
        if change:
            self.median(key, series, machine, change, at, instant=at + 2 * SECOND)
