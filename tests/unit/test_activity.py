"""The steps of those whose rules ask for rest, as a table: who has a ring, what goes into it, who rests (RULES)."""

from __future__ import annotations

import numpy as np
import pytest

from stream.activity import Activity, Rest
from stream.rows import NONE, WAITING_MAX, Part
from stream.series import CAPACITY
from tests.columns import WORD, columns
from tests.logs import LATE, T0, row, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, HEART_RATE_REST, HEART_RATES
from vitals.readings import Flag, Invalid, Rows
from vitals.windows import FRESH_SPAN_US

RESTING = DEFAULT.model_copy(update={"windows": (*HEART_RATES, HEART_RATE_REST)})
SUSPECT = int(Flag.CLOCK_SUSPECT)
TEN = 10 * MINUTE_US


def activity_of(*slots: int, kind: str = "wrist-steps", interval: int = MINUTE_US) -> Activity:
    """These slots wear a device that counts steps, and have a rule that asks for them; there is room for 64 slots."""
    made = Activity()
    made.grow(64)
    for slot in slots:
        made.wear(slot, (worn("ann", "wrist-1", kind, T0),), RESTING)
    for slot in slots:
        made.series.interval[made.of(np.array([slot]))] = interval
    return made


def part(*rows: tuple[int, Rows]) -> Part:
    """A part of a poll: slots and their rows."""
    slots = np.array([slot for slot, _ in rows], np.intp)
    return Part(np.concatenate([each for _, each in rows]), slots, np.arange(len(rows)), [0])


def steps(slot: int, minute: float, count: float, *, flags: int = 0, invalid: Invalid = Invalid.VALID,
          received: float | None = None, device: str = "wrist-1") -> tuple[int, Rows]:  # fmt: skip
    """A row of steps at a minute after T0."""
    arrived = None if received is None else T0 + int(received * MINUTE_US)
    observed = T0 + int(minute * MINUTE_US)
    return slot, row("ann", count, observed, metric="steps", flags=flags, invalid=invalid, received=arrived,
                     device=device)  # fmt: skip


def filled(made: Activity, minute: float, slot: int = 3) -> dict[float, float]:
    """What the ring holds of the fifteen minutes up to one: minutes -> steps; what came late is negative."""
    cells = made.ring.cells(made.of(np.array([slot])), T0 + int(minute * MINUTE_US), 15 * MINUTE_US)[0]
    found = {minute - (89 - at) / 6: (abs(cell) - 1) / 1000 * (1 if cell > 0 else -1) for at, cell in
             enumerate(cells.tolist()) if cell}  # fmt: skip
    return {round(at, 3): count for at, count in found.items()}


def still(made: Activity, minute: float, *slots: int, most: float = 0, width: int = TEN) -> list[str]:
    """Whether each is at rest over a window that ends at a minute: still, moving or unknown."""
    rest: Rest = made.rest(np.array(slots or (3,)), T0 + int(minute * MINUTE_US), width, most)
    assert not (rest.still & ~rest.known).any()
    return ["still" if s else "moving" if k else "unknown" for k, s in zip(rest.known, rest.still, strict=True)]


def test_only_who_wears_a_counter_and_has_a_rule_of_rest_has_a_row() -> None:
    """Neither of them alone costs memory."""
    made = activity_of()
    band = (worn("ann", "wrist-1", "wrist-steps", T0),)
    made.wear(3, band, DEFAULT)
    made.wear(4, (worn("ann", "wrist-1", "wrist", T0),), RESTING)
    made.wear(5, (), RESTING)
    assert made.count == 0
    made.wear(6, (worn("ann", "cgm-1", "t1d-uom-5min", T0), *band), RESTING)
    assert made.place[:8].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]


def test_its_columns_are_those_of_snapshots() -> None:
    """A ring without event times: fifteen minutes in 360 bytes."""
    made = activity_of()
    assert columns(made) == {"place": WORD}
    assert {name: each.row for name, each in columns(made.ring).items() if each.row} == {
        "millis": (90,), "whole": (0,), "before_end": (0,),
    }  # fmt: skip


