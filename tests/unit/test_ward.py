"""The simulated ward: its script, its truth, and how believable it is."""

from __future__ import annotations

import numpy as np
import pytest

from simulators import truth
from simulators.ward import Due, Ward, WardSpec
from vitals.metrics import GLUCOSE, HEART_RATE

S = 1_000_000
HOUR = 3600 * S


def play(patients: int, seconds: int, *, rate_hz: float = 0.1, seed: int = 1, step: int = 60) -> Due:
    ward = Ward(WardSpec(patients, rate_hz, seed, 0))
    parts = [ward.due(min(second + step, seconds) * S) for second in range(0, seconds, step)]
    return Due(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def glucose_of(due: Due, patient: int) -> list[tuple[float, float]]:
    mine = (due.patient == patient) & (due.metric == GLUCOSE.code)
    return [(at / S, value) for at, value in zip(due.at[mine].tolist(), due.value[mine].tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_a_level_two_low_comes_within_half_a_minute(seed: int):
    """A demonstration needs an alert at once, whatever the seed."""
    readings = glucose_of(play(8, 60, seed=seed), 0)
    assert readings[:2] == [(0, 56), (20, 53)]


@pytest.mark.parametrize("seed", range(5))
def test_the_script_has_a_level_one_low_and_a_high(seed: int):
    """Level 1 needs four minutes below 70 and never falls below 54; the high lasts longer than fifteen minutes."""
    due = play(8, 2400, seed=seed)
    low = [(at, value) for at, value in glucose_of(due, 1) if at <= 580]
    assert all(54 <= value < 70 for _, value in low)
    assert low[-1][0] - low[0][0] >= 4 * 60
    high = [at for at, value in glucose_of(due, 2) if value > 250]
    assert high[-1] - high[0] >= 15 * 60


def test_a_scripted_low_recovers_and_comes_again():
    """A ward that runs for hours shows more than its first minute."""
    low = [at for at, value in glucose_of(play(8, 2 * 3600), 0) if value < 54]
    first = [at for at in low if at < 3600]
    second = [at for at in low if at >= 3600]
    assert max(first) < 900
    assert min(second) > 3600


def test_the_truth_is_what_the_readings_show():
    """Scores compare alerts with it."""
    due = play(8, 2 * 3600)
    for cycle in range(2):
        for event in truth.events(8, cycle):
            for crossing in truth.crossings(event):
                limit = truth.LIMITS[crossing.label]
                sign = -1 if crossing.label.startswith("low") else 1
                course = event.begin_s + event.ramp_s
                beyond = [
                    at for at, value in glucose_of(due, event.patient) if at >= course and value * sign > limit * sign
                ]
                assert 0 <= beyond[0] - crossing.at_s <= 60


def test_one_device_goes_silent_and_comes_back():
    """Silence is an event like any other, and so is its end."""
    due = play(8, 3600)
    at = due.at[due.patient == 7] / S
    assert not ((at >= 120) & (at < 2700)).any()
    assert (at < 120).any()
    assert (at >= 2700).any()
    assert truth.silence(3, 0) is None


def test_every_device_sends_at_once_and_then_at_its_interval():
    """The first reading makes a new patient known; an irregular one would look like a gap."""
    due = play(4, 600, rate_hz=0.5)
    for patient in range(3):
        for metric, interval in ((GLUCOSE, 60), (HEART_RATE, 2)):
            at = due.at[(due.patient == patient) & (due.metric == metric.code)] / S
            assert at[0] == 0
            assert 0 < at[1] <= interval
            assert np.allclose(np.diff(at[1:]), interval)


def test_glucose_moves_like_a_persons():
    """DOMAIN: 1/5/50/95/99 % of the rate are -3.8/-2.0/0/2.2/4.0 mg/dL/min in type 1 diabetes."""
    due = play(40, 24 * 3600, rate_hz=0.01, step=3600)
    rates = [
        np.diff([value for at, value in glucose_of(due, patient) if at > 0])
        for patient in range(40)
        if patient % 8 > 2 and patient != 7
    ]
    found = np.percentile(np.concatenate(rates), [1, 5, 50, 95, 99])
    assert np.allclose(found, [-3.8, -2.0, 0, 2.2, 4.0], atol=0.8)


def test_heart_rate_has_a_days_rhythm():
    """DOMAIN: at rest it swings 8 to 18 per minute over the day."""
    due = play(8, 24 * 3600, rate_hz=1 / 60, step=3600)
    for patient in range(6):
        mine = (due.patient == patient) & (due.metric == HEART_RATE.code)
        hour = due.at[mine] // HOUR
        means = [due.value[mine][hour == each].mean() for each in range(24)]
        assert 7 <= max(means) - min(means) <= 20
        assert 45 <= min(means) <= max(means) <= 100
        assert 13 <= int(np.argmax(means)) <= 17
