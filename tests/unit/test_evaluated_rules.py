"""Window rules of one metric as a table: what artefact holds, what policies and snapshots do (RULES)."""

from __future__ import annotations

import numpy as np
import pytest

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.medians import Medians
from stream.panes import Ring
from stream.rules import ACTIVE
from stream.series import LONG_AGO, NEVER, Series
from tests.columns import columns
from tests.logs import T0
from tests.pulses import ANN, BOB, CYD, HIGH, HOLDS, LOW, NIGHT, RESTS, ROW, USUAL, Ward, policy_of, second, short
from vitals.codecs.state import decode, encode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import EVALUATE_AFTER_US

# ---- artefact


def test_what_is_suspect_is_held_and_opens_by_the_clock() -> None:
    """At the bound: opened then, with what the last T saw, and since the first of its row."""
    ann = Ward(HOLDS)
    assert ann.live(0, 70, 130, doubted=True) == []
    assert ann.medians.holds.any[ANN]
    bound = T0 + 80 * SECOND_US
    assert ann.medians.release(ANN, bound + EVALUATE_AFTER_US - 1) == []
    (opened,) = ann.medians.release(ANN, bound + EVALUATE_AFTER_US)
    assert short([opened]) == [(ANN, "high", "open", 1, "active", "")]
    assert (opened.at, opened.known_at, opened.width_us) == (bound, bound + EVALUATE_AFTER_US, MINUTE_US)
    assert (second(opened.shown.opened_at), second(opened.shown.since), second(opened.shown.value_at)) == (80, 50, 70)
    assert (opened.shown.limit, opened.shown.rule) == (120, HOLDS)
    assert (ann.medians.rank(ANN), opened.column, int(ann.medians.level[ANN, opened.column])) == (2, 0, 1)


def test_of_two_that_are_held_each_opens_by_its_own_limit() -> None:
    """The first one's is beyond what was seen by now; the other opens all the same."""
    other = HOLDS.model_copy(update={"name": "heart_rate_other"})
    ann = Ward(HOLDS, other)
    ann.live(0, 60, 130, doubted=True)
    ann.take(HOLDS.model_copy(update={"on_above": 140.0}), other)
    assert [each.shown.rule for each in ann.medians.release(ANN, T0 + 90 * SECOND_US)] == [other]


def test_a_T_that_says_otherwise_ends_a_hold() -> None:  # noqa: N802
    """Calm for a moment: the next one counts anew; another rule's hold is its own."""
    ann = Ward(HOLDS, LOW.model_copy(update={"artefact_hold_us": 30 * SECOND_US}))
    ann.live(0, 50, 130, doubted=True)
    assert ann.medians.holds.any[ANN]
    ann.read(50, 90, 100, doubted=True)
    ann.at(90)
    assert not ann.medians.holds.any[ANN]
    assert ann.medians.release(ANN, T0 + 900 * SECOND_US) == []


def test_a_T_ends_the_hold_of_the_rule_that_it_speaks_to() -> None:  # noqa: N802
    """130 held both; 123 is still beyond for one of them."""
    other = HOLDS.model_copy(update={"name": "heart_rate_other", "on_above": 125.0})
    ann = Ward(HOLDS, other)
    ann.live(0, 60, 130, doubted=True)
    assert len(ann.medians.holds.held) == 2
    ann.read(60, 70, 123, doubted=True)
    ann.ring.millis[ANN] = np.where(ann.ring.millis[ANN] > 0, 123_001, 0)
    assert ann.at(70) == []
    assert [each.shown.rule for each in ann.medians.release(ANN, T0 + 300 * SECOND_US)] == [HOLDS]


def test_what_was_held_is_beyond_when_it_opens() -> None:
    """A site that was silent in between leaves it active."""
    ann = Ward(HOLDS)
    ann.live(0, 60, 130, doubted=True)
    (opened,) = ann.medians.release(ANN, T0 + 90 * SECOND_US)
    assert opened.shown.beyond
    assert ann.medians.lose(ANN, 0, "site silent", T0) is not None
    known = ann.medians.regain(ANN, 0, T0)
    assert known is not None
    assert known.condition == ACTIVE


