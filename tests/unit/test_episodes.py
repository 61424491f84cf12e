"""Episodes as they are written down: every field of each kind, from the tables that they are read from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.activity import Activity
from stream.episodes import Seen, site_key, site_silent
from stream.outbox import Outbox
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN, Change
from stream.series import LONG_AGO, Patients
from stream.signal import CONTACT_LOST, WAITING
from stream.sites import Site
from stream.standing import Standing
from stream.verdicts import Moved, Shown
from tests.logs import T0, worn
from vitals.evidence import Evidence, Judged, WindowSeen
from vitals.journal import Episode, EpisodeChange, episode_id
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import (
    DEFAULT,
    HEART_RATES,
    HIGH,
    LOW,
    SIGNAL_RESPONSES,
    ForecastRule,
    GlucoseRule,
    Policy,
    RateRule,
    SignalRule,
    SustainedRule,
)
from vitals.policy_edits import edited
from vitals.topics import patient_id

ANN = 1
"""Her slot; somebody else has the first."""
BY_NIGHT = edited(DEFAULT, ["zone=Etc/UTC", "night=22:00-07:00"]).model_copy(update={"version": 9})
FIVE = 5 * MINUTE_US


def standing(metric: Metric = GLUCOSE, kind: str = "t1d-uom-5min", policy: Policy = DEFAULT) -> Standing:
    """Ann of site 3, and what is known of her in one metric: her device since T0, and no reading yet."""
    patients = Patients()
    for name, site in (("bob", 1), ("ann", 3)):
        slot = patients.add(patient_id(name).bytes)
        patients.labels[slot], patients.site[slot], patients.policies[slot] = f"bed of {name}", site, policy
    made = Standing(metric, patients, Outbox(0), Activity())
    for slot, name in enumerate(("bob", "ann")):
        made.series.wear(slot, (worn(name, f"{kind} of {name}", kind, T0),))
        made.machines.set_policy(slot, policy, metric.name)
        made.medians.set_policy(slot, policy)
        made.signals.set_policy(slot, policy)
    return made


def reads(made: Standing, *readings: tuple[float, float]) -> None:
    """Readings of Ann (minutes after T0, value); the last is the deciding one."""
    for at, value in readings:
        one, event = np.array([float(value)]), np.array([T0 + round(at * MINUTE_US)])
        made.ring.write(np.array([ANN]), event, one, np.floor(one + 0.5), np.zeros(1, np.bool_))
        made.series.dec_e[ANN], made.series.dec_rx[ANN], made.series.dec_value[ANN] = event[0], event[0] + 7, value


def common(rule: str, opened_at: int, metric: Metric = GLUCOSE, kind: str = "t1d-uom-5min") -> dict[str, Any]:
    """What every episode of Ann has."""
    ann = patient_id("ann")
    return {
        "id": episode_id(str(ann), metric.name, rule, opened_at),
        "patient": ann,
        "label": "bed of ann",
        "site": 3,
        "device": f"{kind} of ann",
        "metric": metric.name,
        "rule": rule,
        "opened_at": opened_at,
        "unit": {GLUCOSE: "mg/dL", HEART_RATE: "/min"}[metric],
    }


def low(made: Standing, level: int, condition: int, side: int = 0) -> None:
    """Ann's low, or high, is at a level since minute 5, opened at minute 10."""
    made.machines.level[ANN, side], made.machines.condition[ANN, side] = level, condition
    made.machines.opened_at[ANN, side], made.machines.since[ANN, side] = T0 + 10 * MINUTE_US, T0 + FIVE


def test_a_low_that_opens_is_written_whole():
    """Whoever is called sees who, where, what, since when, against which limit, and why."""
    made = standing()
    reads(made, (0, 100), (5, 65), (10, 62.4))
    low(made, 1, ACTIVE)
    at = T0 + 10 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN), value=62.4)
    why = Evidence(policy=1, night=False, level=1, limit=70, count=2, readings=((T0 + FIVE, 65_000), (at, 62_400)))
    assert found == Episode(
        **common("low", at),
        category="physiological",
        level=1,
        condition="active",
        priority="medium",
        change="open",
        at=at,
        since=T0 + FIVE,
        value=62.4,
        value_at=at,
        limit=70,
        policy=1,
        response=LOW.levels[0].response,
        evidence=why,
    )


