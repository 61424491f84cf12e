"""The gateway between screens and the journal: what is passed on, and where to; shelves and services on the feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from alerts import session
from alerts.client import FeedClient
from alerts.requests import Request
from runtime.kafka import Reader
from runtime.settings import Settings
from runtime.testing.waiting import until
from runtime.web import PeerGone, connect
from tests.alerting import Journal, episode, minute, unknown_id
from tests.screens import LIMITS, NURSE, Screen, Ward, running, staffed
from vitals import journal
from vitals.alerts import Answer, Service, Shelf, shelf_id
from vitals.control import PatientControl
from vitals.journal import Command
from vitals.policies import DEFAULT
from vitals.proof import patient_name
from vitals.protocol import (
    Assign,
    Change,
    CommandAnswer,
    Delivered,
    Heartbeat,
    Hello,
    InService,
    NoteAdd,
    OutOfService,
    Seen,
    ServiceChange,
    ShelfChange,
    Shelve,
    Snapshot,
    Undo,
    Unshelve,
)
from vitals.topics import JOURNAL, partition_of, patient_id

pytestmark = pytest.mark.timeout(60)
ALERT = Journal().alert(episode())
SHELF_PARTITION, ALERT_PARTITION = 3, 2
M = TypeVar("M")


@pytest.fixture
async def ward(topics: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    """People with tokens; the test is the manager."""
    async with staffed(topics, tmp_path) as ward:
        yield ward


def shelf(version: int = 1, **more: Any) -> Shelf:
    fields = {
        "id": shelf_id("site:1", None, "site"),
        "version": (version, 0),
        "patient": None,
        "label": "",
        "site": 1,
        "metric": None,
        "rule": "site",
        "level": 1,
        "since": minute(0),
        "until": minute(60),
        "by": "nurse",
        "reason": "maintenance",
    }
    return Shelf.model_validate(fields | more)


def service(version: int = 1, label: str = "p1", **more: Any) -> Service:
    fields = {
        "version": (version, 0),
        "patient": patient_id(label),
        "label": label,
        "site": 1,
        "since": minute(0),
        "until": minute(60),
        "by": "nurse",
        "reason": "bath",
    }
    return Service.model_validate(fields | more)


def patient(label: str, site: int) -> PatientControl:
    return PatientControl(patient=patient_id(label), label=label, site=site, version=1, worn=(), policy=DEFAULT)


async def written(settings: Settings, count: int) -> list[tuple[int, bytes | None, Command]]:
    """Every command in the journal, once there are so many: partition, key, command."""
    partitions = [(JOURNAL, partition) for partition in range(settings.partitions)]
    found: list[tuple[int, bytes | None, Command]] = []
    async with Reader(settings, partitions) as reader:

        async def enough() -> bool:
            for records in await reader.poll(0.2):
                for key, value in zip(records.keys, records.values, strict=True):
                    message = journal.decode(value)
                    assert isinstance(message, Command)
                    found.append((records.partition, key, message))
            return len(found) >= count

        await until(enough)
    return found


async def test_every_command_goes_where_its_subject_lives(topics: Settings, ward: Ward):
    """The manager of another partition has never heard of it, and would refuse what the person saw."""
    await ward.register(patient("p1", 1))
    async with ward.gateway(), ward.feed() as nurse:
        await ward.publish(ALERT, partition=ALERT_PARTITION)
        await ward.publish(shelf(), partition=SHELF_PARTITION)
        await nurse.expect(Change)
        await nurse.expect(ShelfChange)
        shown: dict[str, Any] = {"alert": ALERT.id, "level": ALERT.level, "version": ALERT.version}
        asked: list[Request] = [
            Shelve(id=uuid4(), minutes=15, **shown),
            Assign(id=uuid4(), what="treated", minutes=20, **shown),
            NoteAdd(id=uuid4(), alert=ALERT.id, text="juice"),
            Undo(id=uuid4(), alert=ALERT.id, command=uuid4()),
            Seen(id=uuid4(), alert=ALERT.id),
            Unshelve(id=uuid4(), shelf=shelf().id),
            OutOfService(id=uuid4(), patient=patient_id("p1"), minutes=60),
            InService(id=uuid4(), patient=patient_id("p1")),
        ]
        for message in asked:
            await nurse.peer.send(message.encode().decode())
        found = {each.id: (partition, key, each) for partition, key, each in await written(topics, len(asked))}
    places = [found[message.id][:2] for message in asked]
    key = patient_id("p1").bytes
    assert places[:5] == [(ALERT_PARTITION, key)] * 5
    assert places[5] == (SHELF_PARTITION, b"site:1")
    assert places[6:] == [(partition_of(key, topics.partitions), key)] * 2
    actions = [found[message.id][2].action for message in asked]
    assert actions == ["shelve", "treated", "note", "undo", "seen", "unshelve", "out_of_service", "in_service"]
    assert {each.by for _, _, each in found.values()} == {"nurse"}
    last = found[asked[-1].id][2]
    assert (last.label, last.site) == ("p1", 1)


async def test_what_cannot_be_passed_on_is_refused_with_its_reason(ward: Ward):
    """By role, by scope, and where the subject is unknown; a screen must be able to say what to do."""
    await ward.register(patient("p1", 1), patient(patient_name("ward-a"), 1))
    async with (
        ward.gateway(),
        ward.feed() as nurse,
        ward.feed("other-token") as other,
        ward.feed("wall-token") as wall,
        ward.feed("ops-token") as ops,
    ):
        await ward.publish(ALERT, shelf())
        await nurse.expect(ShelfChange)
        note = NoteAdd(id=uuid4(), alert=ALERT.id, text="x")
        away = OutOfService(id=uuid4(), patient=patient_id("p1"), minutes=5)
        unshelve = Unshelve(id=uuid4(), shelf=shelf().id)
        assert [(await screen.ask(note)).reason for screen in (wall, ops)] == ["not_allowed"] * 2
        foreign: list[Request] = [note, away, unshelve]
        reasons = [(await other.ask(message)).reason for message in foreign]
        assert reasons == ["unknown_alert", "unknown_patient", "not_shelved"]
        nobody: list[Request] = [
            NoteAdd(id=uuid4(), alert=unknown_id(), text="x"),
            InService(id=uuid4(), patient=patient_id("p9")),
            InService(id=uuid4(), patient=patient_id(patient_name("ward-a"))),
            Unshelve(id=uuid4(), shelf=uuid4()),
        ]
        reasons = [(await nurse.ask(message)).reason for message in nobody]
        assert reasons == ["unknown_alert", "unknown_patient", "unknown_patient", "not_shelved"]


async def test_an_answer_reaches_only_who_asked(topics: Settings, ward: Ward):
    """Another screen would show it beside the wrong key."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed() as colleague:
        await ward.publish(ALERT)
        await nurse.expect(Change)
        note = NoteAdd(id=uuid4(), alert=ALERT.id, text="x")
        await nurse.peer.send(note.encode().decode())
        await written(topics, 1)
        await ward.publish(Answer(id=note.id, alert=ALERT.id, outcome="refused", reason="too_late", by="nurse", at=1))
        assert (await nurse.expect(CommandAnswer)).reason == "too_late"
        answers: list[object] = []
        await colleague.expect(Heartbeat)
        while not isinstance(message := await colleague.next(), Heartbeat):
            answers.append(message)
        assert not any(isinstance(message, CommandAnswer) for message in answers)