def test_a_row_follows_every_record_once_there_is_one() -> None:
    """A device that is taken off is not bound, whatever the rules say by then."""
    made = activity_of(3)
    made.wear(3, (worn("ann", "wrist-1", "wrist-steps", T0, T0 + MINUTE_US),), DEFAULT)
    assert (made.count, bool(made.series.bound[0])) == (1, False)
    made.wear(3, (worn("ann", "wrist-2", "wrist-steps", T0),), DEFAULT)
    assert (made.series.device_name(0), bool(made.series.bound[0])) == ("wrist-2", True)


def test_there_is_room_for_as_many_as_ask() -> None:
    """Every table that a row needs grows with the rows."""
    made = activity_of(*range(40))
    made.take(part(*(steps(slot, 1, slot, flags=SUSPECT) for slot in range(40))))
    assert [filled(made, 1, slot) for slot in (0, 17, 39)] == [{1: 0}, {1: 17}, {1: 39}]
    assert made.suspects.capacity == made.ring.capacity == made.series.capacity >= 40


def test_rows_wait_and_are_taken_together_in_log_order() -> None:
    """Nobody is called by them. The first row of a pane is the one that counts, whatever it waited for."""
    made = activity_of(3)
    assert made.wait(part(steps(3, 1, 7)))
    assert made.wait(part(steps(3, 2, 8)))
    assert (len(made.waiting), filled(made, 2)) == (2, {})
    made.take(part(steps(3, 1, 90), steps(3, 3, 9)))
    assert (len(made.waiting), filled(made, 3)) == (0, {1: 7, 2: 8, 3: 9})
    assert made.wait(part(steps(3, 4, 1)))
    made.settle()
    assert filled(made, 4)[4] == 1


def test_no_more_rows_wait_than_hold_up_a_tick_for_a_millisecond() -> None:
    """The last that fits waits; the next does not, and is told to be taken."""
    made = activity_of(3)
    many = part(*(steps(3, minute / 6, 0) for minute in range(WAITING_MAX)))
    assert made.wait(many)
    assert not made.wait(part(steps(3, 1, 0)))
    assert len(made.waiting) == WAITING_MAX
    assert made.wait(NONE)
    nearly = activity_of(3)
    assert nearly.wait(many.__class__(many.rows[1:], many.slots[1:], many.at[1:], [0]))
    assert nearly.wait(part(steps(3, 1, 0)))
    assert not nearly.wait(part(steps(3, 1, 0)))


def test_where_nobody_asks_rows_are_gone_at_once() -> None:
    """They would wait for nothing, and hold memory."""
    made = activity_of()
    assert made.wait(part(steps(3, 1, 7)))
    assert len(made.waiting) == 0
    too_many = part(*(steps(3, minute / 6, 0) for minute in range(WAITING_MAX + 1)))
    assert made.wait(too_many)


def test_rows_of_others_and_of_units_that_are_none_stay_out() -> None:
    """Who has no row of their own must not write into the first one, or the last."""
    made = activity_of(3, 5)
    odd = steps(3, 4, 4)
    odd[1]["unit"] = 6
    edge = steps(3, 5, 5)
    edge[1]["unit"] = 5
    made.take(part(steps(4, 1, 7), steps(5, 2, 8), odd, edge))
    assert (filled(made, 5), filled(made, 5, 5)) == ({5: 5}, {2: 8})
    made.take(part(steps(4, 6, 7)))
    assert (filled(made, 6), filled(made, 6, 5)) == ({5: 5}, {2: 8})


