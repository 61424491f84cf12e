"""The signal rule's table by itself: whom it is about, from when it counts, and what each row says about it."""

from __future__ import annotations

import numpy as np
import pytest

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.medians import Medians
from stream.panes import Ring
from stream.series import LONG_AGO, NEVER, Series
from stream.signal import (
    CONTACT_LOST,
    NO_WORD,
    OLD,
    SENSOR_ERROR,
    SILENT,
    TOO_FEW,
    WAITING,
    Signals,
    words,
)
from tests.columns import BOOL, BYTE, LONG, columns
from tests.logs import T0, worn
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import DEFAULT, Policy, SignalRule
from vitals.readings import INVALID_SHIFT, Flag, Invalid

ONE = np.array([3])
"""The slot of everybody here."""
AN_HOUR = 60 * MINUTE_US


def signals(metric: Metric = HEART_RATE, kind: str = "wrist", policy: Policy = DEFAULT, since: int = T0) -> Signals:
    """One patient in slot 3 of tables of a metric, bound at T0."""
    series = Series(metric)
    series.wear(3, (worn("ann", "device", kind, since),))
    ring = Ring(metric, timed=metric is GLUCOSE)
    medians = Medians(series, ring, Activity(), Artefacts(ring))
    medians.set_policy(3, policy)
    made = Signals(series, medians)
    made.set_policy(3, policy)
    return made


@pytest.mark.parametrize(
    ("flags", "invalid", "word"),
    [
        (0, Invalid.VALID, OLD),
        (Flag.LATE | Flag.BACKFILL, Invalid.VALID, OLD),
        (Flag.CENSORED_LOW, Invalid.VALID, OLD),
        (Flag.CONTACT_LOST, Invalid.VALID, CONTACT_LOST),
        (0, Invalid.CONTACT_LOST, CONTACT_LOST),
        (Flag.CONTACT_LOST, Invalid.SENSOR_ERROR, CONTACT_LOST),
        (Flag.WARM_UP, Invalid.CONTACT_LOST, CONTACT_LOST),
        (0, Invalid.BELOW_RANGE, SENSOR_ERROR),
        (0, Invalid.ABOVE_RANGE, SENSOR_ERROR),
        (Flag.LATE, Invalid.SENSOR_ERROR, SENSOR_ERROR),
        (Flag.WARM_UP, Invalid.SENSOR_ERROR, SENSOR_ERROR),
        (Flag.WARM_UP, Invalid.VALID, NO_WORD),
        (Flag.CONTROL_SOLUTION | Flag.LATE, Invalid.VALID, NO_WORD),
    ],
)
def test_what_a_row_that_does_not_decide_says(flags: int, invalid: Invalid, word: int) -> None:
    """A band that came off before a broken sensor before a wrong clock: that is the order of who can help."""
    found = words(np.array([flags | (invalid << INVALID_SHIFT), 0], np.uint16))
    assert (found.tolist(), found.dtype) == ([word, OLD], np.dtype(np.int8))


def test_a_policy_without_a_rule_for_the_metric_expects_nothing() -> None:
    """Nobody asked to be told: and who is asked no longer is told no more."""
    made = signals()
    assert made.rule[3]
    assert made.due_at(ONE).tolist() == [T0 + 5 * MINUTE_US]
    made.set_policy(3, DEFAULT.model_copy(update={"signals": (SignalRule(metric="glucose", recover_span_us=0),)}))
    assert not made.rule[3]
    assert made.due_at(ONE).tolist() == [NEVER]
    made.set_policy(3, DEFAULT.model_copy(update={"signals": ()}))
    assert not made.rule[3]


@pytest.mark.parametrize(("interval", "span"), [(SECOND_US, 30), (30 * SECOND_US - 1, 30), (30 * SECOND_US, 0)])
def test_a_device_of_thirty_seconds_recovers_with_one_reading(interval: int, span: int) -> None:
    """It could send two of them in thirty seconds at best."""
    made = signals()
    made.series.interval[3] = interval
    made.set_policy(3, DEFAULT)
    assert (made.recover_span[3], made.medium_after[3]) == (span * SECOND_US, AN_HOUR)


