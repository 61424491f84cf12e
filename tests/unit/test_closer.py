"""What a site's clock closes: which windows, written again or marked, of whom, in which order, and when it is next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from stream.activity import Activity
from stream.closer import Closer
from stream.outbox import Outbox, Where
from stream.part import Lane
from stream.rows import Part
from stream.series import LONG_AGO, NEVER, Patients
from stream.sites import Site, Sites
from tests.logs import LATE, T0, row, worn
from vitals.codecs.state import decode, encode
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.topics import WINDOWS as TOPIC
from vitals.topics import patient_id
from vitals.windows import WINDOW, WINDOWS, WindowSpec, is_dirty

PULSE, SUGAR, TEN_SECONDS, FIVE_MINUTES, TEN_MINUTES, SUGAR_5, HOUR = WINDOWS
NAMES = tuple(sorted(("ann", "bob", "cyd"), key=lambda name: patient_id(name).bytes, reverse=True))
"""Slots in the order opposite to that of the ids."""
FIRST, SECOND, THIRD = range(3)
HERE = Where(0, 0, 0)
AFTER = 2 * SECOND_US


class Told(NamedTuple):
    """A window or a mark: whose, its kind, its end (minutes after T0), and how many readings it holds; a mark has two
    ends and no readings.
    """

    slot: int
    kind: int
    ends: tuple[float, ...]
    readings: int


class Ward:
    """Three patients with a sensor each, two of them at site 1, whose clocks began at T0; minutes count from there."""

    def __init__(self, *, specs: tuple[WindowSpec, ...] = WINDOWS, kind: str = "t1d-uom-5min") -> None:
        self.patients, self.sites, self.outbox = Patients(), Sites(), Outbox(0)
        self.lanes = {
            metric.code: Lane(metric, self.patients, self.outbox, Activity()) for metric in (HEART_RATE, GLUCOSE)
        }
        for slot, (name, site) in enumerate(zip(NAMES, (1, 1, 2), strict=True)):
            self.patients.add(patient_id(name).bytes)
            self.patients.site[slot], self.patients.policies[slot] = site, DEFAULT
            for lane in self.lanes.values():
                lane.wear(slot, (worn(name, "dev", kind, T0 - 600 * MINUTE_US),), T0, HERE)
        self.closer = Closer(self.patients, self.sites, self.lanes, self.outbox, specs)
        for number in (1, 2):
            self.begin(self.sites.add(number))

    def begin(self, site: Site, minute: float = 0) -> None:
        site.clock = T0 + round(minute * MINUTE_US) + AFTER
        self.closer.catch_up(site)

    def read(self, slot: int, *minutes: float, metric: str = "glucose", flags: int = 0) -> None:
        """Readings of a slot."""
        rows = [
            row(NAMES[slot], 100, T0 + round(at * MINUTE_US), metric=metric, device="dev", flags=flags)
            for at in minutes
        ]
        where = np.full(len(rows), slot)
        code = {"glucose": GLUCOSE, "heart_rate": HEART_RATE}[metric].code
        self.lanes[code].take(Part(np.concatenate(rows), where, np.arange(len(rows)), [0, len(rows)]))

    def tick(self, minute: float, number: int = 1) -> list[Told]:
        """The clock of a site; what it closed, row by row."""
        site = self.sites.by_number[number]
        site.clock = T0 + round(minute * MINUTE_US) + AFTER
        self.closer.close(site, self.patients.of_site(number), 0, 5)
        return self.told()

    def told(self) -> list[Told]:
        self.closer.write()
        found = []
        for ordinal, output in enumerate(self.outbox.drain([100])):
            rows = np.frombuffer(output.value, WINDOW)
            assert (output.topic, output.key, output.cause) == (TOPIC, None, (100, ordinal))
            assert set(zip(rows["offset"].tolist(), rows["ordinal"].tolist(), strict=True)) == {(100, ordinal)}
            found += [self._one(each) for each in rows]
        return found

    def _one(self, each: np.void) -> Told:
        slot = self.patients.slot_of[each["patient"].tobytes()]
        dirty = bool(is_dirty(np.array([each]))[0])
        ends = [each["start"], each["end"]] if dirty else [each["end"]]
        minutes = tuple((int(end) - T0) / MINUTE_US for end in ends)
        return Told(slot, int(each["window"]), minutes, 0 if dirty else int(each["count"]))


def glucose(slot: int, end: float, *counts: int) -> list[Told]:
    """The three windows of glucose that end then."""
    kinds = (SUGAR.code, SUGAR_5.code, HOUR.code)
    return [Told(slot, kind, (end,), count) for kind, count in zip(kinds, counts, strict=True) if count]


def test_an_end_closes_once_two_seconds_after_it() -> None:
    """Of those of the site who have readings in it; a second later nothing is left to close."""
    ward = Ward()
    ward.read(FIRST, 4)
    ward.read(THIRD, 4)
    assert ward.tick(5 - 1 / 60) == []
    assert ward.tick(5) == glucose(FIRST, 5, 1, 1, 1)
    assert ward.tick(5 + 1 / 60) == []
    assert ward.tick(5, number=2) == glucose(THIRD, 5, 1, 1, 1)
    assert ward.tick(10) == glucose(FIRST, 10, 1, 0, 1)


def test_kinds_close_each_at_their_own_steps() -> None:
    """Ten seconds of a heart rate while glucose has nothing to close; and what came late waits for its own kind."""
    ward = Ward(kind="ward")
    ward.read(FIRST, 5 / 60, metric="heart_rate")
    assert [each.kind for each in ward.tick(10 / 60)] == [PULSE.code, TEN_SECONDS.code]
    ward.read(FIRST, 5, 15)
    ward.tick(15)
    ward.read(FIRST, 9, flags=LATE)
    assert ward.tick(15 + 1 / 60) == []
    assert ward.closer.revised == 0


def test_windows_are_ordered_by_instant_and_then_by_the_patients_id() -> None:
    """Not by slot, which a restart changes; what one patient has at one instant stands by kind."""
    ward = Ward(kind="ward")
    ward.read(FIRST, 4)
    ward.read(SECOND, 4, 9)
    ward.read(SECOND, 4.9, metric="heart_rate")
    found = ward.tick(10)
    sweet = [each for each in found if each.kind == SUGAR.code]
    assert [(each.slot, each.ends[0]) for each in sweet] == [(SECOND, 5), (FIRST, 5), (SECOND, 10), (FIRST, 10)]
    at_five = [each for each in found if each.ends == (5,)]
    of_second = [PULSE.code, SUGAR.code, TEN_SECONDS.code, 4, 5, 6, 7]
    of_first = [SUGAR.code, SUGAR_5.code, HOUR.code]
    assert [(each.slot, each.kind) for each in at_five] == [
        *((SECOND, kind) for kind in of_second), *((FIRST, kind) for kind in of_first)
    ]  # fmt: skip


def test_windows_of_two_sites_are_ordered_by_the_rows_of_the_tick() -> None:
    """One record moves many clocks; which site was looked at first must not show."""
    ward = Ward()
    for slot, number, place in ((FIRST, 1, 1), (THIRD, 2, 0)):
        ward.read(slot, 4)
        site = ward.sites.by_number[number]
        site.clock = T0 + 5 * MINUTE_US + AFTER
        ward.closer.close(site, ward.patients.of_site(number), 0, place)
    assert [each.slot for each in ward.told()] == [THIRD] * 3 + [FIRST] * 3


def test_what_changed_is_written_again_before_the_end_that_closes_then() -> None:
    """At the one instant, each window once; and it is counted."""
    ward = Ward()
    ward.read(FIRST, 5, 15)
    for minute in (5, 10, 15):
        ward.tick(minute)
    ward.read(FIRST, 8, 9, flags=LATE)
    assert ward.closer.revised == 0
    assert [(each.kind, each.ends[0], each.readings) for each in ward.tick(20)] == [
        (SUGAR.code, 10, 3), (SUGAR.code, 15, 4), (SUGAR.code, 20, 3),
        (SUGAR_5.code, 10, 2), (SUGAR_5.code, 15, 1),
        (HOUR.code, 10, 3), (HOUR.code, 15, 4), (HOUR.code, 20, 4),
    ]  # fmt: skip
    assert ward.closer.revised == 6
    assert ward.closer.dirty_marks == 0
    assert ward.tick(25) == glucose(FIRST, 25, 1, 0, 4)


def test_where_the_ring_reaches_no_more_marks_stand_in_its_place() -> None:
    """Of the late row those windows that begin before the ring, in one run; they are counted as well."""
    ward = Ward()
    for minute in range(5, 205, 5):
        ward.read(FIRST, minute)
        ward.tick(minute)
    assert ward.closer.dirty_marks == 0
    ward.read(FIRST, 24, flags=LATE)
    found = ward.tick(205)
    assert [each for each in found if each.kind == SUGAR.code][:2] == [
        Told(FIRST, SUGAR.code, (50,), 3),
        Told(FIRST, SUGAR.code, (25, 45), 0),
    ]
    assert [each.ends for each in found if each.kind == HOUR.code and len(each.ends) > 1] == [(25, 90)]
    assert ward.closer.dirty_marks == 3


def test_a_clock_behind_its_readings_marks_what_they_have_pushed_out() -> None:
    """At the instant of the first end that it passes, before all that closes."""
    ward = Ward()
    ward.read(FIRST, *range(5, 205, 5))
    found = ward.tick(200)
    assert [each for each in found if len(each.ends) > 1] == found[:3] == [
        Told(FIRST, SUGAR.code, (5, 45), 0), Told(FIRST, SUGAR_5.code, (5, 35), 0), Told(FIRST, HOUR.code, (5, 90), 0),
    ]  # fmt: skip
    assert ward.closer.dirty_marks == 3
    ward.read(FIRST, 10, flags=LATE)
    ward.tick(205)
    assert ward.closer.dirty_marks == 6


def test_each_site_has_closed_its_own_windows() -> None:
    """A row of the other site's patient changes nothing that their clock has not passed."""
    ward = Ward()
    for slot in (FIRST, THIRD):
        ward.read(slot, 4, 14)
    ward.tick(15)
    ward.tick(5, number=2)
    for slot in (FIRST, THIRD):
        ward.read(slot, 9, flags=LATE)
    first = ward.tick(20)
    assert [(each.ends, each.readings) for each in first if each.kind == SUGAR.code] == [
        ((10,), 2),
        ((15,), 3),
        ((20,), 2),
    ]
    third = ward.tick(10, number=2)
    assert [(each.ends, each.readings) for each in third if each.kind == SUGAR.code] == [((10,), 2)]
    assert ward.closer.revised == 6


