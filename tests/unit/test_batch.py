"""Rows of a part classified: what rules see of each, and which row of which record a later word comes from."""

from __future__ import annotations

import numpy as np
import pytest

from stream.batch import Batch, classify, where_of
from stream.rows import Part
from stream.series import Series
from stream.signal import CONTACT_LOST, NO_WORD, OLD, SENSOR_ERROR, SILENT
from tests.logs import LATE, T0, row, worn
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, Metric
from vitals.readings import Flag, Invalid, Rows

SENSOR = {GLUCOSE: "t1d-uom-5min", HEART_RATE: "wrist"}


def classified(*rows: Rows, metric: Metric = GLUCOSE, slots: tuple[int, ...] | None = None) -> Batch:
    """Rows of one patient (slot 2) unless told, of whom nothing is known but the device; all of one record."""
    series = Series(metric)
    for slot in (1, 2):
        series.wear(slot, (worn("ann", "cgm-1", SENSOR[metric], T0),))
    numbers = np.full(len(rows), 2) if slots is None else np.array(slots)
    part = Part(np.concatenate(rows), numbers, np.arange(len(rows)), [0, len(rows)])
    return classify(part, series, np.ones(len(rows), np.bool_))


@pytest.mark.parametrize(
    ("value", "unit", "exact", "whole"),
    [(69.5, "mg/dL", 69.5, 70), (69.49, "mg/dL", 69.49, 69), (3.9, "mmol/L", 70.27098, 70), (54, "mg/dL", 54, 54)],
)
def test_rules_see_glucose_in_whole_milligrams(value: float, unit: str, exact: float, whole: float):
    """RULES rounds half up: 69.5 is 70, which is no low; charts and medians keep what was measured."""
    found = classified(row("ann", value, T0, unit=unit))
    assert found.values.tolist() == [pytest.approx(exact)]
    assert found.wholes.tolist() == [whole]


def test_a_heart_rate_is_seen_as_received():
    """Medians of half beats are what RULES compares: rounded they would cross limits that they do not cross."""
    found = classified(row("ann", 130.4, T0, metric="heart_rate"), metric=HEART_RATE)
    assert (found.values.tolist(), found.wholes.tolist()) == ([130.4], [130.4])


def test_beyond_the_devices_range_is_one_beyond_its_edge():
    """LOW and HIGH carry no number that can be trusted, or one that says nothing; others of the poll keep theirs."""
    low, high = (row("ann", 0, T0 + at, flags=flag) for at, flag in enumerate((Flag.CENSORED_LOW, Flag.CENSORED_HIGH)))
    found = classified(low, high, row("ann", 100, T0 + 2))
    edges = Series(GLUCOSE)
    edges.wear(2, (worn("ann", "cgm-1", "t1d-uom-5min", T0),))
    assert found.values.tolist() == [edges.below[2], edges.above[2], 100]
    assert (found.censored.tolist(), found.censored.dtype) == ([1, 2, 0], np.dtype(np.int8))
    assert found.deciding.all()


def test_what_is_no_number_or_no_news_is_not_usable():
    """An infinite value would be beyond every limit; a repeat of a clock that runs ahead would be a second reading."""
    rows = [row("ann", value, T0 + at) for at, value in enumerate((np.nan, np.inf, 60, 60))]
    series = Series(GLUCOSE)
    series.wear(0, (worn("ann", "cgm-1", "t1d-uom-5min", T0),))
    part = Part(np.concatenate(rows), np.zeros(4, np.intp), np.arange(4), [0, 4])
    found = classify(part, series, np.array([True, True, False, True]))
    assert found.usable.tolist() == found.deciding.tolist() == [False, False, False, True]


