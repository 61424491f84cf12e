"""The interval of a file's readings: by the median step of days, through losses, jitter, and more on some days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from simulators.spacing import Spacing, spacing
from vitals.errors import InputError
from vitals.metrics import MINUTE_US, SECOND_US

T0 = 1_700_006_400_000_000
"""Midnight, UTC."""
DAY = 24 * 60


def found(minutes: Sequence[float]) -> Spacing:
    times = [T0 + round(at * MINUTE_US) for at in minutes]
    return spacing("glucose-1.csv", times, range(2, len(times) + 2))


def days(*intervals: int) -> list[float]:
    """One day after the other, each with readings so many minutes apart."""
    return [float(day * DAY + at) for day, interval in enumerate(intervals) for at in range(0, DAY, interval)]


@pytest.mark.parametrize("interval", [1, 5, 15])
def test_each_kind_of_sensor_is_known(interval: int):
    """Libre 3 gives a reading each minute, Dexcom each five, a Libre's memory each fifteen."""
    assert found(days(interval, interval)) == (interval, {})
    assert found([interval * at for at in range(3)]) == (interval, {})


@pytest.mark.parametrize("interval", [1, 5, 15])
def test_lost_readings_holes_and_seconds_change_no_interval(interval: int):
    """Two readings of five are lost, those left come up to a fifth of an interval late, and hours are missing."""
    drawn = np.random.default_rng(interval)
    times = [at + drawn.uniform(0, interval / 5) for at in days(*[interval] * 4) if drawn.random() < 0.6]
    times = [at for at in times if not 300 < at % DAY < 500]
    assert found(times) == (interval, {})


def test_a_second_stream_beside_the_first_changes_no_interval():
    """A Libre's memory of 15 min with a scan now and then, and a phone beside the receiver for a night."""
    scans = [at + 4.0 for at in days(15, 15)[::5]]
    assert found(sorted([*days(15, 15), *scans])) == (15, {})
    twice = [at + 1.0 for at in days(5, 5) if at < 480]
    assert found(sorted([*days(5, 5), *twice])) == (5, {})


def test_readings_that_seldom_come_are_of_the_denser_sensor():
    """Each second reading of a minute, and of five minutes, is all that came."""
    assert found([2.0 * at for at in range(900)]) == (1, {})
    assert found([10.0 * at for at in range(900)]) == (5, {})


@pytest.mark.parametrize("step", [10 / 60, 2.2, 31, 60])
def test_what_no_sensor_does_is_refused(step: float):
    """Taken for another interval, every gap and silence of the file would be judged wrongly."""
    with pytest.raises(InputError, match=r"no device type for this interval: .* \(1, 5 and 15 min are known\)"):
        found([step * at for at in range(900)])


def test_days_of_another_interval_are_counted():
    """A week on a borrowed sensor is no reason to refuse a month, and none to say nothing."""
    assert found(days(*[1] * 24, *[15] * 6)) == (1, {15: 6})
    assert found(days(*[15] * 24, *[1] * 2)) == (15, {1: 2})
    assert found([*days(*[5] * 9), *(9 * DAY + 40.0 * at for at in range(36))]) == (5, {40: 1})


def test_a_change_of_sensor_is_refused_with_its_place():
    """By the median of all steps ten days of one minute outweigh two months of 15, and those would be one long hole."""
    with pytest.raises(InputError) as error:
        found(days(*[15] * 60, *[1] * 20))
    assert str(error.value) == (
        "readings of several sensors: glucose-1.csv: of 80 days 60 have readings each 15 min, 20 each 1 min; "
        "the first change is at line 5762 (give each sensor a file of its own)"
    )
    for order in ((1, 5), (5, 1)):
        line = 2 + DAY // order[0]
        with pytest.raises(InputError, match=f"of 2 days 1 have readings each 1 min, 1 each 5 min; .* at line {line} "):
            found(days(*order))


def test_each_of_three_sensors_is_named():
    """Whoever cuts the file in two is not told once more that it is of two."""
    with pytest.raises(InputError, match=r"3 have readings each 1 min, 3 each 5 min, 3 each 15 min; .* line 866 "):
        found(days(*[5] * 3, *[1] * 3, *[15] * 3))


@pytest.mark.parametrize(("interval", "minutes"), [(2, 1), (10, 5)])
def test_each_second_reading_with_its_jitter_is_of_one_sensor(interval: int, minutes: int):
    """A file's days must not fall on both sides of an edge: that would be two sensors, and nobody could mend it."""
    drawn = np.random.default_rng(interval)
    times = [at + drawn.uniform(-0.3, 0.3) for at in days(*[interval] * 20)]
    assert found(sorted(times)) == (minutes, {})


def test_two_whole_streams_are_a_faster_sensor():
    """Their steps are those of one, and nothing in the file tells them apart."""
    assert found(sorted([*days(15, 15), *(at + 7.0 for at in days(15, 15))])).minutes == 5


def test_the_line_is_that_of_the_file_whatever_its_order():
    """Some programs write the newest row first."""
    times = [T0 + round(at * MINUTE_US) for at in days(*[5] * 4, *[15] * 2)][::-1]
    with pytest.raises(InputError, match=r"the first change is at line 193\b"):
        spacing("glucose-1.csv", times, range(2, len(times) + 2))


def test_a_day_with_few_readings_says_nothing():
    """The last of it has three readings around a hole, as the first day of most files has."""
    assert found([*days(1, 1), 2 * DAY, 2 * DAY + 30, 2 * DAY + 60]) == (1, {})


def test_two_rows_at_one_time_are_no_step():
    """Files without seconds have them wherever two readings fall into a minute."""
    assert found(sorted([*days(1), *days(1)])) == (1, {})


def test_a_single_row_is_taken_for_five_minutes():
    """There is nothing to go by, and nothing that depends on it."""
    assert found([0.0]) == found([0.0, 0.0]) == (5, {})


def test_times_are_microseconds_and_may_have_seconds():
    """A minute's sensor that comes each 61 s is one."""
    times = [T0 + at * 61 * SECOND_US for at in range(2000)]
    assert spacing("glucose-1.csv", times, range(2, 2002)).minutes == 1
