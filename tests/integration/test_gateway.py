"""Manager and gateway on a real Kafka with real sockets: what a clinician's screen gets, and what it never gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from alerts import session
from alerts.client import Event, FeedClient, FeedRefused, Lost
from runtime.settings import Settings
from tests.alerting import episode, mild
from tests.screens import (
    CLOCK,
    Ward,
    free_port,
    managed,
    running,
)
from vitals.alerts import Alert
from vitals.control import PatientControl
from vitals.journal import Mark
from vitals.policies import DEFAULT
from vitals.protocol import (
    Acknowledge,
    Assign,
    Change,
    CommandAnswer,
    Delivered,
    Heartbeat,
    OutOfService,
    ServiceChange,
    ShelfChange,
    Shelve,
    Snapshot,
    Undo,
    Unshelve,
    Welcome,
)
from vitals.topics import patient_id

M = TypeVar("M")
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def ward(topics: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    """A manager that runs, and people with tokens."""
    async with managed(topics, tmp_path) as ward:
        yield ward


async def test_snapshot_then_changes_then_an_acknowledgement_that_is_answered(ward: Ward):
    """The whole way of an alarm: shown, taken on by one, seen by all."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        assert (nurse.welcome.recovered, nurse.welcome.name, nurse.welcome.clock) == (False, "nurse", "simulated")
        assert (await nurse.expect(Snapshot)).alerts == ()
        await ward.write(episode())
        opened = await nurse.expect(Change)
        assert (opened.alert.change, opened.alert.announced) == ("open", True)
        answer = await nurse.acknowledge(opened.alert)
        assert (answer.outcome, answer.by) == ("accepted", "nurse")
        assert [alert.change for alert in nurse.changes] == ["open", "acknowledge"]
        seen = await wall.expect(Change, lambda message: message.alert.change == "acknowledge")
        assert seen.alert.acknowledged_by == "nurse"
        async with ward.feed() as later:
            (alert,) = (await later.expect(Snapshot)).alerts
            assert alert == nurse.changes[-1]


async def test_a_cursor_outlives_the_gateway_and_every_change_comes_once(ward: Ward):
    """A restarted gateway knows the log, not its clients; the cursor is all that a client needs."""
    async with ward.gateway():
        async with ward.feed() as nurse:
            await nurse.expect(Snapshot)
            await ward.write(episode())
            await nurse.expect(Change)
        await ward.write(episode("unknown", 11, condition="unknown"), episode(label="p2"))
        async with ward.feed() as other:
            (await other.expect(Snapshot))
    async with ward.gateway():
        async with ward.feed(cursor=nurse.cursor) as back:
            assert (back.welcome.recovered, back.welcome.cursor) == (True, nurse.cursor)
            while len(back.changes) < 2:  # of two partitions, which nothing puts in order
                await back.expect(Change)
            await ward.write(episode("known", 12))
            await back.expect(Change, lambda message: message.alert.change == "known")
            assert sorted(alert.change for alert in back.changes) == ["known", "open", "unknown"]
        async with ward.feed(cursor=back.cursor) as again:
            assert again.welcome.recovered
            await again.expect(Heartbeat)
            assert again.changes == []


async def test_a_cursor_that_proves_nothing_gets_a_snapshot(ward: Ward):
    """An honest false is worth more than a hopeful true."""
    async with ward.gateway():
        await ward.write(episode())
        async with ward.feed(cursor="bm9uc2Vuc2U") as nurse:
            assert (nurse.welcome.recovered, nurse.welcome.cursor) == (False, None)
            assert (await nurse.expect(Snapshot)).cursor is not None


async def test_nobody_gets_what_lies_outside_their_scope(ward: Ward):
    """Checked in the snapshot, in the replay, on every push and for every command."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("other-token") as other:
        await other.expect(Snapshot)
        start = other.cursor
        await ward.write(episode(), episode(label="p2", site=2))
        while len(nurse.changes) < 2:
            await nurse.expect(Change)
        await other.expect(Change)
        await other.expect(Heartbeat)
        assert [alert.site for alert in other.changes] == [2]
        foreign = next(alert for alert in nurse.changes if alert.site == 1)
        assert (await other.acknowledge(foreign)).reason == "unknown_alert"
        async with ward.feed("other-token") as fresh:
            assert [alert.site for alert in (await fresh.expect(Snapshot)).alerts] == [2]
        async with ward.feed("other-token", start) as back:
            assert back.welcome.recovered
            await back.expect(Heartbeat)
            assert [alert.site for alert in back.changes] == [2]
        async with ward.feed("nurse-token", start) as wider:
            assert not wider.welcome.recovered, "the cursor was given for fewer sites"


async def test_commands_are_refused_by_role_by_worsening_and_by_rate(ward: Ward):
    """Every refusal has its reason, so that the screen can say what to do."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        await ward.write(mild())
        shown = (await nurse.expect(Change)).alert
        await wall.expect(Change)
        assert (await wall.acknowledge(shown)).reason == "not_allowed"
        await ward.write(episode("rise", 2))
        risen = (await nurse.expect(Change)).alert
        assert (await nurse.acknowledge(shown, 1)).reason == "worsened"
        assert (await nurse.acknowledge(risen, 2)).outcome == "accepted"
        assert (await nurse.acknowledge(risen, 2)).outcome == "accepted", "the same command, answered again"
        assert [alert.change for alert in nurse.changes].count("acknowledge") == 1
        await ward.write(episode("clear", 9))
        await nurse.expect(Change, lambda message: message.alert.closed)
        assert (await nurse.acknowledge(risen, 3)).reason == "cleared"
        for number in range(10, 10 + session.COMMANDS_BURST + 2):
            command = Acknowledge(id=UUID(int=number), alert=risen.id, level=2, version=risen.version)
            await nurse.peer.send(command.encode().decode())
        await nurse.expect(CommandAnswer, lambda answer: answer.reason == "too_many")


