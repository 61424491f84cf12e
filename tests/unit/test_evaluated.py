"""Window rules of one metric as a table: which T are evaluated, and what their medians move (RULES)."""

from __future__ import annotations

import numpy as np
import pytest

from stream.medians import LOST_AFTER_US
from stream.panes import Ring
from stream.rules import CONDITIONS
from stream.series import LONG_AGO, NEVER, Series
from stream.sugar import Sugar
from tests.logs import T0
from tests.pulses import ANN, BOB, CYD, HIGH, LOW, RESTS, ROW, SWEET, Ward, second, short
from vitals.metrics import GLUCOSE, MINUTE_US, SECOND_US
from vitals.windows import EVALUATE_AFTER_US

# ---- an evaluation


def test_a_median_beyond_opens_and_says_what_it_saw_since_when() -> None:
    """42 of 60 seconds are enough; it is known two seconds after T."""
    ann = Ward(HIGH)
    ann.read(0, 41, 130)
    assert (ann.at(40), ann.seen) == ([], [])
    ann.read(41, 50, 130, 131)
    (opened,) = ann.at(50)
    assert opened.column == 0
    assert ann.seen == [ANN]
    assert short([opened]) == [(ANN, "high", "open", 1, "active", "")]
    at = T0 + 50 * SECOND_US
    assert (opened.at, opened.known_at) == (at, at + EVALUATE_AFTER_US)
    shown = opened.shown
    assert (shown.rule, shown.opened_at, shown.since, shown.value_at) == (HIGH, at, at, at)
    assert (shown.value, shown.limit, shown.beyond, shown.beside) == (130, 120, True, "")
    assert int(ann.medians.evaluated[ANN]) == at


@pytest.mark.parametrize(
    ("values", "median"),
    [((121, 140), 130.5), ((121, 121, 140), 121), ((120.001, 120.002), 120.0015), ((1999, 2500), 1999.5)],
)
def test_the_median_is_exact_and_of_an_even_count_the_mean_of_the_middle_two(
    values: tuple[float, ...], median: float
) -> None:
    """In thousandths, as cells hold them; nothing is above 2,000."""
    ann = Ward(HIGH)
    ann.read(0, 60, *values)
    (opened,) = ann.at(60)
    assert opened.shown.value == median


def test_a_heart_that_stands_still_has_a_median() -> None:
    """0 is the least value there is, and no empty second."""
    ann = Ward(LOW)
    ann.read(0, 120, 0)
    (opened,) = ann.at(120)
    assert (opened.shown.value, opened.shown.limit) == (0, 40)


def test_one_reading_beyond_can_be_half_of_a_window() -> None:
    """A slow device has two in a minute: 60 and 190 are 125."""
    ann = Ward(HIGH, interval=30)
    ann.read(0, 60, 60, 190, every=30)
    (opened,) = ann.at(60)
    assert opened.shown.value == 125


def test_an_odd_count_has_a_middle_one() -> None:
    """59 readings of which 30 are high."""
    ann = Ward(HIGH)
    ann.read(0, 29, 100)
    ann.read(30, 60, 130)
    (opened,) = ann.at(60)
    assert opened.shown.value == 130
    bob = Ward(HIGH)
    bob.read(0, 30, 100)
    bob.read(31, 60, 130)
    assert bob.at(60) == []


def test_what_lies_between_both_limits_says_neither() -> None:
    """Open at 121, returning at 115, active at 121, over at 110; each at its T and nothing between."""
    ann = Ward(HIGH)
    assert ann.live(0, 120, 121) == [(50, "high", "open")]
    assert ann.live(120, 240, 115) == [(150, "high", "returning")]
    assert ann.live(240, 360, 121) == [(280, "high", "active")], "thirty of sixty are a median of 118"
    assert ann.live(360, 480, 110) == [(390, "high", "returning"), (400, "high", "clear")]


def test_whoever_is_calm_is_evaluated_and_moves_nothing() -> None:
    """A ward of healthy hearts costs no median; that there was an evaluation is known all the same."""
    ward = Ward(HIGH, LOW, slots=(ANN, BOB))
    for slot in (ANN, BOB):
        ward.read(0, 100, 80, slot=slot)
    assert (ward.at(100, BOB, ANN), ward.seen) == ([], [BOB, ANN])
    assert ward.medians.evaluated[[ANN, BOB, CYD]].tolist() == [T0 + 100 * SECOND_US] * 2 + [LONG_AGO]
    ward.at(90, ANN)
    assert int(ward.medians.evaluated[ANN]) == T0 + 100 * SECOND_US, "an earlier T is no later one"


def test_of_two_widths_each_has_its_own_window() -> None:
    """The minute is full and the two are not: one opens now, the other with more."""
    ann = Ward(
        LOW, HIGH.model_copy(update={"on_above": None, "off_at_most": None, "on_at_most": 40.0, "off_at_least": 45.0})
    )
    assert ann.medians.widths == [MINUTE_US, 2 * MINUTE_US]
    assert ann.live(0, 120, 38) == [(50, "high", "open"), (90, "low", "open")]


