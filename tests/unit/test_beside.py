"""The glucose beside a heart rate: whether it is known, low, falling (RULES, *Falling glucose with a fast heart*)."""

from __future__ import annotations

import numpy as np
import pytest

from stream.panes import Ring
from stream.series import LONG_AGO, Series
from stream.sugar import Sugar
from stream.verdicts import NEITHER, OFF, ON
from vitals.metrics import GLUCOSE, MINUTE_US, SECOND_US
from vitals.policies import GLUCOSE_MARGIN

T0 = 28_333_335 * MINUTE_US
GAP = 11 * MINUTE_US
SLOT = 3


def sugar_of(*readings: tuple[float, float], slot: int = SLOT) -> Sugar:
    """The glucose of one slot: minutes after T0 and mg/dL, of which the last decides."""
    found = Sugar(Series(GLUCOSE), Ring(GLUCOSE, timed=True))
    put(found, *readings, slot=slot)
    return found


def put(sugar: Sugar, *readings: tuple[float, float], slot: int = SLOT) -> None:
    series = sugar.series
    series.bound[slot], series.gap[slot] = True, GAP
    if readings:
        events = T0 + np.array([int(at * MINUTE_US) for at, _ in readings])
        values = np.array([float(value) for _, value in readings])
        sugar.ring.write(
            np.full(len(readings), slot), events, values, np.floor(values + 0.5), np.zeros(len(readings), bool)
        )
        series.dec_e[slot], series.dec_value[slot] = events[-1], np.floor(values[-1] + 0.5)


def known(sugar: Sugar, minute: float, *slots: int, later: int = 0) -> list[bool]:
    return list(sugar.known(np.array(slots or (SLOT,)), T0 + int(minute * MINUTE_US) + later))


def test_a_reading_is_known_until_its_gap_is_over() -> None:
    """T <= e + G, the instant itself included."""
    sugar = sugar_of((0, 75))
    assert [known(sugar, 11), known(sugar, 11, later=1)] == [[True], [False]]


