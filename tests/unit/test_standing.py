"""What is open in one metric, and what time, sites and bindings do to it: deadlines, and what is known."""

from __future__ import annotations

import numpy as np
import pytest

from stream.activity import Activity
from stream.outbox import Outbox
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN
from stream.series import NEVER, Patients
from stream.standing import Standing
from stream.verdicts import NO_DATA
from tests.logs import T0
from tests.standing import ANN, AT, BOB, HIGH, LOW, Told, heard, hold, opened, opened_by, standing, told
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US
from vitals.policies import DEFAULT
from vitals.windows import EVALUATE_AFTER_US, UNKNOWN_AFTER_US

HERS = np.array([ANN])
G = 11 * MINUTE_US
LOST = UNKNOWN_AFTER_US + EVALUATE_AFTER_US


def test_all_tables_grow_together():
    """A patient without a row in one of them would stop the step."""
    made = standing(HEART_RATE)
    made.grow(40)
    holds, usual = made.medians.holds, made.medians.gates.usual
    tables = (made.series, made.ring, made.machines, made.artefacts, made.medians, made.glucose, made.signals)
    assert {table.capacity for table in (*tables, holds, usual)} == {40}
    assert len(made.series.bound) == len(made.signals.level) == len(made.medians.level) == len(holds.any) == 40
    assert len(made.glucose.level) == len(made.machines.level) == len(made.ring.head) == 40
    assert len(usual.place) == len(made.artefacts.place) == 40


def test_the_tables_of_a_metric_look_at_each_other():
    """A forecast's warning ends where low calls; medians ask for steps and doubts; all look at one ring."""
    for metric in (GLUCOSE, HEART_RATE):
        activity = Activity()
        made = Standing(metric, Patients(), Outbox(0), activity)
        assert made.ring.timed is metric.whole
        assert {id(each.ring) for each in (made.medians, made.glucose, made.artefacts, made.writer)} == {id(made.ring)}
        assert (made.glucose.machines, made.medians.artefacts) == (made.machines, made.artefacts)
        assert made.medians.gates.activity is activity


@pytest.mark.parametrize("side", [LOW, HIGH])
def test_what_is_open_and_known_turns_unknown_a_gap_after_the_last_arrival(side: int):
    """Nothing clears while nobody knows; what is unknown already, or over, has no such deadline."""
    made = standing()
    both = np.array([0, ANN])
    assert made.unknown_at(both).tolist() == [NEVER, NEVER]
    for condition in (ACTIVE, RETURNING):
        opened(made, side, condition=condition)
        assert made.unknown_at(both).tolist() == [NEVER, T0 + 30 * MINUTE_US + G]
    opened(made, side, reason=NO_DATA)
    assert made.unknown_at(both).tolist() == [NEVER, NEVER]
    opened(made, side, level=2)
    opened(made, 1 - side, reason=NO_DATA)
    assert made.unknown_at(HERS).tolist() == [T0 + 30 * MINUTE_US + G]


def test_the_first_of_several_is_forgotten_first():
    """Each rule of one level has its own last judgement."""
    for metric, after in ((GLUCOSE, G), (HEART_RATE, LOST)):
        made = standing(metric)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, NEVER]
        opened_by(made, 0, 30)
        opened_by(made, 1, 20)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 20 * MINUTE_US + after]
        opened_by(made, 1, 20, NO_DATA)
        assert made.forgotten_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 30 * MINUTE_US + after]
    assert standing(policy=DEFAULT).forgotten_at(HERS).tolist() == [NEVER]


def test_what_is_held_back_opens_in_time():
    """Artefact hold has a hard bound, by the clock."""
    made = standing(HEART_RATE)
    assert made.held_at(np.array([ANN, BOB])).tolist() == [NEVER, NEVER]
    hold(made, 0, T0 + MINUTE_US)
    assert made.held_at(np.array([0, ANN])).tolist() == [NEVER, T0 + 2 * MINUTE_US + EVALUATE_AFTER_US]


