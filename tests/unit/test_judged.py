"""Machines of rules that judge glucose readings one by one: runs, levels, what an open episode shows (RULES)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.glucose import limit_of, looks_at
from stream.rules import CONDITIONS, RETURNING
from stream.series import NEVER
from tests.columns import columns
from tests.judging import HIGH, LOW, RISING, SOON, G, Ward, short
from tests.logs import T0
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US


def test_it_opens_at_the_end_of_a_run_that_is_long_enough() -> None:
    """Fifteen minutes above: the fourth reading of a five-minute sensor, and it tells what it saw and since when."""
    ann = Ward(HIGH)
    assert ann.live(0, 10, 200) == []
    (opened,) = ann.read(15, 199.4, late=2)
    assert short([opened]) == [("open", 1, "active")]
    assert (opened.slot, opened.at, opened.known_at, opened.reason) == (3, T0 + 15 * MINUTE_US, T0 + 15 * MINUTE_US, "")
    shown = opened.shown
    assert (shown.rule, shown.opened_at, shown.since) == (HIGH, T0 + 15 * MINUTE_US, T0)
    assert (shown.value, shown.value_at, shown.limit, shown.beyond, shown.censored) == (199, opened.at, 180, True, 0)
    assert (opened.exact, opened.found) == (199.4, None)


def test_a_sustained_run_is_that_of_the_ring_whoever_judged_it() -> None:
    """Readings from before the rule, and one that came late, are in it; of a rate only what was judged is."""
    new, late = Ward(), Ward(HIGH)
    assert new.live(0, 10, 200) == []
    new.take(HIGH)
    (opened,) = new.read(15, 200)
    assert (opened.change, opened.shown.since) == ("open", T0)
    late.read(0, 200)
    events, values = T0 + np.array([10]) * MINUTE_US, np.array([200.0])
    late.ring.write(np.array([3]), events, values, values, np.ones(1, np.bool_))
    (opened,) = late.read(15, 200)
    assert (opened.change, opened.shown.since) == ("open", T0)


def test_the_limit_itself_is_not_beyond_and_an_ok_reading_begins_the_run_anew() -> None:
    """> 180; whatever was before the 180 is another run."""
    ann = Ward(HIGH)
    assert ann.live(0, 10, 181) == ann.live(15, 15, 180) == ann.live(20, 30, 181) == []
    assert ann.live(35, 35, 181) == [(35, "open")]


def test_a_gap_ends_a_run() -> None:
    """Nothing is guessed across more than eleven minutes."""
    near, far = Ward(HIGH), Ward(HIGH)
    assert near.live(0, 5, 200) == [] == far.live(0, 5, 200)
    assert [short(ann.read(at, 200)) for ann, at in ((near, 16), (far, 16 + 1 / 60))] == [[("open", 1, "active")], []]


def test_well_within_it_ends_soon_and_within_later() -> None:
    """Five minutes at 170, or ten at 171: an ok run, whose last reading is well within for the quick way."""
    for value, ends in ((170, 25), (171, 30)):
        ann = Ward(HIGH)
        ann.live(0, 15, 200)
        assert ann.live(20, 40, value) == [(20, "returning"), (ends, "clear")]
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    assert ann.live(20, 20, 175) == [(20, "returning")]
    assert ann.live(25, 25, 170) == [(25, "clear")], "the run may begin less well"


def test_beyond_again_is_active_and_the_run_within_is_forgotten() -> None:
    """One reading between two highs is no recovery."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    assert ann.live(20, 20, 170) == [(20, "returning")]
    (active,) = ann.read(25, 210)
    assert short([active]) == [("active", 1, "active")]
    shown = active.shown
    assert (shown.opened_at, shown.since, shown.value, shown.beyond) == (T0 + 15 * MINUTE_US, T0, 210, True)
    assert ann.live(30, 30, 170) == [(30, "returning")]
    assert ann.live(35, 35, 170) == [(35, "clear")]
    assert ann.live(40, 50, 200) == []
    (again,) = ann.read(55, 200)
    assert (again.change, again.shown.opened_at, again.shown.since) == ("open", again.at, T0 + 40 * MINUTE_US)