def test_a_high_that_rises_is_of_its_own_side_and_level():
    """Level 2 of high is another limit, priority and response; beyond is above. HIGH is no number that was measured."""
    made = standing(policy=BY_NIGHT)
    reads(made, (0, 100), (5, 390), (10, 401), (15, 402))
    low(made, 2, ACTIVE, side=1)
    at = T0 + 15 * MINUTE_US
    seen = Seen(402, at, 2)
    found = made.writer.threshold(Change(ANN, 1, "rise", 1), at, seen, value=402)
    told = ((T0 + 10 * MINUTE_US, 401_000), (at, 402_000))
    why = Evidence(policy=9, night=True, level=2, limit=399, count=2, readings=told)
    assert found == Episode(
        **common("high", T0 + 10 * MINUTE_US),
        category="physiological",
        level=2,
        condition="active",
        priority="medium",
        change="rise",
        at=at,
        since=T0 + FIVE,
        value=402,
        value_at=at,
        limit=399,
        censored="high",
        policy=9,
        response=HIGH.levels[1].response,
        evidence=why,
    )


def test_the_limit_itself_is_not_in_the_run():
    """70 is no low: a run that showed it would begin too early. The same holds above."""
    made = standing()
    reads(made, (0, 70), (5, 69), (10, 69))
    low(made, 1, ACTIVE)
    at = T0 + 10 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN), value=69)
    assert found.evidence is not None
    assert found.evidence.count == 2
    made = standing()
    reads(made, (0, 250), (5, 251), (10, 251))
    low(made, 1, ACTIVE, side=1)
    found = made.writer.threshold(Change(ANN, 1, "open", 0), at, made.writer.last_seen(ANN), value=251)
    assert found.evidence is not None
    assert found.evidence.count == 2


def test_a_gap_ends_the_run_that_is_told():
    """2.2 intervals of the device that is worn."""
    made = standing()
    reads(made, (0, 60), (12, 60), (17, 60))
    low(made, 1, ACTIVE)
    at = T0 + 17 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN), value=60)
    assert found.evidence is not None
    assert found.evidence.count == 2


@pytest.mark.parametrize(("was", "limit", "priority"), [(1, 70, "medium"), (2, 54, "high")])
def test_what_is_over_keeps_what_it_was(was: int, limit: float, priority: str):
    """The list of what was tonight is sorted by it."""
    made = standing()
    reads(made, (20, 90))
    low(made, 0, OVER)
    at = T0 + 20 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "clear", was), at, made.writer.last_seen(ANN), value=90)
    assert (found.level, found.condition, found.change) == (0, "over", "clear")
    assert (found.limit, found.priority, found.response) == (limit, priority, LOW.levels[was - 1].response)
    assert (found.evidence, found.reason, found.since) == (None, "", T0 + FIVE)


def test_a_level_is_shown_whatever_it_was_before():
    """From 2 to 1 it is lower: the limit now is 70."""
    made = standing()
    reads(made, (20, 60))
    low(made, 1, ACTIVE)
    found = made.writer.threshold(Change(ANN, 0, "lower", 2), T0, made.writer.last_seen(ANN), value=60)
    assert (found.limit, found.priority, found.change, found.at) == (70, "medium", "lower", T0)
    assert found.evidence is None


def test_a_change_without_a_reading_says_a_reason_and_no_readings():
    """No data: what was seen last stands there, with its time."""
    made = standing()
    reads(made, (10, 62.4))
    low(made, 1, UNKNOWN)
    at = T0 + 30 * MINUTE_US
    found = made.writer.threshold(Change(ANN, 0, "unknown", 1), at, made.writer.last_seen(ANN), reason="device removed")
    assert (found.condition, found.reason, found.evidence) == ("unknown", "device removed", None)
    assert (found.at, found.value_at, found.value) == (at, T0 + 10 * MINUTE_US, 62.4)
    again = made.writer.threshold(Change(ANN, 0, "open", 0), at, made.writer.last_seen(ANN))
    assert (again.evidence, again.reason) == (None, "")


