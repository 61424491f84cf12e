"""The simulated ward: its stories, and what its devices send."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from simulators import payload, stories
from simulators.fleet import Options, anchor_of
from simulators.physiology.people import DAY_US, people
from simulators.stories import Script
from simulators.ward import MOTION, NO_CONTACT, Due, Ward, WardSpec
from vitals.codecs import Parsed
from vitals.codecs.json import decode
from vitals.metrics import BATTERY, GLUCOSE, HEART_RATE, MINUTE_US, STEPS
from vitals.readings import Flag

S = 1_000_000
NOW = 1_795_422_480_000_000
SEEDS = range(1, 6)


def play(begin: int, end: int, *, patients: int = 20, seed: int = 1, rate_hz: float = 0.2) -> Due:
    """Readings of a ward whose stories begin at `NOW`, from ``begin`` to ``end`` seconds from then."""
    return Ward(WardSpec(patients, rate_hz, seed, NOW)).due(NOW + begin * S, NOW + end * S)


def of(due: Due, patient: int, code: int) -> list[tuple[float, float]]:
    """(seconds from `NOW`, value) of one series."""
    mine = (due.patient == patient) & (due.metric == code)
    return [((at - NOW) / S, value) for at, value in zip(due.at[mine].tolist(), due.value[mine].tolist(), strict=True)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_low_worsens_within_three_minutes(seed: int):
    """Level 1 needs four minutes below 70 and must be seen before level 2: that is what a rise looks like."""
    low = [(at, value) for at, value in of(play(-1200, 420, seed=seed), 0, GLUCOSE.code) if value < 70]
    level_1 = next(at for at, _ in low if at - low[0][0] >= 240)
    level_2 = next(at for at, value in low if value < 54)
    assert 0 < level_1 < level_2 < 180
    assert all(value < 70 for at, value in of(play(-1200, 420, seed=seed), 0, GLUCOSE.code) if at > low[0][0])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_high_is_fifteen_minutes_old_within_three(seed: int):
    """It begins in the history, or nobody who watches a demonstration would see it."""
    high = [at for at, value in of(play(-3000, 1800, seed=seed), 1, GLUCOSE.code) if value > 250]
    on = next(at for at in high if at - high[0] >= 900)
    assert 0 < on < 180
    assert high[-1] > 1500


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tachycardia_is_extreme_within_three_minutes(seed: int):
    """The median of a minute above 150 at six T; and over before ten minutes' median would say the same again."""
    beats = of(play(-60, 900, seed=seed), 2, HEART_RATE.code)
    minutes = {t: np.median([value for at, value in beats if t - 60 < at <= t]) for t in range(10, 600, 10)}
    beyond = [t for t, median in minutes.items() if median > 150]
    assert beyond[:6] == list(range(beyond[0], beyond[0] + 60, 10))
    assert beyond[5] < 180
    assert sum(value > 130 for _, value in beats) * 5 < 300


def test_a_device_falls_silent_and_comes_back():
    """Silence is an event like any other, and so is its end; five minutes of it are over within three."""
    beats = [at for at, _ in of(play(-900, 2400), 3, HEART_RATE.code)]
    before, after = [at for at in beats if at < -240], [at for at in beats if at >= -240]
    assert before[-1] >= -250
    assert 1500 <= after[0] <= 1510


def test_a_site_is_away_within_three_minutes_and_comes_back():
    """Its devices go on measuring: what they send afterwards has its own times."""
    (span,) = Script(NOW, 20).absences(NOW, NOW + 180 * S)
    assert (span.begin - NOW, span.end - NOW) == (60 * S, 85 * S)
    assert not Script(NOW, 7).absences(NOW, NOW + 180 * S)
    last = of(play(0, 180), 19, HEART_RATE.code)
    assert len([at for at, _ in last if 60 <= at < 85]) == 5


def test_stories_are_told_again_of_others():
    """A ward that runs for days shows more than its first minutes, and never two stories of one patient at a time."""
    script = Script(NOW, 20)
    cycle = stories.CYCLE_US // S
    low = [at for at, value in of(play(cycle - 60, cycle + 300), stories.ROTATION, GLUCOSE.code) if value < 54]
    assert low
    spans = [
        (script.patient(course.role, number), number * cycle + course.span_s[0], number * cycle + course.span_s[1])
        for number in range(20)
        for course in stories.COURSES
    ]
    for patient in range(20):
        own = sorted(span[1:] for span in spans if span[0] == patient)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(own))


def test_a_small_ward_has_the_stories_that_it_has_patients_for():
    """One patient has one story."""
    assert [Script(NOW, 1).patient(role, 3) for role in range(4)] == [0, None, None, None]
    assert not Script(NOW, 3).silences(NOW, NOW + DAY_US)
    assert len(play(0, 600, patients=1).at) > 100


def test_without_stories_nobody_is_in_one():
    """A load test measures the pipeline, not a drama."""
    due = Ward(WardSpec(20, 0.2, 1)).due(NOW, NOW + 600 * S)
    assert all(anchor_of(Options(stories=False, resume_at=at), NOW) is None for at in (None, NOW))
    assert max(value for _, value in of(due, 2, HEART_RATE.code)) < 150
    assert len(of(due, 3, HEART_RATE.code)) > 110


