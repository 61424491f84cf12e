"""The rules that judge glucose readings one by one, one machine and one reading at a time (RULES, *More rules for
glucose*); nothing here comes from stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from tests.oracle_machines import take
from tests.oracle_medians import MedianRules
from tests.oracle_series import Deciding, GlucoseMachine, Series
from vitals.evidence import Evidence
from vitals.metrics import MINUTE_US as MINUTE
from vitals.policies import ForecastRule, Policy, RateRule, SustainedRule

LOOKED_AT = ("side", "limit", "direction", "rate", "gate", "forecast", "horizon_us")


class Said(NamedTuple):
    """What a reading said; where its run began, if not counted by judged readings."""

    beyond: bool
    well: bool
    reached: bool = False
    began: int | None = None
    slope: float | None = None
    forecast: float | None = None


class GlucoseRules(MedianRules):
    """Window rules, and those of glucose beside them: whatever happens to the one happens to the other."""

    @staticmethod
    def set_rules(series: Series, policy: Policy) -> None:
        MedianRules.set_rules(series, policy)
        every = (*policy.sustained, *policy.rates, *policy.forecasts)
        rules = [rule for rule in every if rule.metric == series.metric.name]
        for machine, was, now in take(series.glucose, rules, GlucoseMachine):
            if any(getattr(was, each, None) != getattr(now, each, None) for each in LOOKED_AT):
                machine.said = ""

    # ---- readings

    def judge(self, key: bytes, series: Series, last: Deciding) -> None:
        for machine in series.glucose.values():
            if machine.gone:
                if machine.level:
                    machine.level, machine.condition, machine.reason = 0, "over", ""
                    self.say(key, series, machine, "clear", last.at)
                continue
            said = self.says(series, machine, last)
            if said is not None:
                self.judged(key, series, machine, last, said)

    def judged(self, key: bytes, series: Series, machine: GlucoseMachine, last: Deciding, said: Said) -> None:
        rule, word = machine.rule, "beyond" if said.beyond else "within"
        if said.began is not None:
            machine.run_since = said.began
        elif machine.said != word or last.at - machine.judged_at > series.gap:
            machine.run_since = last.at
        machine.said, machine.judged_at, machine.judged_rx = word, last.at, last.arrival
        span = last.at - machine.run_since
        was, condition = machine.level, machine.condition
        if not was and said.beyond and span >= rule.on_span_us:
            machine.level, machine.opened_at, machine.since = 1, last.at, machine.run_since
        over = said.reached or (said.well and span >= rule.quick_span_us) or span >= rule.slow_span_us
        if was and not said.beyond and over:
            machine.level = 0
        if not (was or machine.level):
            return
        machine.value, machine.value_at, machine.censored = last.value, last.at, last.censored
        machine.beyond = said.beyond
        machine.condition = "over" if not machine.level else "active" if said.beyond else "returning"
        machine.reason = "reached" if said.reached else ""
        evidence = None if was or not machine.level else self.seen(key, series, machine, last, said)
        change = "open" if machine.level > was else "clear" if machine.level < was else ""
        if not change and condition == "unknown":
            change = "known"
        elif not change and machine.condition != condition:
            change = machine.condition
        if change:
            self.say(key, series, machine, change, last.at, evidence=evidence)
        machine.reason = ""

    def says(self, series: Series, machine: GlucoseMachine, last: Deciding) -> Said | None:
        """What a reading says to a rule, None where the rule cannot judge it."""
        rule = machine.rule
        if isinstance(rule, SustainedRule):
            return self.sustained(series, machine, rule, last)
        slope = slope_of(series)
        if isinstance(rule, RateRule):
            if slope is None or abs(slope) > 10:
                return None
            speed, inside = (-slope, last.value - rule.gate) if rule.direction == "falling" else (
                slope, rule.gate - last.value
            )  # fmt: skip
            beyond = speed > rule.rate and inside < 0
            return Said(beyond, speed <= rule.off_rate or inside >= 10, slope=slope)
        assert isinstance(rule, ForecastRule)
        below, low = last.value < rule.limit, series.machines["low"].level
        if low == 2 or (low == 1 and below):
            return Said(beyond=False, well=True, reached=True)
        least = foreseen(series, rule) if slope is not None else None
        return None if least is None else Said(below or least < rule.limit, least >= rule.off_limit, forecast=least)

    @staticmethod
    def sustained(series: Series, machine: GlucoseMachine, rule: SustainedRule, last: Deciding) -> Said:
        beyond = beyond_of(rule)
        began, bad = series.run(last.at, last.value, beyond), beyond(last.value)
        first = min(at for at, _, _, _ in series.panes.values())
        if bad and machine.said == "beyond" and first >= began and began - machine.judged_at <= series.gap:
            began = min(began, machine.run_since)
        well = last.value >= rule.quick_limit if rule.side == "low" else last.value <= rule.quick_limit
        return Said(bad, well, began=began)

    def seen(self, key: bytes, series: Series, machine: GlucoseMachine, last: Deciding, said: Said) -> Evidence:
        """Why an episode opens: the run in the ring, or the readings that the slope is made from."""
        rule, policy = machine.rule, self.patients[key].policy
        earlier = [(at, millis) for at, _, millis, _ in sorted(series.panes.values()) if at < last.at]
        if isinstance(rule, SustainedRule):
            begin = series.run(last.at, last.value, beyond_of(rule))
        else:
            back = max(15 * MINUTE, 3 * series.interval) // MINUTE
            begin = max(series.waits_from, (series.head - back) * MINUTE + 1)
        found = [*(each for each in earlier if each[0] >= begin), (last.at, last.millis)]
        return Evidence(
            policy=policy.version, night=policy.night is not None, level=1, limit=machine.limit, count=len(found),
            readings=tuple(found[-12:]), forecast=said.forecast,
            slope=None if said.slope is None else math.floor(said.slope * 100 + 0.5) / 100,
        )  # fmt: skip


def beyond_of(rule: SustainedRule) -> Callable[[float], bool]:
    return (lambda value: value < rule.limit) if rule.side == "low" else (lambda value: value > rule.limit)


# ---- the minutes before a reading, by the number of each


def minutes(series: Series) -> dict[int, int]:
    """Thousandths of mg/dL by minute, of the device worn now; the reading's own minute is 0, those before it below."""
    worn = {number: cell for number, cell in series.panes.items() if cell[0] >= series.waits_from}
    return {number - series.head: millis for number, (_, _, millis, _) in worn.items()}