def test_while_nothing_changes_nothing_is_told_and_the_last_reading_is_shown() -> None:
    """An episode is written at each turn, not at each reading."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    assert ann.live(20, 60, 220) == []
    (lost,) = [each for each in [ann.glucose.lose(3, 0, "no data", T0 + 80 * MINUTE_US)] if each]
    assert (lost.shown.value, lost.shown.value_at) == (220, T0 + 60 * MINUTE_US)


def test_a_run_longer_than_the_ring_is_as_long_as_it_was() -> None:
    """Four hours above 180, of which the ring knows three; whoever opens later still says since when."""
    long = HIGH.model_copy(update={"on_span_us": 240 * MINUTE_US})
    ann = Ward(long)
    assert ann.live(0, 235, 200) == []
    (opened,) = ann.read(240, 200)
    assert opened.shown.since == T0
    broken = Ward(long)
    broken.live(0, 0, 200)
    assert broken.live(20, 255, 200) == [], "after a gap it is another run"
    assert broken.live(260, 260, 200) == [(260, "open")]


def test_a_run_that_was_not_beyond_makes_no_longer_one() -> None:
    """Three hours within and then beyond: only what is beyond counts."""
    long = HIGH.model_copy(update={"on_span_us": 185 * MINUTE_US})
    ann = Ward(long)
    ann.live(0, 100, 100)
    assert ann.live(105, 285, 200) == []
    assert ann.live(290, 290, 200) == [(290, "open")]


def test_a_low_is_judged_with_the_signs_turned() -> None:
    """< 80; 80 is within, 90 well within."""
    ann = Ward(LOW)
    assert ann.live(0, 10, 79) == []
    assert ann.live(15, 15, 79) == [(15, "open")]
    assert ann.live(20, 25, 80) == [(20, "returning")]
    assert ann.live(30, 30, 80) == [(30, "clear")]


def rates(ann: Ward, begin: int, *slopes: float, value: float = 160) -> list[tuple[float, str]]:
    """Readings each five minutes, each so much above the last; the changes."""
    found: list[tuple[float, str]] = []
    for number, slope in enumerate(slopes):
        value += 5 * slope
        found += [((each.at - T0) / MINUTE_US, each.change) for each in ann.read(begin + 5 * number, value)]
    return found


QUICK = RISING.model_copy(
    update={"rate": 1.5, "off_rate": 1.0, "gate": 100.0, "on_span_us": 5 * MINUTE_US, "quick_span_us": 5 * MINUTE_US,
            "slow_span_us": 15 * MINUTE_US}
)  # fmt: skip


def test_runs_of_a_rate_are_of_the_readings_that_could_be_judged() -> None:
    """Two readings make no slope; from the first that has one on, the run is of judged ones."""
    ann = Ward(QUICK)
    assert rates(ann, 0, 2, 2, 2) == []
    (opened,) = ann.read(15, 200)
    assert (opened.change, opened.found, opened.shown.limit) == ("open", 2.0, 100)
    assert (opened.shown.since, opened.shown.opened_at) == (T0 + 10 * MINUTE_US, T0 + 15 * MINUTE_US)


def test_a_run_of_a_rate_ends_with_a_gap_between_judged_readings() -> None:
    """At G itself it goes on. What came late makes the slope known, and is itself judged by nobody."""
    for gap, opens in ((11, True), (11 + 1 / 60, False)):
        ann = Ward(QUICK)
        rates(ann, 0, 2, 2, 2)
        events, values = T0 + np.array([14, 17]) * MINUTE_US, np.array([198.0, 204.0])
        ann.ring.write(np.array([3, 3]), events, values, values, np.ones(2, np.bool_))
        found = ann.read(10 + gap, 190 + 2 * gap)
        assert [each.change for each in found] == (["open"] if opens else [])


def test_a_rate_that_slows_down_ends_when_it_has_been_slow() -> None:
    """Between both rates it is returning; below the lower for five minutes it is over."""
    ann = Ward(QUICK)
    assert rates(ann, 0, 2, 2, 2, 2) == [(15, "open")]
    found = rates(ann, 20, 0, 0, 0, 0, 0, value=200)
    assert [each for _, each in found] == ["returning", "clear"]
    assert found[0][0] < found[1][0]


def test_what_was_forecast_and_has_come_ends_the_warning() -> None:
    """It says so: the low itself calls from there on."""
    ann = Ward(SOON)
    found = [each for minute, value in ((0, 120), (5, 100), (10, 80), (15, 66)) for each in ann.read(minute, value)]
    assert [(each.change, each.reason) for each in found] == [("open", "")]
    assert found[0].found is not None
    assert found[0].found < SOON.limit
    ann.machines.level[3, 0] = 2
    (over,) = ann.read(20, 53)
    assert (over.change, over.reason, over.shown.value) == ("clear", "reached", 53)


def test_a_rule_that_is_gone_ends_with_the_next_reading() -> None:
    """Whatever that says; and then every reading is nothing to us."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    ann.take()
    assert ann.glucose.uses(np.array([3, 4])).tolist() == [True, False]
    (cleared,) = ann.read(20, 300)
    assert (cleared.change, cleared.level, cleared.reason, cleared.at) == ("clear", 0, "", T0 + 20 * MINUTE_US)
    assert cleared.shown.value == 200
    assert ann.glucose.uses(np.array([3])).tolist() == [False]
    assert ann.read(25, 300) == []