def test_a_rule_of_rest_that_is_gone_ends_though_nobody_rests() -> None:
    """The policy decides that it is over."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    ann.take(RESTS.model_copy(update={"name": HIGH.name}))
    ann.take()
    ann.read(60, 70, 130)
    assert [each.change for each in ann.at(70)] == ["clear"]


@pytest.mark.parametrize("closed", [False, True])
def test_what_opens_by_the_clock_is_not_lost_for_a_reason_from_before_it(closed: bool) -> None:
    """Nobody knew then whether she rested, whether something was open or not; now there is no data, and no more."""
    rests = RESTS.model_copy(update={"name": HIGH.name})
    ann = Ward(HIGH if closed else rests)
    ann.live(0, 60, 130, doubted=True)
    ann.take(rests)
    ann.live(60, 80, 130, doubted=True)
    if closed:
        ann.medians.close(ANN, 0, "closed", T0 + 80 * SECOND_US)
    ann.take(HOLDS)
    assert ann.live(80, 100, 130, doubted=True) == []
    (opened,) = ann.medians.release(ANN, T0 + 130 * SECOND_US)
    lost = ann.medians.forget(ANN, 0, T0 + 200 * SECOND_US)
    assert lost is not None
    assert (opened.change, lost.change, lost.reason) == ("open", "unknown", "no data")


def test_what_is_not_suspect_opens_at_once() -> None:
    """And what is held opens when most of its window is clean."""
    ann = Ward(HOLDS)
    assert ann.live(0, 50, 130) == [(50, "high", "open")]
    bob = Ward(HOLDS)
    assert bob.live(0, 50, 130, doubted=True) == []
    assert bob.live(50, 70, 130) == []
    assert bob.live(70, 80, 130) == [(80, "high", "open")]


def test_a_rule_that_changed_meanwhile_judges_what_is_held() -> None:
    """What is no longer beyond does not open; a rule that holds nothing lets it out at the next T."""
    for rule, opens in (
        (HOLDS.model_copy(update={"on_above": 125.0}), True),
        (HOLDS.model_copy(update={"on_above": 140.0}), False),
    ):
        ann = Ward(HOLDS)
        ann.live(0, 60, 130, doubted=True)
        ann.take(rule)
        moved = ann.medians.release(ANN, T0 + 90 * SECOND_US)
        assert [each.shown.limit for each in moved] == ([125] if opens else [])
    ann = Ward(HOLDS)
    ann.live(0, 60, 130, doubted=True)
    ann.take(HIGH)
    ann.read(60, 70, 130, doubted=True)
    assert [each.change for each in ann.at(70)] == ["open"]
    some = Ward(HOLDS, HOLDS.model_copy(update={"name": "heart_rate_other"}))
    some.live(0, 60, 130, doubted=True)
    some.take(HOLDS)
    assert [each.shown.rule for each in some.medians.release(ANN, T0 + 90 * SECOND_US)] == [HOLDS]
    gone = Ward(HOLDS)
    gone.live(0, 60, 130, doubted=True)
    gone.take()
    assert not gone.medians.holds.any[ANN]
    slow = Ward(HOLDS)
    slow.live(0, 60, 130, doubted=True)
    slow.series.interval[ANN] = 31 * SECOND_US
    assert slow.medians.release(ANN, T0 + 90 * SECOND_US) == []


# ---- above the usual


def asleep() -> Ward:
    """Ann's rate at night was 60 yesterday, and Bob's is not known; tonight ends a quarter of an hour after T0."""
    ward = Ward(USUAL, slots=(ANN, BOB))
    usual, day = ward.medians.gates.usual, 24 * 60 * MINUTE_US
    for slot in (ANN, BOB):
        usual.ask(slot, policy_of(USUAL), "heart_rate")
    usual.add(NIGHT, T0 - day, np.array([ANN]), np.array([60.0]))
    return ward


def test_a_rate_above_the_usual_opens_by_the_limit_of_the_patients_own() -> None:
    """Whose nights are not known is nobody's; the episode says what is usual."""
    ward = asleep()
    for slot in (ANN, BOB):
        ward.read(0, 60, 91, slot=slot)
    (opened,) = ward.at(60, BOB, ANN)
    assert ward.seen == [BOB, ANN]
    assert (opened.slot, opened.shown.limit, opened.shown.beside) == (ANN, 90, "usual 60 /min")


