"""Plans of charts: what is read for which span, and how what comes is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards import series
from dashboards.series import RAW, ROLLUP, Plan
from vitals.metrics import SECOND_US
from vitals.readings import INVALID_SHIFT, Flag

MINUTE, HOUR, DAY = 60 * SECOND_US, 3600 * SECOND_US, 86_400 * SECOND_US
EPOCH = series.POSTGRES_EPOCH_US


@pytest.mark.parametrize(
    ("span", "points", "interval", "expected"),
    [
        (HOUR, 1000, MINUTE, Plan(0, 4 * SECOND_US)),
        (DAY, 1000, MINUTE, Plan(0, 120 * SECOND_US)),
        (DAY, 1000, 5 * SECOND_US, Plan(60, 120 * SECOND_US)),
        (6 * HOUR, 1000, SECOND_US, Plan(0, 22 * SECOND_US)),
        (14 * DAY, 5000, 300 * SECOND_US, Plan(0, 300 * SECOND_US)),
        (14 * DAY, 1000, MINUTE, Plan(300, 1800 * SECOND_US)),
        (14 * DAY, 1000, 5 * SECOND_US, Plan(300, 1800 * SECOND_US)),
        (DAY, 5000, SECOND_US, Plan(60, 60 * SECOND_US)),
        (2 * DAY, 1000, SECOND_US, Plan(60, 180 * SECOND_US)),
        (31 * DAY, 10, SECOND_US, Plan(300, 604_800 * SECOND_US)),
    ],
)
def test_a_chart_reads_thousands_of_rows_whatever_its_span(span: int, points: int, interval: int, expected: Plan):
    """Fourteen days at one a second are 1.2 million readings: nobody waits for these, and no screen has the pixels."""
    assert series.plan(span, points, interval) == expected
    if expected.level_s == 0:
        assert span // interval <= series.RAW_ROWS_MAX
    else:
        assert span // (expected.level_s * SECOND_US) <= 10_000


def test_rows_come_back_from_the_database_as_they_were():
    """Bytes of one program read by another: an order of bytes that is wrong is a heart rate of 1e-310."""
    rows = np.zeros(2, RAW)
    rows["e"], rows["value"], rows["unit"] = [-EPOCH, MINUTE], [5.0, 200.0], [3, 2]
    rows["flags"] = [Flag.LATE, 1 << INVALID_SHIFT]
    found = series.of_raw(rows.tobytes())
    assert found.start.tolist() == [0, EPOCH + MINUTE]
    assert found.parts.low.tolist() == [5.0 * 18.0182, np.inf]
    assert found.parts.marks.tolist() == [1, 8]
    assert found.parts.readings.tolist() == [1, 0]


def test_a_stored_stretch_without_a_valid_reading_has_no_times():
    """Its infinity of the database is no time at all, and the gap goes on through it."""
    rows = np.zeros(2, ROLLUP)
    rows["bucket"], rows["count"] = [0, 300 * SECOND_US], [0, 2]
    rows["low"], rows["high"], rows["last"] = [np.inf, 60], [-np.inf, 80], [-np.inf, 70]
    rows["first_at"] = [np.iinfo(np.int64).max, 310 * SECOND_US]
    rows["last_at"] = [np.iinfo(np.int64).min, 320 * SECOND_US]
    found = series.of_rollups(rows.tobytes())
    assert series.gaps(found, EPOCH, EPOCH + 400 * SECOND_US, 100 * SECOND_US) == [(EPOCH, EPOCH + 310 * SECOND_US)]
    joined = series.thin(found, 600 * SECOND_US)
    assert (joined.parts.low[0], joined.parts.high[0], joined.parts.last[0]) == (60, 80, 70)


def test_censored_values_stand_one_beyond_the_devices_range():
    """A file's 0.1 mmol/L says LOW; drawn at 2 mg/dL it would be a reading that no sensor can make."""
    rows = np.zeros(3, RAW)
    rows["value"], rows["unit"], rows["flags"] = [1.8, 500.0, 50.0], 2, [Flag.CENSORED_LOW, Flag.CENSORED_HIGH, 0]
    found = series.clip(series.of_raw(rows.tobytes()), 40.0, 400.0)
    assert found.parts.low.tolist() == [39.0, 401.0, 50.0]
    assert found.parts.last.tolist() == [39.0, 401.0, 50.0]


def test_nothing_stored_is_an_empty_chart_with_one_gap():
    """A patient who came today has no week; the chart says so, and draws no zero."""
    found = series.thin(series.of_rollups(b""), HOUR)
    assert len(found.start) == 0
    assert series.gaps(found, 0, DAY, MINUTE) == [(0, DAY)]