async def test_heartbeats_tell_the_age_of_the_data(ward: Ward):
    """A quiet feed is good news only if the data behind it moves."""
    async with ward.gateway(clock="real", stalled_seconds=30), ward.feed() as nurse:
        first = await nurse.expect(Heartbeat)
        assert (first.state, first.age_ms) == ("waiting for the first tick", None)
        await ward.write(Mark(sites={1: CLOCK.now_us()}))
        fine = await nurse.expect(Heartbeat, lambda beat: beat.age_ms is not None and beat.where[0].site is not None)
        assert fine.state == "ok"
        await ward.write(Mark(sites={2: CLOCK.now_us() - 60_000_000}), partition=0)
        bad = await nurse.expect(Heartbeat, lambda beat: beat.state == "stalled")
        assert [(place.partition, place.site) for place in bad.where] == [(0, 2)]
        assert (bad.age_ms or 0) >= 60_000


async def test_the_manager_moves_time_when_nobody_else_does(topics: Settings, tmp_path: Path):
    """Processor and bridge are dead, somebody is at 48: the alert must still call."""
    live = managed(topics, tmp_path, clock="real", manager_quiet_seconds=0.2)
    async with live as ward, ward.gateway(), ward.feed() as nurse:
        at = CLOCK.now_us() - 6 * 60 * 1_000_000
        await ward.write(episode().model_copy(update={"at": at, "opened_at": at}))
        repeated = await nurse.expect(Change, lambda message: message.alert.change == "repeat")
        assert repeated.alert.at == at + 5 * 60 * 1_000_000


async def test_the_client_comes_back_with_its_cursor_and_has_every_change_once(ward: Ward):
    """The terminal and the drills rely on it: gateways are killed, and nothing is lost or counted twice."""
    got: asyncio.Queue[Event] = asyncio.Queue()
    port = free_port()
    client = FeedClient(f"ws://127.0.0.1:{port}/feed", "nurse-token")

    async def until(kind: type[M]) -> M:
        while not isinstance(event := await got.get(), kind):
            pass
        return event

    async with running(client.run(got.put_nowait)):
        async with ward.gateway(feed_port=port):
            await until(Snapshot)
            await ward.write(episode())
            opened = await until(Change)
            answer = await client.acknowledge(opened.alert)
            assert answer is not None
            assert answer.outcome == "accepted"
        await until(Lost)
        await ward.write(episode("unknown", 11, condition="unknown"))
        async with ward.gateway(feed_port=port):
            assert (await until(Welcome)).recovered
            assert (await until(Change)).alert.change == "unknown"
            assert [alert.response for alert in client.view.alerts.values()] == ["acknowledged"]


async def test_the_client_gives_up_when_its_token_is_refused(ward: Ward):
    """Trying for ever would look like a feed that is only slow."""
    async with ward.gateway() as url:
        with pytest.raises(FeedRefused):
            await FeedClient(url, "wrong").run(lambda _: None)


async def test_what_a_ward_says_goes_through_the_manager_and_comes_back_to_all(ward: Ward):
    """Going, shelving, taking back, out of service: one screen asks, the answer is the manager's, the other sees it."""
    await ward.register(
        PatientControl(patient=patient_id("p1"), label="p1", site=1, version=1, worn=(), policy=DEFAULT)
    )
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        await ward.write(episode())
        alert = (await nurse.expect(Change)).alert

        def shown(now: Alert) -> dict[str, Any]:
            return {"id": uuid4(), "alert": now.id, "level": now.level, "version": now.version}

        going = Assign(what="going", **shown(alert))
        assert (await nurse.ask(going)).outcome == "accepted"
        assert (await wall.expect(Change, lambda change: change.alert.change == "going")).alert.owner == "nurse"
        assert (await nurse.ask(Undo(id=uuid4(), alert=alert.id, command=going.id))).outcome == "accepted"
        undone = await wall.expect(Change, lambda change: change.alert.change == "undo")
        too_long = Shelve(minutes=60, **shown(undone.alert))
        assert (await nurse.ask(too_long)).reason == "too_long", "high priority"
        assert (await nurse.ask(Shelve(minutes=15, **shown(undone.alert)))).outcome == "accepted"
        shelf = (await wall.expect(ShelfChange)).shelf
        assert (shelf.by, shelf.rule, shelf.ended) == ("nurse", "low", False)
        assert (await nurse.ask(Unshelve(id=uuid4(), shelf=shelf.id))).outcome == "accepted"
        assert (await wall.expect(ShelfChange)).shelf.ended
        away = OutOfService(id=uuid4(), patient=patient_id("p1"), minutes=30, reason="bath")
        assert (await nurse.ask(away)).outcome == "accepted"
        service = (await wall.expect(ServiceChange)).service
        assert (service.label, service.site, service.reason) == ("p1", 1, "bath")
        async with ward.feed() as late:
            snapshot = await late.expect(Snapshot)
            assert (snapshot.shelves, [each.label for each in snapshot.services]) == ((), ["p1"])


async def test_a_receipt_reaches_the_manager_and_says_so_on_the_alert(ward: Ward):
    """Otherwise the lead would be called ten seconds after every alarm that somebody is looking at."""
    async with ward.gateway(), ward.feed() as nurse, ward.feed("wall-token") as wall:
        await ward.write(episode())
        alert = (await wall.expect(Change)).alert
        await wall.peer.send(Delivered(announcements=((alert.id, 1),)).encode().decode())
        told = await nurse.expect(Change, lambda change: change.alert.delivered == 1)
        assert (told.alert.id, told.alert.announced) == (alert.id, False)