def test_before_a_site_has_ticked_nothing_of_its_patients_was_closed() -> None:
    """Somebody lies there already, and sends; the other site's clock runs."""
    ward = Ward()
    ward.tick(30)
    third = ward.sites.add(3)
    ward.patients.site[THIRD] = 3
    ward.read(THIRD, 9)
    ward.read(FIRST, 9)
    ward.closer.gather()
    ward.begin(third, 30)
    assert ward.tick(35, number=3) == glucose(THIRD, 35, 0, 0, 1)
    assert ward.closer.revised == 0
    assert [each.ends[0] for each in ward.tick(35) if each.kind == SUGAR.code] == [10, 15, 20]


def test_who_comes_to_a_site_has_nothing_closed_that_its_clock_has_passed() -> None:
    """They had it at the site before; but for what rows changed until then."""
    ward = Ward()
    ward.read(FIRST, 4)
    ward.begin(ward.sites.by_number[1], 20)
    assert ward.tick(20) == []
    assert ward.tick(25) == glucose(FIRST, 25, 0, 0, 1)


def test_rings_know_the_newest_pane_that_a_window_has_looked_at() -> None:
    """Of any site: rows behind it are noted, rows ahead cost nothing."""
    ward = Ward()
    ring = ward.lanes[GLUCOSE.code].ring
    assert ring.passed == T0 // MINUTE_US
    ward.tick(15)
    ward.tick(5, number=2)
    assert ring.passed == T0 // MINUTE_US + 15
    assert ward.lanes[HEART_RATE.code].ring.passed == (T0 + 15 * MINUTE_US) // SECOND_US
    fresh = Ward(specs=())
    assert fresh.lanes[GLUCOSE.code].ring.passed == LONG_AGO


