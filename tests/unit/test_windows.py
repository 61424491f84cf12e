"""Windows: which ends close at a clock, and what a closed window says."""

from __future__ import annotations

import math

from stream.processor import Processor
from stream.windows import due_ends, last_end
from tests.logs import LATE, T0, Log, row, windows, worn
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Invalid
from vitals.windows import ARROW_UNKNOWN, WINDOW_BY_CODE, WINDOWS

PULSE, SUGAR = (WINDOW_BY_CODE[code] for code in (1, 2))


def started(kind: str = "ward") -> Log:
    """A log with one patient, whose clock has begun."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", kind, T0 - 60 * MINUTE_US))
    log.tick(T0)
    return log


def test_a_window_closes_two_seconds_after_its_end():
    """Readings that are on their way need their time; after that waiting would only make charts late."""
    log = started()
    log.readings(row("ann", 100, T0 + 4 * MINUTE_US))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US - 1)
    assert not len(windows(log.run(Processor(0, 1))))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US)
    assert windows(log.run(Processor(0, 1)))["end"].tolist() == [T0 + 5 * MINUTE_US]


def test_a_window_tells_count_mean_spread_and_coverage():
    """The numbers by hand: 90, 100, 110 in fifteen one-minute panes."""
    log = started()
    log.readings(*(row("ann", 90 + 10 * at, T0 + (1 + at) * MINUTE_US) for at in range(3)))
    log.tick(T0 + 6 * MINUTE_US)
    (window,) = windows(log.run(Processor(0, 1)))
    assert (window["start"], window["end"]) == (T0 - 10 * MINUTE_US, T0 + 5 * MINUTE_US)
    assert (window["count"], window["mean"], window["min"], window["max"]) == (3, 100.0, 90.0, 110.0)
    assert window["sd"] == math.sqrt(3 * (90e3**2 + 100e3**2 + 110e3**2) - 300e3**2) / 3000
    assert abs(window["coverage"] - 0.2) < 1e-6
    assert math.isnan(window["slope"])
    assert window["arrow"] == ARROW_UNKNOWN


def test_a_five_minute_sensor_covers_a_window_with_three_readings():
    """Coverage is of what the device can send, or every slow sensor would look broken."""
    log = started("t1d-uom-5min")
    log.readings(*(row("ann", 100 + 10 * at, T0 + (5 + 5 * at) * MINUTE_US) for at in range(3)))
    log.tick(T0 + 16 * MINUTE_US)
    last = windows(log.run(Processor(0, 1)))[-1]
    assert (last["count"], last["coverage"], last["slope"], last["arrow"]) == (3, 1.0, 2.0, 2)


def test_windows_of_one_patient_and_instant_share_a_record():
    """One record per patient and closing time keeps the log small and the two metrics in step."""
    log = started()
    log.readings(row("ann", 100, T0 + 4 * MINUTE_US))
    log.readings(row("ann", 70, T0 + 5 * MINUTE_US - SECOND_US, metric="heart_rate"))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US)
    outputs = [output for output in log.run(Processor(0, 1)) if output.topic == "vitals.windows"]
    assert [len(output.value) for output in outputs] == [2 * 96]
    rows = windows(outputs)
    assert rows["window"].tolist() == [1, 2]
    assert {(int(each["offset"]), int(each["ordinal"])) for each in rows} == {outputs[0].cause}


def test_late_readings_fill_windows_that_are_still_open():
    """They chart; they only do not page."""
    log = started()
    log.readings(row("ann", 100, T0 + 2 * MINUTE_US, flags=LATE))
    log.tick(T0 + 6 * MINUTE_US)
    assert windows(log.run(Processor(0, 1)))["count"].tolist() == [1]


def test_warm_up_and_invalid_readings_are_in_no_window():
    """Usable is one word for rules and windows: a sensor warming up measures itself."""
    log = started()
    log.readings(
        row("ann", 100, T0 + MINUTE_US, flags=1 << 7), row("ann", 0, T0 + 2 * MINUTE_US, invalid=Invalid.ABOVE_RANGE)
    )
    log.tick(T0 + 6 * MINUTE_US)
    assert not len(windows(log.run(Processor(0, 1))))


def test_a_jump_of_days_costs_no_more_than_the_ring():
    """A replay with a hole of a week would else close thousands of empty windows."""
    week = 7 * 24 * 60 * MINUTE_US
    for spec in WINDOWS:
        ends = due_ends(spec, T0, T0 + week, T0 + MINUTE_US)
        assert len(ends) == 0
        reach = spec.metric.panes * spec.metric.pane_us
        assert len(due_ends(spec, T0, T0 + week, T0 + week)) <= reach // spec.step_us + 1


def test_the_first_tick_closes_nothing():
    """Before it no time has passed: windows count from where the clock begins."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "ward", T0 - 60 * MINUTE_US))
    log.readings(row("ann", 100, T0 - 6 * MINUTE_US))
    log.tick(T0)
    assert not len(windows(log.run(Processor(0, 1))))


def test_ends_lie_on_whole_steps():
    """Two processors must close the same windows whenever they were started."""
    assert last_end(PULSE, T0 + 12 * SECOND_US) == T0 + 10 * SECOND_US
    assert last_end(SUGAR, T0 + SECOND_US) == T0 - 5 * MINUTE_US
