"""Dirty marks as the sink takes them, and how much of one it does at a time."""

from __future__ import annotations

from uuid import UUID

import numpy as np

from stream.sink_windows import Mark, Readings, marks_in, next_ends, recomputed
from tests.logs import T0
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Flag, Invalid
from vitals.topics import device_id, patient_id
from vitals.units import Unit
from vitals.windows import DIRTY, IS_DIRTY, WINDOW

ANN = patient_id("ann")


def mark(window: int, minutes: int) -> Mark:
    """A mark from T0 on, of a five-minute sensor of 40 to 400 mg/dL."""
    return Mark(3, 70, 1, ANN, window, T0, T0 + minutes * MINUTE_US, 5 * MINUTE_US, 39.0, 401.0, 0)


def readings(*found: tuple[float, float, int], unit: Unit = Unit.MG_DL, ahead: tuple[int, ...] = ()) -> Readings:
    """Readings (minute, value, flags); ``ahead`` are the devices' times of those whose clock runs ahead."""
    minutes, values, flags = zip(*found, strict=True)
    events = T0 + (np.array(minutes) * MINUTE_US).astype(np.int64)
    observed = ahead or tuple(events.tolist())
    whose: list[tuple[UUID, int]] = [(device_id("cgm-1"), at) for at in observed]
    units = np.full(len(found), int(unit), np.int64)
    return Readings(events, np.array(values, np.float64), units, np.array(flags, np.int64), whose)


def count_and_mean(found: Readings, window: int = 2) -> list[tuple[int, float]]:
    """What the window that ends at T0 says."""
    rows = recomputed(mark(window, 0), range(T0, T0 + 1, 5 * MINUTE_US), found)
    return [(int(row["count"]), float(row["mean"])) for row in rows]


def test_a_mark_among_results_is_found_and_a_kind_that_nobody_knows_is_none():
    """A newer processor may speak of windows that this sink cannot compute."""
    rows = np.zeros(3, DIRTY)
    rows["patient"], rows["flags"], rows["window"] = np.void(ANN.bytes), [IS_DIRTY, IS_DIRTY, 0], [2, 99, 2]
    rows["start"], rows["end"], rows["interval"] = T0, T0 + 30 * MINUTE_US, 5 * MINUTE_US
    rows["below"], rows["above"], rows["offset"], rows["ordinal"] = 39.0, 401.0, 70, 1
    assert list(marks_in(rows.view(WINDOW), 3)) == [mark(2, 30)]


def test_one_transaction_takes_an_hour_of_heart_rate_or_thirty_of_glucose():
    """More would hold up what is live; the next one goes on where it ended."""
    day = 24 * 60
    assert len(next_ends(mark(2, day), T0, 5 * MINUTE_US)) == 24 * 12 + 1
    assert len(next_ends(mark(2, 9 * day), T0, 5 * MINUTE_US)) == 360
    assert len(next_ends(mark(3, day), T0, 10 * SECOND_US)) == 360
    assert len(next_ends(mark(5, day), T0, MINUTE_US)) == 60
    assert next_ends(mark(3, 60), T0 + 50 * MINUTE_US, 10 * SECOND_US)[-1] == T0 + 60 * MINUTE_US
    assert next_ends(mark(3, 0), T0, 10 * SECOND_US)[0] == T0 == next_ends(mark(3, 0), T0, 10 * SECOND_US)[-1]
    assert next_ends(mark(3, day), T0, 10 * SECOND_US).step == 10 * SECOND_US


def test_the_first_in_the_log_has_the_pane():
    """As in the ring: a later row of the same minute is in no window."""
    assert count_and_mean(readings((-1.5, 100, 0), (-1.2, 300, 0))) == [(1, 100.0)]


def test_censored_readings_count_as_the_mark_says_and_unusable_ones_not_at_all():
    """The device type's range is of the day of the mark; the sink knows no registry."""
    low, high = int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH)
    assert count_and_mean(readings((-5, 12, low))) == [(1, 39.0)]
    assert count_and_mean(readings((-5, 999, high))) == [(1, 401.0)]
    bad = int(Flag.WARM_UP), int(Flag.CONTROL_SOLUTION), Invalid.SENSOR_ERROR << 12
    assert count_and_mean(readings((-5, 100, 0), *((-at, 300, flag) for at, flag in enumerate(bad, 1)))) == [(1, 100.0)]
    assert count_and_mean(readings((-5, float("nan"), 0))) == []


def test_units_are_converted_and_what_lies_outside_is_left_out():
    """The query may give more than one window looks at; the window takes what is its own."""
    assert count_and_mean(readings((-5, 5.0, 0), unit=Unit.MMOL_L)) == [(1, 90.091)]
    assert count_and_mean(readings((-50, 200, 0), (-14.5, 100, 0), (1, 300, 0))) == [(1, 100.0)]


def test_a_repeat_of_a_clock_that_runs_ahead_is_no_reading():
    """RULES: a suspect row whose own time is not above the last suspect one's is a duplicate, whenever it came."""
    suspect = int(Flag.CLOCK_SUSPECT)
    found = readings((-9, 100, suspect), (-4, 200, suspect), (-2, 120, suspect), ahead=(T0 + 50, T0 + 50, T0 + 60))
    assert [count for count, _ in count_and_mean(found)] == [2]
