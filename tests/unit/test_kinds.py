"""Things that many have in common, kept once and by number while somebody has them."""

from __future__ import annotations

import numpy as np
import pytest

from stream.kinds import Kinds


def kinds(*things: str) -> Kinds[str]:
    """These, each used by one; of equal ones by more."""
    made: Kinds[str] = Kinds()
    for thing in things:
        made.use(thing)
    return made


def test_equal_things_are_one_with_one_number():
    """Ten thousand patients have three policies; numbers count from one, since nought is nothing."""
    first, equal = "ab", str(b"ab", "ascii")
    assert first is not equal
    made = kinds(first)
    assert [made.use(each) for each in (equal, "c", "d", "c")] == [1, 2, 3, 2]
    assert (len(made), list(made), made.numbers()) == (3, ["ab", "c", "d"], {"ab": 1, "c": 2, "d": 3})
    assert made[1] is first
    assert [made[2], made[3]] == ["c", "d"]
    assert not kinds()


def test_a_thing_is_there_until_the_last_who_has_it_leaves_it():
    """What nobody has is not kept: neither the thing, nor its number, nor how many had it."""
    made = kinds("a", "a", "b")
    made.leave(1)
    assert (list(made), made[1]) == (["a", "b"], "a")
    made.leave(1)
    assert (len(made), list(made), made.numbers()) == (1, ["b"], {"b": 2})
    with pytest.raises(KeyError):
        made[1]
    with pytest.raises(KeyError):
        made.leave(1)


def test_the_least_free_number_is_given_again():
    """A table has a column for each number: they stay as few as were ever needed at once."""
    made = kinds("a", "b", "c", "d")
    for number in (3, 1, 2):
        made.leave(number)
    assert [made.use(each) for each in ("e", "a", "f", "g", "d")] == [1, 2, 3, 5, 4]
    assert [made[number] for number in range(1, 6)] == ["e", "a", "f", "d", "g"]
    made.leave(4)
    assert made[4] == "d", "two have it"
    made.leave(4)
    assert made.use("d") == 4


def test_a_thousand_changes_leave_nothing_behind():
    """Who edits a rule for years has one rule; the next comes before the last one goes."""
    made = kinds("0")
    number = 1
    for change in range(1, 1000):
        before, number = number, made.use(str(change))
        made.leave(before)
        assert number in {1, 2}
    assert list(made) == ["999"]


def test_a_snapshot_counts_things_as_they_come_first():
    """So it says who has what, and nothing of the order in which things came and went."""
    made = kinds("x", "a", "b", "c")
    numbers = np.array([[0, 4], [-2, 4], [3, 0], [2, -4]], np.int32)
    things, counted = made.counted(numbers)
    assert things == ["c", "a", "b"]
    assert counted.tolist() == [[0, 1], [-2, 1], [3, 0], [2, -1]]
    assert counted.dtype == np.int32
    assert numbers.tolist() == [[0, 4], [-2, 4], [3, 0], [2, -4]], "the living keep theirs"
    assert made.counted(np.array([1, -1, 2], np.int32))[0] == ["x", "a"]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (2, 3)])
def test_where_nobody_has_anything_nothing_is_counted(shape: tuple[int, ...]):
    """A partition without patients has a snapshot, too."""
    things, counted = kinds("a").counted(np.zeros(shape, np.int32))
    assert (len(things), counted.shape, int(counted.sum())) == (0, shape, 0)


def test_what_was_counted_goes_on_by_its_new_numbers():
    """Also how many have each: else the first who leaves would take it from the others."""
    made: Kinds[str] = Kinds()
    made.restore(["c", "a"], np.array([[0, 1], [-2, 1]], np.int32))
    assert (list(made), made.numbers()) == (["c", "a"], {"c": 1, "a": 2})
    assert made.use("a") == 2
    made.leave(2)
    made.leave(1)
    assert list(made) == ["c", "a"]
    made.leave(1)
    assert list(made) == ["a"]
    assert [made.use("b"), made.use("d")] == [1, 3]


@pytest.mark.parametrize(
    ("things", "numbers", "told"),
    [
        (["a"], [0, 0], r"^1 kinds are had by \[\]$"),
        (["a"], [1, 2], r"^1 kinds are had by \[1, 1\]$"),
        (["a", "b"], [2, 2], r"^2 kinds are had by \[0, 2\]$"),
        ([], [-1], r"^0 kinds are had by \[1\]$"),
    ],
)
def test_numbers_that_do_not_fit_are_no_snapshot(things: list[str], numbers: list[int], told: str):
    """A rule that nobody has would never leave; one that is not there would fail at a patient's next reading."""
    with pytest.raises(ValueError, match=told):
        Kinds[str]().restore(things, np.array(numbers, np.int32))


def test_a_snapshot_of_nothing_is_restored():
    """The default policy has no rule of glucose."""
    for numbers in (np.zeros(0, np.int32), np.zeros((5, 0), np.int32), np.zeros(3, np.int32)):
        made: Kinds[str] = Kinds()
        made.restore([], numbers)
        assert (len(made), made.use("a")) == (0, 1)