def test_a_row_says_what_kind_it_is_and_when():
    """Its own clock orders it, its arrival tells how long somebody was silent; late it decides nothing."""
    rows = (
        row("ann", 100, T0, received=T0 + 7),
        row("ann", 100, T0 + MINUTE_US, received=T0 + 60 * MINUTE_US, flags=LATE),
        row("ann", 100, T0 + 60 * MINUTE_US, received=T0 + 5, flags=int(Flag.CLOCK_SUSPECT)),
        row("ann", 0, T0 + 2 * MINUTE_US, invalid=Invalid.SENSOR_ERROR),
    )
    found = classified(*rows, slots=(1, 2, 1, 2))
    assert found.slots.tolist() == [1, 2, 1, 2]
    assert found.events.tolist() == [T0, T0 + MINUTE_US, T0 + 5, T0 + 2 * MINUTE_US]
    assert found.arrivals.tolist() == [T0 + 7, T0 + 60 * MINUTE_US, T0 + 5, T0 + 2 * MINUTE_US]
    assert found.usable.tolist() == [True, True, True, False]
    assert found.late.tolist() == [False, True, False, False]
    assert found.deciding.tolist() == [True, False, True, False]


def test_only_what_is_later_than_all_before_decides():
    """The newest usable time of the series holds, also from polls before."""
    series = Series(GLUCOSE)
    series.wear(0, (worn("ann", "cgm-1", "t1d-uom-5min", T0),))
    series.last_e[0] = T0 + 3
    rows = np.concatenate([row("ann", 100, T0 + at) for at in (3, 5, 4, 6)])
    part = Part(rows, np.zeros(4, np.intp), np.arange(4), [0, 4])
    assert classify(part, series, np.ones(4, np.bool_)).deciding.tolist() == [False, True, False, True]


def test_a_row_that_decides_says_no_reason_for_a_silence():
    """It ends one; whatever its flags say of the others, a deciding reading is a sign of life."""
    found = classified(
        row("ann", 100, T0),
        row("ann", 100, T0, flags=LATE),
        row("ann", 0, T0 + 1, invalid=Invalid.SENSOR_ERROR),
        row("ann", 0, T0 + 2, flags=int(Flag.CONTACT_LOST), invalid=Invalid.CONTACT_LOST),
        row("ann", 100, T0 + 3, flags=int(Flag.WARM_UP)),
        row("ann", 100, T0 + 4, flags=int(Flag.CENSORED_LOW)),
    )
    assert found.words.tolist() == [SILENT, OLD, SENSOR_ERROR, CONTACT_LOST, NO_WORD, SILENT]
    assert found.words.dtype == np.dtype(np.int8)


def test_a_row_that_its_device_doubts_is_known():
    """Artefact hold counts them: motion, not a heart."""
    rows = [row("ann", 100, T0 + at, metric="heart_rate", flags=flag) for at, flag in enumerate((0, Flag.ARTEFACT))]
    found = classified(*rows, metric=HEART_RATE)
    assert found.doubted.tolist() == [False, True]


def test_the_cause_of_a_row_is_its_record_and_its_number_in_it():
    """Versions are made of it: a row counted to the wrong record would come to nobody after a crash."""
    rows = np.concatenate([row("ann", 100, T0 + at) for at in range(4)])
    series = Series(GLUCOSE)
    series.wear(0, (worn("ann", "cgm-1", "t1d-uom-5min", T0),))
    starts = [0, 0, 2, 2, 5, 6]
    part = Part(rows, np.zeros(4, np.intp), np.array([-1, 1, 2, 4]), starts)
    batch = classify(part, series, np.ones(4, np.bool_))
    assert (batch.at.tolist(), batch.starts) == ([-1, 1, 2, 4], starts)
    assert [where_of(batch, number, 9) for number in (1, 2, 3)] == [(1, 1, 9), (3, 0, 9), (3, 2, 9)]
    assert where_of(batch._replace(at=np.array([0])), 0, 7) == (1, 0, 7)


def test_a_row_of_an_earlier_poll_can_say_nothing_any_more():
    """Its record's place is gone: what it said would be told under another's."""
    found = classified(row("ann", 100, T0))._replace(at=np.array([-1]))
    with pytest.raises(AssertionError, match=r"^a row that says something does not wait$"):
        where_of(found, 0, T0)
