"""Episodes written whole: from the state of the machines to a `vitals.journal.Episode`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from stream import evidence
from stream.forecast import look_back_us
from stream.panes import thousandths
from stream.rules import CONDITIONS, SIGNS
from stream.series import LONG_AGO
from stream.signal import REASONS
from stream.sites import RULE as SITE_RULE
from vitals.evidence import Evidence, Judged
from vitals.journal import Condition, Episode, EpisodeChange, episode_id
from vitals.policies import (
    PRIORITY_OF_RANK,
    SIGNAL_RESPONSES,
    ForecastRule,
    RateRule,
    SustainedRule,
    WindowRule,
)
from vitals.units import UNIT_NAME
from vitals.windows import EVALUATE_EVERY_US

if TYPE_CHECKING:
    from stream.panes import Ring
    from stream.rules import Change, Machines
    from stream.series import Patients
    from stream.signal import Signals
    from stream.sites import Site
    from stream.verdicts import Moved

CENSORED: tuple[Literal["low", "high"] | None, ...] = (None, "low", "high")
SIGNAL = "signal"
PROLONGED = "prolonged"
CALLS: frozenset[EpisodeChange] = frozenset({"open", "rise"})
"""Changes that say why."""
SITE_RANK = 3
"""A silent site is high priority: nobody there is watched."""


class Seen:
    """The deciding reading that an episode shows: value (canonical), event time (µs), censoring code."""

    __slots__ = ("at", "censored", "value")

    def __init__(self, value: float, at: int, censored: int) -> None:
        self.value, self.at, self.censored = float(value), int(at), int(censored)


class Writer:
    """Writes the episodes of one metric."""

    def __init__(self, patients: Patients, machines: Machines, signals: Signals, ring: Ring) -> None:
        self.patients, self.machines, self.signals, self.ring = patients, machines, signals, ring

    def last_seen(self, slot: int) -> Seen:
        """The last deciding reading of a series."""
        series = self.signals.series
        return Seen(series.dec_value[slot], series.dec_e[slot], series.dec_censored[slot])

    def threshold(
        self, change: Change, at: int, seen: Seen, *, reason: str = "", value: float | None = None
    ) -> Episode:
        """A low or high episode after a change at ``at``; a cleared one keeps its last level's limit and priority.

        ``value`` is that of the deciding reading (canonical) where one caused the change.
        """
        patients, series, machines = self.patients, self.signals.series, self.machines
        slot, side = change.slot, change.side
        rule = machines.rule(slot, side)
        level = int(machines.level[slot, side])
        shown, asks = rule.levels[(level or change.was) - 1], machines.asks(slot, side, change.was)
        reason = reason or (PROLONGED if (slot, side) in machines.raised else "")
        opened_at = int(machines.opened_at[slot, side])
        patient = patients.id(slot)
        return Episode(
            id=episode_id(str(patient), rule.metric, rule.name, opened_at),
            patient=patient,
            label=patients.labels[slot],
            site=int(patients.site[slot]),
            device=series.device_name(slot),
            metric=rule.metric,
            rule=rule.name,
            category="physiological",
            level=level,
            condition=CONDITIONS[machines.condition[slot, side]],
            priority=asks.priority,
            change=change.change,
            at=at,
            opened_at=opened_at,
            since=int(machines.since[slot, side]),
            value=seen.value,
            value_at=seen.at,
            unit=UNIT_NAME[series.metric.unit],
            limit=shown.limit,
            censored=CENSORED[seen.censored],
            reason=reason,
            policy=patients.policy(slot).version,
            response=asks.response,
            evidence=None if value is None else self._run(change, at, value),
        )

    def _judged(self, slot: int, level: int, limit: float | None) -> Judged:
        policy = self.patients.policy(slot)
        return Judged(policy.version, policy.night is not None, level, limit)

    def _run(self, change: Change, at: int, value: float) -> Evidence | None:
        """Why an episode opens or rises at a reading: the run beyond the limit of its level."""
        if change.change not in CALLS:
            return None
        slot, side, sign = change.slot, change.side, SIGNS[change.side]
        level = int(self.machines.level[slot, side])
        limit = self.machines.rule(slot, side).levels[level - 1].limit
        judged = self._judged(slot, level, limit)
        gap = int(self.signals.series.gap[slot])
        last = (at, thousandths(value))
        return evidence.run(self.ring, slot, last, lambda whole: whole * sign < limit * sign, gap_us=gap, judged=judged)

    def _window(self, moved: Moved) -> Evidence | None:
        """Why an episode of a window rule opens."""
        slot, shown = moved.slot, moved.shown
        if moved.change not in CALLS or not isinstance(shown.rule, WindowRule):
            return None
        return evidence.window(
            self.ring,
            slot,
            shown.value,
            range(shown.since, shown.value_at + 1, EVALUATE_EVERY_US),
            width_us=moved.width_us or shown.rule.width_us,
            interval_us=int(self.signals.series.interval[slot]),
            judged=self._judged(slot, moved.level, shown.limit),
        )

    def _judging(self, moved: Moved) -> Evidence | None:
        """Why an episode of a rule that judges readings opens: the run, or what a slope or a forecast is made from."""
        slot, rule = moved.slot, moved.shown.rule
        if moved.change not in CALLS or isinstance(rule, WindowRule):
            return None
        series, last = self.signals.series, (moved.at, thousandths(moved.exact))
        judged = self._judged(slot, moved.level, moved.shown.limit)
        if isinstance(rule, SustainedRule):
            limit, sign = rule.limit, 1 if rule.side == "low" else -1
            gap = int(series.gap[slot])
            return evidence.run(
                self.ring, slot, last, lambda whole: whole * sign < limit * sign, gap_us=gap, judged=judged
            )
        assert moved.found is not None, "a rate has a slope, a forecast a lowest value"
        since = max(int(series.waits_from[slot]), self.ring.begin(slot, look_back_us(int(series.interval[slot]))))
        slope = math.floor(moved.found * 100 + 0.5) / 100 if isinstance(rule, RateRule) else None
        ahead = moved.found if isinstance(rule, ForecastRule) else None
        return evidence.recent(self.ring, slot, last, since, judged=judged, slope=slope, forecast=ahead)

    def _heard(self, slot: int) -> Evidence:
        """What was heard of a series before it fell silent."""
        series, evaluated = self.signals.series, int(self.signals.medians.evaluated[slot])
        ever = series.dec_e[slot] > LONG_AGO
        last = (int(series.dec_e[slot]), thousandths(float(series.dec_value[slot])))
        return Evidence(
            **self._judged(slot, int(self.signals.level[slot]), None)._asdict(),
            count=int(ever),
            readings=(last,) if ever else (),
            heard_at=int(series.dec_rx[slot]) if ever else None,
            evaluated_at=evaluated if evaluated > LONG_AGO else None,
        )

    def median(self, moved: Moved) -> Episode:
        """An episode of a rule of one level after a change; a cleared one keeps its limit."""
        patients, series, shown = self.patients, self.signals.series, moved.shown
        patient, rule = patients.id(moved.slot), moved.shown.rule
        return Episode(
            id=episode_id(str(patient), rule.metric, rule.name, shown.opened_at),
            patient=patient,
            label=patients.labels[moved.slot],
            site=int(patients.site[moved.slot]),
            device=series.device_name(moved.slot),
            metric=rule.metric,
            rule=rule.name,
            category="physiological",
            level=moved.level,
            condition=CONDITIONS[moved.condition],
            priority=rule.priority,
            change=moved.change,
            at=moved.at,
            opened_at=shown.opened_at,
            since=shown.since,
            value=shown.value,
            value_at=shown.value_at,
            unit=UNIT_NAME[series.metric.unit],
            limit=shown.limit,
            censored=CENSORED[shown.censored],
            reason=moved.reason or shown.beside,
            policy=patients.policy(moved.slot).version,
            response=rule.response,
            evidence=self._window(moved) or self._judging(moved),
        )

    def signal(self, slot: int, change: EpisodeChange, at: int, *, was: int = 0) -> Episode:
        """A signal episode after a change at ``at`` (µs); ``was`` is the level that a cleared one had."""
        patients, series, signals = self.patients, self.signals.series, self.signals
        level = int(signals.level[slot])
        priority = PRIORITY_OF_RANK[level or was]
        opened_at = int(signals.opened_at[slot])
        patient, policy = patients.id(slot), patients.policy(slot)
        hold = next((rule.hold_us for rule in policy.signals if rule.metric == series.metric.name), None)
        response = SIGNAL_RESPONSES[priority]
        return Episode(
            id=episode_id(str(patient), series.metric.name, SIGNAL, opened_at),
            patient=patient,
            label=patients.labels[slot],
            site=int(patients.site[slot]),
            device=series.device_name(slot),
            metric=series.metric.name,
            rule=SIGNAL,
            category="technical",
            level=level,
            condition="active" if level else "over",
            priority=priority,
            change=change,
            at=at,
            opened_at=opened_at,
            since=int(signals.since[slot]),
            value=None,
            value_at=None,
            unit=UNIT_NAME[series.metric.unit],
            limit=None,
            reason=REASONS[signals.told[slot]],
            policy=policy.version,
            response=response if hold is None else response.model_copy(update={"hold_us": hold}),
            evidence=self._heard(slot) if change in CALLS else None,
        )


def site_key(number: int) -> bytes:
    """The journal key of a site's episode."""
    return b"site:%d" % number


def site_silent(site: Site, opened_at: int, change: EpisodeChange, at: int) -> Episode:
    """The technical episode of a site that stopped ticking; ``at`` in µs."""
    condition: Condition = "over" if change == "clear" else "active"
    return Episode(
        id=episode_id(f"site:{site.number}", None, SITE_RULE, opened_at),
        patient=None,
        label=site.name,
        site=site.number,
        device=None,
        metric=None,
        rule=SITE_RULE,
        category="technical",
        level=0 if change == "clear" else SITE_RANK,
        condition=condition,
        priority=PRIORITY_OF_RANK[SITE_RANK],
        change=change,
        at=at,
        opened_at=opened_at,
        since=opened_at,
        value=None,
        value_at=None,
        unit="",
        limit=None,
        reason="silent",
        policy=0,
        response=SIGNAL_RESPONSES[PRIORITY_OF_RANK[SITE_RANK]],
    )
