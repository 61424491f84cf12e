"""Episodes of rules that judge readings, of silences and of sites as they are written down, and why they call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.episodes import site_key, site_silent
from stream.rules import ACTIVE
from stream.series import LONG_AGO
from stream.signal import CONTACT_LOST, WAITING
from stream.sites import Site
from stream.standing import Standing
from stream.verdicts import Moved, Shown
from tests.logs import T0
from tests.standing import ANN, BY_NIGHT, common, reads, standing
from vitals.evidence import Evidence
from vitals.journal import Episode, EpisodeChange, episode_id
from vitals.metrics import HEART_RATE, MINUTE_US
from vitals.policies import (
    DEFAULT,
    SIGNAL_RESPONSES,
    ForecastRule,
    GlucoseRule,
    Policy,
    RateRule,
    SignalRule,
    SustainedRule,
)
from vitals.policy_edits import edited

FIVE = 5 * MINUTE_US


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
    made = standing(HEART_RATE)
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
