"""What a rule asks beside its median, many series at once: rest, glucose, the usual rate; and what it says by them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream.activity import Activity
from stream.gates import MOVING, NO_ACTIVITY, NO_GLUCOSE, NO_USUAL, Gates
from stream.panes import Ring
from stream.rows import Part
from stream.series import Series
from stream.sugar import Sugar
from stream.usual import Usual
from stream.verdicts import NEITHER, OFF, ON
from tests.logs import row, worn
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.nights import hours
from vitals.policies import (
    DEFAULT,
    GLUCOSE_MARGIN,
    HEART_RATE_GLUCOSE,
    HEART_RATE_REST,
    HEART_RATE_USUAL,
    HEART_RATES,
    UsualRate,
    WindowRule,
)

MIDNIGHT = 20_500 * 24 * 60 * MINUTE_US
AT = MIDNIGHT + 150 * MINUTE_US
"""02:30 of the night."""
NIGHT = UsualRate(above=30, nights=1, least_us=MINUTE_US // 6)
HIGH = HEART_RATES[0]
SWEET = HEART_RATE_GLUCOSE.model_copy(update={"rest_at_most": None})
USUAL = HEART_RATE_USUAL.model_copy(update={"usual": NIGHT, "rest_at_most": None})
ALL = HEART_RATE_GLUCOSE.model_copy(update={"usual": NIGHT})
ANN, BOB, CYD, DAN = 2, 5, 3, 9


def glucose(gates: Gates, slot: int, *values: float) -> None:
    """Readings a minute apart, of which the last is at AT."""
    assert gates.sugar is not None
    series, ring = gates.sugar.series, gates.sugar.ring
    series.bound[slot], series.gap[slot] = True, 11 * MINUTE_US
    events = AT - np.arange(len(values))[::-1] * MINUTE_US
    ring.write(np.full(len(values), slot), events, np.array(values), np.array(values), np.zeros(len(values), bool))
    series.dec_e[slot], series.dec_value[slot] = events[-1], values[-1]


def walked(gates: Gates, slot: int, count: float) -> None:
    """So many steps in each of the ten minutes up to AT."""
    rows = [row("x", count, AT - back * MINUTE_US, metric="steps") for back in range(10)]
    gates.activity.take(Part(np.concatenate(rows), np.full(10, slot), np.arange(10), [0]))


def ward() -> Gates:
    """Ann: at rest, glucose falls to 70. Bob: walks, glucose is 70 and steady. Cyd: no steps, no glucose. Dan: at rest,
    glucose falls to 90.
    """
    gates = Gates(Activity())
    gates.sugar = Sugar(Series(GLUCOSE), Ring(GLUCOSE, timed=True))
    policy = DEFAULT.model_copy(update={"windows": (HEART_RATE_REST, USUAL)})
    for slot, count in ((ANN, 0), (BOB, 60), (CYD, None), (DAN, 0)):
        gates.activity.wear(slot, (worn("x", "wrist-1", "wrist-steps", MIDNIGHT),), policy)
        gates.usual.ask(slot, policy, "heart_rate")
        if count is not None:
            walked(gates, slot, count)
    glucose(gates, ANN, 90, 70)
    glucose(gates, BOB, 70, 70)
    glucose(gates, DAN, 120, 90)
    return gates


def counts(gates: Gates, rule: WindowRule, *slots: int, at: int = AT, value: float = 60) -> list[str]:
    """Why T does not count for each, "" where it does; with what T is to their nights."""
    chosen = np.array(slots)
    gates.end_nights(rule, at, chosen)
    found = gates.counts(rule, at, chosen)
    gates.keep_night(rule, at, chosen[found.rests], np.full(len(slots), value)[found.rests])
    return ["" if each else str(why) for each, why in zip(found.counts, found.why, strict=True)]


def test_a_rule_that_asks_for_nothing_counts_everywhere() -> None:
    """A heart rate is one whoever walks."""
    assert counts(ward(), HIGH, ANN, BOB, CYD) == ["", "", ""]


def test_who_moves_who_rests_and_who_is_not_known_to() -> None:
    """Each by their own steps, and in words for a person."""
    assert counts(ward(), HEART_RATE_REST, CYD, ANN, BOB) == [NO_ACTIVITY, "", MOVING]
    some = HEART_RATE_REST.model_copy(update={"rest_at_most": 60})
    assert counts(ward(), some, CYD, ANN, BOB) == [NO_ACTIVITY, "", ""]
    rests = ward().counts(HEART_RATE_REST, AT, np.array([CYD, ANN, BOB])).rests
    assert rests.tolist() == [False, True, False], "of every rule, also of one that keeps no nights"
    wide = HEART_RATE_REST.model_copy(update={"width_us": 15 * MINUTE_US})
    assert counts(ward(), wide, ANN) == [NO_ACTIVITY], "ten of fifteen minutes are too few"


def test_who_has_no_glucose_does_not_count() -> None:
    """Eleven minutes after the last reading nobody has."""
    assert counts(ward(), SWEET, CYD, ANN, BOB) == [NO_GLUCOSE, "", ""]
    assert counts(ward(), SWEET, CYD, ANN, at=AT + 11 * MINUTE_US) == [NO_GLUCOSE, ""]
    assert counts(ward(), SWEET, CYD, ANN, at=AT + 12 * MINUTE_US) == [NO_GLUCOSE, NO_GLUCOSE]


def test_moving_goes_before_no_glucose_and_that_before_no_usual_rate() -> None:
    """One reason is told: what somebody can see for themselves first."""
    gates = ward()
    assert counts(gates, ALL, ANN, BOB, CYD) == [NO_USUAL, MOVING, NO_ACTIVITY]
    walked(gates, CYD, 0)
    assert counts(gates, ALL, CYD) == [NO_GLUCOSE]
    assert counts(gates, HEART_RATE_GLUCOSE, CYD, ANN) == [NO_GLUCOSE, ""]
    known = HEART_RATE_REST.model_copy(update={"usual": NIGHT})
    assert counts(slept(), known, ANN, at=AT + 5 * 60 * MINUTE_US) == [NO_ACTIVITY], "a usual rate is not enough"


def test_only_a_T_at_rest_makes_a_night() -> None:  # noqa: N802 - RULES call it so
    """The usual rate is that of rest; who walks through the night has none, and glucose must be known where asked."""
    gates = ward()
    rule = HEART_RATE_REST.model_copy(update={"usual": NIGHT})
    assert counts(gates, rule, BOB, ANN, CYD, value=58) == [MOVING, NO_USUAL, NO_ACTIVITY]
    later = AT + 5 * 60 * MINUTE_US
    gates.end_nights(rule, later, np.array([BOB, ANN, CYD]))
    known = np.isfinite(gates.usual.rate(NIGHT, later, np.array([BOB, ANN, CYD])))
    assert known.tolist() == [False, True, False]
    assert counts(gates, USUAL, BOB, ANN, CYD, at=later) == [NO_USUAL, "", NO_USUAL]


def test_each_median_makes_its_own_night() -> None:
    """Of two who rest the values must not be exchanged."""
    gates, slots = ward(), np.array([DAN, BOB, ANN])
    rests = gates.counts(HEART_RATE_REST.model_copy(update={"usual": NIGHT}), AT, slots).rests
    assert rests.tolist() == [True, False, True]
    gates.keep_night(USUAL, AT, slots[rests], np.array([70.0, 65.0, 58.0])[rests])
    gates.end_nights(USUAL, AT + 5 * 60 * MINUTE_US, slots)
    rate = gates.usual.rate(NIGHT, AT + 5 * 60 * MINUTE_US, slots)
    assert [None if math.isnan(each) else each for each in rate] == [70, None, 58]


def test_a_night_ends_by_the_clock_of_its_own_patient() -> None:
    """Another site's clock may be hours ahead: a night that it cut in two would be two, or none."""
    gates, morning = ward(), AT + 5 * 60 * MINUTE_US
    rule = USUAL.model_copy(update={"usual": NIGHT.model_copy(update={"least_us": MINUTE_US // 3})})
    assert rule.usual is not None
    gates.keep_night(rule, AT, np.array([ANN, DAN]), np.array([58.0, 65.0]))
    gates.end_nights(rule, morning, np.array([ANN]))
    gates.keep_night(rule, AT + MINUTE_US // 6, np.array([DAN]), np.array([65.0]))
    gates.end_nights(rule, morning, np.array([DAN]))
    assert np.isfinite(gates.usual.rate(rule.usual, morning, np.array([ANN, DAN]))).tolist() == [False, True]


def test_where_this_is_not_the_heart_rate_there_is_no_glucose_to_ask() -> None:
    """A rule of another metric by a mistake asks for nothing, and says what its median says."""
    gates = Gates(Activity())
    assert counts(gates, SWEET, CYD, ANN) == ["", ""]
    assert says(gates, SWEET, 101, ANN) == [ON]
    assert gates.beside(SWEET, AT, ANN) == ""


def says(gates: Gates, rule: WindowRule | None, value: float, *slots: int, opened: bool = False) -> list[int]:
    found = gates.says(
        rule, AT + 5 * 60 * MINUTE_US, np.array(slots), np.full(len(slots), value), np.full(len(slots), opened)
    )
    assert found.dtype == np.int8
    return [int(each) for each in found]


def slept(rate: float = 58) -> Gates:
    """The ward, in which Ann and Dan have slept at a rate."""
    gates = ward()
    gates.keep_night(USUAL, AT, np.array([ANN, DAN]), np.array([rate, rate + 7]))
    gates.end_nights(USUAL, AT + 5 * 60 * MINUTE_US, np.array([ANN, DAN]))
    return gates


def test_to_ask_whether_an_instant_counts_changes_no_night() -> None:
    """A question that writes would count a T twice where it is asked twice; only the two steps around it do."""
    gates, slots, morning = ward(), np.array([ANN]), hours(NIGHT.zone, NIGHT.begins, NIGHT.ends, AT).until
    gates.keep_night(USUAL, AT, slots, np.array([58.0]))
    before = gates.usual.state(slots)["nights"]
    for at in (AT, AT + 10, morning):
        gates.counts(USUAL, at, slots)
    assert all(np.array_equal(before[name], column) for name, column in gates.usual.state(slots)["nights"].items())
    gates.end_nights(HIGH, morning, slots)
    gates.keep_night(HIGH, AT, slots, np.array([58.0]))
    assert all(np.array_equal(before[name], column) for name, column in gates.usual.state(slots)["nights"].items())
    gates.end_nights(USUAL, morning - 1, slots)
    assert np.isnan(gates.usual.rate(NIGHT, morning, slots)[0]), "it is not over"
    gates.end_nights(USUAL, morning, slots)
    assert gates.usual.rate(NIGHT, morning, slots)[0] == 58


def test_a_rule_that_is_gone_says_off() -> None:
    """So that its episode ends with the next T."""
    assert says(ward(), None, 200, ANN, BOB) == [OFF, OFF]


def test_rest_alone_changes_nothing_of_what_is_said() -> None:
    """Whether T counts was asked before."""
    assert [says(ward(), HEART_RATE_REST, value, ANN) for value in (121, 120, 117)] == [[ON], [NEITHER], [OFF]]
    assert [says(ward(), HIGH, value, ANN) for value in (131, 130, 127)] == [[ON], [NEITHER], [OFF]]


@pytest.mark.parametrize(("value", "word"), [(88.25, ON), (88, NEITHER), (85.25, NEITHER), (85, OFF)])
def test_above_the_usual_is_above_their_own_by_thirty_and_off_three_below(value: float, word: int) -> None:
    """> usual + X, off at X - 3; the rule's own limits are none."""
    assert says(slept(), USUAL, value, ANN) == [word]
    assert says(slept(), USUAL, value + 7, DAN) == [word]
    assert says(slept(), USUAL, value, DAN) == ([OFF] if value <= 92 else [NEITHER])


def test_without_a_usual_rate_nothing_is_said() -> None:
    """Neither on nor off."""
    assert says(slept(), USUAL, 200, BOB, ANN) == [NEITHER, ON]


def test_a_glucose_rule_needs_both_and_either_ends_it() -> None:
    """Ann's falls below 80; Bob's is steady; Dan's is above 80 + 5."""
    assert says(ward(), SWEET, 101, ANN, BOB, DAN) == [ON, NEITHER, OFF]
    assert says(ward(), SWEET, 101, ANN, BOB, DAN, opened=True) == [ON, ON, OFF]
    assert says(ward(), SWEET, 97, ANN, BOB, DAN) == [OFF, OFF, OFF]
    assert GLUCOSE_MARGIN < 90 - 80
    lower = SWEET.model_copy(update={"glucose_below": 60})
    assert says(ward(), lower, 101, ANN) == [OFF]


def test_above_the_usual_with_a_low_glucose_is_both() -> None:
    """What the usual rate says stands in place of the rule's limits."""
    rule = ALL.model_copy(update={"rest_at_most": None})
    assert [says(slept(), rule, value, ANN) for value in (88.25, 88, 85)] == [[ON], [NEITHER], [OFF]]
    assert says(slept(), rule, 200, DAN) == [OFF]


def test_the_limit_is_the_one_that_is_crossed() -> None:
    """Of a rule above the usual the patient's own; nothing crossed is no limit."""
    gates, later = slept(), AT + 5 * 60 * MINUTE_US
    assert [gates.limit(HIGH, AT, ANN, value) for value in (131.0, 130.0)] == [130, None]
    assert gates.limit(None, AT, ANN, 200) is None
    assert [gates.limit(USUAL, later, ANN, value) for value in (88.25, 88.0)] == [88, None]
    assert gates.limit(USUAL, later, DAN, 100) == 95
    assert gates.limit(USUAL, later, BOB, 100) is None


def test_what_was_seen_beside_the_median_is_told_for_a_person() -> None:
    """The usual rate, or the glucose; nothing where the rule asks for neither."""
    gates, later = slept(58.5), AT + 5 * 60 * MINUTE_US
    assert gates.beside(USUAL, later, ANN) == "usual 59 /min"
    assert gates.beside(USUAL, later, DAN) == "usual 66 /min"
    assert gates.beside(SWEET, later, BOB) == "glucose 70 mg/dL"
    assert gates.beside(ALL, later, ANN) == "usual 59 /min"
    assert (gates.beside(None, later, ANN), gates.beside(HIGH, later, ANN)) == ("", "")
    assert isinstance(gates.usual, Usual)
