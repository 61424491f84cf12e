"""Windows: which ends close at a clock, and what a closed window says."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.processor import Processor
from stream.windows import Worn, due_ends, last_end, results
from tests.logs import LATE, T0, Log, row, windows, worn
from tests.strategies.acts import lived
from tests.strategies.trials import plan
from vitals.metrics import GLUCOSE, MINUTE_US, SECOND_US
from vitals.readings import Invalid
from vitals.steps import Output
from vitals.topics import JOURNAL
from vitals.windows import ARROW_UNKNOWN, WINDOW_1, WINDOW_BY_CODE, WINDOWS, WindowSpec, decode

PULSE, SUGAR, TEN_SECONDS, FIVE_MINUTES, TEN_MINUTES, SUGAR_5, HOUR = WINDOWS


def started(kind: str = "ward") -> Log:
    """A log with one patient, whose clock has begun."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", kind, T0 - 60 * MINUTE_US))
    log.tick(T0)
    return log


def of(outputs: list[Output], code: int) -> np.ndarray:
    """The rows of one kind of window."""
    rows = windows(outputs)
    return np.asarray(rows[rows["window"] == code])


def test_a_window_closes_two_seconds_after_its_end():
    """Readings that are on their way need their time; after that waiting would only make charts late."""
    log = started()
    log.readings(row("ann", 100, T0 + 4 * MINUTE_US))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US - 1)
    assert not len(windows(log.run(Processor(0, 1))))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US)
    rows = windows(log.run(Processor(0, 1)))
    assert rows["end"].tolist() == [T0 + 5 * MINUTE_US] * 3
    assert rows["window"].tolist() == [SUGAR.code, SUGAR_5.code, HOUR.code]


def test_a_window_tells_count_spread_gap_and_coverage():
    """The numbers by hand: 90, 100, 110 in three of fifteen one-minute panes."""
    log = started()
    log.readings(*(row("ann", 90 + 10 * at, T0 + (1 + at) * MINUTE_US) for at in range(3)))
    log.tick(T0 + 6 * MINUTE_US)
    (window,) = of(log.run(Processor(0, 1)), SUGAR.code)
    assert (window["start"], window["end"]) == (T0 - 10 * MINUTE_US, T0 + 5 * MINUTE_US)
    assert (window["count"], window["mean"], window["min"], window["max"]) == (3, 100.0, 90.0, 110.0)
    assert window["sd"] == math.sqrt(3 * (90e3**2 + 100e3**2 + 110e3**2) - 300e3**2) / 3000
    assert window["gap"] == 11 * 60, "from the start to the first reading"
    assert abs(window["coverage"] - 0.2) < 1e-6
    assert math.isnan(window["slope"])
    assert window["arrow"] == ARROW_UNKNOWN


def test_a_five_minute_sensor_covers_a_window_with_three_readings():
    """Coverage is of what the device can send, or every slow sensor would look broken."""
    log = started("t1d-uom-5min")
    log.readings(*(row("ann", 100 + 10 * at, T0 + (5 + 5 * at) * MINUTE_US) for at in range(3)))
    log.tick(T0 + 16 * MINUTE_US)
    last = of(log.run(Processor(0, 1)), SUGAR.code)[-1]
    assert (last["count"], last["coverage"], last["slope"], last["arrow"]) == (3, 1.0, 2.0, 2)
    assert (last["theil_sen"], last["gap"]) == (2.0, 300)


def of_a_line(spec: WindowSpec, minutes: int, level: int, per_minute: int) -> dict[str, float | None]:
    """What a window says of a straight line (thousandths, and their change per minute) that a sensor samples so often;
    None is unknown.
    """
    panes = spec.reach_us // MINUTE_US
    at = np.arange(panes - 1, -1, -minutes)
    cells = np.zeros((1, panes), np.int32)
    cells[0, at] = level + per_minute * at + 1
    interval = minutes * MINUTE_US
    worn = Worn(np.array([interval]), np.array([GLUCOSE.gap_of_us(interval)]), np.zeros(1, np.int8))
    (found,) = results(spec, cells, worn)[1]
    told = {name: float(found[name]) for name in ("mean", "slope", "theil_sen", "arrow")}
    return {name: None if math.isnan(each) or each == ARROW_UNKNOWN else each for name, each in told.items()}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(level=st.integers(150_000, 250_000), per_minute=st.integers(-1900, 1900))
def test_sensors_of_1_5_and_15_minutes_say_the_same_of_one_line(level: int, per_minute: int):
    """DOMAIN: metrics are over time, not per sample. Who gets another sensor must not get another mean or arrow."""
    for spec in (SUGAR_5, SUGAR, HOUR):
        one, five, fifteen = (of_a_line(spec, minutes, level, per_minute) for minutes in (1, 5, 15))
        panes, half = spec.reach_us // MINUTE_US - 1, Fraction(spec.width_us, 2 * MINUTE_US)
        assert one["mean"] == five["mean"] == fifteen["mean"] == float((level + per_minute * (panes - half)) / 1000)
        assert one["slope"] == five["slope"]
        assert one["arrow"] == five["arrow"]
        assert one["theil_sen"] == five["theil_sen"]
        assert fifteen["slope"] in {None, one["slope"]}
        assert fifteen["arrow"] in {None, one["arrow"]}
        assert one["slope"] == (None if spec is SUGAR_5 else per_minute / 1000)
    assert one == five == fifteen, "an hour holds four readings of the slowest: all of it is known"


