"""What the oracle says, to whom and in which order; and its window rules, one T and one machine at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from tests import oracle_sugar as sugar
from tests.oracle_artefact import held_back
from tests.oracle_closed import Closed, Dirty
from tests.oracle_evidence import CALLS, of_silence, of_window
from tests.oracle_nights import in_force, is_night
from tests.oracle_rest import why_not
from tests.oracle_series import NEVER_TICKED, MedianMachine, Series, crossed, inside
from tests.oracle_usual import Nights
from vitals.journal import Episode, Mark, episode_id
from vitals.metrics import SECOND_US as SECOND
from vitals.policies import PRIORITY_OF_RANK, SIGNAL_RESPONSES, Policy, ThresholdRule


class Told(NamedTuple):
    """One output: its record's offset, its key, and what it says: a message, or the windows that close together."""

    offset: int
    key: bytes
    what: Episode | Mark | tuple[Closed | Dirty, ...]


UNITS = {"glucose": "mg/dL", "heart_rate": "/min"}


@dataclass
class Patient:
    label: str
    site: int
    version: int
    whole: Policy
    policy: Policy
    """The part of the whole that is in force."""
    series: dict[int, Series] = field(default_factory=dict)
    closings: int = 0


@dataclass
class Site:
    clock: int = NEVER_TICKED
    heard: dict[int, int] = field(default_factory=dict)
    silent_at: int | None = None
    closed: dict[int, int] = field(default_factory=dict)
    marked: int = NEVER_TICKED
    evaluated: int = NEVER_TICKED
    name: str = ""


class Teller:
    """Collects what is said during one record."""

    def __init__(self) -> None:
        self.patients: dict[bytes, Patient] = {}
        self.nights: dict[bytes, Nights] = {}
        self.pending: list[tuple[tuple[Any, ...], Told]] = []
        self.offset = self.row = 0

    def tell(self, instant: int, key: bytes, what: Episode | Mark | tuple[Closed | Dirty, ...]) -> None:
        names, patient = ("", "", ""), key
        if isinstance(what, Episode):
            names = (what.device or "", what.metric or "", what.rule)
            patient = b"" if what.patient is None else what.patient.bytes
        order = (self.row, instant, patient, *names, len(self.pending))
        self.pending.append((order, Told(self.offset, key, what)))

    def about(self, key: bytes, series: Series, rule: str, opened_at: int, **fields: Any) -> Episode:
        """An episode of a patient; what every one of them says beside its own fields."""
        patient, who, metric = self.patients[key], UUID(bytes=key), series.metric.name
        return Episode(
            id=episode_id(str(who), metric, rule, opened_at), patient=who, label=patient.label, site=patient.site,
            device=series.worn.name, metric=metric, rule=rule, opened_at=opened_at, unit=UNITS[metric],
            policy=patient.policy.version, **fields,
        )  # fmt: skip

    def signal(self, key: bytes, series: Series, change: str, at: int, rank: int) -> None:
        signal = series.signal
        if change == "clear":
            signal.why, signal.few = "", False
        priority, policy = PRIORITY_OF_RANK[rank], self.patients[key].policy
        holds = [each.hold_us for each in policy.signals if each.metric == series.metric.name]
        response = SIGNAL_RESPONSES[priority]
        if holds:
            response = response.model_copy(update={"hold_us": holds[0]})
        episode = self.about(
            key, series, "signal", signal.opened_at, category="technical", level=signal.rank,
            condition="active" if signal.rank else "over", priority=priority, change=change, at=at,
            since=signal.since, value=None, value_at=None, limit=None, reason=signal.told, response=response,
            evidence=of_silence(series, policy) if change in CALLS else None,
        )  # fmt: skip
        self.tell(at, key, episode)

    def hush(self, key: bytes, series: Series, at: int) -> None:
        """An open silence ends without a reading."""
        signal = series.signal
        if signal.rank:
            rank, signal.rank, signal.why, signal.few = signal.rank, 0, "", False
            signal.heard_at = at
            self.signal(key, series, "clear", at, rank)

    @staticmethod
    def rule(patient: Patient, series: Series, side: str) -> ThresholdRule | None:
        """The rule in force for a side of a series, if any."""
        mine = [each for each in patient.policy.thresholds if each.metric == series.metric.name and each.side == side]
        return mine[-1] if mine else None

    @staticmethod
    def needed(patient: Patient, series: Series) -> int:
        rule = next(each for each in patient.policy.signals if each.metric == series.metric.name)
        return 0 if series.interval >= rule.recover_interval_us else rule.recover_span_us


