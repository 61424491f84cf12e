"""The processor over polls as a ward's come: registered long ago, two metrics in one, ticks between the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from stream import pages, windows
from stream.panes import Ring
from stream.part import Lane
from stream.processor import Processor
from stream.series import Series, Slots
from stream.windows import Copied
from tests.logs import T0, Log, episodes, row, said, worn
from vitals.alerts import SITE_SILENT
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.steps import Output
from vitals.topics import JOURNAL

CGM = "t1d-uom-5min"


class Ward:
    """A log whose control records were read in an earlier poll: no row of the next is of somebody unknown."""

    def __init__(self, kind: str = CGM, *, names: tuple[str, ...] = ("ann",), **more: Any) -> None:
        self.log, self.step = Log(), Processor(0, 1)
        self.log.site(1)
        for name in names:
            self.log.patient(name, worn(name, "cgm-1", kind, T0 - MINUTE_US), **more)
        self.log.tick(T0)
        self.read = 0
        self.poll()

    def poll(self) -> list[Output]:
        """What comes of the records since the last poll, taken at once."""
        first, self.read = self.read, len(self.log.keys)
        return self.log.run(self.step, first=first)


def calls(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    """One more entry for each call of a method from here on."""
    made: list[None] = []
    method: Callable[..., Any] = getattr(owner, name)

    def counted(*given: Any, **named: Any) -> Any:
        made.append(None)
        return method(*given, **named)

    monkeypatch.setattr(owner, name, counted)
    return made


# ---- whose rows are whose


def test_a_heart_rate_is_no_glucose_in_a_poll_of_known_patients_alone() -> None:
    """A pulse of 50 read as a glucose of 50 would call somebody out of bed."""
    ward = Ward("ward")
    at = T0 + SECOND_US
    ward.log.readings(row("ann", 100, at), row("ann", 50, at + SECOND_US, metric="heart_rate"))
    ward.log.tick(at + 3 * MINUTE_US)
    assert said(ward.poll(), "low") == []
    assert ward.step.counters.unbound == 0


def test_a_row_behind_a_tick_is_told_by_its_own_record() -> None:
    """A cause that is another record's would be taken for one that was written before, and the alarm for a repeat."""
    ward = Ward()
    ward.log.readings(row("ann", 100, T0 + MINUTE_US))
    ward.log.tick(T0 + 6 * MINUTE_US)
    ward.log.readings(row("ann", 50, T0 + 7 * MINUTE_US))
    low = [each for each in ward.poll() if each.topic == JOURNAL and b'"rule":"low"' in each.value]
    assert [each.cause.offset for each in low] == [ward.log.records().offsets[-1]]


def test_heart_rates_that_wait_hold_up_no_glucose_of_the_same_poll() -> None:
    """They can call nobody by themselves and wait for more; a low beside them cannot."""
    ward = Ward("ward")
    at = T0 + SECOND_US
    ward.log.readings(row("ann", 70, at, metric="heart_rate"), row("ann", 50, at))
    assert [(each.change, each.level) for each in said(ward.poll(), "low")] == [("open", 2)]


def test_rows_before_a_control_record_are_taken_once() -> None:
    """Counted again behind it, a stranger's row would be two, and an operator would look for a second sensor."""
    ward = Ward()
    ward.log.readings(row("ann", 60, T0 + SECOND_US, metric="heart_rate"))
    ward.log.site(2)
    ward.log.readings(row("ann", 100, T0 + MINUTE_US))
    ward.poll()
    assert ward.step.counters.unbound == 1


# ---- what a deadline sees


@pytest.mark.parametrize("between", [False, True])
def test_a_silence_that_a_row_of_the_same_poll_sets_begins_at_the_tick_that_reaches_it(*, between: bool) -> None:
    """Five minutes after a band was heard again, to the microsecond, whatever was taken before it: a tick later would
    be another cause than the one that a processor writes which polls row by row.
    """
    log, step = Log(), Processor(0, 1, specs=())
    log.site(1)
    log.patient("ann", worn("ann", "band", "wrist", T0), policy=DEFAULT.model_copy(update={"windows": ()}))
    for minute in range(120):
        log.tick(T0 + minute * MINUTE_US)
    heard = T0 + 120 * MINUTE_US
    beats = [row("ann", 70, heard - back * SECOND_US, metric="heart_rate") for back in (30, 20, 10, 0)]
    log.readings(*beats[:-1])
    first = len(log.keys) - 1 if between else len(log.keys)
    if between:
        log.site(1)
    log.readings(beats[-1])
    log.tick(heard + 5 * MINUTE_US)
    log.tick(heard + 6 * MINUTE_US)
    log.run(step, last=first)
    found = [each for each in log.run(step, first=first) if each.topic == JOURNAL and b'"rule":"signal"' in each.value]
    told = [(each.change, each.at - heard) for each in episodes(found)]
    assert told[-2:] == [("clear", 0), ("open", 5 * MINUTE_US)]
    assert found[-1].cause.offset == log.records().offsets[-2]