def test_the_mean_of_glucose_weighs_time_and_guesses_across_no_gap():
    """An hour of 100 and ten readings of 200 within ten minutes are no 150; what nobody measured counts for nothing."""
    log = started("t1d-uom-5min")
    log.readings(row("ann", 100, T0 + 5 * MINUTE_US), row("ann", 100, T0 + 10 * MINUTE_US))
    log.readings(*(row("ann", 200, T0 + at * MINUTE_US) for at in range(30, 36)))
    log.tick(T0 + 36 * MINUTE_US)
    last = of(log.run(Processor(0, 1)), HOUR.code)[-1]
    assert (last["count"], last["gap"]) == (8, 30 * 60)
    assert last["mean"] == (5 * 100 + 5 * 200) / 10


def test_a_single_reading_is_its_own_mean():
    """There is no line; nothing else is known than that value."""
    log = started()
    log.readings(row("ann", 123, T0 + 3 * MINUTE_US))
    log.tick(T0 + 6 * MINUTE_US)
    assert of(log.run(Processor(0, 1)), HOUR.code)["mean"].tolist() == [123.0]


def test_ten_minutes_of_heart_rate_have_a_median():
    """It is what the rules look at, and what one artefact does not move."""
    log = started("wrist")
    beats = [60.0] * 301 + [90.0] * 299
    log.readings(*(row("ann", beat, T0 + at * SECOND_US, metric="heart_rate") for at, beat in enumerate(beats, 1)))
    log.tick(T0 + 10 * MINUTE_US + 2 * SECOND_US)
    outputs = log.run(Processor(0, 1))
    last = of(outputs, TEN_MINUTES.code)[-1]
    assert (last["count"], last["median"], last["coverage"], last["gap"]) == (600, 60.0, 1.0, 1)
    assert last["mean"] == (301 * 60 + 299 * 90) / 600
    assert np.isnan(of(outputs, FIVE_MINUTES.code)["median"]).all()
    assert np.isnan(of(outputs, TEN_SECONDS.code)["slope"]).all(), "ten seconds are no span for a slope"


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two():
    """As the rules' medians are, so that a chart never contradicts an alert."""
    log = started("wrist")
    log.readings(*(row("ann", 60 + at, T0 + at * SECOND_US, metric="heart_rate") for at in range(1, 5)))
    log.tick(T0 + MINUTE_US + 2 * SECOND_US)
    assert of(log.run(Processor(0, 1)), TEN_MINUTES.code)["median"].tolist() == [62.5]


def test_windows_of_one_patient_and_instant_share_a_record():
    """One record per patient and closing time keeps the log small and the two metrics in step."""
    log = started()
    log.readings(row("ann", 100, T0 + 4 * MINUTE_US))
    log.readings(row("ann", 70, T0 + 5 * MINUTE_US - SECOND_US, metric="heart_rate"))
    log.tick(T0 + 5 * MINUTE_US + 2 * SECOND_US)
    outputs = [output for output in log.run(Processor(0, 1)) if output.topic == "vitals.windows"]
    assert [len(output.value) for output in outputs] == [7 * 112]
    rows = windows(outputs)
    assert rows["window"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert {(int(each["offset"]), int(each["ordinal"])) for each in rows} == {outputs[0].cause}


def test_late_readings_fill_windows_that_are_still_open():
    """They chart; they only do not page."""
    log = started()
    log.readings(row("ann", 100, T0 + 2 * MINUTE_US, flags=LATE))
    log.tick(T0 + 6 * MINUTE_US)
    assert of(log.run(Processor(0, 1)), SUGAR.code)["count"].tolist() == [1]


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


def test_every_window_fits_the_ring_with_all_that_it_looks_at():
    """One that does not would never be computed."""
    for spec in WINDOWS:
        assert spec.reach_us + spec.step_us <= spec.metric.panes * spec.metric.pane_us
    assert {spec.metric.name for spec in WINDOWS if spec.trend} == {"heart_rate", "glucose"}
    assert len(WINDOW_BY_CODE) == len(WINDOWS)


def test_records_of_the_layout_before_are_read():
    """After an update the log still holds them; what they never said is unknown, not zero."""
    old = np.zeros(2, WINDOW_1)
    old["mean"], old["count"], old["window"] = [97.0, 98.0], 3, 2
    rows, counts = decode([old.tobytes(), None, b"junk"])
    assert counts == [2, 0, 0]
    assert rows["mean"].tolist() == [97.0, 98.0]
    assert rows["count"].tolist() == [3, 3]
    assert np.isnan(rows["median"]).all()
    assert np.isnan(rows["theil_sen"]).all()


def test_without_windows_the_episodes_are_the_same():
    """A backtest wants none, and what it finds must be what the ward would have told."""
    log = lived(plan(11)).log
    with_all, without = log.run(Processor(0, 1)), log.run(Processor(0, 1, specs=()))
    assert {each.topic for each in without} == {JOURNAL}
    assert [(each.key, each.value) for each in with_all if each.topic == JOURNAL] == [each[2:4] for each in without]