def test_a_rule_without_an_episode_is_gone_at_once_and_comes_back_without_a_run() -> None:
    """Of a rate the judged readings are the run; of a sustained one the ring tells it again."""
    ann = Ward(QUICK)
    rates(ann, 0, 2, 2, 2)
    ann.take()
    assert ann.glucose.uses(np.array([3])).tolist() == [False]
    ann.take(QUICK)
    assert ann.read(15, 200) == []
    assert [each.change for each in ann.read(20, 210)] == ["open"]


@pytest.mark.parametrize(
    ("change", "opens"),
    [({"rate": 1.4}, False), ({"gate": 99.0}, False), ({"off_rate": 0.5}, True), ({"priority": "medium"}, True)],
)
def test_a_run_is_of_what_the_rule_looked_at(change: dict[str, Any], opens: bool) -> None:
    """Another limit begins anew; another priority does not."""
    ann = Ward(QUICK)
    rates(ann, 0, 2, 2, 2)
    ann.take(QUICK.model_copy(update=change))
    assert bool(ann.read(15, 200)) is opens


def test_of_a_run_that_is_forgotten_nothing_is_left_in_a_snapshot() -> None:
    """Who was judged by another limit before, and who was not, are alike from there on, to the byte."""
    ann, other = Ward(QUICK), RISING
    rates(ann, 0, 2, 2, 2)
    ann.take(other)
    rows, fresh = (ward.glucose.state(np.array([3]))["rows"] for ward in (ann, Ward(other)))
    assert [rows[name].tolist() for name in ("said", "run_since")] == [[[0]], [[0]]]
    assert [fresh[name].tolist() for name in ("said", "run_since")] == [[[0]], [[0]]]


def test_what_rules_look_at_and_which_limit_they_show() -> None:
    """Whatever else changes of a rule, its run goes on."""
    assert looks_at(HIGH) == ("high", 180.0)
    assert looks_at(QUICK) == ("rising", 1.5, 100.0)
    assert looks_at(SOON) == (SOON.forecast, SOON.horizon_us, SOON.limit)
    assert [limit_of(each) for each in (HIGH, QUICK, SOON)] == [180, 100, SOON.limit]