def test_a_night_that_ends_inside_of_an_episode_moves_its_limit() -> None:
    """T of tonight count from its end on: 60 and 130 are 95; those of who was not known before are known, too."""
    ward = asleep()
    assert [each[0] for each in ward.live(0, 900, 130)] == [50]
    for end in range(10, 901, 10):
        ward.read(end - 10, end, 70, slot=BOB)
        ward.at(end, BOB)
    assert ward.live(900, 1000, 130) == []
    lost = ward.medians.lose(ANN, 0, "site silent", T0)
    assert lost is not None
    assert (lost.shown.limit, lost.shown.beside, second(lost.shown.value_at)) == (125, "usual 95 /min", 1000)
    ward.read(900, 1000, 101, slot=BOB)
    (opened,) = ward.at(1000, BOB)
    assert (opened.shown.limit, opened.shown.beside) == (100, "usual 70 /min")


def test_a_night_goes_on_where_another_sites_clock_is_ahead() -> None:
    """At Ann's the night is over, at Bob's it is not: his is one night, of a beat at 60 and three at 80."""
    ward = asleep()
    ward.read(0, 60, 60, slot=BOB)
    ward.at(60, BOB)
    ward.read(840, 900, 70, slot=ANN)
    ward.at(900, ANN)
    ward.read(60, 140, 80, slot=BOB)
    for end in (120, 130, 140):
        ward.at(end, BOB)
    ward.read(840, 900, 120, slot=BOB)
    (opened,) = ward.at(900, BOB)
    assert (opened.shown.limit, opened.shown.beside) == (110, "usual 80 /min")


def test_what_is_held_above_the_usual_opens_by_the_same_limit() -> None:
    """As the T that is held saw it."""
    ward = asleep()
    ward.take(USUAL.model_copy(update={"artefact_hold_us": 30 * SECOND_US}))
    ward.live(0, 60, 130, doubted=True)
    (opened,) = ward.medians.release(ANN, T0 + 90 * SECOND_US)
    assert (opened.shown.limit, opened.shown.value) == (90, 130)


# ---- rules


def test_rules_of_other_metrics_and_rings_are_none_of_ours() -> None:
    """A ring that does not know which readings came late cannot tell what is fresh."""
    ward = Ward(HIGH.model_copy(update={"metric": "glucose"}))
    assert ward.medians.narrowest[ANN] == 0
    ring = Ring(GLUCOSE, timed=True)
    sweet = Medians(Series(GLUCOSE), ring, Activity(), Artefacts(ring))
    sweet.set_policy(ANN, policy_of(HIGH.model_copy(update={"metric": "glucose"})))
    assert (sweet.possible, sweet.narrowest[ANN], sweet.kind.shape[1]) == (False, 0, 0)
    timed = Ring(HEART_RATE, timed=True)
    assert not Medians(Series(HEART_RATE), timed, Activity(), Artefacts(timed)).possible


def test_windows_matter_by_the_rules_and_the_interval_of_the_device() -> None:
    """W >= 2 i, at the edge too; the narrowest that applies, and how near a fresh reading must lie."""
    ward = Ward(HIGH, LOW)
    medians = ward.medians
    assert (medians.narrowest[ANN], medians.fresh_span[ANN]) == (MINUTE_US, 30 * SECOND_US)
    for interval, narrowest, span in ((30, 60, 36), (31, 120, 37.2), (61, 0, 73.2)):
        ward.series.interval[ANN] = interval * SECOND_US
        ward.take(HIGH, LOW)
        assert (medians.narrowest[ANN], medians.fresh_span[ANN]) == (narrowest * SECOND_US, span * SECOND_US)


def test_the_ring_is_hot_beyond_what_the_rules_that_apply_call_calm() -> None:
    """Nobody looks for a median where none can be beyond; rules that come and go move that zone."""
    ward = Ward(HIGH, LOW)
    ring = ward.ring
    assert (int(ring.hot_below[ANN]), int(ring.hot_above[ANN])) == (45_002, 110_000)
    ward.take(LOW)
    assert (int(ring.hot_below[ANN]), int(ring.hot_above[ANN])) == (45_002, np.iinfo(np.int32).max)
    ward.take()
    assert (int(ring.hot_below[ANN]), int(ring.hot_above[ANN])) == (0, np.iinfo(np.int32).max)


