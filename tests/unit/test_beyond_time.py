"""Rows and ticks with times that no calendar has, and values that no body has: they must not stop a processor."""

from __future__ import annotations

import numpy as np
import pytest

from stream.activity import Activity
from stream.processor import Processor
from stream.rows import Part
from stream.series import LONG_AGO
from tests.logs import LATE, T0, Log, row, said, windows, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, READING, Flag, dated, in_calendar
from vitals.steps import Output

TIMES = [1 << 62, -(1 << 62), (1 << 63) - 1, -(1 << 63), OBSERVED_MIN_US - 1, OBSERVED_MAX_US + 1]


def ward() -> Log:
    """Ann with a sensor of glucose and a band, and Bob with a band, heard at T0."""
    log = Log()
    log.site(1)
    log.patient("bob", worn("bob", "band-2", "ward", T0 - 60 * MINUTE_US))
    log.patient("ann", worn("ann", "cgm-1", "t1d-uom-5min", T0 - 60 * MINUTE_US), worn("ann", "band-1", "ward", T0))
    log.tick(T0)
    return log


def lived(*between: np.ndarray) -> tuple[Processor, list[Output]]:
    """Five minutes of a low and of heart rates with these rows in their middle, and a snapshot after them."""
    log = ward()
    for second in range(0, 300, 2):
        beats = [row(name, 60 + second % 7, T0 + second * SECOND_US, metric="heart_rate", device=device)
                 for name, device in (("ann", "band-1"), ("bob", "band-2"))]  # fmt: skip
        log.readings(beats[0])
        log.readings(beats[1])
        if second in {100, 200}:
            log.readings(row("ann", 50, T0 + second * SECOND_US))
        if second == 150:
            for each in between:
                log.readings(each)
        log.tick(T0 + second * SECOND_US)
    first, cut = Processor(0, 1), len(log.keys) - 40
    outputs = log.run(first, last=cut)
    again = Processor(0, 1)
    again.restore(decode(b"".join(encode(first.state()))))
    return again, outputs + log.run(again, first=cut)


def same(outputs: list[Output], others: list[Output]) -> bool:
    """Whether they say the same; offsets differ."""
    names = [name for name in windows(outputs).dtype.names or () if name not in {"offset", "ordinal"}]
    ours, theirs = windows(outputs), windows(others)
    bytes_of = [[np.ascontiguousarray(rows[name]).tobytes() for name in names] for rows in (ours, theirs)]
    return said(outputs) == said(others) and bytes_of[0] == bytes_of[1]


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("metric", ["glucose", "heart_rate"])
def test_a_time_that_no_calendar_has_is_counted_and_changes_nothing(metric: str, at: int) -> None:
    """The sink refuses such a row in ``vitals.rejected``; a processor that fell over it would fall over it again."""
    device = {"glucose": "cgm-1", "heart_rate": "band-1"}[metric]
    suspect = int(Flag.CLOCK_SUSPECT)
    rows = [
        row("ann", 61, at, received=T0 + 150 * SECOND_US, metric=metric, device=device),
        row("ann", 61, at, received=T0 + 150 * SECOND_US, metric=metric, device=device, flags=LATE),
        row("ann", 61, T0 + 150 * SECOND_US, received=at, metric=metric, device=device),
        row("ann", 61, T0 + 600 * MINUTE_US, received=at, metric=metric, device=device, flags=suspect),
        row("ann", 61, at, received=T0 + 150 * SECOND_US, metric=metric, device=device, flags=suspect),
    ]
    processor, outputs = lived(*rows)
    _, others = lived()
    assert processor.counters.unbound == len(rows)
    assert same(outputs, others)


@pytest.mark.parametrize("at", TIMES)
def test_steps_at_no_time_are_left(at: int) -> None:
    """They would move the head of their ring to where nobody ever walks again."""
    activity = Activity()
    activity.wear(0, (worn("ann", "wrist-1", "wrist-steps", T0 - MINUTE_US),), edited(DEFAULT, ["heart_rate_rest=on"]))
    good = row("ann", 3, T0, metric="steps", device="wrist-1")
    for bad in (row("ann", 3, at, received=T0, metric="steps"), row("ann", 3, T0, received=at, metric="steps")):
        activity.take(Part(bad, np.zeros(1, np.intp), np.zeros(1, np.intp), [0, 1]))
        assert activity.ring.head[0] == LONG_AGO
    activity.take(Part(good, np.zeros(1, np.intp), np.zeros(1, np.intp), [0, 1]))
    assert activity.ring.head[0] > LONG_AGO


@pytest.mark.parametrize("at", TIMES)
def test_a_tick_of_no_time_moves_no_clock(at: int) -> None:
    """A clock never goes back: after the end of time every patient would be silent for good."""
    log = ward()
    log.tick(at)
    log.tick(T0 + SECOND_US)
    processor = Processor(0, 1)
    log.run(processor)
    assert processor.clocks == {1: T0 + SECOND_US}
    assert processor.counters.broken == 1


@pytest.mark.parametrize("at", [OBSERVED_MIN_US, OBSERVED_MAX_US])
def test_a_tick_at_either_end_of_the_calendar_is_one(at: int) -> None:
    """The bound is the one of rows, to the microsecond: two of them would differ for somebody's clock."""
    log = Log()
    log.site(1)
    log.tick(at)
    processor = Processor(0, 1)
    log.run(processor)
    assert (processor.clocks, processor.counters.broken) == ({1: at}, 0)


def test_the_first_and_the_last_day_of_the_calendar_are_taken() -> None:
    """What the sink stores a rule may see, and it stops nothing either: the years between fit into every sum."""
    ends = [OBSERVED_MIN_US, OBSERVED_MAX_US]
    for metric, device in (("glucose", "cgm-1"), ("heart_rate", "band-1")):
        for at in ends:
            for received in (*ends, T0):
                processor, _ = lived(row("ann", 61, at, received=received, metric=metric, device=device))
                assert processor.counters.unbound == 0


def test_a_value_that_no_body_has_is_as_the_greatest_that_a_pane_holds() -> None:
    """The bridge marks it; where it did not, a thousandfold of it has no whole number, and said so with a traceback."""
    log = ward()
    for minute in range(0, 40, 5):
        log.readings(row("ann", 1e308, T0 + minute * MINUTE_US))
        log.tick(T0 + minute * MINUTE_US)
    assert said(log.run(Processor(0, 1)), "high")


def test_a_row_is_dated_by_both_of_its_times() -> None:
    """The one orders it, the other tells how long somebody was silent."""
    rows = np.zeros(4, READING)
    rows["observed_at"] = [OBSERVED_MIN_US, OBSERVED_MIN_US - 1, 0, OBSERVED_MAX_US]
    rows["received_at"] = [OBSERVED_MAX_US, 0, OBSERVED_MAX_US + 1, OBSERVED_MIN_US]
    assert dated(rows).tolist() == [True, False, False, True]


def test_a_time_is_in_the_calendar_up_to_its_last_instant_at_either_end() -> None:
    """Beyond, the database takes it and its clients cannot read the row again."""
    times = np.array([OBSERVED_MIN_US - 1, OBSERVED_MIN_US, 0, OBSERVED_MAX_US, OBSERVED_MAX_US + 1])
    assert in_calendar(times).tolist() == [False, True, True, True, False]