def test_an_open_episode_shows_the_rule_that_is_in_force_from_its_next_change_on() -> None:
    """Limit and priority of the policy of today."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    other = HIGH.model_copy(update={"limit": 190.0, "priority": "medium"})
    ann.take(other)
    assert ann.glucose.rank(3) == 2
    (moved,) = ann.read(20, 185)
    assert (moved.change, moved.shown.rule, moved.shown.limit) == ("returning", other, 190)
    assert moved.shown.opened_at == T0 + 15 * MINUTE_US
    ann.take(HIGH)
    lost = ann.glucose.lose(3, 0, "no data", T0 + 60 * MINUTE_US)
    assert lost is not None
    assert (lost.shown.rule, lost.shown.limit, lost.shown.value) == (HIGH, 180, 185)


def test_patients_and_rules_are_judged_apart() -> None:
    """In one call: one opens, one has no such rule, one is fine, and one opens two of two."""
    ward = Ward(slots=(3, 5, 7, 9))
    for slot, rules in ((3, (HIGH,)), (7, (LOW,)), (9, (LOW.model_copy(update={"limit": 250.0}), HIGH))):
        ward.take(*rules, slot=slot)
    for minute in (0, 5, 10):
        assert ward.read(minute, {9: 200, 3: 200, 5: 200, 7: 200}) == []
    moved = ward.read(15, {9: 200, 3: 201, 5: 200, 7: 200})
    found = sorted((each.slot, each.shown.rule.name, each.shown.value) for each in moved)
    assert found == [(3, "high_sustained", 201), (9, "high_sustained", 200), (9, "low_sustained", 200)]
    assert ward.glucose.uses(np.array([3, 5, 7, 9])).tolist() == [True, False, True, True]
    assert [ward.glucose.rank(slot) for slot in (3, 5, 7, 9)] == [1, 0, 0, 2]


def test_an_open_episode_is_lost_a_gap_after_the_arrival_of_its_last_reading() -> None:
    """What nobody has judged for so long nobody knows; what is not open is never lost."""
    ward = Ward(HIGH, slots=(3, 5))
    for minute in (0, 5, 10):
        ward.read(minute, {3: 200, 5: 100})
    ward.read(15, {3: 200, 5: 100}, late=2)
    due = T0 + 17 * MINUTE_US + G
    assert ward.glucose.lost_at(np.array([5, 3])).tolist() == [[NEVER], [due]]
    assert [ward.glucose.overdue(3, 0, clock) for clock in (due - 1, due)] == [False, True]
    lost = ward.glucose.forget(3, 0, due)
    assert lost is not None
    assert (lost.change, lost.level, CONDITIONS[lost.condition], lost.reason, lost.at) == (
        "unknown", 1, "unknown", "no data", due,
    )  # fmt: skip
    assert ward.glucose.lost_at(np.array([3])).tolist() == [[NEVER]]
    assert ward.glucose.forget(3, 0, due) is None
    assert ward.glucose.forget(5, 0, due) is None


def test_another_reason_is_told_and_the_same_one_is_not() -> None:
    """Unknown since the site is silent, then since the device was taken off."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    said = [ann.glucose.lose(3, 0, reason, T0) for reason in ("site silent", "site silent", "device removed")]
    assert [each and (each.change, each.reason) for each in said] == [
        ("unknown", "site silent"), None, ("reason", "device removed"),
    ]  # fmt: skip
    for value, condition in ((200, "active"), (175, "returning")):
        moved = ann.read(20 if value == 200 else 30, value)
        assert short(moved) == [("known" if value == 200 else "returning", 1, condition)]


