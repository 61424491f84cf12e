"""Local times over the change of the clock read back as the instants that they were, in either order of a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.local_times import BACK_MIN, instants

ZONE = ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AUTUMN = datetime(2023, 10, 29, 1, tzinfo=UTC)
"""The clock goes back from 02:00 to 01:00; the first pass is the hour before, the second the hour from here."""
SPRING = datetime(2023, 3, 26, 1, tzinfo=UTC)


@st.composite
def series(draw: st.DrawFn, change: datetime) -> list[datetime]:
    """Instants from 3 h before to 3 h after a change, oldest first, each 1, 5 or 15 min, with holes and repeats."""
    step = timedelta(minutes=draw(st.sampled_from([1, 5, 15])))
    begin = change - 3 * HOUR + timedelta(minutes=draw(st.integers(0, 14)))
    whole = [begin + step * at for at in range(6 * HOUR // step)]
    for _ in range(draw(st.integers(0, 4))):
        hole = change + timedelta(minutes=draw(st.integers(-180, 180)))
        length = timedelta(minutes=draw(st.integers(1, 150)))
        whole = [at for at in whole if not hole <= at < hole + length]
    again = draw(st.lists(st.sampled_from(whole), max_size=4)) if whole else []
    return sorted(whole + again)


def wall(moments: Sequence[datetime]) -> list[datetime]:
    """What a file tells of instants: local times without the hour's pass."""
    return [moment.astimezone(ZONE).replace(fold=0) for moment in moments]


def read(times: Sequence[datetime]) -> list[tuple[datetime, str | None]]:
    return [(EPOCH + timedelta(microseconds=at), guess) for at, guess in instants(times)]


def october(*times: str, year: int = 2023, day: int = 29) -> list[datetime]:
    return [datetime.fromisoformat(f"{year}-10-{day} {time}").replace(tzinfo=ZONE) for time in times]


def guessed(times: Sequence[datetime]) -> int:
    return sum(guess == "happens twice" for _, guess in read(times))


def passes(moments: Sequence[datetime]) -> tuple[list[datetime], list[datetime]]:
    first = [moment for moment in moments if AUTUMN - HOUR <= moment < AUTUMN]
    return first, [moment for moment in moments if AUTUMN <= moment < AUTUMN + HOUR]


@given(series(AUTUMN), st.booleans())
def test_what_is_no_guess_is_exact(moments: list[datetime], newest_first: bool):
    """Whatever is missing of a file in order: a reading lies where it was, or is told of and an hour off at most."""
    moments = moments[:: -1 if newest_first else 1]
    for moment, (at, guess) in zip(moments, read(wall(moments)), strict=True):
        assert guess in {None, "happens twice"}
        if guess is None:
            assert at == moment
        else:
            assert AUTUMN - HOUR <= moment < AUTUMN + HOUR
            assert abs(at - moment) in {timedelta(0), HOUR}


@given(series(AUTUMN), st.booleans())
def test_a_file_that_shows_both_passes_leaves_nothing_to_guess(moments: list[datetime], newest_first: bool):
    """A clock that marked everything would be right as well, and of no use. Both passes show where the second begins
    before the first has ended; a row hours before and one behind tell which way the file goes.
    """
    moments = [AUTUMN - 4 * HOUR, *moments, AUTUMN + 4 * HOUR]
    first, second = passes(moments)
    shown = bool(first and second) and first[-1] + HOUR - second[0] >= BACK_MIN
    moments = moments[:: -1 if newest_first else 1]
    found = read(wall(moments))
    if shown:
        assert found == [(moment, None) for moment in moments]
    else:
        assert sum(guess is not None for _, guess in found) == len(first) + len(second)


@given(series(SPRING), st.booleans())
def test_the_spring_leaves_nothing_to_guess(moments: list[datetime], newest_first: bool):
    """A skipped hour is no step back, and tells nothing of the direction that a hole would not."""
    moments = moments[:: -1 if newest_first else 1]
    assert read(wall(moments)) == [(moment, None) for moment in moments]