def test_stories_go_on_where_the_history_began_them():
    """Else the live ward would jump away from its past."""
    assert anchor_of(Options(resume_at=NOW), NOW + 9 * S) == NOW
    assert anchor_of(Options(resume_at=NOW, story_at=NOW - S), NOW + 9 * S) == NOW - S


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ward_without_history_has_its_low_at_once(seed: int):
    """A demonstration needs an alert soon, whatever the seed."""
    anchor = anchor_of(Options(), NOW)
    first = Ward(WardSpec(8, 0.2, seed, anchor)).now(NOW)
    assert of(first, 0, GLUCOSE.code)[0][1] < 54
    assert {0, 1, 2} <= set(first.patient.tolist())
    assert 3 not in first.patient, "the silent one"


def test_every_device_sends_at_its_interval_and_evenly_over_time():
    """An irregular one would look like a gap; all at once would be a burst each minute."""
    due = play(0, 3600, patients=20)
    for code, interval in ((GLUCOSE.code, 60), (HEART_RATE.code, 5), (BATTERY.code, 600), (STEPS.code, 60)):
        at = [at for at, _ in of(due, 10, code)]
        steps = np.diff(at)
        assert np.allclose(steps % interval, 0)
        assert (steps == interval).mean() > 0.9
        phases = {of(due, patient, code)[0][0] % interval for patient in range(20) if patient != 3}
        assert len(phases) == 19


def test_single_samples_get_lost_about_ten_a_day():
    """DOMAIN: what real devices do wrong, a simulator should too."""
    ward = Ward(WardSpec(20, 1 / 60, 1))
    due = ward.due(NOW, NOW + DAY_US)
    steps = np.concatenate([np.diff([at for at, _ in of(due, patient, GLUCOSE.code)]) for patient in range(20)])
    assert 5 <= (steps == 120).sum() / 20 <= 15
    assert 0 < (steps > 600).sum() < 10, "and a few long holes"


def test_a_band_without_contact_says_so_and_gives_no_number():
    """A number without contact is not a pulse; zero would look like a dead patient."""
    due = Ward(WardSpec(20, 0.2, 1)).due(NOW, NOW + DAY_US)
    off = due.marks == NO_CONTACT
    assert set(due.metric[off].tolist()) == {HEART_RATE.code}
    assert 20 < off.sum() < 2000
    (parsed,) = decode(payload.readings(due.chosen(off))[0].encode())
    assert isinstance(parsed, Parsed)
    assert parsed.value is None
    assert parsed.flags == Flag.CONTACT_LOST


def test_every_payload_is_what_the_edge_understands():
    """Whole minutes travel as one message; each element keeps its mark, its counter and its unit."""
    due = Ward(WardSpec(20, 0.2, 1, NOW)).due(NOW - DAY_US // 2, NOW)
    texts = payload.readings(due)
    marked = np.flatnonzero(due.marks == MOTION)[:5].tolist()
    chosen = [*range(20), *marked, *np.flatnonzero(due.metric >= BATTERY.code)[:25].tolist()]
    items = decode(payload.batch([texts[index] for index in chosen]).encode())
    for index, item in zip(chosen, items, strict=True):
        assert isinstance(item, Parsed)
        assert (item.metric.code, item.observed_at, item.seq) == (due.metric[index], due.at[index], due.sequence[index])
        assert item.unit == item.metric.unit
        if due.marks[index] != NO_CONTACT:
            assert item.value == due.value[index]
        assert item.flags == (Flag.ARTEFACT if due.marks[index] == MOTION else item.flags)
    assert marked


def test_beyond_the_sensors_range_a_device_sends_a_word():
    """A number that the sensor cannot measure would be a lie; the words alarm at their severity."""
    one = Ward(WardSpec(1, 0.2, 1)).now(NOW)
    glucose = one.chosen(one.metric == GLUCOSE.code)
    for value, word in ((39.0, "LOW"), (40.0, 40), (400.0, 400), (401.0, "HIGH")):
        (text,) = payload.readings(glucose._replace(value=np.array([value])))
        assert json.loads(text)["value"] == word


def test_a_ward_of_thousands_is_the_small_ward_and_more():
    """The same seed gives the same first patients, so that a load test shows a ward that one knows."""
    small, large = people(3, 5), people(3, 500)
    assert np.array_equal(small.resting, large.resting[:5])
    few, many = play(0, 120, patients=20, rate_hz=1.0), play(0, 120, patients=400, rate_hz=1.0)
    assert len(many.at) > 15 * len(few.at)


def test_a_history_long_enough_has_a_device_swapped():
    """The patient goes on with another device: charts and rules must, too."""
    swap = stories.swap(NOW, NOW + DAY_US, 20)
    assert swap is not None
    assert NOW < swap.off_at < swap.on_at < NOW + DAY_US
    assert swap.on_at % MINUTE_US == NOW % MINUTE_US == 0
    assert stories.swap(NOW, NOW + DAY_US // 4, 20) is None
