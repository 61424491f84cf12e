"""What the judge of the drills says of a fault: every alert that it may have held up is timed, none hides another."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid5

import pytest

from compose.drills import crowds, listening
from compose.drills.accounts import (
    Account,
    Crossing,
    Fault,
    Finding,
    Identity,
    Sent,
    Told,
    digest,
    digest_of,
    judge,
    waits,
)
from compose.drills.bedside import LOW_VALUE, POLICY
from compose.drills.duty import Duty, Load
from compose.drills.verdict import differing
from compose.drills.watching import key_of
from runtime.testing import ManualClock
from stream.processor import Processor
from tests.alerting import Journal, episode
from tests.logs import T0, Log, episodes, row, worn
from vitals.alerts import Alert
from vitals.metrics import HEART_RATE, SECOND_US
from vitals.protocol import Change
from vitals.topics import NAMESPACE

START = 1_700_000_000 * SECOND_US
DEVICE = uuid5(NAMESPACE, "test:device")


def second(at: float) -> int:
    """So many seconds after the load began (µs UTC)."""
    return START + round(at * SECOND_US)


def name(number: int) -> UUID:
    return uuid5(NAMESPACE, f"alert:{number}")


def ward(faults: list[Fault], *alerts: tuple[float, float | None]) -> Account:
    """Alerts of one partition as (the reading left, the opening arrived or never did), in seconds of the load."""
    crossings = [Crossing(name(number), 0, second(sent)) for number, (sent, _) in enumerate(alerts)]
    heard = [
        Told(name(number), (2 * number + change, 0), ("open", "clear")[change], second(arrived + change))
        for number, (_, arrived) in enumerate(alerts)
        if arrived is not None
        for change in range(2)
    ]
    identity = Identity(DEVICE, HEART_RATE.code, START)
    return Account(
        sent={DEVICE: [Sent(identity, acknowledged=True)]},
        logged={DEVICE: [identity]},
        stored=[identity],
        crossings=crossings,
        heard=heard,
        kept=[each._replace(at=0) for each in heard],
        faults=faults,
    )


def verdict(account: Account) -> Finding:
    return judge(account, repeats_max=0)


def complaints(account: Account) -> str:
    return "; ".join(verdict(account).differences)


def kill(at: float, **fields: Any) -> Fault:
    """A fault of an instant."""
    return Fault("kill -9 manage", second(at), since=second(at), **fields)


def test_one_fast_alert_does_not_hide_one_that_takes_a_minute():
    """The least of them is the luckiest patient's; somebody else lies there for a minute."""
    found = verdict(ward([kill(10)], (10.5, 11.0), (10.6, 70.6), (11.0, 11.02)))
    assert found.differences == [
        "kill -9 manage: 1 of 3 alerts later than 5 s after their reading, sent after it; the last after 60.0 s"
    ]
    assert found.figures["next_alert_s"] == {"kill -9 manage": 1.0}


def test_what_was_on_its_way_when_the_fault_came_is_there_within_the_same_time():
    """A low sent just before the kill is exactly the one that a broken recovery forgets until later."""
    late = ward([kill(10)], (9.9, 15.2), (10.5, 11.0))
    assert "1 of 1 alerts later than 5 s after it, which held them up; the last after 5.2 s" in complaints(late)
    assert complaints(ward([kill(10)], (9.9, 14.9), (10.5, 11.0))) == ""


def test_what_had_arrived_before_the_fault_is_not_its_own():
    """A verdict that blames the wrong fault sends its reader to the wrong log."""
    assert verdict(ward([kill(10)], (1.0, 9.0), (10.5, 11.0))).figures["faults"][0]["alerts_through"] == 0


def test_an_alert_sent_during_an_outage_counts_from_the_return():
    """It waits at the broker for as long as the outage lasts; from the return on it may not wait any longer."""
    away = Fault("Kafka away", second(60), since=second(20))
    earlier = kill(10)
    in_time = ward([earlier, away], (11, 11.1), (19.9, 62.0), (30.0, 64.9), (61.0, 61.5))
    found = verdict(in_time)
    assert found.differences == []
    assert found.figures["faults"][1] | {"at": ""} == {
        "what": "Kafka away",
        "at": "",
        "at_s": 60.0,
        "lasted_s": 40.0,
        "within_s": 5.0,
        "alerts_after": 1,
        "slowest_after_s": 0.5,
        "alerts_through": 2,
        "last_through_s": 4.9,
        "alerts_never": 0,
        "next_alert_s": 1.5,
    }
    late = ward([earlier, away], (11, 11.1), (30.0, 65.1), (61.0, 61.5))
    assert "Kafka away: 1 of 1 alerts later than 5 s after it, which held them up" in complaints(late)