def test_the_deadline_of_a_series_is_its_first():
    """A clock that passes it looks at everything; one that is told too late would call too late."""
    made = standing()
    others = np.array([0, ANN])
    silent = T0 + 20 * MINUTE_US
    assert made.deadline(others).tolist() == [silent, silent]
    opened(made)
    assert made.deadline(others).tolist() == [silent, T0 + 30 * MINUTE_US + G]
    opened_by(made, 0, 15)
    assert made.deadline(others).tolist() == [silent, T0 + 15 * MINUTE_US + G]
    made.signals.open(0, T0 + 21 * MINUTE_US, 1)
    assert made.deadline(others).tolist() == [T0 + 81 * MINUTE_US, T0 + 15 * MINUTE_US + G]
    made = standing(HEART_RATE)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US] * 2
    opened_by(made, 1, 1)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US, T0 + MINUTE_US + LOST]
    hold(made, 0, T0)
    assert made.deadline(others).tolist() == [T0 + 5 * MINUTE_US, T0 + MINUTE_US + EVALUATE_AFTER_US]


def test_everything_open_is_lost_for_a_reason():
    """A site that is silent, a device that is gone: whatever stands open of the patient, on either side."""
    made = standing()
    opened(made, LOW)
    opened(made, HIGH, level=2)
    opened_by(made, 0)
    opened_by(made, 1)
    made.lose(ANN, "device removed", AT)
    an_hour = 60 * MINUTE_US
    assert told(made) == [
        Told("glucose_falling", "unknown", 1, "unknown", "device removed", an_hour),
        Told("high", "unknown", 2, "unknown", "device removed", an_hour),
        Told("high_sustained", "unknown", 1, "unknown", "device removed", an_hour),
        Told("low", "unknown", 1, "unknown", "device removed", an_hour),
    ]
    made.lose(ANN, "device removed", AT)
    made.lose(BOB, "device removed", AT)
    assert told(made) == []


def test_another_reason_is_told_unless_only_what_is_known_is_asked_for():
    """No data that becomes a device removed is news to whoever goes there; a silent site is none of nobody's data."""
    made = standing()
    for side in (LOW, HIGH):
        opened(made, side, reason=NO_DATA)
    for column in (0, 1):
        opened_by(made, column, reason=NO_DATA)
    made.lose(ANN, "site silent", AT, known_only=True)
    assert told(made) == []
    made.lose(ANN, "device removed", AT)
    assert [(each.rule, each.change, each.reason) for each in told(made)] == [
        (rule, "reason", "device removed") for rule in ("glucose_falling", "high", "high_sustained", "low")
    ]
    opened(made, HIGH)
    opened_by(made, 1)
    made.lose(ANN, "site silent", AT, known_only=True)
    assert [(each.rule, each.change) for each in told(made)] == [
        ("glucose_falling" if made.glucose.names[2] == "glucose_falling" else "high_sustained", "unknown"),
        ("high", "unknown"),
    ]


def test_what_was_not_judged_for_too_long_is_forgotten_at_its_own_instant():
    """A jump of the clock tells when nobody knew any more, not when the clock came back."""
    made = standing()
    made.series.gap[BOB] = 1
    opened_by(made, 0, 10)
    opened_by(made, 1, 20)
    clock = T0 + 20 * MINUTE_US + G - 1
    made.forget(ANN, clock, AT)
    first, second = made.glucose.names
    assert told(made) == [Told(first, "unknown", 1, "unknown", NO_DATA, 10 * MINUTE_US + G)]
    made.forget(ANN, clock + 1, AT)
    assert told(made) == [Told(second, "unknown", 1, "unknown", NO_DATA, 20 * MINUTE_US + G)]
    made.forget(ANN, NEVER - 1, AT)
    assert told(made) == []


def test_a_median_without_evaluations_is_forgotten_after_its_minute():
    """And two seconds, in which the last readings may still come."""
    made = standing(HEART_RATE)
    opened_by(made, 1, 10)
    made.forget(ANN, T0 + 10 * MINUTE_US + LOST - 1, AT)
    assert told(made) == []
    made.forget(ANN, T0 + 10 * MINUTE_US + LOST, AT)
    assert told(made) == [Told("heart_rate_low", "unknown", 1, "unknown", NO_DATA, 10 * MINUTE_US + LOST)]


