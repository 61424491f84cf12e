"""Pages: what several tick rows write is computed together, and is what each row would have written by itself."""

from __future__ import annotations

import numpy as np
import pytest

from stream import pages
from stream.activity import Activity
from stream.outbox import Outbox, Where
from stream.pages import Pages
from stream.part import Lane
from stream.series import Ints, Patients
from stream.windows import Asked, joined
from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.steps import Output
from vitals.topics import patient_id
from vitals.windows import IS_DIRTY, WINDOW, WINDOW_BY_CODE

MINUTE, TEN_SECONDS = WINDOW_BY_CODE[1], WINDOW_BY_CODE[3]
T0 = 1_700_000_100_000_000
SLOTS = np.arange(3)


class Desk:
    """Three patients whose hearts have beaten for a minute up to T0."""

    def __init__(self) -> None:
        patients, self.outbox = Patients(), Outbox(0)
        for name in ("a", "b", "c"):
            patients.add(patient_id(name).bytes)
        self.lane = Lane(HEART_RATE, patients, self.outbox, Activity())
        self.pages = Pages(patients, {HEART_RATE.code: self.lane}, self.outbox)
        self.beat(T0 - np.arange(60)[::-1] * SECOND_US)

    def beat(self, events: Ints) -> None:
        """A reading of each patient at these times (µs); each has a rate of his own."""
        for slot in SLOTS.tolist():
            rates = 60.0 + slot + np.arange(len(events), dtype=np.float64) % 7
            self.lane.ring.write(np.full(len(events), slot), events, rates, rates, np.zeros(len(events), np.bool_))

    def page(self, position: int, ends: range) -> None:
        """A tick row that closes these ends, each at its instant, and marks one window of one patient."""
        self.pages.begin(Where(position, 0, 0))
        mark = np.zeros(1, WINDOW)
        mark["flags"] = IS_DIRTY
        for end in ends:
            for spec in (MINUTE, TEN_SECONDS):
                self.pages.ask(Asked(spec, SLOTS, np.full(3, end)), end + spec.close_after_us)
        self.pages.add(ends[0] + MINUTE.close_after_us, SLOTS[1:2], mark)
        self.pages.end()


def told(*, at_once: bool) -> list[Output]:
    """What three tick rows write; before each further one readings come in."""
    desk = Desk()
    for position in range(3):
        end = T0 + position * 10 * SECOND_US
        desk.page(position, range(end - 10 * SECOND_US * (position == 1), end + 1, 10 * SECOND_US))
        if not at_once:
            desk.pages.write()
        desk.beat(end + np.arange(1, 11) * SECOND_US)
    desk.pages.write()
    return desk.outbox.drain([100, 200, 300])


@pytest.mark.parametrize("cells_max", [1, 300, 600, 100_000])
def test_pages_that_wait_say_what_they_say_by_themselves(monkeypatch: pytest.MonkeyPatch, cells_max: int) -> None:
    """A backlog is cut into polls anywhere: what came after a tick must not be in the windows that it closed."""
    alone = told(at_once=False)
    monkeypatch.setattr(pages, "CELLS_MAX", cells_max)
    assert told(at_once=True) == alone
    assert [each.cause for each in alone] == [(100, 0), (200, 0), (300, 0)]
    rows = [np.frombuffer(each.value, WINDOW) for each in alone]
    assert [len(each) for each in rows] == [7, 13, 7]
    assert all(int(row["count"]) in {10, 60} for each in rows for row in each if row["flags"] != IS_DIRTY)


def test_a_page_with_nothing_on_it_writes_nothing() -> None:
    """Nor does it move the others."""
    desk = Desk()
    desk.pages.begin(Where(0, 0, 0))
    desk.pages.end()
    desk.page(1, range(T0, T0 + 1))
    desk.pages.begin(Where(2, 0, 0))
    desk.pages.ask(Asked(MINUTE, SLOTS, np.full(3, T0 + 30 * MINUTE_US)), T0 + 30 * MINUTE_US)
    desk.pages.end()
    desk.pages.write()
    assert [each.cause for each in desk.outbox.drain([7, 8, 9])] == [(8, 0)]
    desk.pages.write()
    assert desk.outbox.drain([]) == []


def test_tables_stand_one_behind_the_other_and_one_is_itself() -> None:
    """Most pages of a quiet ward have one."""
    rows = np.zeros(2, WINDOW)
    rows["end"] = [3, 5]
    assert joined([rows])["end"].tolist() == [3, 5]
    assert joined([rows, rows[::-1].copy()])["end"].tolist() == [3, 5, 5, 3]


def test_what_is_written_again_of_a_patient_stands_by_its_ends() -> None:
    """A late hour changes hundreds of windows at once, of two kinds and in two pages: the sink reads them in order."""
    desk, ends = Desk(), T0 - np.arange(6)[::-1] * 10 * SECOND_US
    for position in (0, 1):
        desk.pages.begin(Where(position, 0, 0))
        for spec in (MINUTE, TEN_SECONDS):
            desk.pages.ask(Asked(spec, SLOTS.repeat(6), np.tile(ends, 3)), T0 + MINUTE_US)
        desk.pages.end()
    desk.pages.write()
    found = [np.frombuffer(each.value, WINDOW) for each in desk.outbox.drain([7, 8])]
    expected = [(code, end) for code in (1, 3) for end in ends.tolist()] * len(SLOTS)
    assert [[(int(row["window"]), int(row["end"])) for row in each] for each in found] == [expected] * 2
    owners = sorted(patient_id(name).bytes for name in ("a", "b", "c"))
    for each in found:
        assert [row.tobytes() for row in each["patient"]] == [owner for owner in owners for _ in range(12)]
