"""Is it believable? What the simulated bodies and sensors do, against the numbers of DOMAIN."""

from __future__ import annotations

import numpy as np

from simulators import truth
from simulators.noise import Floats
from simulators.physiology import activity, glucose, heart
from simulators.physiology.course import Course
from simulators.physiology.people import DAY_US, people
from simulators.ward import Due, Ward, WardSpec
from vitals.metrics import GLUCOSE, MINUTE_US, STEPS

BEGIN = 1_795_392_000_000_000
"""A midnight."""
PEOPLE = people(1, 40)
DAY = BEGIN + np.arange(1440, dtype=np.int64) * MINUTE_US


def glucose_of(due: Due, patient: int) -> Floats:
    mine = (due.patient == patient) & (due.metric == GLUCOSE.code)
    values: Floats = due.value[mine]
    return values


def test_glucose_moves_like_a_persons():
    """DOMAIN: 1/5/50/95/99 % of the rate are -3.8/-2.0/0/2.2/4.0 mg/dL/min in type 1 diabetes."""
    due = Ward(WardSpec(40, 0.01, 1)).due(BEGIN, BEGIN + DAY_US)
    rates = np.concatenate([np.diff(glucose_of(due, patient)) for patient in range(40)])
    found = np.percentile(rates, [1, 5, 50, 95, 99])
    assert np.allclose(found, [-3.8, -2.0, 0, 2.2, 4.0], atol=0.8)


def test_lows_and_highs_come_as_often_as_a_ward_sees_them():
    """Alarms all day long would be nobody's ward, and none would show nothing."""
    spec = WardSpec(40, 0.2, 1)
    found = truth.events(spec, BEGIN, BEGIN + 2 * DAY_US)
    per_day = {kind: sum(label.kind == kind for label in found) / 80 for kind in ("low 1", "low 2", "high 1")}
    assert 0.3 < per_day["low 1"] < 1.2
    assert 0.02 < per_day["low 2"] < 0.4
    assert 0.15 < per_day["high 1"] < 0.8
    assert not any(label.kind == "fast heart" for label in found)


def test_time_in_range_is_a_patients_in_treatment():
    """DOMAIN: in range > 70 %, below 70 < 4 %, below 54 < 1 %, above 250 < 5 % are the targets."""
    blood = glucose.blood(PEOPLE, DAY)
    assert 0.7 < ((blood >= 70) & (blood <= 180)).mean() < 0.95
    assert 0.002 < (blood < 70).mean() < 0.04
    assert (blood < 54).mean() < 0.01
    assert 0.002 < (blood > 250).mean() < 0.05
    assert blood.min() > 40
    assert blood.max() < 400


def test_resting_heart_rate_swings_over_the_day():
    """DOMAIN: 8 to 18 per minute, the trough at night."""
    rest = heart.resting(PEOPLE, DAY)
    swing = rest.max(axis=1) - rest.min(axis=1)
    assert (swing >= 8).all()
    assert (swing <= 18).all()
    peak = rest.argmax(axis=1) / 60
    assert ((peak >= 13) & (peak <= 17)).all()
    assert rest.min() > 45, "a trough below 45 would alarm every night"


def test_one_activity_drives_the_heart_up_and_glucose_down():
    """A chart on which a walk shows in one metric only would not be a person's."""
    moved = activity.level(PEOPLE, DAY)
    walks = activity.bouts(PEOPLE, DAY) > 0.4
    assert walks.any()
    beat = heart.rate(PEOPLE, DAY, moved) - heart.resting(PEOPLE, DAY)
    assert beat[walks].mean() > beat[~walks].mean() + 15
    taken = glucose.exercise(PEOPLE, DAY)
    assert (taken >= 0).all()
    later = np.roll(walks, 45, axis=1)
    assert taken[later].mean() > taken[~later].mean() + 8


def test_people_sleep():
    """Night is when alarms hurt most; its activity, heart and glucose differ from the day's."""
    night = DAY % DAY_US < 5 * 60 * MINUTE_US
    moved = activity.level(PEOPLE, DAY)
    assert moved[:, night].max() == 0
    assert moved[:, 600:1200].mean() > 0.05