def test_a_wide_window_counts_as_an_evaluation_where_the_narrow_one_has_none() -> None:
    """39 of sixty seconds are too few, 99 of a hundred and twenty are enough."""
    for rules, seen in (((HIGH, LOW), [ANN]), ((LOW,), [ANN]), ((HIGH,), [])):
        ann = Ward(*rules)
        ann.read(-20, 75, 80)
        ann.read(96, 100, 80)
        assert (ann.at(100), ann.seen) == ([], seen)


def test_without_a_fresh_reading_there_is_no_evaluation() -> None:
    """(T - 30 s, T]; what came late is none, and neither is what came before the device counts."""
    ann = Ward(HIGH)
    ann.read(0, 60, 130)
    assert [bool(ann.at(at)) for at in (90,)] == [False]
    assert ann.seen == []
    stale = Ward(HIGH)
    stale.read(0, 60, 130, late=True)
    assert (stale.at(60), stale.seen) == ([], [])
    fresh = Ward(HIGH)
    fresh.series.waits_from[ANN] = T0 + 61 * SECOND_US
    fresh.read(0, 60, 130)
    assert (fresh.at(60), fresh.seen) == ([], [])


def test_one_without_a_fresh_reading_takes_it_from_nobody_else() -> None:
    """All of a ward at one T, in any order."""
    for slots in ((ANN, BOB), (BOB, ANN)):
        ward = Ward(HIGH, LOW, slots=(ANN, BOB))
        ward.read(0, 100, 130, slot=ANN)
        ward.read(0, 50, 130, slot=BOB)
        assert [each.slot for each in ward.at(100, *slots)] == [ANN]
        assert ward.seen == [ANN]
        full = Ward(LOW, slots=(ANN, BOB))
        full.read(-60, 90, 38, slot=ANN)
        full.read(-60, 60, 38, slot=BOB)
        assert [each.slot for each in full.at(90, *slots)] == [ANN], (
            "Bob's window is full enough, and half a minute old"
        )


def test_who_has_no_rule_of_a_width_is_not_evaluated_by_it() -> None:
    """Bob's two minutes are not full, whatever Ann's minute is; and they are looked at though she is not heard."""
    ward = Ward(slots=(ANN, BOB))
    ward.take(HIGH, slot=ANN)
    ward.take(LOW, slot=BOB)
    for slot in (ANN, BOB):
        ward.read(0, 50, 80, slot=slot)
    assert (ward.at(50, ANN, BOB), ward.seen) == ([], [ANN])
    ward.read(50, 150, 38, slot=BOB)
    assert [each.slot for each in ward.at(150, ANN, BOB)] == [BOB]
    assert ward.seen == [BOB]


def test_several_who_open_at_one_T_are_all_told() -> None:  # noqa: N802 - RULES call it so
    """One rule, one call, two patients."""
    ward = Ward(HIGH, slots=(ANN, BOB))
    for slot in (ANN, BOB):
        ward.read(0, 60, 130, slot=slot)
    assert [(each.slot, each.change) for each in ward.at(60, BOB, ANN)] == [(BOB, "open"), (ANN, "open")]


def test_people_are_judged_by_their_own_rules_and_medians() -> None:
    """Three at one T: too fast, too slow, and one whose rule is another."""
    ward = Ward(slots=(ANN, BOB, CYD))
    ward.take(HIGH, LOW, slot=ANN)
    ward.take(LOW, slot=BOB)
    ward.take(HIGH.model_copy(update={"on_above": 150.0}), slot=CYD)
    for slot, value in ((ANN, 130), (BOB, 38), (CYD, 130)):
        ward.read(0, 120, value, slot=slot)
    found = {(each.slot, each.shown.rule.name, each.shown.value) for each in ward.at(120, ANN, BOB, CYD)}
    assert found == {(ANN, "heart_rate_high", 130), (BOB, "heart_rate_low", 38)}
    assert ward.seen == [ANN, BOB, CYD]


def test_one_rule_may_look_back_further_for_another_patient() -> None:
    """A minute for Ann, who has another rule of two minutes, and two for Bob: neither hides the other's."""
    ward, wide = Ward(HIGH, LOW, slots=(ANN, BOB)), HIGH.model_copy(update={"width_us": 2 * MINUTE_US})
    ward.take(wide, slot=BOB)
    for slot in (ANN, BOB):
        ward.read(0, 120, 130, slot=slot)
    opened = ward.at(120, ANN, BOB)
    assert sorted((each.slot, each.change, each.shown.rule) for each in opened) == [
        (ANN, "open", HIGH), (BOB, "open", wide),
    ]  # fmt: skip


# ---- rows of T


