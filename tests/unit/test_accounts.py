"""The judge of the drills: every way in which a reading or an alert can go wrong fails the verdict."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from uuid import UUID, uuid5

import pytest

from compose.drills.accounts import (
    Account,
    Crossing,
    Fault,
    Identity,
    Sent,
    Told,
    delays_ms,
    judge,
    next_alerts,
    reordered,
    repeats,
)
from compose.drills.duty import Load, script
from vitals.metrics import GLUCOSE, HEART_RATE, SECOND_US
from vitals.topics import NAMESPACE

DEVICES = [uuid5(NAMESPACE, f"test:{number}") for number in range(2)]
ALERTS = [uuid5(NAMESPACE, f"alert:{number}") for number in range(4)]
START = 1_700_000_000 * SECOND_US


def identities(device: UUID, metric: int = HEART_RATE.code) -> list[Identity]:
    """Five readings, a second apart."""
    return [Identity(device, metric, START + second * SECOND_US) for second in range(5)]


def told(*, at: bool) -> list[Told]:
    """An opening 20 ms after each crossing and a clear a second later, in two partitions."""
    found = []
    for number, alert in enumerate(ALERTS):
        instant = START + number * SECOND_US
        found.append(Told(alert, (2 * number, 0), "open", instant + 20_000 if at else 0))
        found.append(Told(alert, (2 * number + 1, 0), "clear", instant + SECOND_US if at else 0))
    return found


@pytest.fixture
def account() -> Account:
    """A ward to which nothing bad happened: ten readings, four alerts, one fault."""
    rows = {device: identities(device) for device in DEVICES}
    return Account(
        sent={device: [Sent(each, acknowledged=True) for each in rows[device]] for device in DEVICES},
        logged=rows,
        stored=[each for device in DEVICES for each in rows[device]],
        crossings=[Crossing(alert, number % 2, START + number * SECOND_US) for number, alert in enumerate(ALERTS)],
        heard=told(at=True),
        kept=told(at=False),
        faults=[Fault("kill -9 process", START + 1)],
    )


def complaints(account: Account, repeats_max: int = 0) -> str:
    """What the judge has to say, in one text."""
    return "; ".join(judge(account, repeats_max=repeats_max).differences)


def told_as(account: Account, where: str, changes: list[Told]) -> Account:
    """The account with other changes on the socket or in the database."""
    return replace(account, heard=changes) if where == "heard" else replace(account, kept=changes)


def test_a_ward_without_a_fault_passes(account: Account):
    """A judge that always complains would be switched off."""
    found = judge(account, repeats_max=0)
    assert found.differences == []
    figures = found.figures
    assert (figures["sent"], figures["in_log"], figures["in_database"], figures["crossings"]) == (10, 10, 10, 4)
    assert (figures["lost"], figures["doubled"], figures["reordered"], figures["repeats_in_log"]) == (0, 0, 0, 0)


def test_a_ward_that_sent_nothing_fails():
    """Nothing lost of nothing is no result."""
    assert "nothing was sent" in complaints(Account(sent={}, logged={}, stored=[]))


def test_a_reading_that_the_log_lost_fails(account: Account):
    """Its PUBACK told the device to forget it, so nobody has it any more."""
    lost = {**account.logged, DEVICES[0]: [each for each in account.logged[DEVICES[0]] if each != account.stored[2]]}
    found = judge(replace(account, logged=lost, stored=[*account.stored[:2], *account.stored[3:]]), repeats_max=0)
    assert "acknowledged and not in the log: 1" in found.differences[0]
    assert found.figures["lost"] == 1


def test_a_reading_that_the_database_lost_fails(account: Account):
    """The log has it, and no chart will ever show it."""
    found = judge(replace(account, stored=account.stored[1:]), repeats_max=0)
    assert "in the log and not in the database: 1" in found.differences[0]
    assert found.figures["lost"] == 1


def test_a_reading_that_was_never_acknowledged_fails(account: Account):
    """A device that never gets its PUBACK keeps the reading for ever; the outage is not over for it."""
    account.sent[DEVICES[1]][4].acknowledged = False
    assert "never acknowledged to the device: 1" in complaints(account)


def test_a_reading_that_stands_twice_in_the_database_fails(account: Account):
    """It would count twice in every mean."""
    found = judge(replace(account, stored=[*account.stored, account.stored[3]]), repeats_max=0)
    assert "twice in the database: 1" in found.differences[0]
    assert found.figures["doubled"] == 1


def test_a_reading_that_nobody_sent_fails(account: Account):
    """An invented reading is as bad as a lost one."""
    invented = Identity(DEVICES[0], GLUCOSE.code, START)
    logged = {**account.logged, DEVICES[0]: [*account.logged[DEVICES[0]], invented]}
    assert "never sent" in complaints(replace(account, logged=logged, stored=[*account.stored, invented]))
    assert "not in the log: 1" in complaints(replace(account, stored=[*account.stored, invented]))


def test_readings_in_another_order_than_sent_fail(account: Account):
    """A low before the normal that preceded it is another story about the patient."""
    rows = list(account.logged[DEVICES[0]])
    rows[1], rows[3] = rows[3], rows[1]
    found = judge(replace(account, logged={**account.logged, DEVICES[0]: rows}), repeats_max=0)
    assert "out of their device's order in the log: 2" in found.differences[0]
    assert found.figures["reordered"] == 2


def test_a_repeat_behind_its_time_is_no_other_order(account: Account):
    """What the broker brings once more comes late by nature; only the first place in the log decides."""
    rows = account.logged[DEVICES[0]]
    assert reordered(rows, [*rows[:3], *rows[1:3], *rows[3:]]) == []
    assert reordered(rows, [rows[0], rows[2], rows[0], rows[1]]) == [rows[1]]


def test_repeats_in_the_log_are_counted_and_bounded(account: Account):
    """A bridge that was killed may bring again what it had not acknowledged, and no more."""
    rows = account.logged[DEVICES[1]]
    again = replace(account, logged={**account.logged, DEVICES[1]: [*rows, *rows[-2:]]})
    assert repeats(again) == 2
    assert complaints(again, repeats_max=2) == ""
    assert "repeats in the log: 2, expected at most 1" in complaints(again, repeats_max=1)


def test_a_rejected_reading_fails(account: Account):
    """The ward sends nothing that a bridge may refuse."""
    assert "rejected: 1" in complaints(replace(account, rejected=1))


@pytest.mark.parametrize("where", ["heard", "kept"])
def test_an_alert_that_is_missing_fails(account: Account, where: str):
    """This is the one thing that Vigil is for."""
    without = [each for each in told(at=True) if each.alert != ALERTS[2]]
    assert "alerts without their open" in complaints(told_as(account, where, without))


@pytest.mark.parametrize("where", ["heard", "kept"])
def test_an_alert_that_comes_twice_fails(account: Account, where: str):
    """The same change twice, or a second opening under another version: either calls somebody for nothing."""
    once = told(at=True)
    assert "changes twice" in complaints(told_as(account, where, [*once, once[0]]))
    again = once[0]._replace(version=(99, 0))
    assert "more than one open" in complaints(told_as(account, where, [*once, again]))


@pytest.mark.parametrize("where", ["heard", "kept"])
def test_a_clear_that_is_missing_fails(account: Account, where: str):
    """An alert that never ends hides the next one."""
    without = [each for each in told(at=True) if (each.alert, each.change) != (ALERTS[1], "clear")]
    assert "alerts without their clear" in complaints(told_as(account, where, without))


def test_an_alert_that_no_crossing_explains_fails(account: Account):
    """A wrong alert teaches people to look away."""
    wrong = Told(uuid5(NAMESPACE, "wrong"), (50, 0), "open", START)
    changed = replace(account, heard=[*account.heard, wrong], kept=[*account.kept, wrong])
    assert "no crossing explains" in complaints(changed)


def test_socket_and_database_must_hold_the_same_changes(account: Account):
    """What was shown and what the history says must not differ."""
    extra = Told(ALERTS[0], (70, 0), "acknowledge")
    assert "changes only on the socket: 1" in complaints(replace(account, heard=[*account.heard, extra]))
    assert "changes only in the database: 1" in complaints(replace(account, kept=[*account.kept, extra]))


def test_a_connection_that_missed_something_fails(account: Account):
    """After it a screen knows what is open, but not what happened meanwhile."""
    assert "connections that missed something: 1" in complaints(replace(account, gaps=1))


def test_a_next_alert_that_comes_late_fails(account: Account):
    """Nobody waits longer than five seconds for the alarms to be back."""
    late = [
        each._replace(at=each.at + 6 * SECOND_US) if each.change == "open" and each.alert == ALERTS[3] else each
        for each in account.heard
    ]
    found = complaints(replace(account, heard=late, faults=[Fault("kill -9 manage", START + SECOND_US + 1)]))
    assert "kill -9 manage: the next right alert after 8.0 s, expected at most 5 s" in found


def test_a_partition_in_which_no_alert_follows_fails(account: Account):
    """Half of the ward going on says nothing about the other half."""
    found = complaints(replace(account, faults=[Fault("kill -9 process", START + 2 * SECOND_US + 1)]))
    assert "no alert came after it in partition 0" in found


def test_the_next_alert_is_timed_from_the_fault_and_only_by_crossings_after_it(account: Account):
    """An alert that was already on its way proves nothing."""
    found = next_alerts(account.crossings, account.heard, Fault("x", START + SECOND_US // 2))
    assert found == {0: pytest.approx(1.52), 1: pytest.approx(0.52)}


def test_delays_count_from_the_intended_sending(account: Account):
    """A stalled sender must not hide a stall."""
    assert delays_ms(account) == [20.0] * 4
    assert delays_ms(account, START + SECOND_US, START + 2 * SECOND_US) == [20.0]
    assert delays_ms(account, until=START) == []


def test_the_script_is_the_same_for_a_seed_and_in_order_of_time():
    """A drill that failed can be run again."""
    load = Load(patients=4, rate_hz=2.0, cycle_s=4.0, spare=1, seed=7)
    found = list(islice(script(load), 200))
    assert found == list(islice(script(load), 200))
    assert found != list(islice(script(load._replace(seed=8)), 200))
    assert [each.after_s for each in found] == sorted(each.after_s for each in found)


def test_the_script_lets_every_patient_but_the_spare_ones_go_low_once_a_cycle():
    """Twelve seconds of each are a low, a normal reading, and twelve heart rates."""
    load = Load(patients=5, rate_hz=1.0, cycle_s=12.0, spare=2)
    found = [each for each in islice(script(load), 200) if 12.0 <= each.after_s < 24.0]
    for patient in range(5):
        own = [each.low for each in found if each.patient == patient]
        expected = (12, 0, 0) if patient >= 3 else (12, 1, 1)
        assert (own.count(None), own.count(True), own.count(False)) == expected
