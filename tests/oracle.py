"""What the processor must say about a log: a plain-Python program, one row at a time, that imports nothing of stream.

Written from RULES and DESIGN with dictionaries and loops. It knows no batches, so it cannot get them wrong.
Every output is a plain tuple, ``Told``; the numbers in it are exact, and `tests.oracle_bytes` writes them as the log
has them.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from tests.oracle_artefact import keep_doubts
from tests.oracle_evidence import CALLS, of_run
from tests.oracle_glucose import GlucoseRules
from tests.oracle_nights import in_force
from tests.oracle_rest import STEPS, keeps_steps
from tests.oracle_series import NEVER_TICKED, Deciding, Series, beyond
from tests.oracle_told import Patient, Site, Told
from tests.oracle_windows import Windows
from vitals.control import ClockControl, PatientControl, decode
from vitals.journal import Episode, Mark, episode_id
from vitals.metrics import METRIC_BY_CODE, Metric
from vitals.metrics import SECOND_US as SECOND
from vitals.policies import SIGNAL_RESPONSES, ThresholdRule
from vitals.readings import INVALID_SHIFT, OBSERVED_MAX_US, OBSERVED_MIN_US, UNUSABLE_MASK, Flag, Invalid
from vitals.readings import decode as decode_rows
from vitals.steps import Records
from vitals.units import Unit, canonical_scalar
from vitals.windows import WINDOWS

CLOCK_SUSPECT, CENSORED_LOW, CENSORED_HIGH = int(Flag.CLOCK_SUSPECT), int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH)
LATE, ARTEFACT = int(Flag.LATE), int(Flag.ARTEFACT)


class Oracle(GlucoseRules, Windows):
    """Takes records one by one; `told` grows."""

    def __init__(self, partition: int = 0, partitions: int = 1) -> None:
        super().__init__()
        self.partition, self.partitions = partition, partitions
        self.sites: dict[int, Site] = {}
        self.told: list[Told] = []
        self.simulated = False

    def read(self, records: Records) -> list[Told]:
        columns = records.offsets, records.keys, records.values, records.headers
        for offset, key, value, headers in zip(*columns, strict=True):
            self.offset, self.row = offset, 0
            if any(name == "control" for name, _ in headers):
                self.control(value)
            elif len(value) % 64 == 0:
                rows = decode_rows([value])
                if key == b"tick":
                    ticks = [(int(each["site"]), int(each["observed_at"])) for each in rows if each["metric"] == 0]
                    self.tick([each for each in ticks if OBSERVED_MIN_US <= each[1] <= OBSERVED_MAX_US])
                elif key in self.patients:
                    for self.row, each in enumerate(rows):
                        self.reading(key, each)
            self.pending.sort(key=lambda each: each[0])
            self.told += [told for _, told in self.pending]
            self.pending.clear()
        return self.told

    # ---- readings

    def reading(self, key: bytes, each: Any) -> None:
        series = self.patients[key].series.get(int(each["metric"]))
        if series is None:
            return
        flags, arrival = int(each["flags"]), int(each["received_at"])
        if not all(OBSERVED_MIN_US <= time <= OBSERVED_MAX_US for time in (arrival, int(each["observed_at"]))):
            return
        at = arrival if flags & CLOCK_SUSPECT else int(each["observed_at"])
        value = canonical_scalar(float(each["value"]), Unit(int(each["unit"])))
        if flags & CENSORED_LOW:
            value = series.stream.low - 1
        elif flags & CENSORED_HIGH:
            value = series.stream.high + 1
        again = flags & CLOCK_SUSPECT and series.again(each["device"].tobytes(), int(each["observed_at"]))
        usable = not again and not flags & UNUSABLE_MASK and math.isfinite(value)
        decides = usable and not flags & LATE and (series.newest is None or at > series.newest)
        if usable:
            series.newest = at if series.newest is None else max(series.newest, at)
            pane = series.fill(at, value, late=bool(flags & LATE), doubted=bool(flags & ARTEFACT))
            self.note(series, self.site(self.patients[key].site), pane)
        if decides:
            whole = math.floor(value + 0.5) if series.metric.whole else value
            censored: Literal["low", "high"] | None = None
            if flags & (CENSORED_LOW | CENSORED_HIGH):
                censored = "low" if flags & CENSORED_LOW else "high"
            series.last = Deciding(at, arrival, whole, censored, math.floor(value * 1000 + 0.5))
            series.signal.why = ""
            self.decide(key, series, series.last)
        else:
            self.explain(key, series, flags, arrival)

    def decide(self, key: bytes, series: Series, last: Deciding) -> None:
        patient = self.patients[key]
        for side in ("low", "high"):
            rule = self.rule(patient, series, side)
            if rule is not None:
                self.threshold(key, series, rule, last)
            elif series.machines[side].level:  # the policy dropped the rule of an open episode
                machine = series.machines[side]
                was, machine.level, machine.condition, machine.reason = machine.level, 0, "over", ""
                self.episode(key, series, side, "clear", at=last.at, was=was)
        self.judge(key, series, last)
        signal = series.signal
        if signal.rank:
            begins = not signal.run or last.at - signal.run[-1] > series.gap
            if begins:
                signal.run = []
            signal.run.append(last.at)
            signal.few = True
            if series.recovered(self.needed(patient, series)):
                rank, signal.rank = signal.rank, 0
                signal.heard_at = last.arrival
                self.signal(key, series, "clear", last.at, rank)
            elif begins and series.reason() != signal.told:
                signal.told = series.reason()
                self.signal(key, series, "reason", last.at, signal.rank)

    def threshold(self, key: bytes, series: Series, rule: ThresholdRule, last: Deciding) -> None:
        machine = series.machines[rule.side]
        was, condition = machine.level, machine.condition
        series.move(rule, last)
        rises = series.prolonged(rule, last, was)
        if not was and machine.level:
            machine.opened_at = last.at
            machine.since = series.run(last.at, last.value, beyond(rule, 1))
        change = ""
        if machine.level > was or rises:
            change = "rise" if was else "open"
        elif machine.level < was:
            change = "lower" if machine.level else "clear"
        elif condition == "unknown":
            change = "known"
        elif condition != machine.condition:
            change = machine.condition
        if change:
            machine.reason = ""
            self.episode(key, series, rule.side, change, at=last.at, was=was)

    def explain(self, key: bytes, series: Series, flags: int, arrival: int) -> None:
        invalid = flags >> INVALID_SHIFT
        if flags & Flag.CONTACT_LOST or invalid == Invalid.CONTACT_LOST:
            word = "contact lost"
        elif invalid:
            word = "sensor error"
        elif flags & (Flag.WARM_UP | Flag.CONTROL_SOLUTION):
            return
        else:
            word = "only old readings"
        if arrival < series.waits_from:
            return
        series.signal.why = word
        if series.signal.rank and series.signal.told != word:
            series.signal.told = word
            self.signal(key, series, "reason", arrival, series.signal.rank)

    # ---- what is told

    def episode(self, key: bytes, series: Series, side: str, change: str, *, at: int, was: int) -> None:
        machine, rule = series.machines[side], series.rules[side]
        shown = rule.levels[(machine.level or was) - 1]
        asks = rule.levels[1] if machine.raised else shown
        last = series.heard()
        episode = self.about(
            key, series, rule.name, machine.opened_at, category="physiological", level=machine.level,
            condition=machine.condition, priority=asks.priority, change=change, at=at, since=machine.since,
            value=last.value, value_at=last.at, limit=shown.limit, censored=last.censored, reason=machine.told,
            response=asks.response,
            evidence=of_run(series, rule, machine.level, last, self.patients[key].policy) if change in CALLS else None,
        )  # fmt: skip
        self.tell(at, key, episode)

    def lose(self, key: bytes, series: Series, reason: str, at: int) -> None:
        for side, machine in series.machines.items():
            if machine.level and machine.reason != reason:
                change = "reason" if machine.condition == "unknown" else "unknown"
                machine.condition, machine.reason = "unknown", reason
                self.episode(key, series, side, change, at=at, was=machine.level)
        self.lose_each(key, series, reason, at)

    # ---- time

    def tick(self, moves: list[tuple[int, int]]) -> None:
        moved = []
        for self.row, (number, at) in enumerate(moves):
            site = self.site(number)
            if at <= site.clock:
                continue
            if site.clock == NEVER_TICKED:
                site.closed = {spec.code: self.last_end(spec, at) for spec in WINDOWS}
                site.evaluated = (at - 2 * SECOND) // (10 * SECOND) * 10 * SECOND
            site.clock = at
            moved.append(number)
            self.turn(number, at)
            if site.silent_at is not None:
                self.site_heard(number, site, at)
            for key, series in self.of_site(number):
                self.evaluations(key, series, site, at)
                self.deadlines(key, self.patients[key], series, at)
            site.evaluated = (at - 2 * SECOND) // (10 * SECOND) * 10 * SECOND
            self.close(number, site, at)
        for number in moved:
            self.sites[number].heard = {}
        for number in sorted(self.sites):
            if number not in moved:
                self.watch(number, moved)
        self.mark(moves)

    def mark(self, moves: list[tuple[int, int]]) -> None:
        self.row = 1 << 62
        if any(self.sites[number].clock - self.sites[number].marked >= SECOND for number, _ in moves):
            for site in self.sites.values():
                site.marked = site.clock
            clocks = {n: site.clock for n, site in self.sites.items() if site.clock != NEVER_TICKED}
            self.tell_mark(Mark(sites=clocks, simulated=self.simulated))

    def of_site(self, number: int) -> list[tuple[bytes, Series]]:
        mine = [(key, patient) for key, patient in self.patients.items() if patient.site == number]
        return [(key, series) for key, patient in mine for series in patient.series.values()]

    def site(self, number: int, name: str = "") -> Site:
        site = self.sites.setdefault(number, Site())
        site.name = name or site.name
        return site

    def watch(self, number: int, moved: list[int]) -> None:
        site = self.sites[number]
        for other in moved:
            site.heard.setdefault(other, self.sites[other].clock)
        if site.silent_at is not None:
            return
        limits = [at + 10 * SECOND for n, at in site.heard.items() if self.sites[n].clock >= at + 10 * SECOND]
        if not limits:
            return
        site.silent_at = min(limits)
        for key, patient in self.patients.items():
            if patient.site == number:
                for series in patient.series.values():
                    for side, machine in series.machines.items():
                        if machine.level and machine.condition != "unknown":
                            machine.condition, machine.reason = "unknown", "site silent"
                            self.episode(key, series, side, "unknown", at=site.silent_at, was=machine.level)
                    self.lose_each(key, series, "site silent", site.silent_at, known_only=True)
        self.site_episode(number, "open", site.silent_at, site.silent_at)

    def site_heard(self, number: int, site: Site, at: int) -> None:
        for key, patient in self.patients.items():
            for series in patient.series.values() if patient.site == number else ():
                for side, machine in series.machines.items():
                    if machine.reason != "site silent":
                        continue
                    if series.heard().arrival + series.gap <= at:
                        machine.reason = "no data"
                        self.episode(key, series, side, "reason", at=at, was=machine.level)
                    else:
                        rule = self.rule(patient, series, side)
                        out = rule is not None and beyond(rule, machine.level)(series.heard().value)
                        machine.condition, machine.reason = ("active" if out else "returning"), ""
                        self.episode(key, series, side, "known", at=at, was=machine.level)
                self.regain_each(key, series, at)
        self.site_episode(number, "clear", at, site.silent_at or 0)
        site.silent_at = None

    def site_episode(self, number: int, change: Literal["open", "clear"], at: int, opened_at: int) -> None:
        if number % self.partitions == self.partition:
            over = change == "clear"
            episode = Episode(
                id=episode_id(f"site:{number}", None, "site_silent", opened_at), patient=None,
                label=self.sites[number].name, site=number, device=None, metric=None, rule="site_silent",
                category="technical", level=0 if over else 3, condition="over" if over else "active",
                priority="high", change=change, at=at, opened_at=opened_at, since=opened_at, value=None,
                value_at=None, unit="", limit=None, reason="silent", policy=0, response=SIGNAL_RESPONSES["high"],
            )  # fmt: skip
            self.tell(at, b"site:%d" % number, episode)

    def deadlines(self, key: bytes, patient: Patient, series: Series, clock: int) -> None:
        if series.last is not None and series.last.arrival + series.gap <= clock:
            for side, machine in series.machines.items():
                if machine.level and machine.condition != "unknown":
                    machine.condition, machine.reason = "unknown", "no data"
                    self.episode(key, series, side, "unknown", at=series.last.arrival + series.gap, was=machine.level)
        self.release_medians(key, series, clock)
        self.forget_each(key, series, clock)
        rule = next((each for each in patient.policy.signals if each.metric == series.metric.name), None)
        signal = series.signal
        if rule and series.bound and not signal.rank and series.silent_at(since := series.silent_from()) <= clock:
            signal.rank = max(1, series.worst())
            signal.opened_at, signal.since, signal.run = series.silent_at(since), since, []
            signal.few = series.silent_at(series.base()) > signal.opened_at
            signal.told = series.reason()
            self.signal(key, series, "open", signal.opened_at, signal.rank)
        if rule and signal.rank == 1 and signal.opened_at + rule.medium_after_us <= clock:
            signal.rank = max(2, series.worst())
            self.signal(key, series, "rise", signal.opened_at + rule.medium_after_us, signal.rank)

    # ---- control records

    def control(self, value: bytes) -> None:
        try:
            control = decode(value)
        except ValueError:
            return
        if isinstance(control, ClockControl):
            self.simulated = control.clock == "simulated"
            return
        if not isinstance(control, PatientControl):
            self.site(control.number, control.name)
            return
        key = control.patient.bytes
        before = self.patients.get(key)
        if before is not None and before.version >= control.version:
            return
        series = {} if before is None else before.series
        closes = control.closings > (0 if before is None else before.closings)
        site = self.site(control.site)
        policy = in_force(control.policy, site.clock)
        about = control.label, control.site, control.version, control.policy, policy, series, control.closings
        patient = self.patients[key] = Patient(*about)
        for metric in METRIC_BY_CODE.values():
            if metric.name in ("heart_rate", "glucose") or (metric is STEPS and keeps_steps(patient, control)):
                self.wear(key, metric, control, site)
                if closes and metric.code in patient.series:
                    self.close_removed(key, patient.series[metric.code], site)

    def wear(self, key: bytes, metric: Metric, control: PatientControl, site: Site) -> None:
        mine = [each for each in control.worn if any(s.metric == metric.name for s in each.type.streams)]
        patient = self.patients[key]
        mine.sort(key=lambda each: (each.binding.until is None, each.binding.since, each.name))
        current = mine[-1] if mine else None
        series = patient.series.get(metric.code)
        if series is None:
            if current is None:
                return
            series = patient.series[metric.code] = Series(metric, current)
        bound = current is not None and current.binding.until is None
        changed = bound != series.bound
        if current is not None:
            changed |= (current.device, current.binding.since) != (series.worn.device, series.worn.binding.since)
        series.bound, series.worn = bound, current or series.worn
        keep_doubts(series, patient.whole)
        self.set_rules(series, patient.policy)
        self.take_rules(patient, series)
        if not changed:
            if all(each.metric != metric.name for each in patient.policy.signals):
                self.hush(key, series, max(site.clock, series.signal.opened_at))
            return
        binding = series.worn.binding
        if current is None:
            at = binding.since if site.clock == NEVER_TICKED else max(site.clock, binding.since)
        else:
            at = binding.since if binding.until is None else binding.until
        series.signal.why, series.signal.few = "", False
        self.hush(key, series, at)
        for machine in series.medians.values():
            machine.held = None
        if not bound:
            self.lose(key, series, "device removed", at)

    def close_removed(self, key: bytes, series: Series, site: Site) -> None:
        at = max(site.clock, series.worn.binding.until or series.worn.binding.since)
        for side, machine in series.machines.items():
            if machine.reason == "device removed":
                was, machine.level, machine.condition, machine.reason = machine.level, 0, "over", "closed"
                self.episode(key, series, side, "clear", at=at, was=was)
                machine.reason = ""
        self.close_each(key, series, at)