def test_who_is_bound_and_not_silent_yet_can_go_silent() -> None:
    """What is open does not open again, and nobody waits for a device that is off."""
    made = signals(GLUCOSE, "t1d-uom-5min")
    assert made.due_at(np.array([3, 4])).tolist() == [T0 + 20 * MINUTE_US, NEVER]
    made.open(3, T0 + 20 * MINUTE_US, 1)
    assert made.due_at(ONE).tolist() == [NEVER]
    made.close(3, T0 + 30 * MINUTE_US)
    made.series.bound[3] = False
    assert made.due_at(ONE).tolist() == [NEVER]


def test_only_a_low_silence_rises_and_an_hour_after_it_opened() -> None:
    """A medium or high one is as urgent as it gets by time alone."""
    made = signals()
    assert made.medium_at(ONE).tolist() == [NEVER]
    for level, rises in ((1, T0 + 5 + AN_HOUR), (2, NEVER), (3, NEVER)):
        made.open(3, T0 + 5, level)
        assert made.medium_at(ONE).tolist() == [rises]


def test_silence_counts_from_readings_or_evaluations_whichever_are_missing_longer() -> None:
    """Single beats, each of which puts the alarm off, fill no window; and a window is not full before its width."""
    made = signals()
    narrowest = int(made.medians.narrowest[3])
    assert narrowest > 0
    assert made.base(ONE).tolist() == [T0]
    made.series.dec_rx[3] = T0 + 600 * SECOND_US
    assert made.base(ONE).tolist() == [T0 + narrowest]
    made.medians.evaluated[3] = T0 + 100 * SECOND_US
    assert made.base(ONE).tolist() == [T0 + 100 * SECOND_US]
    made.heard_at[3] = T0 + 300 * SECOND_US
    assert made.base(ONE).tolist() == [T0 + 300 * SECOND_US]
    made.medians.evaluated[3] = T0 + 700 * SECOND_US
    assert made.base(ONE).tolist() == [T0 + 600 * SECOND_US]


def test_without_a_window_rule_silence_counts_from_readings_alone() -> None:
    """No evaluation is ever made of glucose, or of a device too slow: their alarm would stay for good."""
    glucose, slow = signals(GLUCOSE, "t1d-uom-5min"), signals(HEART_RATE, "wrist")
    slow.medians.narrowest[3] = 0
    for made in (glucose, slow):
        made.series.dec_rx[3] = T0 + 30 * MINUTE_US
        assert made.base(ONE).tolist() == [T0 + 30 * MINUTE_US]


def test_what_opens_says_since_when_and_why() -> None:
    """Nothing was ever heard, or nothing since a while, or too little of it."""
    made = signals()
    made.open(3, T0 + 5 * MINUTE_US, 2)
    assert (made.level[3], made.opened_at[3], made.since[3]) == (2, T0 + 5 * MINUTE_US, T0)
    assert (made.told[3], bool(made.few[3])) == (WAITING, False)
    made = signals()
    made.series.dec_rx[3] = T0 + 50 * SECOND_US
    made.open(3, T0 + 50 * SECOND_US + 5 * MINUTE_US, 1)
    assert (made.since[3], made.told[3], bool(made.few[3])) == (T0 + 50 * SECOND_US, SILENT, False)
    made = signals()
    made.series.dec_rx[3] = T0 + 100 * SECOND_US
    made.open(3, T0 + 100 * SECOND_US + 5 * MINUTE_US - 1, 1)
    assert (made.since[3], made.told[3], bool(made.few[3])) == (T0 + 60 * SECOND_US, TOO_FEW, True)


def test_the_newest_word_is_the_reason_and_readings_before_the_binding_are_none() -> None:
    """A sensor that decided in the hour before its warm-up began anew has said nothing yet."""
    made = signals()
    assert made.reason(3) == WAITING
    made.series.dec_rx[3] = T0
    assert made.reason(3) == SILENT
    made.few[3] = True
    assert made.reason(3) == TOO_FEW
    made.why[3] = SENSOR_ERROR
    assert made.reason(3) == SENSOR_ERROR
    made.why[3], made.series.dec_rx[3] = SILENT, T0 - 1
    assert made.reason(3) == WAITING


