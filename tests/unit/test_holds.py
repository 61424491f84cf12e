"""Openings that artefact holds back: the table of them, T by T (RULES, *Artefact hold*)."""

from __future__ import annotations

import numpy as np

from stream.holds import Holds
from stream.series import NEVER
from stream.verdicts import Shown
from tests.columns import BOOL, columns
from vitals.metrics import SECOND_US
from vitals.policies import HEART_RATES
from vitals.windows import EVALUATE_AFTER_US

MINUTE = 60 * SECOND_US
HIGH, LOW = HEART_RATES[0], HEART_RATES[1]


def shown(at: int, value: float = 130.0) -> Shown:
    """What an opening at a T (seconds) would show."""
    return Shown(HIGH, at * SECOND_US, at * SECOND_US, value, at * SECOND_US, 120.0, beyond=True)


def held(holds: Holds, at: int, *, slot: int = 3, column: int = 0, suspect: bool = True, hold: int = 60) -> bool:
    """A T (seconds) at which the rule would open."""
    width_us = HIGH.width_us
    return holds.put_off(slot, column, shown(at), width_us=width_us, hold_us=hold * SECOND_US, suspect=suspect)


def due(holds: Holds, *slots: int) -> list[float]:
    """When each opens by the clock, seconds; -1 for never."""
    return [-1 if each == NEVER else (each - EVALUATE_AFTER_US) / SECOND_US for each in holds.due_at(np.array(slots))]


def taken(holds: Holds, clock: int, slot: int = 3) -> list[tuple[int, float, float]]:
    """Column, since and value time of what is due at a clock, all in seconds."""
    found = holds.take(slot, clock)
    return [(column, each.since / SECOND_US, each.shown.value_at / SECOND_US) for column, each in found]


def test_a_suspect_opening_is_put_off_from_its_first_instant_until_the_bound() -> None:
    """Later T of the same hold move what it would show, never when it ends."""
    holds = Holds()
    assert columns(holds) == {"any": BOOL}
    assert [held(holds, at) for at in (100, 110, 159)] == [True, True, True]
    assert due(holds, 3, 4) == [160, -1]
    assert taken(holds, 160 * SECOND_US + EVALUATE_AFTER_US) == [(0, 100, 159)]


def test_it_opens_at_the_bound_itself_and_at_the_first_instant_that_is_not_suspect() -> None:
    """At least the hold after the first; and what opened is held no longer."""
    for at, suspect in ((160, True), (110, False), (161, True)):
        holds = Holds()
        held(holds, 100)
        assert held(holds, at, suspect=suspect) is False
        assert (due(holds, 3), bool(holds.any[3])) == ([-1], False)
        assert held(holds, at + 10) is True
        assert due(holds, 3) == [at + 70], "the next opening counts anew"


def test_a_shorter_hold_of_another_policy_counts_and_a_longer_one_does_not() -> None:
    """From the first T on, whenever the policy came: whoever asks for less artefact is not made to wait for it."""
    holds = Holds()
    held(holds, 100)
    assert held(holds, 105, hold=10) is True
    assert due(holds, 3) == [110]
    assert held(holds, 108, hold=60) is True
    assert due(holds, 3) == [110]
    assert held(holds, 109, hold=9) is False, "its bound has passed"
    held(holds, 120)
    assert held(holds, 130, hold=0) is False
    assert due(holds, 3) == [-1]


def test_without_artefact_or_without_a_hold_nothing_waits() -> None:
    """A rule that never holds has a bound of nothing."""
    holds = Holds()
    assert held(holds, 100, suspect=False) is False
    assert held(holds, 100, hold=0) is False
    assert not holds.any.any()


