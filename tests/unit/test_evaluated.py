"""Window rules of one metric as a table: which T are evaluated, what medians move, what is held and kept (RULES)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.activity import Activity
from stream.artefacts import Artefacts
from stream.medians import LOST_AFTER_US, Medians
from stream.panes import Ring
from stream.rules import CONDITIONS
from stream.series import LONG_AGO, NEVER, Series
from stream.verdicts import Moved
from tests.logs import T0, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATE_REST, HEART_RATES, Policy, WindowRule
from vitals.windows import EVALUATE_AFTER_US

ANN, BOB, CYD = 3, 5, 1
HIGH = HEART_RATES[0].model_copy(update={"width_us": MINUTE_US, "on_above": 120.0, "off_at_most": 110.0})
LOW = HEART_RATES[1].model_copy(
    update={"width_us": 2 * MINUTE_US, "on_at_most": 40.0, "off_at_least": 45.0, "priority": "low"}
)
ROW = HIGH.model_copy(update={"name": "heart_rate_extreme", "successive": 3})
RESTS = HEART_RATE_REST.model_copy(
    update={"width_us": MINUTE_US, "on_above": 100.0, "off_at_most": 90.0, "rest_at_most": 0}
)
HOLDS = HIGH.model_copy(update={"artefact_hold_us": 30 * SECOND_US})


def policy_of(*rules: WindowRule) -> Policy:
    return DEFAULT.model_copy(update={"windows": rules})


class Ward:
    """People with a wrist that sends each second; seconds count from T0."""

    def __init__(self, *rules: WindowRule, slots: tuple[int, ...] = (ANN,), interval: int = 1) -> None:
        self.series, self.ring, self.activity = Series(HEART_RATE), Ring(HEART_RATE, timed=False), Activity()
        self.artefacts = Artefacts(self.ring)
        self.medians = Medians(self.series, self.ring, self.activity, self.artefacts)
        for slot in slots:
            self.series.wear(slot, (worn("ann", "wrist", "wrist", T0 - MINUTE_US),))
            self.series.interval[slot] = interval * SECOND_US
            self.artefacts.make(slot)
            self.take(*rules, slot=slot)

    def take(self, *rules: WindowRule, slot: int = ANN) -> None:
        self.medians.set_policy(slot, policy_of(*rules))

    def read(self, first: int, last: int, *values: float, slot: int = ANN, every: int = 1, late: bool = False,
             doubted: bool = False) -> None:  # fmt: skip
        """Readings after a second up to another one, the values by turns."""
        seconds = np.arange(first + every, last + 1, every)
        rates = np.array([float(values[at % len(values)]) for at in range(len(seconds))])
        slots, events, one = np.full(len(seconds), slot), T0 + seconds * SECOND_US, np.ones(len(seconds), np.bool_)
        self.ring.write(slots, events, rates, rates, one & late)
        self.artefacts.write(slots, events, one & doubted)

    def at(self, second: int, *slots: int) -> list[Moved]:
        """What T moves; whom it evaluated stands in ``seen``."""
        evaluated, moved = self.medians.evaluate(T0 + second * SECOND_US, np.array(slots or (ANN,)))
        self.seen = evaluated.tolist()
        return moved

    def live(self, first: int, last: int, *values: float, slot: int = ANN, **more: Any) -> list[tuple[int, str, str]]:
        """Readings up to a second, and each T; the changes with their T."""
        found: list[tuple[int, str, str]] = []
        for end in range(first + 10, last + 1, 10):
            self.read(end - 10, end, *values, slot=slot, **more)
            found += [(second(each.at), each.shown.rule.name[11:], each.change) for each in self.at(end, slot)]
        return found


def second(at: int) -> int:
    assert at % SECOND_US == 0
    return (at - T0) // SECOND_US


def short(moved: list[Moved]) -> list[tuple[int, str, str, int, str, str]]:
    return [(each.slot, each.shown.rule.name[11:], each.change, each.level, CONDITIONS[each.condition], each.reason)
            for each in moved]  # fmt: skip


# ---- an evaluation


def test_a_median_beyond_opens_and_says_what_it_saw_since_when() -> None:
    """42 of 60 seconds are enough; it is known two seconds after T."""
    ann = Ward(HIGH)
    ann.read(0, 41, 130)
    assert (ann.at(40), ann.seen) == ([], [])
    ann.read(41, 50, 130, 131)
    (opened,) = ann.at(50)
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