def test_who_has_no_reading_or_no_sensor_has_no_known_glucose() -> None:
    """Bound and never heard, heard and taken off, neither: each at a ward's one question."""
    sugar = sugar_of((0, 75))
    put(sugar, slot=5)
    put(sugar, (0, 75), slot=6)
    sugar.series.bound[6] = False
    assert known(sugar, 1, SLOT, 5, 6, 7) == [True, False, False, False]
    sugar.series.dec_e[5] = LONG_AGO
    sugar.series.gap[5] = 1 << 62
    assert known(sugar, -(T0 // MINUTE_US), 5) == [False], "a gap as long as all time makes nothing of nothing"


def says(sugar: Sugar, median: int, *, opened: bool = False, below: float = 80) -> int:
    found = sugar.says(below, np.array([median], np.int8), np.array([SLOT]), np.array([opened]))
    assert found.dtype == np.int8
    return int(found[0])


@pytest.mark.parametrize(("value", "word"), [(79, ON), (80, NEITHER), (80 + GLUCOSE_MARGIN - 1, NEITHER),
                                             (80 + GLUCOSE_MARGIN, OFF)])  # fmt: skip
def test_it_is_on_below_and_off_five_above(value: float, word: int) -> None:
    """Where the heart is fast and the glucose falls."""
    assert says(sugar_of((0, 100), (5, value)), ON) == word


def test_the_heart_alone_can_end_it_and_the_glucose_alone_cannot_open_it() -> None:
    """A calm heart is off whatever the glucose; a heart between both limits is neither, unless glucose is well."""
    low, well = sugar_of((0, 100), (5, 70)), sugar_of((0, 100), (5, 90))
    assert [says(low, median) for median in (ON, NEITHER, OFF)] == [ON, NEITHER, OFF]
    assert [says(well, median) for median in (ON, NEITHER, OFF)] == [OFF, OFF, OFF]


def test_what_is_open_need_not_fall() -> None:
    """A glucose that stays at 70 is no recovery; that does not open an episode either."""
    level = sugar_of((0, 70), (5, 70))
    assert (says(level, ON), says(level, ON, opened=True)) == (NEITHER, ON)


def test_each_of_many_is_judged_by_their_own_glucose() -> None:
    """In one call: falling, level, level and open, above."""
    sugar = sugar_of((0, 100), (5, 70))
    for slot, first, last in ((4, 70, 70), (5, 70, 70), (6, 100, 90)):
        put(sugar, (0, first), (5, last), slot=slot)
    opened = np.array([False, False, True, False])
    found = sugar.says(80, np.full(4, ON, np.int8), np.array([3, 4, 5, 6]), opened)
    assert found.tolist() == [ON, NEITHER, ON, OFF]
    back = sugar.says(80, np.full(4, ON, np.int8), np.array([6, 5, 4, 3]), opened[::-1])
    assert back.tolist() == [OFF, ON, NEITHER, ON]


@pytest.mark.parametrize(
    ("readings", "falls"),
    [
        (((0, 71), (5, 70)), True),
        (((0, 70), (5, 70)), False),
        (((0, 69), (5, 70)), False),
        (((5, 70),), False),
        (((0, 90), (2, 70), (5, 70)), False),
        (((0, 60), (2, 71), (5, 70)), True),
        (((0, 90), (2, 0.3), (5, 70)), False),
    ],
)
def test_it_falls_below_the_reading_before_it(readings: tuple[tuple[float, float], ...], falls: bool) -> None:
    """The one before, not the highest of a while; a first reading does not fall."""
    assert sugar_of(*readings).falls(SLOT) is falls


def test_the_one_before_may_be_a_gap_earlier_and_no_more() -> None:
    """At G itself, wherever in its minute each of the two lies."""
    for first in (0, -1 / 60, -0.5, -59 / 60):
        assert sugar_of((first, 90), (first + 11, 70)).falls(SLOT)
        beyond = Sugar(Series(GLUCOSE), Ring(GLUCOSE, timed=True))
        put(beyond, (first, 90), (first + 11, 70))
        beyond.series.gap[SLOT] -= 1
        assert not beyond.falls(SLOT)
    assert not sugar_of((0, 90), (11 + 1 / 60, 70)).falls(SLOT)


def test_what_came_after_the_deciding_reading_is_not_before_it() -> None:
    """A reading of a later event time that decided nothing (warm-up of nobody, another's) moves the ring's head."""
    sugar = sugar_of((0, 90), (5, 70))
    later = np.array([T0 + 20 * MINUTE_US])
    sugar.ring.write(np.array([SLOT]), later, np.array([60.0]), np.array([60.0]), np.zeros(1, bool))
    assert sugar.falls(SLOT)
    far = np.array([T0 + 178 * MINUTE_US])
    sugar.ring.write(np.array([SLOT]), far, np.array([60.0]), np.array([60.0]), np.zeros(1, bool))
    assert sugar.falls(SLOT)
    gone = np.array([T0 + 180 * MINUTE_US])
    sugar.ring.write(np.array([SLOT]), gone, np.array([60.0]), np.array([60.0]), np.zeros(1, bool))
    assert not sugar.falls(SLOT), "the ring has lost the one before"


def test_the_deciding_reading_counts_where_its_pane_is_taken() -> None:
    """Two of one minute: the second has no cell and decides; the first is the one before it."""
    sugar = sugar_of((0, 90), (4.2, 71), (4.6, 70))
    assert sugar.falls(SLOT)
    sugar = sugar_of((0, 90), (4.2, 70), (4.6, 70))
    assert not sugar.falls(SLOT)


def test_a_gap_longer_than_the_ring_looks_at_all_of_it() -> None:
    """A sensor of an hour: the one before stands in the ring's oldest minute."""
    sugar = sugar_of((0, 90), (179, 70))
    sugar.series.gap[SLOT] = 400 * MINUTE_US
    assert sugar.falls(SLOT)


def test_seconds_inside_of_a_minute_tell_which_is_before() -> None:
    """Event time decides, not the minute: the late row of the same pane cannot be before the first in it."""
    sugar = sugar_of((0.5, 60), (5, 70))
    assert not sugar.falls(SLOT)
    early = np.array([T0 + 5 * MINUTE_US - 30 * SECOND_US])
    sugar.ring.write(np.array([SLOT]), early, np.array([80.0]), np.array([80.0]), np.ones(1, bool))
    assert not sugar.falls(SLOT), "its pane was taken"


def test_words_are_the_value_or_what_the_sensor_said_in_its_place() -> None:
    """39 and 401 are no numbers that anybody measured."""
    sugar = sugar_of((0, 90), (5, 72))
    assert sugar.words(SLOT) == "glucose 72 mg/dL"
    said = []
    for censored in (1, 2):
        sugar.series.dec_censored[SLOT] = censored
        said.append(sugar.words(SLOT))
    assert said == ["glucose LOW", "glucose HIGH"]
