"""Tables of which only some slots have a row: who has one, how they grow, and what a snapshot makes of them."""

from __future__ import annotations

import numpy as np

from stream.places import Places
from stream.series import CAPACITY, Table
from tests.columns import WORD, columns


class Marks(Table):
    """One column, to tell rows apart."""

    def __init__(self) -> None:
        self.mark = np.zeros(self.capacity, np.int64)


def places_of(*slots: int, capacity: int = 64) -> tuple[Places, Marks]:
    """Places of these slots, in this order, with their slots as marks."""
    marks = Marks()
    places = Places(marks)
    places.grow(capacity)
    for slot in slots:
        places.make(slot)
        marks.mark[places.of(np.array([slot]))] = slot
    return places, marks


def test_places_are_dense_in_the_order_in_which_they_are_made() -> None:
    """Who needs no row costs four bytes; a second rule that asks gives no second row."""
    places, marks = places_of(40, 7, 40, 12)
    assert places.count == 3
    assert places.of(np.array([12, 40, 8, 7])).tolist() == [2, 0, -1, 1]
    assert marks.mark[:4].tolist() == [40, 7, 12, 0]


def test_nobody_has_a_place_before_one_is_made() -> None:
    """Also not in rows that came by growing; the column is what snapshots of old hold."""
    places = Places(Marks())
    assert (places.count, columns(places)) == (0, {"place": WORD})
    places.grow(100)
    assert set(places.of(np.arange(100)).tolist()) == {-1}


def test_a_table_grows_when_its_rows_are_taken_by_an_eighth_and_sixteen() -> None:
    """One row at a time would copy everything for each patient bound; twice as much would be memory for nobody."""
    marks = Marks()
    places = Places(marks)
    places.grow(200)
    grown: dict[int, int] = {}
    for slot in range(150):
        places.make(slot)
        grown.setdefault(marks.capacity, places.count)
    needed = (17, 36, 57, 81, 108, 138)
    assert grown == {CAPACITY: 1} | {count + count // 8 + 16: count for count in needed}
    assert len(marks.mark) == marks.capacity


def test_every_table_that_goes_with_the_places_grows() -> None:
    """A place is a row of each; a table that has room already is left as it is."""
    small, large = Marks(), Marks()
    large.grow(1000)
    places = Places(small, large)
    places.grow(100)
    for slot in range(17):
        places.make(slot)
    assert (small.capacity, large.capacity) == (35, 1000)


def test_a_snapshot_names_places_by_the_new_numbers_of_their_slots() -> None:
    """Slots are numbered anew; a place follows its slot."""
    places, marks = places_of(40, 7, 12)
    numbers, rows = places.chosen(np.array([5, 7, 40, 3, 12]))
    assert numbers.tolist() == [1, 2, 4]
    assert marks.mark[rows].tolist() == [7, 40, 12]


def test_what_a_snapshot_names_has_the_first_rows() -> None:
    """And whoever comes next the row after them, whatever the room is."""
    marks = Marks()
    again = Places(marks)
    again.grow(64)
    again.take_numbers(np.array([1, 2, 4]))
    again.make(3)
    assert again.place[:6].tolist() == [0, 1, 2, 4, 3, 0]
    assert marks.capacity == CAPACITY
    full = Places(marks)
    full.grow(64)
    full.take_numbers(np.arange(40))
    assert (full.count, marks.capacity) == (40, 40 + 5 + 16)
