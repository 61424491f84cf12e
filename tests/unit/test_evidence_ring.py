"""Evidence as the ring knows it: the run, the recent readings, the window; RULES, *Why*."""

from __future__ import annotations

import numpy as np
import pytest

from stream import evidence
from stream.panes import Ring
from tests.logs import T0
from vitals.evidence import SHOWN_MAX, Evidence, Judged, WindowSeen
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.windows import EVALUATE_EVERY_US

JUDGED = Judged(7, night=True, level=2, limit=54)
G = 11 * MINUTE_US


def ring(*readings: tuple[float, float], slot: int = 1) -> Ring:
    """A ring of glucose with readings (minutes after T0, mg/dL) of a slot, and one of a neighbour."""
    made = Ring(GLUCOSE, timed=True)
    for at, value in readings:
        write(made, slot, T0 + round(at * MINUTE_US), value)
    write(made, 0, T0, 300)
    return made


def write(made: Ring, slot: int, at: int, value: float) -> None:
    one = np.array([value])
    made.write(np.array([slot]), np.array([at]), one, np.floor(one + 0.5), np.zeros(1, np.bool_))


def shown(found: Evidence) -> list[tuple[float, float]]:
    """Minutes after T0, mg/dL."""
    return [((at - T0) / MINUTE_US, millis / 1000) for at, millis in found.readings]


def run(made: Ring, at: float, value: float, below: int = 70) -> Evidence:
    """The run below a limit that ends at a reading."""
    last = T0 + round(at * MINUTE_US), round(value * 1000)
    return evidence.run(made, 1, last, lambda whole: whole < below, gap_us=G, judged=JUDGED)


def test_a_run_is_told_oldest_first_and_ends_at_the_first_that_does_not_belong():
    """What came before the last good reading is another story."""
    made = ring((0, 60), (5, 90), (10, 68), (15, 62.25), (20, 58))
    found = run(made, 20, 58)
    assert shown(found) == [(10, 68), (15, 62.25), (20, 58)]
    assert (found.count, found.policy, found.night, found.level, found.limit) == (3, 7, True, 2, 54)
    assert (found.window, found.slope, found.forecast, found.heard_at) == (None, None, None, None)


def test_what_belongs_is_told_by_the_whole_value():
    """69.5 is 70 to a rule, so it ends the run; the evidence would else show a reading that the rule did not count."""
    made = ring((0, 60), (5, 69.5), (10, 69.4))
    assert shown(run(made, 10, 69.4)) == [(10, 69.4)]
    assert shown(run(made, 10, 69.4, below=71)) == [(0, 60), (5, 69.5), (10, 69.4)]


@pytest.mark.parametrize(("first", "told"), [(0, [(0, 60), (11, 60), (12, 60)]), (-1 / 60, [(11, 60), (12, 60)])])
def test_a_step_above_the_gap_ends_a_run(first: float, told: list[tuple[float, float]]):
    """Eleven minutes join, a second more does not; measured from one reading to the next, not from the last."""
    made = ring((first, 60), (11, 60), (12, 60))
    assert shown(run(made, 12, 60)) == told


def test_the_reading_itself_is_told_where_its_pane_was_taken():
    """Two within a minute: the second decided, and it is why somebody is called."""
    made = ring((4.25, 65), (4.5, 50))
    assert shown(run(made, 4.5, 50)) == [(4.25, 65), (4.5, 50)]
    assert shown(run(ring((4.5, 65)), 4.5, 50)) == [(4.5, 50)]


def test_of_a_long_run_the_latest_are_told_and_all_are_counted():
    """No message may grow with a night."""
    made = ring(*[(at, 60) for at in range(0, 100, 5)])
    found = run(made, 95, 60)
    assert (found.count, len(found.readings), SHOWN_MAX) == (20, 12, 12)
    assert [at for at, _ in shown(found)] == list(range(40, 100, 5))