def test_a_rule_that_is_gone_ends_its_episode_with_the_next_T() -> None:  # noqa: N802
    """Its window still matters until then; whatever the median says."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    ann.take()
    assert ann.medians.narrowest[ANN] == MINUTE_US
    ann.read(60, 70, 130)
    assert [(each.change, each.level, each.shown.rule) for each in ann.at(70)] == [("clear", 0, HIGH)]
    assert (ann.medians.narrowest[ANN], ann.medians.rank(ANN)) == (0, 0)
    last = Ward(HIGH)
    last.live(0, 60, 130)
    other = HIGH.model_copy(update={"priority": "low"})
    last.take(other)
    last.take()
    last.read(60, 70, 130)
    assert [each.shown.rule for each in last.at(70)] == [other], "the last that it had"


def test_an_open_episode_shows_the_new_rule_with_its_next_change() -> None:
    """Limit as last crossed, rule of today."""
    ann = Ward(HIGH)
    ann.live(0, 60, 130)
    other = HIGH.model_copy(update={"priority": "low"})
    ann.take(other)
    assert ann.medians.rank(ANN) == 1
    lost = ann.medians.lose(ANN, 0, "site silent", T0)
    assert lost is not None
    assert (lost.shown.rule, lost.shown.limit) == (other, 120)


def test_the_ring_says_which_T_can_be_evaluated() -> None:  # noqa: N802
    """Windows of earlier T begin before it, those of later ones hold no fresh reading; both by the narrowest rule."""
    ward = Ward(HIGH, LOW, slots=(ANN, BOB, CYD))
    ward.read(0, 101, 80)
    ward.read(0, 100, 80, slot=BOB)
    first, last = ward.medians.reach(np.array([BOB, ANN, CYD, 9]))
    assert [second(each) for each in first[:2].tolist()] == [-740, -730]
    assert [second(each) for each in last[:2].tolist()] == [120, 130]
    assert (first[2:].tolist(), last[2:].tolist()) == ([NEVER] * 2, [LONG_AGO] * 2)
    ward.take(slot=BOB)
    assert ward.medians.reach(np.array([BOB]))[0].tolist() == [NEVER]
    ward.series.bound[ANN] = False
    assert ward.medians.reach(np.array([ANN]))[0].tolist() == [NEVER]


# ---- snapshots


def test_the_columns_of_these_machines_have_the_types_that_snapshots_hold() -> None:
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    found = columns(Ward(slots=()).medians)
    assert {name: each.kind for name, each in found.items()} == {
        "kind": "i4", "level": "i1", "condition": "i1", "run": "i1", "run_since": "i8", "eval_at": "i8", "uses": "b1",
        "narrowest": "i8", "evaluated": "i8", "fresh_span": "i8",
    }  # fmt: skip
    assert (found["evaluated"].new, found["narrowest"].new) == (LONG_AGO, 0)


def test_a_snapshot_holds_the_widths_that_somebody_has() -> None:
    """What rules of before asked for is no part of what the log says now."""
    ann = Ward(HIGH, LOW)
    ann.take(LOW)
    state = ann.medians.state(np.array([ANN]))
    assert (state["rows"]["uses"].tolist(), ann.medians.widths) == ([[True]], [MINUTE_US, 2 * MINUTE_US])
    assert set(state["rows"]) == set(columns(Ward(slots=()).medians))


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """Rows of T, what is open, held and restless, by new numbers; two widths in their order."""
    ward = Ward(slots=(ANN, BOB, CYD))
    ward.take(RESTS, HIGH, slot=ANN)
    ward.take(LOW, HOLDS, slot=BOB)
    ward.take(ROW, slot=CYD)
    for slot, doubted in ((ANN, False), (BOB, True), (CYD, False)):
        ward.read(0, 60, 130, slot=slot, doubted=doubted)
    assert [each.slot for each in ward.at(50, ANN, BOB, CYD)] == [ANN]
    ward.at(60, ANN, BOB, CYD)
    state = decode(b"".join(encode(ward.medians.state(np.array([CYD, ANN, BOB])))))
    again = Ward(slots=(0, 1, 2))
    again.medians.restore(state)
    again.artefacts.restore(decode(b"".join(encode(ward.artefacts.state(np.array([CYD, ANN, BOB]))))))
    again.ring.put(ward.ring.rows(np.array([CYD, ANN, BOB])))
    assert again.medians.widths == [MINUTE_US, 2 * MINUTE_US]
    assert again.medians.narrowest[:3].tolist() == [MINUTE_US] * 3
    for slot in range(3):
        again.read(60, 70, 130, slot=slot, doubted=slot == 2)
    assert short(again.at(70, 0, 1, 2)) == [(0, "extreme", "open", 1, "active", "")]
    assert [each.slot for each in again.medians.release(2, T0 + 82 * SECOND_US)] == [2]
    assert [again.medians.rank(slot) for slot in (0, 1, 2)] == [2, 2, 2]
