"""One person's backtest: fold the log, find events, judge every kind of alarm against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compose.backtest import feed, fold
from compose.backtest.log import PersonLog, build
from compose.backtest.predicting import ALARMING, Floats, errors, foreseen, predicted_lows
from compose.backtest.report import (
    Announced,
    EpisodeCount,
    Estimate,
    Glucose,
    Mark,
    Person,
    Score,
    Spell,
)
from simulators import intervals, scoring
from simulators.exports import Export
from simulators.intervals import DAY_US, Counts
from simulators.scoring import Event, Judged, Side, Trace
from vitals.alerts import Alert
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.policies import PRIORITY_RANK, Policy, Priority
from vitals.readings import INVALID_SHIFT, Flag, Invalid, Rows, event_time
from vitals.units import canonical


class Target(NamedTuple):
    """A kind of event: its name, limit in mg/dL and side."""

    name: str
    limit: float
    side: Side


TARGETS = (Target("below 70", 70, "low"), Target("below 54", 54, "low"), Target("above 250", 250, "high"))
CALLS = frozenset({"open", "rise"})
"""Changes that ask for an answer anew while nobody answers: what counts as an alarm of a rule."""


class Judgement(NamedTuple):
    """All that one kind of alarm and one kind of event came to, for one person or for all of a population."""

    target: str
    alarm: str
    events: list[Event]
    judged: list[Judged]
    leads: list[int]
    """µs, one for each event that was hit."""
    delays: list[int]
    """µs, one for each event that was told of."""
    units: list[Counts]


class Tested(NamedTuple):
    """A person's report and what the population's is made of."""

    person: Person
    judgements: list[Judgement]


def test(patient: str, exports: Sequence[Export], policy: Policy | None, default: Policy, seed: int) -> Tested:
    """Backtest one person.

    Raises:
        InputError: the registry refuses the policy, or a second device of one metric.
    """
    log, rules = build(patient, exports, policy), policy or default
    folded = fold.fold(log, rules)
    trace, values = traced(log)
    said = foreseen(trace, values)
    alarms = _alarms(trace, said, folded.alerts, rules)
    judgements, marks, spells = _judged(trace, alarms, folded.alerts)
    every = [sample.at for export in exports for sample in export.samples]
    person = Person(
        patient=patient,
        population=next((each for each in exports if each.metric == GLUCOSE.name), exports[0]).type.name,
        files=tuple(export.device for export in exports),
        begin=min(every),
        end=max(every),
        days=trace.covered_us / DAY_US,
        readings=len(every),
        deciding=len(trace.at),
        rejected=log.rejected,
        unused=unused(log.rows),
        guessed=dict(Counter(why for export in exports for why in export.guessed.elements())),
        odd_days={f"{minutes:g}": count for export in exports for minutes, count in export.odd_days.items()},
        glucose=_shares(trace),
        episodes=_episodes(folded),
        announced=_announced(folded.alerts),
        scores=tuple(scored(each, seed) for each in judgements),
        rmse_30=errors(trace, values, said),
        marks=marks,
        spells=spells,
    )
    return Tested(person, judgements)


def traced(log: PersonLog) -> tuple[Trace, Floats]:
    """The deciding readings of glucose: as rules see them, and in mg/dL unrounded (censored ones as rules see them)."""
    streams = [stream for export in log.exports if (stream := export.type.stream(GLUCOSE.name)) is not None]
    if not streams:
        nothing = np.zeros(0)
        return Trace(nothing.astype(np.int64), nothing, GLUCOSE.pane_us, GLUCOSE.gap_us), nothing
    rows = log.rows[log.rows["metric"] == GLUCOSE.code]
    rows = rows[feed.deciding_rows(rows)]
    whole = feed.rule_values(rows, streams[0].low, streams[0].high)
    exact = canonical(rows["value"], rows["unit"])
    interval = streams[0].interval_us
    trace = Trace(event_time(rows), whole, interval, GLUCOSE.gap_of_us(interval))
    return trace, np.where(np.floor(exact + 0.5) == whole, exact, whole)


def unused(rows: Rows) -> dict[str, int]:
    """Rows of one person that decide nothing, by reason; one device for each metric."""
    found: Counter[str] = Counter()
    first: dict[tuple[int, int], float] = {}
    plain = zip(*(rows[name].tolist() for name in ("metric", "observed_at", "value", "flags")), strict=True)
    for metric, at, value, flags in plain:
        before = first.get((metric, at))
        if before is not None:
            found["the same again" if before == value else "another value at the same time"] += 1
        elif flags >> INVALID_SHIFT:
            found[Invalid(flags >> INVALID_SHIFT).name.lower().replace("_", " ")] += 1
        elif flags & (Flag.WARM_UP | Flag.LATE):
            found["late" if flags & Flag.LATE else "warm-up"] += 1
        first.setdefault((metric, at), value)
    return dict(found)


def _alarms(
    trace: Trace, said: dict[str, Floats], alerts: Iterable[Alert], rules: Policy
) -> list[tuple[Target, str, list[int]]]:
    """Every kind of alarm (µs UTC, ascending) beside the events it is judged by."""
    called: dict[str, list[int]] = {}
    for alert in alerts:
        if alert.announced and alert.change in CALLS:
            called.setdefault(alert.rule, []).append(alert.at)
    found = []
    for target in TARGETS if len(trace.at) else ():
        names = [rule.name for rule in rules.thresholds if (rule.metric, rule.side) == (GLUCOSE.name, target.side)]
        names = names[-1:] + [rule.name for rule in rules.forecasts if target.side == "low"]
        found += [(target, f"rule {name}", scoring.refractory(sorted(called.get(name, [])))) for name in names]
        found += [
            (target, f"predicted {name}", predicted_lows(trace, said[name], target.limit))
            for name in (ALARMING if target.side == "low" else ())
        ]
    return found


def _judged(
    trace: Trace, alarms: list[tuple[Target, str, list[int]]], alerts: Iterable[Alert]
) -> tuple[list[Judgement], tuple[Mark, ...], tuple[Spell, ...]]:
    judgements, spells = [], []
    marks = [
        Mark(at=alert.at, alarm=alert.rule, priority=alert.priority)
        for alert in alerts
        if alert.announced and alert.change in CALLS and alert.metric == GLUCOSE.name
    ]
    for target in TARGETS:
        events = scoring.events(trace, target.limit, target.side) if len(trace.at) else []
        spells += [Spell(target=target.name, begin=event.begin, end=event.end) for event in events]
        for _, name, times in (each for each in alarms if each[0] == target):
            judged = scoring.judge(trace, events, times, target.limit, target.side)
            leads, delays = scoring.leads(events, judged), scoring.told(events, times)
            units = intervals.by_day(trace, events, judged)
            judgements.append(
                Judgement(target.name, name, events, judged, list(leads.values()), list(delays.values()), units)
            )
            if not name.startswith("rule"):
                marks += [Mark(at=each.at, alarm=name, target=target.name, verdict=each.verdict) for each in judged]
    return judgements, tuple(sorted(marks, key=lambda mark: mark.at)), tuple(spells)


def pooled(parts: Sequence[Judgement]) -> Judgement:
    """The same kind of alarm and event over several people; each person is one unit."""
    return Judgement(
        parts[0].target,
        parts[0].alarm,
        [each for part in parts for each in part.events],
        [each for part in parts for each in part.judged],
        [each for part in parts for each in part.leads],
        [each for part in parts for each in part.delays],
        [intervals.total(part.units) for part in parts],
    )


def scored(judgement: Judgement, seed: int) -> Score:
    """The score of a judgement."""
    whole, found = intervals.total(judgement.units), intervals.intervals(judgement.units, seed)
    counted = Counter(alarm.verdict for alarm in judgement.judged)
    eligible = sum(event.eligible for event in judgement.events)
    leads = [lead / MINUTE_US for lead in judgement.leads]
    delays = [delay / MINUTE_US for delay in judgement.delays]
    estimates = {name: Estimate(value=intervals.ratio(whole, name), interval=found[name]) for name in intervals.RATIOS}
    return Score(
        target=judgement.target,
        alarm=judgement.alarm,
        events=eligible,
        ineligible_events=len(judgement.events) - eligible,
        hits=counted["hit"],
        false=counted["false"],
        late=counted["late"],
        inside=counted["inside"],
        ineligible=counted["ineligible"],
        unjudged=counted["unjudged"],
        lead_median=median(leads) if leads else None,
        lead_p25=float(np.percentile(leads, 25)) if leads else None,
        told=len(delays) / len(judgement.events) if judgement.events else None,
        told_after=median(delays) if delays else None,
        **estimates,
    )


def _shares(trace: Trace) -> Glucose | None:
    """Time-weighted: a value holds until the next reading, at a gap for one interval."""
    if not len(trace.at):
        return None
    step = np.diff(trace.at, append=trace.at[-1] + trace.gap_us + 1)
    held = np.where(step > trace.gap_us, trace.interval_us, step)
    values, whole = trace.values, held.sum()

    def share(mask: NDArray[np.bool_]) -> float:
        return float(held[mask].sum() / whole)

    return Glucose(
        below_54=share(values < 54),
        below_70=share(values < 70),
        within=share((values >= 70) & (values <= 180)),
        above_180=share(values > 180),
        above_250=share(values > 250),
    )


def _episodes(folded: fold.Folded) -> tuple[EpisodeCount, ...]:
    highest: dict[tuple[str, str], int] = {}
    for _, episode in folded.episodes:
        key = str(episode.id), episode.rule
        highest[key] = max(highest.get(key, 0), episode.level)
    counted = Counter((rule, level) for (_, rule), level in highest.items())
    return tuple(EpisodeCount(rule=rule, level=level, count=count) for (rule, level), count in sorted(counted.items()))


def _announced(alerts: Iterable[Alert]) -> tuple[Announced, ...]:
    calls: Counter[tuple[str, Priority]] = Counter()
    repeats: Counter[tuple[str, Priority]] = Counter()
    for alert in alerts:
        if alert.announced:
            (calls if alert.change in CALLS else repeats)[alert.rule, alert.priority] += 1
    keys = sorted(calls.keys() | repeats.keys(), key=lambda key: (key[0], -PRIORITY_RANK[key[1]]))
    return tuple(Announced(rule=key[0], priority=key[1], calls=calls[key], repeats=repeats[key]) for key in keys)