def look(ward: Ward, number: int = 1) -> float:
    """When the site's clock is looked at next, minutes after T0 and two seconds; -1 for never."""
    site = ward.sites.by_number[number]
    ward.closer.look_ahead(site, ward.patients.of_site(number))
    return -1 if site.window_at == NEVER else (site.window_at - T0 - AFTER) / MINUTE_US


def test_the_next_instant_is_the_first_end_of_who_is_there() -> None:
    """Five minutes of glucose, ten seconds of a heart rate; nobody has no windows, and none before the clock began."""
    ward = Ward()
    assert look(ward) == 5
    ward.tick(10)
    assert look(ward) == 15
    assert look(Ward(kind="wrist")) == 1 / 6
    ward.patients.site[:2] = 2
    assert look(ward) == -1
    late = Ward()
    late.sites.add(3)
    late.patients.site[FIRST] = 3
    assert look(late, 3) == -1


def test_rules_of_windows_are_evaluated_each_ten_seconds() -> None:
    """Also where nobody wants the windows themselves: a backtest has none of them."""
    ward = Ward(specs=(), kind="wrist")
    ward.sites.by_number[1].evaluated = T0 + 30 * SECOND_US
    assert look(ward) == 40 / 60
    assert look(Ward(specs=())) == -1
    hours = Ward(specs=(HOUR,), kind="ward")
    hours.sites.by_number[1].evaluated = T0 + 290 * SECOND_US
    assert look(hours) == 5
    hours.sites.by_number[1].evaluated = T0 + 280 * SECOND_US
    assert look(hours) == 290 / 60


