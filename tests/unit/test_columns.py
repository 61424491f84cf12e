"""The table of rules by column and of episodes of one level, by itself: what all machines of one level have."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from stream.columns import FIELDS, KINDS, Columns, Place, Taken, read, written
from stream.rules import ACTIVE, OVER, RETURNING, UNKNOWN
from stream.series import LONG_AGO, NEVER, Ints, Slots
from stream.verdicts import NO_DATA, Moved, Shown
from tests.columns import BYTE, LONG, WORD, Column, columns
from vitals.codecs.state import decode, encode
from vitals.metrics import SECOND_US
from vitals.policies import HEART_RATES, WindowRule
from vitals.policy_glucose import FORECASTS, RATES, SUSTAINED

HIGH, LOW, EXTREME = HEART_RATES
OTHER = HIGH.model_copy(update={"priority": "low"})
"""A rule of another policy, by the same name."""
ANN, BOB, CYD = 3, 5, 9


class Table(Columns[WindowRule]):
    """With one array of its own."""

    FILL: ClassVar[dict[str, float]] = {"last": LONG_AGO}
    BY_COLUMN = (*Columns.BY_COLUMN, "last")

    def __init__(self) -> None:
        super().__init__()
        self.last: Ints = np.zeros((self.capacity, 0), np.int64)

    def due(self, slots: Slots) -> Ints:
        """A minute after the last."""
        return self.last[slots] + 60 * SECOND_US


def opened(table: Table, slot: int, name: str, at: int = 100, *, beyond: bool = True) -> int:
    """An episode opens at an instant (seconds); its column."""
    column = table.names.numbers()[name] - 1
    table.level[slot, column], table.condition[slot, column] = 1, ACTIVE if beyond else RETURNING
    table.last[slot, column] = at * SECOND_US
    rule = table.rule(slot, column)
    table.shown[slot, column] = Shown(rule, at, at, 150.0, at, 130.0, beyond)
    return column


def held(table: Table) -> dict[str, Any]:
    """The rules and names that are kept, and the columns in order."""
    return {"rules": list(table.kinds), "names": dict(table.names.numbers()), "columns": table.columns}


def stored(table: Table, *slots: int) -> Any:
    """A snapshot, as it comes back."""
    return decode(b"".join(encode(table.state(np.array(slots, np.intp)))))


def bytes_of(table: Table, *slots: int) -> bytes:
    return b"".join(encode(table.state(np.array(slots, np.intp))))


# ---- rules


def test_a_table_begins_without_columns():
    """The default policy has no rule of glucose, and none of them costs a byte."""
    none = (0,)
    assert columns(Table()) == {
        "kind": Column(WORD.kind, none), "level": Column(BYTE.kind, none), "condition": Column(BYTE.kind, none),
        "last": Column(LONG.kind, none),
    }  # fmt: skip
    assert held(Table()) == {"rules": [], "names": {}, "columns": []}


def test_a_name_has_a_column_and_a_rule_a_number_for_all_who_have_it():
    """What a policy did is told by column: the rule that was in force, and the one that is."""
    table = Table()
    assert table.take(ANN, [LOW, HIGH]) == [Taken(0, None, LOW), Taken(1, None, HIGH)]
    assert table.take(BOB, [HIGH]) == [Taken(1, None, HIGH)]
    assert table.take(ANN, [OTHER, LOW]) == [Taken(1, HIGH, OTHER), Taken(0, LOW, LOW)]
    assert held(table) == {
        "rules": [LOW, HIGH, OTHER], "names": {LOW.name: 0 + 1, HIGH.name: 2}, "columns": [1, 0],
    }  # fmt: skip
    assert table.kind[[ANN, BOB, CYD]].tolist() == [[1, 3], [0, 2], [0, 0]]
    assert (table.rule(ANN, 1), table.rule(BOB, 1), table.rule(ANN, 0)) == (OTHER, HIGH, LOW)
    assert table.last.tolist() == [[LONG_AGO, LONG_AGO]] * table.capacity
    assert [each.dtype for each in (table.kind, table.level, table.condition, table.last)] == [
        np.dtype(name) for name in ("int32", "int8", "int8", "int64")
    ]


def test_of_two_rules_with_one_name_the_last_counts():
    """A policy from elsewhere may have two; an episode's id is made of the name."""
    table = Table()
    assert table.take(ANN, [HIGH, LOW, OTHER]) == [Taken(0, None, OTHER), Taken(1, None, LOW)]
    assert held(table)["rules"] == [OTHER, LOW]