def test_recent_readings_are_those_from_an_instant_on():
    """What a slope was made from, and no more: the first that counts is the one at the instant itself."""
    made = ring((0, 90), (5, 80.5), (10, 70), (15, 60))
    last = T0 + 15 * MINUTE_US, 59_999
    found = evidence.recent(made, 1, last, T0 + 5 * MINUTE_US, judged=JUDGED, slope=-2.25, forecast=None)
    assert shown(found) == [(5, 80.5), (10, 70), (15, 59.999)]
    assert (found.count, found.slope, found.forecast) == (3, -2.25, None)
    assert (found.policy, found.limit) == (7, 54)
    found = evidence.recent(made, 1, last, T0 + 5 * MINUTE_US + 1, judged=JUDGED, slope=None, forecast=48)
    assert (shown(found)[0], found.count, found.slope, found.forecast) == ((10, 70), 2, None, 48)


def beats(*seconds: int, late: bool = False) -> Ring:
    """A ring of heart rates so many seconds after T0, of slot 1."""
    made = Ring(HEART_RATE, timed=False)
    slots, events = np.full(len(seconds), 1), T0 + np.array(seconds) * SECOND_US
    values = np.full(len(seconds), 140.0)
    made.write(slots, events, values, values, np.full(len(seconds), late))
    return made


def instants(first: int, last: int) -> range:
    """The T in a row from one to another, seconds after T0."""
    return range(T0 + first * SECOND_US, T0 + last * SECOND_US + 1, EVALUATE_EVERY_US)


def window(made: Ring, turns: range, width: int = 60, interval: int = 1) -> WindowSeen:
    """What is told of a window of so many seconds, for a device of an interval in seconds."""
    us = {"width_us": width * SECOND_US, "interval_us": interval * SECOND_US}
    found = evidence.window(made, 1, 140.5, turns, **us, judged=JUDGED)
    assert (found.policy, found.night, found.level, found.limit) == (7, True, 2, 54)
    assert (found.readings, found.window is None) == ((), False)
    assert found.window is not None
    assert found.count >= found.window.filled
    return found.window


def test_a_window_is_told_with_what_it_holds():
    """(T - W, T]: a reading at its begin is of the one before, one at its end is in it."""
    made = beats(0, 1, 2, 30, 60, 61)
    seen = window(made, instants(60, 60))
    assert seen == WindowSeen(
        median=140.5,
        begin=T0,
        end=T0 + 60 * SECOND_US,
        filled=4,
        slots=60,
        instants=(T0 + 60 * SECOND_US,),
    )
    us = {"width_us": 60 * SECOND_US, "interval_us": SECOND_US}
    assert evidence.window(made, 1, 140.5, instants(60, 60), **us, judged=JUDGED).count == 4
    assert evidence.window(made, 0, 140.5, instants(60, 60), **us, judged=JUDGED).count == 0


def test_the_window_is_that_of_the_last_instant():
    """Six T in a row turn an extreme on: the median shown is that of the sixth."""
    made = beats(*range(1, 121))
    seen = window(made, instants(70, 120))
    assert (seen.begin, seen.end, seen.filled) == (T0 + 60 * SECOND_US, T0 + 120 * SECOND_US, 60)
    assert seen.instants == tuple(T0 + at * SECOND_US for at in range(70, 121, 10))


def test_no_more_instants_are_told_than_readings():
    """A rule may ask for an hour of them."""
    seen = window(beats(*range(1, 301)), instants(10, 300))
    assert seen.instants == tuple(T0 + at * SECOND_US for at in range(190, 301, 10))
    assert len(seen.instants) == SHOWN_MAX


@pytest.mark.parametrize(
    ("seconds", "interval", "filled", "slots"),
    [
        ((60, 51, 50, 41), 10, 2, 6),
        ((60, 59, 1, 2), 30, 2, 2),
        ((60, 36, 35, 11, 10, 5), 25, 2, 2),
        ((60, 59), 0, 2, 60),
        ((1, 60), 60, 1, 1),
    ],
)
def test_slots_are_of_the_devices_interval_counted_from_the_end(
    seconds: tuple[int, ...], interval: int, filled: int, slots: int
):
    """Two readings within one interval fill one slot; of a window that is no whole number of them the oldest is none,
    and a device faster than a pane has slots of a pane.
    """
    seen = window(beats(*sorted(seconds)), instants(60, 60), interval=interval)
    assert (seen.filled, seen.slots) == (filled, slots)


def test_a_reading_that_came_late_is_in_its_window():
    """It moves nothing by itself, and stands in the median all the same."""
    assert window(beats(10, 20, late=True), instants(60, 60)).filled == 2