def test_rules_and_people_are_held_apart() -> None:
    """What ends one rule's hold leaves the patient's others, and everybody else's."""
    holds = Holds()
    for slot, column, at in ((3, 0, 100), (3, 1, 90), (5, 0, 80)):
        held(holds, at, slot=slot, column=column)
    assert due(holds, 5, 3, 4) == [140, 150, -1]
    holds.drop(3, 1)
    assert due(holds, 5, 3, 4) == [140, 160, -1]
    assert holds.any[[3, 4, 5]].tolist() == [True, False, True]
    holds.drop(3, 1)
    assert due(holds, 3) == [160]
    holds.drop(3)
    assert (due(holds, 5, 3), holds.any[[3, 5]].tolist()) == ([140, -1], [False, True])


def test_what_opens_leaves_what_else_is_held_of_the_patient() -> None:
    """Two rules of one band, over windows of two widths: the wider may still be full of artefact."""
    holds = Holds()
    held(holds, 100, column=0)
    held(holds, 100, column=1)
    assert held(holds, 110, column=1, suspect=False) is False
    assert (due(holds, 3), bool(holds.any[3]), list(holds.held)) == ([160], True, [(3, 0)])


def test_all_of_a_patient_is_dropped_together() -> None:
    """Another device: none of what was held was of it."""
    holds = Holds()
    for column in (0, 1, 2):
        held(holds, 100, column=column)
    held(holds, 100, slot=4)
    holds.drop(3)
    assert due(holds, 3, 4) == [-1, 160]
    holds.drop(3)
    assert taken(holds, NEVER) == []


def test_what_the_clock_has_reached_is_taken_once_by_rule() -> None:
    """Held since + hold + 2 s: a microsecond sooner nothing is due, and what is not due stays."""
    holds = Holds()
    held(holds, 105, column=2)
    held(holds, 100, column=1)
    held(holds, 100, column=0)
    held(holds, 90, slot=4)
    assert taken(holds, 160 * SECOND_US + EVALUATE_AFTER_US - 1) == []
    assert taken(holds, 160 * SECOND_US + EVALUATE_AFTER_US) == [(0, 100, 100), (1, 100, 100)]
    assert (due(holds, 3, 4), holds.any[[3, 4]].tolist()) == ([165, 150], [True, True])
    assert taken(holds, 165 * SECOND_US + EVALUATE_AFTER_US) == [(2, 105, 105)]
    assert holds.any[[3, 4]].tolist() == [False, True]


def test_a_hold_that_never_was_is_dropped_without_a_word() -> None:
    """Most patients have none."""
    holds = Holds()
    holds.drop(3)
    holds.drop(3, 0)
    assert due(holds, 3) == [-1]
    assert due(holds, 3, 4, 5) == [-1, -1, -1]


def test_a_snapshot_keeps_what_is_held_of_its_slots_by_their_new_numbers() -> None:
    """Whose slot is not among them had no control record; columns have new places, with their rules."""
    holds = Holds()
    for slot, column, at in ((7, 1, 105), (3, 0, 100), (7, 0, 104), (9, 0, 99)):
        held(holds, at, slot=slot, column=column)
    state = holds.state(np.array([7, 4, 3]), [1, 0])
    width = HIGH.width_us
    assert [each[:5] for each in state["held"]] == [
        (0, 0, 105 * SECOND_US, 165 * SECOND_US, width),
        (0, 1, 104 * SECOND_US, 164 * SECOND_US, width),
        (2, 1, 100 * SECOND_US, 160 * SECOND_US, width),
    ]
    again = Holds()
    again.restore(state, lambda slot, column: HIGH if (slot, column) == (0, 0) else LOW)
    assert (due(again, 0, 1, 2), again.any[:3].tolist()) == ([164, -1, 160], [True, False, True])
    assert again.held[0, 0] == holds.held[7, 1]
    assert again.held[2, 1] == holds.held[3, 0]._replace(shown=shown(100)._replace(rule=LOW))


def test_a_growing_table_keeps_who_is_held() -> None:
    """Patients are bound while others are held."""
    holds = Holds()
    held(holds, 100)
    holds.grow(100)
    held(holds, 90, slot=80)
    assert due(holds, 80, 3, 81) == [150, 160, -1]
