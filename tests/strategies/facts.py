"""What a generated log contains, found by the oracle on its way through it, so that a run can count it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.oracle import Oracle
from tests.oracle_closed import Dirty
from tests.oracle_series import NEVER_TICKED, MedianMachine, Series, beyond
from tests.oracle_told import Patient
from vitals.journal import Episode
from vitals.metrics import MINUTE_US
from vitals.metrics import SECOND_US as SECOND
from vitals.readings import Flag

IN_A_DELAY = "a crash inside a delay"
JUMP = "a jump over an hour"
SWAP = "a device swap"
NEW_POLICY = "a policy change inside an episode"
TWO_SITES = "two sites"
AGAIN = "a window that is written again"
MARK = "a dirty mark"
NIGHTFALL = "a switch of day and night"
REPEATED = "a repeated reading of a clock that runs ahead"
REQUIRED = (IN_A_DELAY, JUMP, SWAP, NEW_POLICY, TWO_SITES, NIGHTFALL, REPEATED, AGAIN, MARK)
"""The classes of which a run must have enough."""
REASONS = {"device removed", "no data", "site silent", "too few readings", "closed", "moving", "no activity data"}
REASONS |= {"no glucose data", "no usual rate", "reached", "prolonged"}
JUMP_US = 60 * MINUTE_US
RING_US = 180 * MINUTE_US
"""What the ring of glucose holds."""


class _Before(NamedTuple):
    """What a patient's control record replaces: the record, and the device worn for each metric."""

    patient: Patient
    worn: dict[int, object]


class Witness(Oracle):
    """The oracle, and what it met."""

    def __init__(self, partition: int = 0, partitions: int = 1) -> None:
        super().__init__(partition, partitions)
        self.facts: set[str] = set()

    def reading(self, key: bytes, each: Any) -> None:
        """A reading, and whether it is one of a clock that runs ahead and was there before."""
        series = self.patients[key].series.get(int(each["metric"]))
        before = None if series is None else series.suspect
        super().reading(key, each)
        if series is not None and int(each["flags"]) & Flag.CLOCK_SUSPECT and before is not None:
            if series.suspect is before:
                self.facts.add(REPEATED)
            elif before[0] != each["device"].tobytes():
                self.facts.add("two devices whose clocks run ahead")

    def tick(self, moves: list[tuple[int, int]]) -> None:
        """Ticks, and whether a clock ran for more than an hour at once."""
        before = {number: site.clock for number, site in self.sites.items()}
        super().tick(moves)
        for number, clock in before.items():
            if clock != NEVER_TICKED and self.sites[number].clock - clock > JUMP_US:
                self.facts.add(JUMP)
        if sum(site.clock != NEVER_TICKED for site in self.sites.values()) > 1 and self._patients_of_two_sites():
            self.facts.add(TWO_SITES)

    def turn(self, number: int, clock: int) -> None:
        """Day and night, and whether somebody's rules changed by it."""
        before = {key: each.policy for key, each in self.patients.items()}
        super().turn(number, clock)
        for key, policy in before.items():
            after = self.patients[key]
            if after.policy is not policy and after.policy != policy:
                inside = any(is_open(each) for each in after.series.values())
                self.facts |= {NIGHTFALL, f"{NIGHTFALL} inside an episode"} if inside else {NIGHTFALL}

    def _patients_of_two_sites(self) -> bool:
        return len({each.site for each in self.patients.values()}) > 1

    def control(self, value: bytes) -> None:
        """A control record, and whether it gave somebody another device, or other rules while an episode was open."""
        before = {
            key: _Before(each, {code: one.worn.device for code, one in each.series.items() if one.bound})
            for key, each in self.patients.items()
        }
        super().control(value)
        for key, (patient, worn) in before.items():
            after = self.patients[key]
            if after is patient:
                continue
            bound = {code: each.worn.device for code, each in after.series.items() if each.bound}
            swapped = any(device != worn.get(code, device) for code, device in bound.items())
            inside = any(is_open(each) for each in after.series.values())
            if swapped:
                self.facts |= {SWAP, "a device swap inside an episode"} if inside else {SWAP}
            if inside and rules(after) != rules(patient):
                self.facts.add(NEW_POLICY)
            if after.site != patient.site:
                self.facts.add("a patient who moves")

    def move(self, key: bytes, series: Series, machine: MedianMachine, at: int, median: float) -> None:
        """One evaluation of one rule, and whether artefact holds it back."""
        super().move(key, series, machine, at, median)
        if machine.held is not None:
            self.facts.add("an opening that artefact holds")

    def release_medians(self, key: bytes, series: Series, clock: int) -> None:
        """What artefact has held for as long as may be."""
        before = len(self.pending)
        super().release_medians(key, series, clock)
        if len(self.pending) > before:
            self.facts.add("an opening held for as long as may be")

    def crash(self) -> None:
        """The processor dies here."""
        self.facts.add("a crash")
        for patient in self.patients.values():
            for series in patient.series.values():
                if delayed(patient, series, self.sites[patient.site].clock):
                    self.facts.add(IN_A_DELAY)
                if any(each.condition == "returning" for each in series.machines.values()):
                    self.facts.add("a crash inside an off-delay")
                if series.signal.rank and series.signal.run:
                    self.facts.add("a crash while a silence ends")

    def finish(self) -> set[str]:
        """Everything met, after the last record."""
        seen: set[tuple[bytes, int, int]] = set()
        for told in self.told:
            if isinstance(told.what, Episode):
                self.facts.add(f"an episode of {told.what.rule}")
                if told.what.change == "open" and told.what.at - told.what.since > RING_US:
                    self.facts.add("a run longer than the ring")
                if told.what.reason in REASONS:
                    self.facts.add(f"an episode with the reason {told.what.reason}")
            for key, each in told.windows:
                if isinstance(each, Dirty):
                    self.facts.add(MARK)
                elif (key, each.window, each.end) in seen:
                    self.facts.add(AGAIN)
                else:
                    seen.add((key, each.window, each.end))
        return self.facts


def rules(patient: Patient) -> tuple[object, ...]:
    """The rules of a policy, without its number."""
    policy = patient.policy
    glucose = policy.sustained, policy.rates, policy.forecasts
    return policy.thresholds, policy.signals, policy.windows, *glucose


def is_open(series: Series) -> bool:
    """Whether a physiological episode of a series is open."""
    return series.worst() > 0


def delayed(patient: Patient, series: Series, clock: int) -> bool:
    """Whether a rule of a series is on its way to a higher level, and no gap has ended that."""
    last = series.last
    if last is not None and last.arrival + series.gap > clock:
        for rule in patient.policy.thresholds:
            level = series.machines[rule.side].level
            if rule.metric == series.metric.name and level < 2 and beyond(rule, level + 1)(last.value):
                return True
        if any(not each.gone and not each.level and each.said == "beyond" for each in series.glucose.values()):
            return True
    return any(
        not each.level and each.says == "on" and each.at is not None and each.at + 12 * SECOND > clock
        for each in series.medians.values()
    )