def test_a_tick_of_a_site_that_no_record_has_named_begins_its_clock() -> None:
    """A bridge may tick before its site's record is written; a processor that stopped at it would stop for good."""
    ward = Ward()
    ward.log.tick(T0 + SECOND_US, [1, 7])
    ward.log.tick(T0 + 2 * SECOND_US, [7])
    ward.poll()
    assert ward.step.clocks == {1: T0 + SECOND_US, 7: T0 + 2 * SECOND_US}


def test_a_silent_site_stands_where_the_last_site_of_the_tick_does() -> None:
    """It is judged when the whole record was read: behind what the clock of any site in it had passed before."""
    log = Log()
    for number, name in ((1, "ann"), (2, "bob"), (3, "cyd")):
        log.site(number, f"ward-{number}")
        log.patient(name, worn(name, f"cgm-{name}", CGM, T0 - MINUTE_US), site=number)
    minutes = 20 * MINUTE_US
    log.tick(T0, [1, 2, 3])
    log.readings(row("bob", 100, T0, device="cgm-bob", site=2))
    for second, sites in ((-10, [1, 2, 3]), (-5, [1, 2]), (6, [1, 2])):
        for name, number in (("ann", 1), ("cyd", 3)):
            log.readings(row(name, 100, T0 + minutes + second * SECOND_US, device=f"cgm-{name}", site=number))
        log.tick(T0 + minutes + second * SECOND_US, sites)
    found = said(log.run(Processor(0, 1)))
    assert [(each.rule, (each.at - T0 - minutes) // SECOND_US) for each in found] == [("signal", 0), (SITE_SILENT, 5)]


# ---- what is not looked at


def test_ticks_that_pass_nothing_leave_a_backlogs_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes of a ward come at once where a bridge was stopped: to take them tick by tick takes a hundred times as
    long, and meanwhile no clock moves. They are cut only where a window closes.
    """
    names = tuple(f"p{number}" for number in range(72))
    ward = Ward(names=names)
    for number, name in enumerate(names):
        at = T0 + 10 * number * SECOND_US
        ward.log.readings(row(name, 100, at))
        ward.log.tick(at)
    taken = calls(monkeypatch, Lane, "take")
    assert said(ward.poll()) == []
    assert len(taken) <= 5
    assert ward.step.clocks == {1: T0 + 710 * SECOND_US}


def test_heart_rates_of_small_polls_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live ward polls a row at a time, and a hundred rows cost little more than one."""
    ward = Ward("wrist")
    taken = calls(monkeypatch, Lane, "take")
    for second in range(1, 101):
        ward.log.readings(row("ann", 70, T0 + second * SECOND_US, metric="heart_rate"))
        ward.poll()
    assert taken == []
    assert ward.step.counters.readings == 100


def test_a_night_without_numbers_of_a_metric_looks_at_none_of_its_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten in the evening it is night for thousands at one tick; a heart's quarter of an hour each would hold up the
    alarms of all.
    """
    policy = edited(DEFAULT, ["night=22:20-07:00", "zone=UTC", "night.low.2.limit=60"])
    ward = Ward("ward", policy=policy)
    looked_at = calls(monkeypatch, Ring, "heat")
    ward.log.tick(T0 + 300 * SECOND_US)
    ward.log.readings(row("ann", 58, T0 + 301 * SECOND_US))
    assert [(each.change, each.level) for each in said(ward.poll(), "low")] == [("open", 2)]
    assert looked_at == []


def test_the_windows_of_a_long_backlog_take_no_more_memory_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each tick closes is copied and computed together with that of others: as many panes as may be, and no more.
    A night's backlog copied whole would be gigabytes.
    """
    log, sizes = Log(), list[list[int]]()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", CGM, T0 - MINUTE_US))
    log.tick(T0)
    for minute in range(5, 125, 5):
        log.readings(row("ann", 100 + minute % 7, T0 + minute * MINUTE_US))
        log.tick(T0 + (minute + 1) * MINUTE_US)
    close = windows.close

    def counted(copies: Sequence[Copied], series: Series) -> tuple[Slots, Any]:
        sizes.append([len(each.cells) for each in copies])
        return close(copies, series)

    monkeypatch.setattr(windows, "close", counted)
    whole = log.run(Processor(0, 1))
    ((*copies,),) = sizes
    most = copies[0] + copies[1]
    monkeypatch.setattr(pages, "CELLS_MAX", most)
    sizes.clear()
    assert log.run(Processor(0, 1)) == whole
    assert [size for together in sizes for size in together] == copies
    assert max(map(sum, sizes)) == most
    assert all(sum(each) + after[0] > most for each, after in pairwise(sizes))