async def test_an_announcement_is_delivered_once_whatever_the_screens(topics: Settings, ward: Ward):
    """Ten walls show it; the manager needs to know once, and only what was truly announced and may be seen."""
    twice = ALERT.model_copy(update={"version": (2, 0), "announcements": 2})
    async with (
        ward.gateway(),
        ward.feed() as nurse,
        ward.feed("wall-token") as wall,
        ward.feed("ops-token") as ops,
        ward.feed("other-token") as other,
    ):
        await ward.publish(ALERT)
        for screen in (nurse, wall, ops):
            await screen.expect(Change)
        for screen in (other, ops):  # of another ward; looks after the system
            await _deliver(screen, (ALERT.id, 1))
            await screen.expect(Heartbeat)
        await _deliver(nurse, (ALERT.id, 2), (unknown_id(), 1), (ALERT.id, 0))  # never announced
        await _deliver(wall, (ALERT.id, 1), (ALERT.id, 1))
        await _deliver(nurse, (ALERT.id, 1))
        await written(topics, 1)
        await ward.publish(twice)
        await nurse.expect(Change, lambda message: message.alert.announcements == 2)
        await _deliver(nurse, (ALERT.id, 2))
        await _deliver(nurse, (ALERT.id, 1))
        note = NoteAdd(id=uuid4(), alert=ALERT.id, text="last")
        await nurse.peer.send(note.encode().decode())
        found = [each for _, _, each in await written(topics, 3)]
    said = [(each.action, each.announcements, each.by) for each in found if each.action == "delivered"]
    assert said == [("delivered", 1, ""), ("delivered", 2, "")]
    assert [each.action for each in found].count("note") == 1