def test_a_rule_may_ask_for_several_T_in_a_row() -> None:  # noqa: N802 - RULES call it so
    """Three: it opens at the third and says since the first; and it is over after three within."""
    ann = Ward(ROW)
    assert ann.live(0, 60, 130) == []
    ann.read(60, 70, 130)
    (opened,) = ann.at(70)
    assert (second(opened.shown.opened_at), second(opened.shown.since)) == (70, 50)
    assert ann.live(70, 200, 100) == [(100, "extreme", "returning"), (130, "extreme", "clear")]


def test_a_T_that_is_missing_or_says_otherwise_begins_the_row_anew() -> None:  # noqa: N802 - RULES call it so
    """Two, nothing, two are no three."""
    ann = Ward(ROW)
    assert ann.live(0, 60, 130) == []
    ann.read(60, 90, 130)
    assert ann.at(80) == ann.at(90) == []
    ann.read(90, 100, 130)
    assert [each.change for each in ann.at(100)] == ["open"]


# ---- what rules ask for beside


def test_a_T_that_does_not_count_moves_nothing_and_says_why_when_the_minute_is_over() -> None:  # noqa: N802
    """Nobody knows whether the heart would be calm at rest: no activity data."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    ann.take(RESTS.model_copy(update={"name": HIGH.name}))
    assert ann.live(60, 100, 80) == []
    assert ann.seen == [ANN]
    due = T0 + 60 * SECOND_US + LOST_AFTER_US
    assert ann.medians.lost_at(np.array([ANN, BOB])).tolist() == [[due], [NEVER]]
    assert [ann.medians.overdue(ANN, 0, clock) for clock in (due - 1, due)] == [False, True]
    lost = ann.medians.forget(ANN, 0, due)
    assert lost is not None
    assert (lost.change, lost.reason) == ("unknown", "no activity data")
    ann.take(HIGH)
    ann.read(100, 110, 80)
    moved = ann.at(110)
    assert [(each.change, each.reason) for each in moved] == [("clear", "")]


def test_a_T_that_counts_takes_away_why_the_one_before_did_not() -> None:  # noqa: N802
    """Else a later loss would be told as a walk that was over long ago."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    ann.take(RESTS.model_copy(update={"name": HIGH.name}))
    ann.live(60, 80, 130)
    ann.take(HIGH)
    ann.live(80, 90, 130)
    lost = ann.medians.forget(ANN, 0, T0 + 152 * SECOND_US)
    assert lost is not None
    assert lost.reason == "no data"


def test_glucose_beside_keeps_what_is_open_and_says_whether_it_is_beyond() -> None:
    """Once open it need not fall; between 80 and 85 it is returning, though the heart is as fast as ever."""
    ann = Ward(SWEET)
    sugar = ann.medians.gates.sugar = Sugar(Series(GLUCOSE), Ring(GLUCOSE, timed=True))
    sugar.series.bound[ANN], sugar.series.gap[ANN] = True, 11 * MINUTE_US

    def sweet(minute: int, value: float) -> None:
        event, one = T0 + minute * MINUTE_US, np.array([value])
        sugar.ring.write(np.array([ANN]), np.array([event]), one, one, np.zeros(1, bool))
        sugar.series.dec_e[ANN], sugar.series.dec_value[ANN] = event, value

    sweet(-5, 90)
    sweet(0, 70)
    assert [each[2] for each in ann.live(0, 60, 130)] == ["open"]
    sweet(1, 70)
    assert ann.live(60, 120, 130) == []
    sweet(2, 82)
    assert [each[2] for each in ann.live(120, 180, 130)] == ["returning"]
    assert ann.medians.lose(ANN, 0, "site silent", T0) is not None
    known = ann.medians.regain(ANN, 0, T0)
    assert known is not None
    assert CONDITIONS[known.condition] == "returning"


def test_what_is_unknown_already_is_not_lost_again_by_a_jump() -> None:
    """Since the site was silent: the T that ends it says what it sees, and nothing of a minute without data."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    assert ann.medians.lose(ANN, 0, "site silent", T0 + 70 * SECOND_US) is not None
    ann.read(240, 300, 130)
    assert [(each.change, each.reason) for each in ann.at(300)] == [("known", "")]


def test_an_episode_that_was_told_unknown_is_known_by_the_next_T_that_counts() -> None:  # noqa: N802
    """And a minute without any is told at its own instant, before what the T says."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    lost = ann.medians.forget(ANN, 0, T0 + 122 * SECOND_US)
    assert lost is not None
    assert lost.reason == "no data"
    ann.read(120, 180, 130)
    assert [(second(each.at), each.change) for each in ann.at(180)] == [(180, "known")]
    ann.read(240, 300, 130)
    found = ann.at(300)
    assert [(second(each.at), each.change) for each in found] == [(242, "unknown"), (300, "known")]
    ann.read(300, 360, 130)
    assert ann.at(360) == [], "62 s after the last T, and 2 s before this one is known: that was no minute without"