@pytest.mark.parametrize("taken", [True, False])
def test_what_is_to_be_written_again_lives_through_a_snapshot(taken: bool) -> None:
    """By the patients' new numbers; and rings know again how far windows have looked."""
    ward = Ward()
    ward.read(FIRST, 4, 14)
    ward.tick(15)
    ward.read(FIRST, 9, flags=LATE)
    if taken:
        ward.closer.gather()
    order = np.array([THIRD, SECOND, FIRST])
    state = decode(b"".join(encode(ward.closer.state(order))))
    assert list(state) == ["heart_rate", "glucose"]
    assert state["glucose"]["2"]["patient"].tolist() == [order.tolist().index(FIRST)]
    again = Ward()
    again.closer.restore({"heart_rate": state["heart_rate"], "glucose": {
        code: pairs | {"patient": order[pairs["patient"]]} for code, pairs in state["glucose"].items()
    }})  # fmt: skip
    assert again.lanes[GLUCOSE.code].ring.passed == T0 // MINUTE_US
    for number, site in ward.sites.by_number.items():
        again.sites.by_number[number].closed = dict(site.closed)
    again.closer.restore(decode(b"".join(encode(ward.closer.state(np.array([FIRST, SECOND, THIRD]))))))
    assert again.lanes[GLUCOSE.code].ring.passed == T0 // MINUTE_US + 15
    again.read(FIRST, 4, 9, 14)
    found = again.tick(20)
    assert [(each.ends, each.readings) for each in found if each.kind == SUGAR.code][-3:] == [
        ((10,), 2), ((15,), 3), ((20,), 2),
    ]  # fmt: skip