def test_a_meal_lifts_glucose_and_insulin_takes_it_back():
    """Half an hour to an hour and a half up, hours down again."""
    eaten = glucose.meals(PEOPLE, DAY)
    assert 30 < np.percentile(eaten.max(axis=1), 50) < 140
    assert eaten[:, :300].mean() < eaten[:, 480:720].mean()
    assert eaten.min() > -90


def test_a_course_has_no_jumps_where_blocks_meet():
    """Blocks are how it is computed, not how bodies are."""
    state = Course(people(2, 20)).minutes(BEGIN // MINUTE_US, BEGIN // MINUTE_US + 1440)
    edges = np.arange(1, 1440) % 60 == 0
    for values in (state.shown, state.heart_rate, state.blood):
        steps = np.abs(np.diff(values, axis=1))
        assert np.median(steps[:, edges]) < 1.5 * np.median(steps[:, ~edges])
        assert np.percentile(steps[:, edges], 95) < np.percentile(steps, 98)


def test_a_sensor_lags_and_errs_like_a_real_one():
    """Vettoretti 2019: it follows blood by minutes, and is off by some eight per cent."""
    state = Course(PEOPLE).minutes(BEGIN // MINUTE_US, BEGIN // MINUTE_US + 1440)
    blood, shown = state.blood, state.shown
    assert 0.03 < np.mean(np.abs(shown - blood) / blood) < 0.14
    errors = [np.mean(np.abs(shown[:, lag:] - blood[:, : blood.shape[1] - lag])) for lag in range(15)]
    assert 4 <= int(np.argmin(errors)) <= 11


def test_the_truth_is_what_the_bodies_do():
    """Scores compare alerts with it: a low that no body has, or one that it misses, would score the wrong thing."""
    anchor = BEGIN + DAY_US // 2
    spec = WardSpec(20, 0.2, 1, anchor)
    found = truth.labels(spec, anchor - DAY_US // 2, anchor + DAY_US // 12, began_at=anchor - DAY_US)
    told = {label.kind: label for label in found if label.patient in {0, 1, 2, 3} and label.end > anchor}
    assert told["low 2"].patient == 0
    assert 60 <= (told["low 2"].begin - anchor) / 1e6 <= 180
    assert told["high 1"].patient == 1
    assert told["silent"].patient == 3
    assert {"away", "swap", "no contact"} <= {label.kind for label in found}
    for label in found:
        if label.kind == "low 1":
            assert label.end - label.begin >= 15 * MINUTE_US


def test_an_event_ends_after_as_long_back():
    """DOMAIN: it starts after 15 min beyond and ends after 15 min back; a shorter one is none."""
    beyond = np.zeros(100, np.bool_)
    beyond[5:10] = beyond[30:50] = beyond[55:58] = beyond[90:] = True
    assert truth.runs(beyond, 15) == [(30, 58)]


def test_steps_go_with_the_heart():
    """One latent activity drives both: who walks has a faster heart, and who sleeps takes no step."""
    moved = activity.level(PEOPLE, DAY)
    steps, beat = activity.steps(moved), heart.rate(PEOPLE, DAY, moved)
    assert steps[activity.awake(PEOPLE, DAY) == 0].max() == 0
    assert 0.01 < (steps > 60).mean() < 0.1
    assert (steps == 0).mean() > 0.75
    assert steps.max() < 140
    faster = [beat[who][steps[who] > 60].mean() - beat[who][steps[who] == 0].mean() for who in range(40)
              if (steps[who] > 60).any()]  # fmt: skip
    assert min(faster) > 15


def test_a_ward_counts_the_steps_of_each_minute():
    """What a reading says is the minute that ends with it, as a whole number."""
    due = Ward(WardSpec(20, 0.2, 1)).due(BEGIN, BEGIN + DAY_US)
    mine = due.chosen(due.metric == STEPS.code)
    assert np.allclose(mine.value, np.round(mine.value))
    assert 20 * 1440 * 0.9 < len(mine.at) <= 20 * 1440
    middle = Course(people(1, 20)).at("activity", mine.patient, mine.at - MINUTE_US // 2)
    assert np.array_equal(mine.value, np.floor(activity.steps(middle) + 0.5))
