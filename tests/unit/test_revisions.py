"""Closed windows that later rows change: written again, once, or marked where the ring no longer reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stream.processor import Processor
from tests.logs import LATE, T0, Log, row, windows, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.steps import Output
from vitals.windows import DIRTY, WINDOWS, is_dirty

SUGAR, HOUR, TEN_SECONDS = WINDOWS[1], WINDOWS[6], WINDOWS[2]
Told = list[tuple[int, int, int]]


def minute(at: float) -> int:
    """The time so many minutes after T0 (µs)."""
    return T0 + round(at * MINUTE_US)


def ward(kind: str = "t1d-uom-5min") -> Log:
    """A log with one patient, whose clock has begun."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", kind, minute(-60)))
    log.tick(T0)
    return log


def sensor(log: Log, minutes: Sequence[int]) -> None:
    """A reading at each of these minutes, and the tick behind it."""
    for at in minutes:
        log.readings(row("ann", 100 + at, minute(at)))
        log.tick(minute(at) + 2 * SECOND_US)


def told(outputs: list[Output], code: int) -> Told:
    """What windows of a kind say: minute of the end, count, offset of the cause."""
    rows = windows(outputs)
    rows = rows[(rows["window"] == code) & ~is_dirty(rows)]
    return [((int(each["end"]) - T0) // MINUTE_US, int(each["count"]), int(each["offset"])) for each in rows]


def marks(outputs: list[Output], code: int) -> list[tuple[int, int]]:
    """The minutes of the first and the last end of each dirty mark of a kind."""
    rows = windows(outputs)
    rows = rows[is_dirty(rows) & (rows["window"] == code)].view(DIRTY)
    return [((int(each["start"]) - T0) // MINUTE_US, (int(each["end"]) - T0) // MINUTE_US) for each in rows]


def test_a_reading_40_minutes_late_revises_the_windows_that_look_at_it():
    """A backfill after a lost connection must not leave holes in what was told while it was away."""
    log = ward()
    sensor(log, [5, 15, 20, 25, 30, 35, 40, 45, 50])
    log.readings(row("ann", 110, minute(10), received=minute(50), flags=LATE))
    before = len(log.run(Processor(0, 1)))
    sensor(log, [55])
    after = log.run(Processor(0, 1))[before:]
    tick = log.records(len(log.keys) - 1).offsets[0]
    assert told(after, SUGAR.code) == [
        (10, 2, tick), (15, 3, tick), (20, 3, tick), (25, 3, tick), (30, 3, tick), (35, 3, tick), (55, 3, tick)
    ]  # fmt: skip
    assert [end for end, _, _ in told(after, HOUR.code)] == [10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    assert marks(after, SUGAR.code) == []


def test_what_is_written_again_is_what_would_have_been_said_in_time():
    """Late only means late: the numbers are of the readings, not of their way."""
    late, timely = ward(), ward()
    sensor(late, [5, 15, 20])
    late.readings(row("ann", 110, minute(10), received=minute(21), flags=LATE))
    sensor(late, [25])
    sensor(timely, [5, 10, 15, 20, 25])
    found = [windows(log.run(Processor(0, 1))) for log in (late, timely)]
    newest = [{(int(each["window"]), int(each["end"])): each for each in rows} for rows in found]
    assert newest[0].keys() == newest[1].keys()
    names = [name for name in newest[0][2, minute(15)].dtype.names if name not in {"offset", "ordinal"}]
    for key, each in newest[0].items():
        np.testing.assert_equal([each[name] for name in names], [newest[1][key][name] for name in names])


def test_a_duplicate_revises_nothing():
    """A device that sends its memory at each connection would else write its day again each time."""
    log = ward()
    sensor(log, [5, 10, 15, 20])
    log.readings(row("ann", 110, minute(10), received=minute(21)), row("ann", 666, minute(10) - SECOND_US, flags=LATE))
    before = len(log.run(Processor(0, 1)))
    sensor(log, [25])
    assert [end for end, _, _ in told(log.run(Processor(0, 1))[before:], SUGAR.code)] == [25]


def test_a_window_is_written_again_once_however_many_rows_came():
    """Two hours of backfill, one row a record, must cost what their windows cost, not what their rows cost."""
    log = ward()
    sensor(log, [5, 125])
    for at in range(10, 125, 5):
        log.readings(row("ann", 100, minute(at), received=minute(126), flags=LATE))
    before = len(log.run(Processor(0, 1)))
    log.tick(minute(130) + 2 * SECOND_US)
    after = log.run(Processor(0, 1))[before:]
    ends = [end for end, _, _ in told(after, SUGAR.code)]
    assert ends == list(range(10, 135, 5))
    assert len([each for each in after if each.topic == "vitals.windows"]) == 1


@pytest.mark.parametrize("cut", [True, False])
def test_a_duplicate_that_the_ring_forgets_in_the_same_poll_is_one_all_the_same(cut: bool):
    """The newest row of a poll moves the ring: whether an older row found its pane taken was settled before that."""
    log = ward()
    sensor(log, [5])
    log.readings(row("ann", 200, minute(5), received=minute(6), flags=LATE))
    log.readings(row("ann", 100, minute(4 * 60), received=minute(4 * 60)))
    before = len(log.keys)
    log.tick(minute(10) + 2 * SECOND_US)
    step = Processor(0, 1)
    outputs = log.run(step, range(before + 1) if cut else ())
    assert all(start >= 10 for code in (2, 6, 7) for start, _ in marks(outputs, code)), "what closed at 5 stands"


def test_beyond_the_ring_a_mark_names_the_windows():
    """The processor has three hours of glucose; the sink has all of it."""
    log = ward()
    sensor(log, range(5, 305, 5))
    log.readings(row("ann", 70, minute(62), received=minute(301), flags=LATE))
    log.readings(row("ann", 70, minute(27), received=minute(301), flags=LATE))
    before = len(log.run(Processor(0, 1)))
    sensor(log, [305])
    after = log.run(Processor(0, 1))[before:]
    assert marks(after, SUGAR.code) == [(30, 55), (65, 90)]
    assert marks(after, HOUR.code) == [(30, 135)]
    assert [end for end, _, _ in told(after, SUGAR.code)] == [305]
    (mark,) = (rows := windows(after))[is_dirty(rows) & (rows["window"] == HOUR.code)].view(DIRTY)
    assert (mark["interval"], mark["below"], mark["above"]) == (5 * MINUTE_US, 39 - 0, 401)


def test_at_the_ring_s_edge_one_row_makes_a_window_and_a_mark():
    """The same reading lies in windows that begin within the ring and in some that do not."""
    log = ward()
    sensor(log, [5, *range(15, 205, 5)])
    log.readings(row("ann", 70, minute(24), received=minute(201), flags=LATE))
    before = len(log.run(Processor(0, 1)))
    sensor(log, [205])
    after = log.run(Processor(0, 1))[before:]
    assert marks(after, SUGAR.code) == [(25, 50)], "the ring begins behind minute 25"
    assert marks(after, HOUR.code) == [(25, 95)]


def test_a_clock_that_comes_behind_its_readings_marks_what_they_have_pushed_out():
    """After an outage of the bridge 20 min of heart rate come at once, and the tick last: 15 min are in the ring."""
    log = ward("wrist")
    log.readings(*(row("ann", 60, minute(0) + at * SECOND_US, metric="heart_rate") for at in range(1, 1201)))
    log.tick(minute(20) + 2 * SECOND_US)
    outputs = log.run(Processor(0, 1))
    rows = windows(outputs)
    whole = rows[(rows["window"] == TEN_SECONDS.code)]
    (mark,) = whole[is_dirty(whole)]
    assert (mark["start"], mark["end"]) == (T0, minute(5))
    assert whole[~is_dirty(whole)]["end"].tolist() == [minute(5) + at * 10 * SECOND_US for at in range(1, 91)]


def test_a_jump_of_the_clock_above_a_ring_marks_what_was_never_closed():
    """The last windows with readings before a night without ticks are not lost."""
    log = ward()
    sensor(log, range(5, 65, 5))
    log.readings(row("ann", 100, minute(65)))
    before = len(log.run(Processor(0, 1)))
    log.tick(minute(10 * 60))
    after = log.run(Processor(0, 1))[before:]
    assert marks(after, SUGAR.code) == [(65, 75)]
    assert marks(after, HOUR.code) == [(65, 120)]


def test_what_is_pending_lives_through_a_snapshot():
    """A crash between the late row and the tick must lose no revision."""
    log = ward()
    sensor(log, [5, 15])
    log.readings(row("ann", 110, minute(10), received=minute(16), flags=LATE))
    at = len(log.keys)
    sensor(log, [20])
    whole = log.run(Processor(0, 1))
    first, second = Processor(0, 1), Processor(0, 1)
    written = log.run(first, last=at)
    second.restore(decode(b"".join(encode(first.state()))))
    rest = log.run(second, first=at)
    assert written + rest == whole
    assert [end for end, _, _ in told(rest, SUGAR.code)] == [10, 15, 20]