def test_a_prolonged_low_says_so_and_asks_for_what_level_2_asks():
    """It is level 1 still; another reason is said instead, where there is one."""
    made = standing()
    reads(made, (10, 62.4))
    low(made, 1, ACTIVE)
    made.machines.raised.add((ANN, 0))
    seen = made.writer.last_seen(ANN)
    found = made.writer.threshold(Change(ANN, 0, "rise", 1), T0, seen, value=62.4)
    assert (found.level, found.limit, found.reason) == (1, 70, "prolonged")
    assert (found.priority, found.response) == ("high", LOW.levels[1].response)
    lost = made.writer.threshold(Change(ANN, 0, "unknown", 1), T0, seen, reason="no data")
    assert (lost.reason, lost.priority) == ("no data", "high")
    made.machines.raised = {(ANN, 1), (0, 0)}
    assert made.writer.threshold(Change(ANN, 0, "rise", 1), T0, seen, value=62.4).reason == ""


def test_what_was_seen_last_is_the_deciding_reading():
    """LOW is told as such, wherever it is shown."""
    made = standing()
    reads(made, (10, 39.5))
    made.series.dec_censored[ANN] = 1
    seen = made.writer.last_seen(ANN)
    assert (seen.value, seen.at, seen.censored) == (39.5, T0 + 10 * MINUTE_US, 1)
    assert (type(seen.value), type(seen.at), type(seen.censored)) == (float, int, int)
    low(made, 2, ACTIVE)
    assert made.writer.threshold(Change(ANN, 0, "active", 2), T0, seen, value=39.5).censored == "low"


EXTREME = HEART_RATES[2]


def test_a_median_that_opens_is_written_whole():
    """The six T in a row, the window of the last, how much of it there was."""
    made = standing(HEART_RATE, "wrist", BY_NIGHT)
    for second in range(10, 121, 2):
        reads(made, (second / 60, 160))
    since, at = T0 + 70 * SECOND_US, T0 + 120 * SECOND_US
    shown = Shown(EXTREME, at, since, 160.5, at, 150, beyond=True)
    found = made.writer.median(Moved(ANN, 0, "open", 1, ACTIVE, at, at + 2, shown))
    instants = tuple(range(since, at + 1, 10 * SECOND_US))
    seen = WindowSeen(median=160.5, begin=at - MINUTE_US, end=at, filled=30, slots=60, instants=instants)
    assert len(instants) == 6
    assert found == Episode(
        **common("heart_rate_extreme", at, HEART_RATE, "wrist"),
        category="physiological",
        level=1,
        condition="active",
        priority="medium",
        change="open",
        at=at,
        since=since,
        value=160.5,
        value_at=at,
        limit=150,
        policy=9,
        response=EXTREME.response,
        evidence=Evidence(policy=9, night=True, level=1, limit=150, count=30, window=seen),
    )


def test_a_median_that_changes_says_what_it_saw_beside_it():
    """Its reason, where there is one, else what stood beside the median; the window is told when it opens only."""
    made = standing(HEART_RATE, "wrist")
    shown = Shown(EXTREME, T0 + 5, T0 + 1, 140, T0 + 9, 150, beyond=False, beside="0 steps")
    moved = Moved(ANN, 0, "returning", 1, RETURNING, T0 + 9, T0 + 11, shown)
    found = made.writer.median(moved)
    assert (found.opened_at, found.since, found.at, found.value_at) == (T0 + 5, T0 + 1, T0 + 9, T0 + 9)
    assert (found.condition, found.change, found.reason, found.evidence) == ("returning", "returning", "0 steps", None)
    assert made.writer.median(moved._replace(reason="no data")).reason == "no data"
    over = made.writer.median(moved._replace(change="clear", level=0, condition=OVER, shown=shown._replace(beside="")))
    assert (over.level, over.condition, over.limit, over.reason) == (0, "over", 150, "")


def rules(*names: str) -> Policy:
    return edited(DEFAULT, [f"{name}=on" for name in names])


def judged(made: Standing, rule: GlucoseRule, at: float, value: float, **fields: Any) -> Episode:
    """The episode of a rule that opens at a reading (minutes after T0, mg/dL)."""
    event = T0 + round(at * MINUTE_US)
    shown = Shown(
        rule, event, event, np.floor(value + 0.5), event, 111, beyond=True, censored=fields.pop("censored", 0)
    )
    change: EpisodeChange = fields.pop("change", "open")
    return made.writer.median(Moved(ANN, 0, change, 1, ACTIVE, event, event, shown, exact=value, **fields))


def readings(found: Episode) -> list[tuple[float, float]]:
    """Minutes after T0, mg/dL."""
    assert found.evidence is not None
    return [((at - T0) / MINUTE_US, millis / 1000) for at, millis in found.evidence.readings]