def test_a_rule_that_is_gone_leaves_nothing():
    """Neither its number nor its column, once nobody has it; nor what was judged by it."""
    table = Table()
    table.take(ANN, [HIGH, LOW])
    table.take(BOB, [HIGH])
    table.last[ANN] = 5
    assert table.take(ANN, [LOW]) == [Taken(1, LOW, LOW), Taken(0, HIGH, None)]
    assert (table.kind[ANN].tolist(), table.last[ANN].tolist()) == ([0, 2], [LONG_AGO, 5])
    assert held(table) == {"rules": [HIGH, LOW], "names": {HIGH.name: 1, LOW.name: 2}, "columns": [0, 1]}
    assert table.take(BOB, []) == [Taken(0, HIGH, None)]
    assert held(table) == {"rules": [LOW], "names": {LOW.name: 2}, "columns": [1]}
    assert table.take(BOB, []) == []
    table.take(CYD, [EXTREME])
    assert held(table) == {"rules": [LOW, EXTREME], "names": {LOW.name: 2, EXTREME.name: 1}, "columns": [0, 1]}
    assert table.kind.shape == (table.capacity, 2), "the free column is taken again"


def test_the_last_columns_go_when_nobody_has_their_rules():
    """A trial of some rules by one patient would cost every patient their columns for as long as the process lives."""
    table = Table()
    table.take(ANN, [HIGH, LOW])
    table.take(BOB, [LOW, EXTREME])
    opened(table, BOB, EXTREME.name)
    table.take(BOB, [])
    table.take(ANN, [LOW])
    assert table.kind.shape[1] == 3, "an episode of the last is open"
    moved = table.close(BOB, 2, "", 9)
    assert moved.shown.rule == EXTREME
    table.last[ANN, 1] = 7
    before = bytes_of(table, ANN, BOB)
    assert table.take(CYD, []) == []
    assert [getattr(table, name).shape for name in Table.BY_COLUMN] == [(table.capacity, 2)] * 4
    assert (table.kind[ANN].tolist(), table.last[ANN].tolist()) == ([0, 2], [LONG_AGO, 7])
    assert bytes_of(table, ANN, BOB) == before
    for _ in range(2):
        table.take(ANN, [])
    assert [getattr(table, name).shape for name in Table.BY_COLUMN] == [(table.capacity, 0)] * 4
    kept = table.kind
    table.take(CYD, [])
    assert table.kind is kept, "no control record copies the tables of everybody where nothing is given up"
    assert table.take(CYD, [EXTREME, HIGH]) == [Taken(0, None, EXTREME), Taken(1, None, HIGH)]
    assert table.last[:, :2].tolist() == [[LONG_AGO, LONG_AGO]] * table.capacity


def test_a_rule_that_is_gone_stays_while_its_episode_is_open():
    """What ends it must know whose it was; then it leaves."""
    table = Table()
    table.take(ANN, [HIGH])
    column = opened(table, ANN, HIGH.name)
    assert table.take(ANN, []) == [Taken(0, HIGH, None)]
    assert (table.kind[ANN].tolist(), table.rule(ANN, column)) == ([-1], HIGH)
    assert table.take(ANN, []) == [], "it is gone already"
    assert table.kind[ANN].tolist() == [-1]
    assert held(table)["rules"] == [HIGH]
    assert table.close(ANN, column, "closed", 7).change == "clear"
    assert held(table) == {"rules": [], "names": {}, "columns": []}
    assert (table.kind[ANN].tolist(), table.last[ANN].tolist(), table.shown) == ([0], [LONG_AGO], {})