def test_what_was_held_for_as_long_as_may_be_opens():
    """Every opening that is due, and none that is not."""
    made = standing(HEART_RATE)
    hold(made, 0, T0)
    hold(made, 1, T0 + 5)
    hold(made, 2, T0 + 6)
    made.release(ANN, T0 + MINUTE_US + EVALUATE_AFTER_US + 5, AT)
    assert told(made) == [
        Told("heart_rate_high", "open", 1, "active", "", MINUTE_US),
        Told("heart_rate_low", "open", 1, "active", "", MINUTE_US + 5),
    ]
    made.release(ANN, T0 + MINUTE_US + EVALUATE_AFTER_US + 5, AT)
    assert told(made) == []


def test_what_was_unknown_for_a_reason_is_known_again_by_its_last_value():
    """The site ticks again, and readings were not long ago: 60 is a low, 80 one on its way back."""
    for value, condition in ((60, "active"), (80, "returning")):
        made = standing()
        opened(made, LOW, reason="site silent")
        heard(made, 55, value)
        opened_by(made, 0, 55, "site silent", beyond=value < 70)
        opened_by(made, 1, 55, NO_DATA)
        made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
        name = made.glucose.names[1]
        assert sorted(told(made)) == sorted(
            [
                Told(name, "known", 1, condition, "", 60 * MINUTE_US),
                Told("low", "known", 1, condition, "", 60 * MINUTE_US),
            ]
        )
        made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
        assert told(made) == []


@pytest.mark.parametrize(("since", "known"), [(G - 1, True), (G, False)])
def test_what_had_no_data_meanwhile_is_unknown_for_that(since: int, known: bool):
    """The site is heard again, the device is not: G after its last reading nobody knows."""
    made = standing()
    for side in (LOW, HIGH):
        opened(made, side, reason="site silent")
    opened_by(made, 0, 30, "site silent")
    clock = T0 + 30 * MINUTE_US + since
    made.regain(ANN, "site silent", NO_DATA, clock, AT)
    found = told(made)
    assert len(found) == 3
    assert {each.change for each in found} == {"known" if known else "reason"}
    assert {each.reason for each in found} == {"" if known else NO_DATA}
    assert {each.at for each in found} == {60 * MINUTE_US}
    assert (UNKNOWN in made.machines.condition[ANN].tolist()) is not known
    assert (made.glucose.condition[ANN, 0] == UNKNOWN) is not known
    reasons = [*made.machines.reasons.values(), *made.glucose.reasons.values()]
    assert reasons == ([] if known else [NO_DATA] * 3)


def test_the_other_side_and_the_other_reasons_stay_as_they_are():
    """A high that was removed with its device is not known again because a site ticks."""
    made = standing()
    opened(made, LOW, reason="device removed")
    opened(made, HIGH, reason="site silent")
    heard(made, 55, 300)
    made.regain(ANN, "site silent", NO_DATA, AT.instant, AT)
    assert [(each.rule, each.condition) for each in told(made)] == [("high", "active")]
    made.regain(BOB, "site silent", NO_DATA, AT.instant, AT)
    assert told(made) == []


def test_an_episode_unknown_for_a_reason_is_closed_with_another():
    """Somebody closes what a removed device left open; what is unknown for no data goes on."""
    made = standing()
    opened(made, LOW, reason=NO_DATA)
    opened(made, HIGH, level=2, reason="device removed")
    opened_by(made, 0, reason="device removed")
    opened_by(made, 1, reason=NO_DATA)
    name = made.glucose.names[1]
    made.close(ANN, "device removed", "closed", AT)
    assert sorted(told(made)) == sorted(
        [
            Told("high", "clear", 0, "over", "closed", 60 * MINUTE_US),
            Told(name, "clear", 0, "over", "closed", 60 * MINUTE_US),
        ]
    )
    assert made.machines.level[ANN].tolist() == [1, 0]
    assert made.machines.condition[ANN].tolist() == [UNKNOWN, OVER]
    assert made.glucose.level[ANN].tolist() == [0, 1]
    made.close(ANN, NO_DATA, "closed", AT)
    assert len(told(made)) == 2