def test_what_arrives_while_an_outage_ends_is_not_late():
    """That a server is back is noticed by looking: the first of what waited comes before anybody has looked."""
    told, untold = (Fault("away", second(60), since=since) for since in (second(20), None))
    for away in (told, untold):
        assert complaints(ward([kill(10), away], (11, 11.1), (30.0, 59.8), (61.0, 61.5))) == ""


def test_an_alert_that_came_in_time_is_nobodys_to_wait_for():
    """What an outage lets through would hide in its figures how long others waited."""
    away = Fault("away", second(60), since=second(20))
    found = verdict(ward([kill(10), away], (11, 11.1), (30.0, 30.1), (59.9, 60.4), (61.0, 61.5)))
    first, second_ = found.figures["faults"]
    assert (first["alerts_after"], second_["alerts_through"], second_["last_through_s"]) == (2, 1, 0.4)


def test_a_fault_excuses_nobody_who_was_late_before_it():
    """Kills in a row would otherwise each excuse what the one before them had done."""
    again = Fault("kill -9 sink", second(20), since=second(20))
    found = complaints(ward([kill(10), again], (10.1, 10.2), (11.0, 20.5), (20.1, 20.2)))
    assert "kill -9 manage: 1 of 2 alerts later than 5 s after their reading" in found
    assert "kill -9 sink" not in found


def test_a_kill_within_the_time_of_another_begins_it_anew():
    """What had three seconds left when the next service died waits for that one too, but only for that."""
    again = Fault("kill -9 sink", second(12), since=second(12))
    assert complaints(ward([kill(10), again], (10.1, 10.2), (11.0, 16.9), (12.1, 12.2))) == ""
    found = complaints(ward([kill(10), again], (10.1, 10.2), (11.0, 17.1), (12.1, 12.2)))
    assert found.startswith("kill -9 sink: 1 of 1 alerts later than 5 s after it, which held them up")


def test_an_alert_that_never_came_is_counted_with_its_fault():
    """Which of fourteen kills lost it is the first question."""
    found = verdict(ward([kill(10)], (10.5, None), (10.6, 11.0)))
    assert found.figures["faults"][0]["alerts_never"] == 1
    assert any("alerts without their open on the socket: 1" in each for each in found.differences)


def test_faults_are_timed_in_the_order_in_which_they_were():
    """A drill may name the end of an outage before a fault within it."""
    late, early = kill(20), Fault("first", second(10), since=second(10))
    found = waits([Crossing(name(0), 0, second(12))], [], [late, early])
    assert [each.fault.what for each in found] == ["first", "kill -9 manage"]


def test_what_a_drill_saw_of_a_fault_is_in_its_verdict():
    """When it was and how long who was killed took to come back stood on stderr only, which nobody keeps."""
    clock = ManualClock(second(10))
    duty = Duty(cast("Any", None), clock, print, Load(), cast("Any", None))
    fault = duty.fault("kill -9 bridge", since=clock.now_us())
    fault.told.update(back_s=1.4, log_records_at_kill=812)
    (listed,) = verdict(ward(duty.faults, (10.5, 11.0))).figures["faults"]
    assert listed["at"] == "2023-11-14T22:13:30.000+00:00"
    assert {key: listed[key] for key in ("what", "at_s", "back_s", "log_records_at_kill", "next_alert_s")} == {
        "what": "kill -9 bridge",
        "at_s": 10.0,
        "back_s": 1.4,
        "log_records_at_kill": 812,
        "next_alert_s": 1.0,
    }


# ---- what an alert says


@pytest.fixture
def alert() -> Alert:
    return Journal().alert(episode())


def told(account: Account, **fields: Any) -> Account:
    """The account with another record of the first change on the socket."""
    return replace(account, heard=[account.heard[0]._replace(**fields), *account.heard[1:]])


@pytest.mark.parametrize("fields", [{"change": "acknowledge"}, {"digest": "b"}, {"level": 1}, {"priority": "low"}])
def test_the_same_version_with_another_content_fails(fields: dict[str, Any]):
    """The nurse saw the one, and the history will tell the other."""
    account = ward([], (10.0, 10.1))
    first = account.heard[0]._replace(digest="a", level=2, priority="high")
    account = replace(account, heard=[first, account.heard[1]], kept=[first._replace(at=0), account.kept[1]])
    assert complaints(account) == ""
    assert verdict(account).figures["bodies_compared"] == 1
    assert "changes that are not the same on the socket and in the database: 1" in complaints(told(account, **fields))