def test_a_word_is_news_once() -> None:
    """A gateway repeats it for every reading that it cannot place."""
    made = signals()
    made.open(3, T0 + 5 * MINUTE_US, 1)
    assert not made.tell(3, SILENT)
    assert made.tell(3, OLD)
    assert not made.tell(3, OLD)
    assert made.tell(3, SILENT)
    assert (made.why[3], made.told[3]) == (SILENT, WAITING)


def test_an_end_is_remembered_only_of_what_was_open() -> None:
    """From the end of a silence the next one counts; a reading in between ends nothing."""
    made = signals()
    made.close(3, T0 + 5)
    assert made.heard_at[3] == LONG_AGO
    made.open(3, T0 + 5 * MINUTE_US, 1)
    made.why[3], made.few[3] = OLD, True
    made.close(3, T0 + 6 * MINUTE_US)
    assert (made.level[3], made.why[3], bool(made.few[3]), made.heard_at[3]) == (0, SILENT, False, T0 + 6 * MINUTE_US)


def test_readings_end_a_silence_when_their_run_is_long_enough_and_evaluated() -> None:
    """Thirty seconds without a gap of more than ten, and an evaluation at or after their first."""
    made = signals()
    made.open(3, T0 + 5 * MINUTE_US, 1)
    begin = T0 + 6 * MINUTE_US

    def heard(second: int) -> tuple[bool, bool]:
        over, begins = made.heard(ONE, np.array([begin + second * SECOND_US]))
        return bool(over[0]), bool(begins[0])

    assert heard(-20) == (False, True)
    assert [heard(second) for second in (0, 10, 20)] == [(False, True), (False, False), (False, False)]
    assert (made.run_start[3], made.run_last[3], bool(made.few[3])) == (begin, begin + 20 * SECOND_US, True)
    made.medians.evaluated[3] = begin - 1
    assert heard(30) == (False, False)
    made.medians.evaluated[3] = begin
    assert made.recovered(ONE).tolist() == [True]
    assert heard(41) == (False, True)
    made.medians.evaluated[3] = begin + 80 * SECOND_US
    assert [heard(second)[0] for second in (50, 60, 70, 71)] == [False, False, False, True]
    made.medians.evaluated[3] = begin
    made.medians.narrowest[3] = 0
    assert made.recovered(ONE).tolist() == [True]
    made.open(3, T0 + 20 * MINUTE_US, 1)
    assert (made.run_start[3], made.run_last[3]) == (LONG_AGO, LONG_AGO)
    assert made.recovered(ONE).tolist() == [False]


def test_one_reading_ends_the_silence_of_a_slow_device() -> None:
    """The rule asks for no span there: the reading itself is the run, and none is none."""
    made = signals(GLUCOSE, "t1d-uom-5min")
    assert made.recover_span[3] == 0
    made.open(3, T0 + 20 * MINUTE_US, 1)
    assert made.recovered(ONE).tolist() == [False]
    over, begins = made.heard(ONE, np.array([T0 + 21 * MINUTE_US]))
    assert (over.tolist(), begins.tolist()) == ([True], [True])


def test_the_columns_of_signals_have_the_types_that_snapshots_hold() -> None:
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    ring = Ring(HEART_RATE, timed=False)
    made = Signals(Series(HEART_RATE), Medians(Series(HEART_RATE), ring, Activity(), Artefacts(ring)))
    long_ago = LONG._replace(new=LONG_AGO)
    expected = dict.fromkeys(("medium_after", "recover_span", "opened_at", "since"), LONG)
    expected |= dict.fromkeys(("run_last", "run_start", "heard_at"), long_ago)
    expected |= dict.fromkeys(("level", "why", "told"), BYTE) | dict.fromkeys(("rule", "few"), BOOL)
    assert columns(made) == expected