@pytest.mark.parametrize(("side", "values"), [("high", (180, 181, 181)), ("low", (80, 79, 79))])
def test_a_sustained_rule_tells_its_run(side: str, values: tuple[float, ...]):
    """Beyond the rule's limit on its side, up to a gap, as the ring holds it."""
    (rule,) = rules("high_sustained").sustained
    assert isinstance(rule, SustainedRule)
    rule = rule.model_copy(update={"side": side, "limit": values[0]})
    made = standing(policy=BY_NIGHT)
    first, bad, last = values
    reads(made, (0, bad), (5, first), (10, bad), (15, bad), (20, last))
    found = judged(made, rule, 20, last + 0.25)
    assert readings(found) == [(10, bad), (15, bad), (20, last + 0.25)]
    assert found.evidence is not None
    told = found.evidence
    assert (told.policy, told.night, told.level, told.limit, told.slope, told.forecast) == (9, True, 1, 111, None, None)
    made = standing()
    reads(made, (0, bad), (12, bad), (17, last))
    assert readings(judged(made, rule, 17, last)) == [(12, bad), (17, last)]


@pytest.mark.parametrize(("slope", "told"), [(-3.004, -3.0), (-3.005, -3.0), (-3.0051, -3.01), (2.345, 2.35)])
def test_a_rate_tells_its_slope_to_a_hundredth_and_its_readings(slope: float, told: float):
    """Those of the last fifteen minutes, all by the device that is worn now."""
    (rule,) = rules("glucose_falling").rates
    assert isinstance(rule, RateRule)
    made = standing()
    reads(made, (5, 140), (6, 139), (10, 130), (15, 120), (20, 110))
    found = judged(made, rule, 20, 110, found=slope)
    assert readings(found) == [(6, 139), (10, 130), (15, 120), (20, 110)]
    assert found.evidence is not None
    assert (found.evidence.slope, found.evidence.forecast, found.evidence.limit) == (told, None, 111)
    made.series.waits_from[ANN] = T0 + 10 * MINUTE_US
    assert readings(judged(made, rule, 20, 110, found=slope)) == [(10, 130), (15, 120), (20, 110)]


def test_a_forecast_tells_its_lowest_and_its_readings():
    """A quarter-hour device's forecast looks back over three of its intervals."""
    (rule,) = rules("low_soon").forecasts
    assert isinstance(rule, ForecastRule)
    made = standing(kind="t1d-uom-15min")
    reads(made, (0, 150), (1, 140), (15, 120), (30, 100), (45, 80))
    found = judged(made, rule, 45, 80, found=54.0, censored=1)
    assert readings(found) == [(1, 140), (15, 120), (30, 100), (45, 80)]
    assert found.evidence is not None
    assert (found.evidence.slope, found.evidence.forecast) == (None, 54)
    assert found.censored == "low"


def test_a_rule_that_judges_readings_tells_them_only_when_it_calls():
    """At each turn they would double the journal."""
    (rule,) = rules("glucose_falling").rates
    made = standing()
    reads(made, (10, 130), (15, 120), (20, 110))
    assert judged(made, rule, 20, 110, change="returning").evidence is None
    with pytest.raises(AssertionError, match=r"^a rate has a slope, a forecast a lowest value"):
        judged(made, rule, 20, 110)


def test_a_silence_is_written_whole():
    """What was heard last, and when it came: whether somebody fell silent at 48 or at 120 decides how fast one goes."""
    made = standing(policy=BY_NIGHT)
    reads(made, (5, 118.5))
    at = T0 + 25 * MINUTE_US
    made.signals.why[ANN] = CONTACT_LOST
    made.signals.open(ANN, at, 1)
    heard = ((T0 + FIVE, 118_500),)
    why = Evidence(
        policy=9, night=True, level=1, limit=None, count=1, readings=heard, heard_at=T0 + FIVE + 7, evaluated_at=None
    )
    assert made.writer.signal(ANN, "open", at + 3) == Episode(
        **common("signal", at),
        category="technical",
        level=1,
        condition="active",
        priority="low",
        change="open",
        at=at + 3,
        since=T0 + FIVE + 7,
        value=None,
        value_at=None,
        limit=None,
        reason="contact lost",
        policy=9,
        response=SIGNAL_RESPONSES["low"],
        evidence=why,
    )