class MedianRules(Teller):
    """The window rules (RULES, *Heart rate*)."""

    def nights_of(self, key: bytes) -> Nights:
        """What is usual for a patient."""
        return self.nights.setdefault(key, Nights())

    @staticmethod
    def set_rules(series: Series, policy: Policy) -> None:
        """The rules of a policy; one that is gone ends at the next evaluation."""
        for machine in series.medians.values():
            machine.gone = True
        for rule in policy.windows:
            if rule.metric == series.metric.name == "heart_rate":
                series.medians.setdefault(rule.name, MedianMachine(rule)).rule = rule
                series.medians[rule.name].gone = False
        for machine in series.medians.values():
            machine.held = None if machine.gone else machine.held

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

    def lose_medians(self, key: bytes, series: Series, reason: str, at: int, *, known_only: bool = False) -> None:
        for machine in series.medians.values():
            unknown = machine.condition == "unknown"
            if machine.level and machine.reason != reason and not (known_only and unknown):
                machine.condition, machine.reason = "unknown", reason
                self.median(key, series, machine, "reason" if unknown else "unknown", at)

    def regain_medians(self, key: bytes, series: Series, at: int) -> None:
        """The site is heard again."""
        for machine in series.medians.values():
            if machine.reason != "site silent":
                continue
            if (machine.at or 0) + 62 * SECOND <= at:
                machine.reason, change = "no data", "reason"
            else:
                machine.condition, machine.reason = ("active" if machine.beyond else "returning"), ""
                change = "known"
            self.median(key, series, machine, change, at)

    def close_medians(self, key: bytes, series: Series, at: int) -> None:
        """Somebody closed what a removed device left open."""
        for machine in series.medians.values():
            if machine.reason == "device removed":
                machine.level, machine.condition, machine.reason = 0, "over", "closed"
                self.median(key, series, machine, "clear", at)
                machine.reason = machine.restless = ""

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

    def forget_medians(self, key: bytes, series: Series, clock: int) -> None:
        """A minute without an evaluation."""
        for machine in series.medians.values():
            due = (machine.at or 0) + 62 * SECOND
            if machine.level and machine.condition != "unknown" and due <= clock:
                machine.condition, machine.reason = "unknown", machine.restless or "no data"
                self.median(key, series, machine, "unknown", due)

    def median(
        self, key: bytes, series: Series, machine: MedianMachine, change: str, at: int, *, instant: int | None = None
    ) -> None:
        rule = machine.rule
        episode = self.about(
            key, series, rule.name, machine.opened_at, category="physiological", level=machine.level,
            condition=machine.condition, priority=rule.priority, change=change, at=at, since=machine.since,
            value=machine.value, value_at=machine.value_at, limit=machine.limit,
            reason=machine.reason or machine.beside, response=rule.response,
            evidence=of_window(series, machine, self.patients[key].policy) if change in CALLS else None,
        )  # fmt: skip
        self.tell(at if instant is None else instant, key, episode)

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
        for machine in series.medians.values():
            median = medians.get(machine.rule.width_us)
            if (
                median is not None
                and machine.rule.width_us >= 2 * series.interval
                and (machine.level or not machine.gone)
            ):
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