def test_what_a_reading_has_ended_can_come_again() -> None:
    """A second loss of signal is told as the first one was."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    for minute in (20, 40):
        lost = ann.glucose.lose(3, 0, "no data", T0)
        assert lost is not None
        assert lost.change == "unknown"
        assert short(ann.read(minute, 200)) == [("known", 1, "active")]


def test_what_was_unknown_is_known_again_by_the_last_reading() -> None:
    """A site that ticks again: what was beyond is active, what was within is returning; what is known stays."""
    for value, condition in ((200, "active"), (175, "returning")):
        ann = Ward(HIGH)
        ann.live(0, 15, 200)
        ann.read(20, value)
        assert ann.glucose.regain(3, 0, T0) is None
        ann.glucose.lose(3, 0, "site silent", T0)
        known = ann.glucose.regain(3, 0, T0 + 22 * MINUTE_US)
        assert known is not None
        assert (known.change, CONDITIONS[known.condition], known.reason, known.at) == (
            "known", condition, "", T0 + 22 * MINUTE_US,
        )  # fmt: skip
        lost = ann.glucose.lose(3, 0, "site silent", T0)
        assert lost is not None
        assert lost.change == "unknown"


def test_somebody_can_close_what_is_open() -> None:
    """A device that was taken off for good: over, with the reason, and nothing of it is left."""
    ann = Ward(HIGH)
    ann.live(0, 15, 200)
    ann.glucose.lose(3, 0, "device removed", T0)
    closed = ann.glucose.close(3, 0, "closed", T0 + 20 * MINUTE_US)
    assert (closed.change, closed.level, CONDITIONS[closed.condition], closed.reason) == ("clear", 0, "over", "closed")
    assert closed.shown.value == 200
    assert ann.glucose.rank(3) == 0
    assert ann.live(25, 25, 200) == [(25, "open")], "the run in the ring is as long as it is"


def test_a_censored_reading_is_shown_as_one() -> None:
    """LOW and HIGH are no numbers that the sensor measured."""
    ann = Ward(HIGH)
    ann.live(0, 10, 200)
    (opened,) = ann.read(15, 401, censored=2)
    assert (opened.shown.censored, opened.shown.value) == (2, 401)


def test_the_columns_of_these_machines_have_the_types_that_snapshots_hold() -> None:
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    kinds = {name: each.kind for name, each in columns(Ward(slots=()).glucose).items()}
    assert kinds == {
        "kind": "i4", "level": "i1", "condition": "i1", "said": "i1", "run_since": "i8", "judged_at": "i8",
        "judged_rx": "i8",
    }  # fmt: skip


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """Open, unknown, in the middle of a run: by the new numbers of patients and rules."""
    ward = Ward(HIGH, QUICK, slots=(3, 5, 7))
    for minute in (0, 5, 10):
        ward.read(minute, {3: 200, 5: 100, 7: 160 + 2 * minute})
    ward.read(15, {3: 200, 5: 100})
    column = int(ward.glucose.level[3].nonzero()[0][0])
    ward.glucose.lose(3, column, "site silent", T0)
    order = np.array([7, 3, 5])
    state = decode(b"".join(encode(ward.glucose.state(order))))
    assert [len(state[name]) for name in ("shown", "reasons")] == [1, 1]
    again = Ward(slots=(0, 1, 2))
    again.glucose.restore(state)
    again.ring.put(ward.ring.rows(order))
    assert [again.glucose.rank(slot) for slot in (0, 1, 2)] == [0, 1, 0]
    assert again.glucose.uses(np.arange(4)).tolist() == [True, True, True, False]
    assert [(each.slot, each.shown.rule, each.change) for each in again.read(15, {0: 190})] == [(0, QUICK, "open")]
    assert again.glucose.lose(1, int(again.glucose.level[1].nonzero()[0][0]), "site silent", T0) is None
    (known,) = again.read(20, {1: 175, 2: 100})
    assert (known.slot, known.shown.rule, known.change, known.condition) == (1, HIGH, "known", RETURNING)
    assert (known.shown.opened_at, known.shown.since) == (T0 + 15 * MINUTE_US, T0)