async def test_receipts_beyond_the_rate_wait_and_are_not_lost(
    topics: Settings, ward: Ward, monkeypatch: pytest.MonkeyPatch
):
    """A receipt that is dropped is an alarm that calls the lead for nothing."""
    monkeypatch.setattr(session, "RECEIPTS_BURST", 2)
    count = 6
    async with ward.gateway(), ward.feed("wall-token") as wall:
        alerts = [Journal().alert(episode(label=f"p{number}")) for number in range(count)]
        await ward.publish(*alerts)
        for _ in range(count):
            await wall.expect(Change)
        for alert in alerts:
            await _deliver(wall, (alert.id, 1))
        found = await written(topics, count)
    assert {each.alert for _, _, each in found} == {alert.id for alert in alerts}


async def test_shelves_and_services_are_in_the_snapshot_pushed_and_replayed_within_scope(ward: Ward):
    """A shelf that a screen does not know of is an alarm that is silent for no visible reason."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("other-token") as other:
        assert (await nurse.expect(Snapshot)).shelves == ()
        start = nurse.cursor
        await ward.publish(ALERT, shelf(2), service(3))
        assert (await nurse.expect(ShelfChange)).shelf == shelf(2)
        assert (await nurse.expect(ServiceChange)).service == service(3)
        async with ward.feed() as late:
            snapshot = await late.expect(Snapshot)
            assert (snapshot.alerts, snapshot.shelves, snapshot.services) == ((ALERT,), (shelf(2),), (service(3),))
        await ward.publish(shelf(4, ended=True), service(5, ended=True), service(6, "p2", site=2))
        assert (await other.expect(ServiceChange)).service.label == "p2"
        await nurse.expect(ServiceChange, lambda message: message.service.label == "p2")
        async with ward.feed(cursor=start) as back:
            assert back.welcome.recovered
            replayed = [await back.next() for _ in range(6)]
            assert [message.type for message in replayed] == [
                "change", "shelf", "service", "shelf", "service", "service",
            ]  # fmt: skip
        async with ward.feed() as late:
            snapshot = await late.expect(Snapshot)
            assert (snapshot.shelves, [each.label for each in snapshot.services]) == ((), ["p2"])


async def test_a_client_of_another_protocol_is_refused_for_good(ward: Ward):
    """It would misread what it gets; a page that is out of date must say so and not try for ever."""
    async with ward.gateway() as url, connect(url, limits=LIMITS) as peer:
        await peer.send(Hello(token=NURSE, protocol=2).encode().decode())
        with pytest.raises(PeerGone) as gone:
            await peer.receive()
    assert gone.value.code == 4426


async def test_the_client_tells_what_it_has_shown(topics: Settings, ward: Ward):
    """A terminal is a screen: without its receipts the lead would be called ten seconds after each alarm."""
    async with ward.gateway() as url:
        await ward.publish(ALERT)
        shown: list[object] = []
        async with running(FeedClient(url, "wall-token", screen=True).run(shown.append)):
            first = await written(topics, 1)
            await ward.publish(Journal().alert(episode(label="p2")))
            both = await written(topics, 2)
    assert [each.alert for _, _, each in first] == [ALERT.id]
    assert {each.action for _, _, each in both} == {"delivered"}


async def _deliver(screen: Screen, *announcements: tuple[UUID, int]) -> None:
    await screen.peer.send(Delivered(announcements=announcements).encode().decode())