def test_whoever_has_no_row_is_not_taken_for_the_last() -> None:
    """A table that is full has somebody there: neither are their steps another's, nor is their rest."""
    made = activity_of(*range(CAPACITY))
    assert made.series.capacity == CAPACITY
    last = CAPACITY - 1
    made.take(part(*(steps(last, minute, 0) for minute in range(1, 11)), steps(last + 1, 5.5, 9)))
    assert still(made, 10, last, last + 1) == ["still", "unknown"]


def test_a_row_that_is_not_usable_or_no_number_fills_nothing() -> None:
    """Each of the three by itself: the edge's mark, a value that is none, a row that a fast clock brought again."""
    made = activity_of(3)
    made.take(part(steps(3, 1, 7, invalid=Invalid.CONTACT_LOST), steps(3, 2, float("nan")), steps(3, 3, float("inf"))))
    assert filled(made, 3) == {}
    made.take(part(steps(3, 10, 7, flags=SUSPECT, received=4)))
    made.take(part(steps(3, 10, 8, flags=SUSPECT, received=5), steps(3, 11, 9, flags=SUSPECT, received=6)))
    assert filled(made, 6) == {4: 7, 6: 9}, "it counts at its arrival, once"
    made.take(part(steps(3, 11, 8, flags=SUSPECT, received=7, device="wrist-2")))
    assert filled(made, 7) == {4: 7, 6: 9, 7: 8}, "another device has a clock of its own"


def test_a_count_beyond_the_device_counts_as_its_edge() -> None:
    """As every other reading: what was seen, not what the number says; each by their own device."""
    made = activity_of(7, 3)
    made.series.below[:2], made.series.above[:2] = (4, 5), (301, 401)
    low, high = int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH)
    made.take(part(steps(3, 1, 9, flags=high), steps(3, 2, 9, flags=low), steps(3, 3, 9), steps(7, 1, 9, flags=high)))
    assert (filled(made, 3), filled(made, 3, 7)) == ({1: 401, 2: 5, 3: 9}, {1: 301})
    made.take(part(steps(7, 2, 9), steps(7, 3, 9, flags=low)))
    assert filled(made, 3, 7) == {1: 301, 2: 9, 3: 4}


def test_clocks_that_run_ahead_are_remembered_for_each_by_themselves() -> None:
    """The device's time of one is nothing to another."""
    made = activity_of(9, 3)
    made.take(part(steps(3, 20, 7, flags=SUSPECT, received=4)))
    made.take(part(steps(9, 10, 8, flags=SUSPECT, received=5)))
    assert (filled(made, 5), filled(made, 5, 9)) == ({4: 7}, {5: 8})


def test_what_came_late_is_kept_and_marked() -> None:
    """It can tell of a walk, and never of a rest now."""
    made = activity_of(3)
    made.take(part(steps(3, 1, 7, flags=LATE), steps(3, 2, 8)))
    assert filled(made, 2) == {1: -7, 2: 8}


def sitting(*slots: int, last: int = 10, count: float = 0) -> Activity:
    """These slots have a reading each minute up to the last."""
    made = activity_of(*slots)
    for slot in slots:
        made.take(part(*(steps(slot, minute, count) for minute in range(1, last + 1))))
    return made


def test_each_is_at_rest_or_not_by_their_own_steps() -> None:
    """A ward is asked at once; who has no row is not known to rest."""
    made = sitting(7, 3)
    made.take(part(steps(7, 10.5, 1)))
    assert still(made, 10.5, 3, 7, 4) == ["still", "moving", "unknown"]
    assert still(made, 10.5, 4, 7, 3) == ["unknown", "moving", "still"]
    assert still(made, 10.5, 4) == ["unknown"]


@pytest.mark.parametrize(("count", "most", "word"), [(0, 0, "still"), (0.001, 0, "moving"), (5, 5, "still"),
                                                     (5.001, 5, "moving"), (0.4, 0.4, "still")])  # fmt: skip
def test_the_bound_itself_is_rest(count: float, most: float, word: str) -> None:
    """At most so many; in thousandths of a step."""
    assert still(sitting(3, count=count), 10, most=most) == [word]


