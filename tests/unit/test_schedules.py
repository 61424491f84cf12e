"""Who has a night and until when, by slot and site; which instants those are is tested in `test_nights`."""

from __future__ import annotations

import pytest

from stream.schedules import Schedules
from stream.series import LONG_AGO, NEVER, Patients
from tests.logs import T0
from vitals.metrics import MINUTE_US
from vitals.nights import in_force
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited

DAY_US = 24 * 60 * MINUTE_US
MIDNIGHT = T0 // DAY_US * DAY_US
NOON, TEN, SEVEN = (MIDNIGHT + hour * 60 * MINUTE_US for hour in (12, 22, 31))
"""Noon, ten in the evening, and seven in the morning after, UTC."""
NIGHT = edited(DEFAULT, ["zone=Etc/UTC", "night=22:00-07:00", "night.low.2.limit=50"])
LATER = edited(DEFAULT, ["zone=Etc/UTC", "night=23:00-06:00"])


def ward(*policies: Policy, sites: tuple[int, ...] = ()) -> tuple[Patients, Schedules]:
    """Patients with these policies, in slots from 0 on; at site 1 unless told."""
    patients = Patients()
    for number, policy in enumerate(policies):
        patients.take(patients.add(bytes([number]) * 16), policy)
        patients.site[number] = sites[number] if sites else 1
    return patients, Schedules(patients)


@pytest.mark.parametrize(
    ("clock", "night", "until"), [(NOON, False, TEN), (TEN, True, SEVEN), (SEVEN - 1, True, SEVEN)]
)
def test_the_part_that_is_in_force_is_that_of_the_sites_clock(clock: int, night: bool, until: int):
    """Who is warned below 50 by night only must be warned below 54 by day."""
    patients, schedules = ward(NIGHT)
    schedules.take(0, clock)
    assert patients.policy(0) == in_force(NIGHT, night=night)
    assert (patients.policy(0) != NIGHT.model_copy(update={"night": None})) == night
    assert schedules.next(1) == until
    assert (schedules.due(1, until - 1), schedules.due(1, until)) == ([], [0])


def test_patients_with_one_policy_share_its_parts():
    """Ten thousand of them would else hold ten thousand copies."""
    patients, schedules = ward(NIGHT, LATER, NIGHT)
    for slot in range(3):
        schedules.take(slot, NOON)
    assert patients.policy(0) is patients.policy(2)
    assert patients.policy(1) == in_force(LATER, night=False)
    day = patients.policy(0)
    schedules.take(0, TEN)
    schedules.take(0, SEVEN)
    assert patients.policy(0) is day


def test_before_the_sites_first_tick_it_is_due_at_once():
    """Nobody knows what time it is there: the first tick decides."""
    patients, schedules = ward(NIGHT)
    schedules.take(0, LONG_AGO)
    assert schedules.next(1) == LONG_AGO
    assert schedules.due(1, 0) == [0]
    schedules.take(0, LONG_AGO + 1)
    assert schedules.next(1) > LONG_AGO
    assert patients.policy(0).night is None


def test_who_has_no_night_is_never_due():
    """A ward without nights pays nothing."""
    patients, schedules = ward(DEFAULT)
    schedules.take(0, NOON)
    assert (schedules.next(1), schedules.due(1, NEVER)) == (NEVER, [])
    assert patients.parts == {}


def test_a_night_that_a_policy_drops_is_over_at_once():
    """Its limits would else hold for ever: nobody would ever end them."""
    patients, schedules = ward(NIGHT, LATER)
    schedules.take(0, TEN)
    schedules.take(1, TEN)
    assert schedules.next(1) == TEN + 60 * MINUTE_US
    patients.take(1, DEFAULT)
    for _ in range(2):
        schedules.take(1, TEN)
        assert patients.policy(1) == DEFAULT
        assert schedules.next(1) == SEVEN
        assert schedules.due(1, SEVEN) == [0]
    patients.take(0, DEFAULT)
    schedules.take(0, TEN)
    assert (schedules.next(1), schedules.due(1, NEVER)) == (NEVER, [])


def test_each_site_has_its_own_time():
    """A clock that runs an hour ahead turns its own patients to night, nobody else's."""
    patients, schedules = ward(NIGHT, LATER, NIGHT, sites=(2, 1, 1))
    for slot in range(3):
        schedules.take(slot, NOON)
    assert (schedules.next(1), schedules.next(2), schedules.next(3)) == (TEN, TEN, NEVER)
    assert schedules.due(1, TEN) == [2]
    assert schedules.due(1, TEN + 60 * MINUTE_US) == [1, 2]
    assert schedules.due(2, NEVER) == [0]
    assert schedules.due(3, NEVER) == []
    patients.site[0] = 1
    assert schedules.due(2, NEVER) == []


def test_a_part_that_is_over_gives_way_to_the_next():
    """Each switch is due once: a part taken again is due at its own end."""
    patients, schedules = ward(NIGHT)
    for clock, until in ((NOON, TEN), (TEN, SEVEN), (SEVEN, TEN + DAY_US)):
        assert schedules.next(1) in (NEVER, clock)
        schedules.take(0, clock)
        assert (schedules.next(1), schedules.due(1, clock)) == (until, [])
    assert patients.policy(0) == in_force(NIGHT, night=False)
