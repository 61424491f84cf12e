"""Forecasts over real people: what docs/backtest.md says of six of them, where their files are at hand."""

from __future__ import annotations

from functools import cache

import pytest

from compose.backtest.log import build
from compose.backtest.person import traced
from compose.backtest.predicting import errors, foreseen, predicted_lows
from compose.drills.replay import SHARED
from simulators.exports import parse
from simulators.intervals import Counts, by_day, ratio, total
from simulators.scoring import events, judge

DATA = SHARED / "data" / "t1d-uom"
FAST, SLOW = ("2303", "2307", "2309", "2313"), ("2302", "2404")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"T1D-UOM data is not at {SHARED}: set VIGIL_SHARED")


@cache
def counts(person: str, name: str) -> tuple[Counts, dict[str, float]]:
    """One person's lows below 70 against a forecast, and all forecasts' errors."""
    file = DATA / f"glucose-{person}.csv"
    export = parse(file.name, file.read_bytes())
    trace, values = traced(build(export.patient, [export], None))
    said, found = foreseen(trace, values), events(trace, 70, "low")
    judged = judge(trace, found, predicted_lows(trace, said[name], 70), 70, "low")
    return total(by_day(trace, found, judged)), errors(trace, values, said)


def test_ar2_reaches_the_line_of_practice_on_five_minute_sensors():
    """DOMAIN: recall .87, precision .40, at most 1.2 false alarms a day; who scores worse than practice has a fault."""
    whole = total(counts(person, "ar2")[0] for person in FAST)
    recall, precision, false = (ratio(whole, name) for name in ("recall", "precision", "false_per_day"))
    assert recall is not None
    assert precision is not None
    assert false is not None
    assert recall >= 0.87
    assert precision >= 0.40
    assert false <= 1.2


def test_the_line_finds_half_as_many_lows_again_on_slow_sensors():
    """AR2 looks less far than one of their intervals."""
    ar2, line = (total(counts(person, name)[0] for person in SLOW) for name in ("ar2", "ar2-line"))
    assert line.found >= 1.5 * ar2.found
    false = ratio(line, "false_per_day")
    assert false is not None
    assert false <= 1.2


def test_ar2_errs_less_than_persistence_for_everybody():
    """A forecast that is worse than none would not be one."""
    for person in (*FAST, *SLOW):
        found = counts(person, "ar2")[1]
        assert found["ar2"] < found["persistence"]