def test_a_rule_that_comes_back_while_its_episode_is_open_goes_on():
    """The episode is of the name; another rule of it judges from now on."""
    table = Table()
    table.take(ANN, [HIGH])
    opened(table, ANN, HIGH.name)
    table.take(ANN, [])
    assert table.take(ANN, [OTHER]) == [Taken(0, None, OTHER)]
    assert (table.rule(ANN, 0), table.level[ANN, 0], table.last[ANN, 0]) == (OTHER, 1, 100 * SECOND_US)
    assert held(table)["rules"] == [OTHER]
    table.close(ANN, 0, "closed", 7)
    assert held(table)["rules"] == [OTHER], "the policy has it"


def test_a_thousand_changes_of_rules_and_names_leave_what_one_policy_has():
    """A ward whose policies are edited for years does not grow."""
    table = Table()
    for change in range(1000):
        slot = (ANN, BOB)[change % 2]
        name = HIGH.name if change % 3 else f"rule {change}"
        table.take(slot, [HIGH.model_copy(update={"on_above": 100.0 + change, "name": name}), LOW])
        assert len(table.kinds) <= 3
    assert table.kind.shape[1] <= 4
    assert len(table.names) == len(table.columns) <= 3
    table.take(ANN, [])
    table.take(BOB, [])
    assert held(table) == {"rules": [], "names": {}, "columns": []}
    assert not table.kind.any()


def test_columns_stand_by_name_whatever_came_first():
    """Rules are looked at in this order, so that what they do to each other is the same after a restart."""
    names = [EXTREME, HIGH, LOW]
    for order in ([HIGH, LOW, EXTREME], [LOW, EXTREME, HIGH]):
        table = Table()
        for slot, rule in enumerate(order):
            table.take(slot, [rule])
        assert [table.names[column + 1] for column in table.columns] == [rule.name for rule in names]


def test_a_list_of_columns_that_somebody_goes_through_is_not_changed():
    """An episode that ends may be the last of its rule, while all rules are being judged."""
    table = Table()
    table.take(ANN, [HIGH, LOW])
    before = table.columns
    table.take(ANN, [])
    assert (before, table.columns) == ([0, 1], [])


# ---- what is open


def test_the_rank_is_that_of_the_most_urgent_open_episode():
    """Silence after it is never milder; a rule's priority is the one it has now."""
    table = Table()
    table.take(ANN, [HIGH, EXTREME.model_copy(update={"priority": "high"})])
    assert table.rank(ANN) == 0
    opened(table, ANN, HIGH.name)
    assert (table.rank(ANN), table.rank(BOB)) == (2, 0)
    opened(table, ANN, EXTREME.name)
    assert table.rank(ANN) == 3
    table.take(ANN, [OTHER])
    assert table.rank(ANN) == 3, "gone, and still open"
    table.close(ANN, table.names.numbers()[EXTREME.name] - 1, "closed", 7)
    assert table.rank(ANN) == 1


def test_only_what_is_open_and_known_is_lost_by_the_clock():
    """At the instant at which what was judged last is too long ago."""
    table = Table()
    table.take(ANN, [HIGH, LOW])
    table.take(BOB, [HIGH])
    high, low = opened(table, ANN, HIGH.name, 100), opened(table, ANN, LOW.name, 200)
    table.lose(ANN, low, "device removed", 7)
    due = 160 * SECOND_US
    assert table.lost_at(np.array([BOB, ANN])).tolist() == [[NEVER, NEVER], [due, NEVER]]
    assert [table.overdue(ANN, high, clock) for clock in (due - 1, due, due + 1)] == [False, True, True]
    assert [table.overdue(ANN, low, clock) for clock in (due, due + 100 * SECOND_US)] == [False, True]


def test_an_open_episode_turns_unknown_once_for_each_reason():
    """Another reason is news; the same one again is none, nor is anything where nothing is open."""
    table = Table()
    table.take(ANN, [HIGH])
    assert table.lose(ANN, 0, "site silent", 5) is None
    opened(table, ANN, HIGH.name)
    shown = Shown(HIGH, 100, 100, 150.0, 100, 130.0, beyond=True)
    assert table.forget(ANN, 0, 5) == Moved(ANN, 0, "unknown", 1, UNKNOWN, 5, 5, shown, NO_DATA)
    assert (table.reasons, table.condition[ANN, 0]) == ({(ANN, 0): NO_DATA}, UNKNOWN)
    assert table.lose(ANN, 0, NO_DATA, 6) is None
    assert table.lose(ANN, 0, "site silent", 6) == Moved(ANN, 0, "reason", 1, UNKNOWN, 6, 6, shown, "site silent")
    assert table.reasons == {(ANN, 0): "site silent"}