def test_a_silence_from_the_beginning_has_heard_nothing():
    """No reading, no arrival, no evaluation: no time of long ago stands there as one of today."""
    made = standing(HEART_RATE, "wrist")
    assert made.series.dec_e[ANN] == made.medians.evaluated[ANN] == LONG_AGO
    made.signals.open(ANN, T0 + FIVE, 2)
    found = made.writer.signal(ANN, "rise", T0 + FIVE)
    assert (found.reason, found.priority, found.unit) == ("waiting for the first reading", "medium", "/min")
    assert made.signals.told[ANN] == WAITING
    assert found.evidence == Evidence(policy=1, night=False, level=2, limit=None, count=0)
    made.medians.evaluated[ANN] = LONG_AGO + 1
    why = made.writer.signal(ANN, "open", T0).evidence
    assert why is not None
    assert (why.evaluated_at, why.heard_at, why.count) == (LONG_AGO + 1, None, 0)
    made.series.dec_e[ANN] = made.series.dec_rx[ANN] = LONG_AGO + 1
    why = made.writer.signal(ANN, "open", T0).evidence
    assert why is not None
    assert (why.readings, why.heard_at, why.count) == (((LONG_AGO + 1, 0),), LONG_AGO + 1, 1)


def test_a_silence_that_ends_keeps_its_priority_and_says_no_why():
    """It was medium when it was over."""
    made = standing()
    made.signals.open(ANN, T0 + FIVE, 2)
    made.signals.close(ANN, T0 + 9)
    found = made.writer.signal(ANN, "clear", T0 + 9, was=2)
    assert (found.level, found.condition, found.priority, found.response) == (
        0,
        "over",
        "medium",
        SIGNAL_RESPONSES["medium"],
    )
    assert (found.evidence, found.opened_at, found.at) == (None, T0 + FIVE, T0 + 9)
    assert made.writer.signal(ANN, "reason", T0, was=1).evidence is None


def test_an_acknowledged_silence_holds_for_as_long_as_its_metrics_rule_says():
    """Each metric's own; without a rule, which is gone while its silence was open, as long as it says anywhere."""
    hold = 45 * MINUTE_US
    mine = SignalRule(metric="glucose", recover_span_us=0, hold_us=hold)
    for signals, holds in (
        ((*DEFAULT.signals[1:], mine), hold),
        ((mine,), hold),
        ((mine.model_copy(update={"metric": "heart_rate"}),), SIGNAL_RESPONSES["high"].hold_us),
        ((), SIGNAL_RESPONSES["high"].hold_us),
    ):
        made = standing(policy=DEFAULT.model_copy(update={"signals": signals}))
        made.signals.open(ANN, T0 + FIVE, 3)
        found = made.writer.signal(ANN, "open", T0 + FIVE)
        assert found.response == SIGNAL_RESPONSES["high"].model_copy(update={"hold_us": holds})


@pytest.mark.parametrize(("change", "level", "condition"), [("open", 3, "active"), ("clear", 0, "over")])
def test_a_silent_site_is_written_whole(change: EpisodeChange, level: int, condition: str):
    """High priority: nobody there is watched. It is of no patient and of no device."""
    found = site_silent(Site(7, name="ward-b"), T0, change, T0 + 9)
    assert found == Episode.model_validate(
        {
            "id": episode_id("site:7", None, "site_silent", T0),
            "patient": None,
            "label": "ward-b",
            "site": 7,
            "device": None,
            "metric": None,
            "rule": "site_silent",
            "category": "technical",
            "level": level,
            "condition": condition,
            "priority": "high",
            "change": change,
            "at": T0 + 9,
            "opened_at": T0,
            "since": T0,
            "value": None,
            "value_at": None,
            "unit": "",
            "limit": None,
            "reason": "silent",
            "policy": 0,
            "response": SIGNAL_RESPONSES["high"],
        }
    )
    assert site_key(7) == b"site:7"


def test_what_an_episode_is_judged_by_is_its_patients_policy():
    """Bob's night is not Ann's."""
    made = standing(policy=BY_NIGHT)
    made.patients.policies[ANN] = DEFAULT.model_copy(update={"version": 4})
    assert made.writer._judged(ANN, 2, 54) == Judged(4, night=False, level=2, limit=54)
    assert made.writer._judged(0, 1, None) == Judged(9, night=True, level=1, limit=None)