def test_a_step_that_came_late_is_a_step() -> None:
    """Its cell is negative, and no smaller for it."""
    made = sitting(3)
    made.take(part(steps(3, 4.5, 9, flags=LATE)))
    assert still(made, 10) == ["moving"]


def test_the_newest_reading_must_be_within_one_interval_and_a_fifth() -> None:
    """Seven of ten minutes are filled; the last lies exactly 72 s back, or is inside by a pane. Ten seconds: 30 s."""
    made = sitting(3)
    assert [still(made, 11 + second / 60) for second in (0, 10, 20)] == [["still"], ["still"], ["unknown"]]
    often = activity_of(3, interval=10 * SECOND_US)
    often.take(part(*(steps(3, at / 6, 0) for at in range(1, 61))))
    assert [still(often, 10 + second / 60) for second in (20, 30)] == [["still"], ["unknown"]]
    assert FRESH_SPAN_US == 30 * SECOND_US
    seldom = activity_of(3, interval=100 * SECOND_US)
    seldom.take(part(*(steps(3, at / 6, 0) for at in range(1, 61))))
    assert [still(seldom, 10 + second / 60) for second in (110, 120)] == [["still"], ["unknown"]]


def test_what_is_fresh_must_fill_seven_tenths_too() -> None:
    """One reading a moment ago is no course."""
    made = activity_of(3)
    made.take(part(*(steps(3, minute, 0) for minute in range(5, 11))))
    assert still(made, 10) == ["unknown"]
    made.take(part(steps(3, 4, 0)))
    assert still(made, 10) == ["still"]


def test_a_device_must_be_able_to_say_two_things_in_the_window() -> None:
    """W >= 2 i, at the edge itself too; an interval below a pane is that of a pane."""
    made = activity_of(3, interval=5 * MINUTE_US)
    made.take(part(steps(3, 4, 0), steps(3, 9, 0)))
    assert still(made, 10) == ["still"]
    made.series.interval[0] += 1
    assert still(made, 10) == ["unknown"]
    often = activity_of(3, interval=SECOND_US)
    often.take(part(steps(3, 1, 0), steps(3, 7 / 6, 0)))
    assert still(often, 7 / 6, width=20 * SECOND_US) == ["still"]
    assert still(often, 7 / 6, width=10 * SECOND_US) == ["unknown"]


def test_a_device_taken_off_and_one_that_warms_up_tell_no_rest() -> None:
    """What is in the ring is of who wore it before."""
    made = sitting(3)
    made.series.bound[0] = False
    assert still(made, 10) == ["unknown"]
    made.series.bound[0] = True
    made.series.waits_from[0] = T0 + 10 * MINUTE_US
    assert still(made, 10) == ["still"]
    made.series.waits_from[0] += 1
    assert still(made, 10) == ["unknown"]


def test_a_snapshot_keeps_steps_and_clocks_that_run_ahead() -> None:
    """After a restart a row brought again is still a duplicate, and a rest still a rest."""
    made = sitting(9, 3)
    made.take(part(steps(9, 30, 0, flags=SUSPECT, received=10.5)))
    state = decode(b"".join(encode(made.state(np.array([3, 4, 9])))))
    again = Activity()
    again.grow(64)
    again.restore(state)
    again.take(part(steps(2, 30, 50, flags=SUSPECT, received=11), steps(0, 30, 50, flags=SUSPECT, received=11)))
    assert still(again, 11, 0, 1, 2) == ["moving", "unknown", "still"]
    assert still(again, 10, 0, 2) == ["still", "still"]


def test_no_snapshot_is_taken_of_rows_that_wait() -> None:
    """They would be lost: the log is read on behind them."""
    made = activity_of(3)
    made.wait(part(steps(3, 1, 7)))
    with pytest.raises(AssertionError, match=r"^what waits was taken$"):
        made.state(np.array([3]))