@pytest.mark.parametrize(("beyond", "condition"), [(True, ACTIVE), (False, RETURNING)])
def test_an_unknown_episode_is_known_again_by_what_was_judged_last(beyond: bool, condition: int):
    """The site was silent, not the patient."""
    table = Table()
    table.take(ANN, [HIGH])
    opened(table, ANN, HIGH.name, beyond=beyond)
    assert table.regain(ANN, 0, 5) is None
    table.lose(ANN, 0, "site silent", 5)
    moved = table.regain(ANN, 0, 6)
    assert moved == Moved(ANN, 0, "known", 1, condition, 6, 6, table.shown[ANN, 0])
    assert (table.reasons, table.condition[ANN, 0]) == ({}, condition)


def test_a_closed_episode_is_over_and_its_rule_stays():
    """Nobody judges it any more; the next one opens by the same rule."""
    table = Table()
    table.take(ANN, [HIGH])
    opened(table, ANN, HIGH.name)
    table.lose(ANN, 0, "device removed", 5)
    shown = table.shown[ANN, 0]
    assert table.close(ANN, 0, "closed", 6) == Moved(ANN, 0, "clear", 0, OVER, 6, 6, shown, "closed")
    assert (table.level[ANN, 0], table.condition[ANN, 0], table.shown, table.reasons) == (0, OVER, {}, {})
    assert (table.rule(ANN, 0), table.last[ANN, 0]) == (HIGH, 100 * SECOND_US)
    opened(table, ANN, HIGH.name)
    assert table.close(ANN, 0, "", 7).reason == "", "nor need it be unknown"


def test_what_is_told_is_told_by_the_rule_in_force():
    """A priority that a policy changes counts from the next change on."""
    table = Table()
    table.take(ANN, [HIGH])
    opened(table, ANN, HIGH.name)
    table.take(ANN, [OTHER])
    assert table.shown[ANN, 0].rule == HIGH
    assert table.now(ANN, 0) == table.shown[ANN, 0]._replace(rule=OTHER)
    assert table.moved(ANN, 0, "active", 9).shown.rule == OTHER


# ---- snapshots


def test_every_kind_of_rule_of_one_level_has_its_field():
    """A snapshot says by it what a rule is."""
    every = [*HEART_RATES, *SUSTAINED, *RATES, *FORECASTS]
    assert {FIELDS[type(rule)] for rule in every} == set(KINDS)
    assert all(KINDS[FIELDS[type(rule)]] is type(rule) for rule in every)


def ward() -> Table:
    """Three people, with holes where rules were, and an episode of a rule that is gone."""
    table = Table()
    table.take(BOB, [EXTREME])
    table.take(ANN, [HIGH.model_copy(update={"name": "a rule that was"})])
    table.take(ANN, [LOW, OTHER])
    table.take(CYD, [HIGH])
    opened(table, ANN, HIGH.name)
    table.lose(ANN, table.names.numbers()[HIGH.name] - 1, NO_DATA, 5)
    opened(table, CYD, HIGH.name, 200, beyond=False)
    table.take(CYD, [])
    table.take(BOB, [])
    return table