def slope_of(series: Series) -> float | None:
    """mg/dL/min by least squares, None where it is not known."""
    back = max(15 * MINUTE, 3 * series.interval) // MINUTE
    points = sorted((t, x) for t, x in minutes(series).items() if t > -back)
    steps = [b - a for (a, _), (b, _) in pairwise(points)]
    if len(points) < 3 or sum(steps) < 10 or points[-1][0] or max(steps) * MINUTE * 10 > too_far(series):
        return None
    n, t, x = len(points), sum(t for t, _ in points), sum(x for _, x in points)
    tt, tx = sum(t * t for t, _ in points), sum(t * x for t, x in points)
    return (n * tx - t * x) / (1000 * (n * tt - t * t))


def too_far(series: Series) -> int:
    """Ten times the longest step between points."""
    return 22 * max(series.interval, MINUTE)


def value_at(series: Series, ago: int) -> float | None:
    """Whole mg/dL so many minutes before the reading, on the line between the two readings around; None without."""
    whole = {t: (x + 500) // 1000 for t, x in minutes(series).items()}
    older, newer = [t for t in whole if t <= -ago], [t for t in whole if t >= -ago]
    if not older or not newer:
        return None
    left, right = max(older), min(newer)
    if (right - left) * MINUTE * 10 > too_far(series):
        return None
    return whole[left] + (whole[right] - whole[left]) * ((-ago - left) / max(right - left, 1))


def foreseen(series: Series, rule: ForecastRule) -> float | None:
    """The lowest forecast up to the horizon, whole mg/dL, None where there is none; the slope is known."""
    here = value_at(series, 0)
    assert here is not None, "the slope ends at a reading"
    found = []
    ago = value_at(series, 5)
    if ago is not None and ago >= 36 and here >= 36:
        before, now = math.log(ago / 140), math.log(here / 140)
        for _ in range(rule.horizon_us // (5 * MINUTE)):
            before, now = now, -0.723 * before + 1.716 * now
            found.append(min(max(140 * math.exp(now), 36), 400))
    last = value_at(series, series.interval // MINUTE)
    if rule.forecast == "ar2-line" and last is not None:
        slope = (here - last) / series.interval
        steps = [min(5 * MINUTE * n, series.interval) for n in range(1, rule.horizon_us // (5 * MINUTE) + 1)]
        found += [max(here + slope * step, 36) for step in steps]
    return math.floor(min(found) + 0.5) if found else None