@pytest.mark.parametrize("fields", [{"level": 1, "priority": "high"}, {"level": 2, "priority": "medium"}])
def test_a_low_that_opens_milder_than_it_is_fails(fields: dict[str, Any]):
    """Both sides may agree on the wrong alert: a deep low that is told as a shallow one wakes nobody."""
    account = ward([], (10.0, 10.1))
    wrong = account.heard[0]._replace(**fields)
    account = replace(account, heard=[wrong, account.heard[1]], kept=[wrong._replace(at=0), account.kept[1]])
    for where in ("on the socket", "in the database"):
        assert f"alerts that open with another level or priority {where}: 1" in complaints(account)


def test_what_a_crossing_opens_with_is_what_the_drills_policy_says():
    """Else the check would hold against a number that somebody typed."""
    deepest = max(
        (level for level in POLICY.thresholds[0].levels if level.limit > LOW_VALUE), key=lambda level: level.number
    )
    crossing = Crossing(name(0), 0, START)
    assert (crossing.level, crossing.priority) == (deepest.number, deepest.priority)


def test_the_processor_opens_the_wards_lows_as_the_judge_wants_them():
    """Also one that waited a minute at the broker, and at once: a rise that follows would be another change."""
    for late in (0, 60):
        log = Log()
        log.site(1)
        log.patient("ann", worn("ann", "cgm-1", "ward", T0 - 60 * SECOND_US), policy=POLICY)
        log.tick(T0)
        log.readings(row("ann", LOW_VALUE, T0, received=T0 + late * SECOND_US))
        (found,) = episodes(log.run(Processor(0, 1)))
        crossing = Crossing(name(0), 0, T0)
        assert (found.change, found.level, found.priority) == ("open", crossing.level, crossing.priority)


def test_a_digest_is_of_everything_in_an_alert_and_of_nothing_else(alert: Alert):
    """Level, value, patient, notes: a list of what is compared would always miss one."""
    again = Alert.model_validate_json(alert.encode())
    assert digest_of(again) == digest_of(alert)
    body = alert.model_dump(mode="json")
    assert digest(dict(reversed(body.items()))) == digest_of(alert)
    assert digest(json.loads(Change(cursor="c", alert=alert).encode())["alert"]) == digest_of(alert)
    for key in ("level", "value", "priority", "response", "patient", "acknowledged_by"):
        assert digest(body | {key: "another"}) != digest_of(alert)
    record = Told.of(alert, 7)
    assert record == Told(alert.id, alert.version, alert.change, 7, digest_of(alert), alert.level, alert.priority)


def test_a_client_that_got_something_else_than_the_database_has_is_found():
    """Same version, same change, another level or another patient: that is what a mixed-up row looks like."""
    kept = crowds.Kept(0, (1, 0), name(0), "open", closed=False, digest="a")
    got = crowds.Got(0, (1, 0), name(0), "open", 0, digest="a")
    record = crowds.Record("c", steady=False, events=[got], final={name(0): (1, 0)})
    other = replace(record, events=[got._replace(digest="b")])
    end = {0: (1, 0)}
    right, wrong = (crowds.judge([each], [kept], end=end, clients=1) for each in (record, other))
    assert (right.differences, right.figures["bodies_compared"]) == ([], 1)
    assert "c: open 1.0 of partition 0 is another alert in the database, in what it says" in wrong.differences[0]


def test_the_ward_records_all_that_it_heard(alert: Alert):
    """A record without its digest agrees with every other one."""
    recorder = SimpleNamespace(everything=[(7, alert), (8, alert.model_copy(update={"patient": name(9)}))])
    duty = Duty(cast("Any", None), ManualClock(), print, Load(), cast("Any", recorder))
    assert alert.patient is not None
    assert duty._heard({alert.patient}) == [Told.of(alert, 7)]


def test_a_clients_record_keeps_what_a_change_said(alert: Alert):
    """It goes through a file from one process to another."""
    ready = cast("Any", SimpleNamespace(partitions=1))
    chance = random.Random(1)  # noqa: S311 - no secret
    listener = listening.Listener("wild-0", ready, chance, ManualClock(), steady=False)
    listener._take(Change(cursor="c", alert=alert).encode().decode())
    (got,) = listening.loaded(json.loads(json.dumps(listener.as_json()))).events
    assert isinstance(got, crowds.Got)
    assert got.digest == digest_of(alert)


def test_the_replay_drill_finds_what_a_digest_finds(alert: Alert):
    """One meaning of *the same* for all drills."""
    other = alert.model_copy(update={"response": "acknowledged"})
    assert differing({key_of(alert): alert}, {key_of(alert): alert}) == []
    assert differing({key_of(alert): alert}, {key_of(alert): other})[0].startswith("not the same: ")