@given(series(AUTUMN), st.randoms(use_true_random=False))
def test_no_order_moves_a_reading_by_more_than_the_hour(moments: list[datetime], chance: Random):
    """Rows in no order at all are still read, and a row of any other hour is where it was."""
    chance.shuffle(moments)
    for moment, (at, guess) in zip(moments, read(wall(moments)), strict=True):
        inside = AUTUMN - HOUR <= moment < AUTUMN + HOUR
        assert abs(at - moment) in ({timedelta(0), HOUR} if inside else {timedelta(0)})
        assert inside or guess is None


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (("00:55", "01:00", "01:30", "02:00"), "passed once: the hole may lie before or behind it"),
        (("01:20", "01:40", "02:00"), "a sensor that was put on in one of the two hours"),
        (("00:55", "01:00", "01:00", "01:30", "01:30", "02:00"), "sorted by local time, both passes are mixed"),
        (("01:10", "01:50", "01:40"), "oldest first with two passes, or newest first with two others"),
        (("00:55", "00:50", "01:00", "01:30", "01:00", "01:30", "02:00"), "not in order elsewhere"),
        (("00:55", "01:00", "01:30", "01:20", "01:50", "01:00", "01:50", "02:00"), "two steps back in one hour"),
        (("00:45", "00:55", "01:00", "01:30", "00:50", "02:00"), "a step back that leaves the hour"),
        (("01:30",), "a row alone"),
        (("00:55", "01:00", "01:10", "01:05", "01:15", "01:55", "02:00"), "two rows of one pass that changed places"),
    ],
)
def test_an_order_that_does_not_tell_the_hour_is_a_guess(times: tuple[str, ...], reason: str):
    """Read as known, a reading would lie an hour off, or be lost as a repeat, and nobody would know."""
    doubled = sum(time.startswith("01") for time in times)
    assert guessed(october(*times)) == doubled, reason
    assert guessed(october(*times)[::-1]) == doubled, reason


def test_two_rows_that_change_places_cost_no_second_reading():
    """The second pass begins at the largest step back: at the first one, most of an hour would fall on the other."""
    times = october("00:55", "01:00", "01:10", "01:05", "01:15", "01:55", "01:00", "01:05", "01:55", "02:00")
    assert len({at for at, _ in read(times)}) == len(times)


def test_a_file_that_could_go_either_way_is_read_oldest_first():
    """A guess is at least always the same."""
    found = read(october("01:10", "01:50", "01:40"))
    assert [at - AUTUMN for at, _ in found] == [-HOUR * 5 / 6, -HOUR / 6, HOUR * 2 / 3]


def test_a_few_rows_tell_the_direction_where_only_one_of_them_is_possible():
    """As many steps on as back: newest first the hour goes back once, oldest first 02:00 to 01:10 could not be."""
    found = read(october("02:00", "01:10", "01:50"))
    assert found == [(AUTUMN + HOUR, None), (AUTUMN + HOUR / 6, None), (AUTUMN - HOUR / 6, None)]


def test_one_octobers_second_pass_is_not_the_next_ones():
    """A file with a hole of a year has nothing between two double hours."""
    before = october("00:50", "01:10", "01:50", "01:05", year=2022, day=30)
    times = [*before, *october("01:10", "01:50", "01:20", "02:10")]
    assert [at for at, _ in read(times)][4:6] == [AUTUMN - HOUR * 5 / 6, AUTUMN - HOUR / 6]


def test_rows_of_an_hour_that_does_not_exist_are_told_of():
    """They are read as winter time, on the instants of the hour behind, and somebody has to know why."""
    times = [datetime(2023, 3, 26, hour, 30, tzinfo=ZONE) for hour in (0, 1, 2)]
    assert read(times) == [(SPRING - HOUR / 2, None), (SPRING + HOUR / 2, "does not exist"), (SPRING + HOUR / 2, None)]
