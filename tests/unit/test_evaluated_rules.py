"""Window rules of one metric as a table: what artefact holds, what policies and snapshots do (RULES)."""

from __future__ import annotations

import numpy as np

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.medians import Medians
from stream.panes import Ring
from stream.series import LONG_AGO, NEVER, Series
from tests.columns import columns
from tests.logs import T0
from tests.pulses import ANN, BOB, CYD, HIGH, HOLDS, LOW, RESTS, ROW, Ward, policy_of, second, short
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
    assert ann.medians.rank(ANN) == 2


def test_a_T_that_says_otherwise_ends_a_hold() -> None:  # noqa: N802
    """Calm for a moment: the next one counts anew; another rule's hold is its own."""
    ann = Ward(HOLDS, LOW.model_copy(update={"artefact_hold_us": 30 * SECOND_US}))
    ann.live(0, 50, 130, doubted=True)
    assert ann.medians.holds.any[ANN]
    ann.read(50, 90, 100, doubted=True)
    ann.at(90)
    assert not ann.medians.holds.any[ANN]
    assert ann.medians.release(ANN, T0 + 900 * SECOND_US) == []


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
    gone = Ward(HOLDS)
    gone.live(0, 60, 130, doubted=True)
    gone.take()
    assert not gone.medians.holds.any[ANN]
    slow = Ward(HOLDS)
    slow.live(0, 60, 130, doubted=True)
    slow.series.interval[ANN] = 31 * SECOND_US
    assert slow.medians.release(ANN, T0 + 90 * SECOND_US) == []


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