def test_a_snapshot_holds_rules_as_they_come_first_and_columns_by_name():
    """Whoever has the slots in another order, or had other rules before, writes the same bytes."""
    state = ward().state(np.array([CYD, BOB, ANN]))
    assert state["kinds"] == [("windows", HIGH), ("windows", OTHER), ("windows", LOW)]
    assert state["rows"]["kind"].tolist() == [[-1, 0], [0, 0], [2, 3]]
    assert state["rows"]["level"].tolist() == [[1, 0], [0, 0], [1, 0]]
    assert state["rows"]["last"].tolist() == [[200 * SECOND_US, LONG_AGO], [LONG_AGO] * 2, [100 * SECOND_US, LONG_AGO]]
    assert state["shown"] == [
        (0, 0, 200, 200, 150.0, 200, 130.0, False, 0, ""),
        (2, 0, 100, 100, 150.0, 100, 130.0, True, 0, ""),
    ]
    assert state["reasons"] == [(2, 0, NO_DATA)]
    plain = Table()
    plain.take(0, [HIGH])
    plain.take(2, [OTHER, LOW])
    opened(plain, 2, HIGH.name)
    plain.lose(2, 0, NO_DATA, 8)
    opened(plain, 0, HIGH.name, 200, beyond=False)
    plain.take(0, [])
    assert bytes_of(plain, 0, 1, 2) == bytes_of(ward(), CYD, BOB, ANN)


def test_slots_that_are_not_asked_for_leave_nothing_in_a_snapshot():
    """Neither their rules nor their columns."""
    state = ward().state(np.array([CYD]))
    assert (state["kinds"], state["rows"]["kind"].tolist()) == ([("windows", HIGH)], [[-1]])
    assert (state["rows"]["last"].shape, state["reasons"]) == ((1, 1), [])
    state = ward().state(np.array([BOB]))
    assert (state["kinds"], state["rows"]["kind"].shape, state["shown"]) == ([], (1, 0), [])


def test_a_restored_table_goes_on_as_the_one_before():
    """With who has what: the last who leaves a rule frees it."""
    table, again = ward(), Table()
    again.restore(stored(table, CYD, BOB, ANN))
    assert held(again) == {
        "rules": [HIGH, OTHER, LOW], "names": {HIGH.name: 1, LOW.name: 2}, "columns": [0, 1],
    }  # fmt: skip
    assert again.shown == {
        (0, 0): Shown(HIGH, 200, 200, 150.0, 200, 130.0, beyond=False),
        (2, 0): Shown(OTHER, 100, 100, 150.0, 100, 130.0, beyond=True),
    }
    assert again.reasons == {(2, 0): NO_DATA}
    assert bytes_of(again, 0, 1, 2) == bytes_of(table, CYD, BOB, ANN)
    again.close(0, 0, "closed", 9)
    assert held(again)["rules"] == [OTHER, LOW]
    again.take(2, [LOW])
    again.close(2, 0, "closed", 9)
    assert held(again) == {"rules": [LOW], "names": {LOW.name: 2}, "columns": [1]}
    again.take(2, [])
    assert held(again) == {"rules": [], "names": {}, "columns": []}


def test_an_empty_table_is_restored():
    """A partition whose patients have no such rule."""
    again = Table()
    again.restore(stored(Table(), 0, 1))
    assert (held(again), again.kind.shape[1]) == ({"rules": [], "names": {}, "columns": []}, 0)
    again.restore(stored(Table()))
    assert again.take(ANN, [HIGH]) == [Taken(0, None, HIGH)]


def test_a_snapshot_that_does_not_fit_is_refused():
    """Half of one would judge patients by the rules of others."""
    state = stored(ward(), CYD, BOB, ANN)
    for broken in (state | {"kinds": state["kinds"][:1]}, state | {"kinds": [*state["kinds"], ("windows", EXTREME)]}):
        with pytest.raises(ValueError, match="kinds are had by"):
            Table().restore(broken)
    with pytest.raises(KeyError):
        Table().restore(state | {"kinds": [("thresholds", rule) for _, rule in state["kinds"]]})


def test_open_episodes_are_named_by_new_numbers_and_old_ones():
    """What else is known of them is written by these places, and read back."""
    places = ward().places(np.array([CYD, BOB, ANN]))
    column = ward().names.numbers()[HIGH.name] - 1
    assert places == [Place(0, 0, (CYD, column)), Place(2, 0, (ANN, column))]
    found = written({(ANN, column): "moving", (BOB, 0): "no"}, places)
    assert (found, read(found)) == ([(2, 0, "moving")], {(2, 0): "moving"})
