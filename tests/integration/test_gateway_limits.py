"""The gateway's limits with real sockets: bad, slow and many clients cost only themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest

from alerts import gateway, session
from runtime.settings import Settings
from runtime.testing.waiting import until
from runtime.web import PeerGone, WebLimits, connect
from tests.alerting import episode
from tests.screens import (
    LIMITS,
    Ward,
    clients,
    free_port,
    managed,
    silent_client,
)
from vitals.evidence import Evidence
from vitals.protocol import (
    CLIENT_MESSAGE_BYTES_MAX,
    Acknowledge,
    Change,
    CommandAnswer,
    Hello,
    Snapshot,
)
from vitals.readings import OBSERVED_MAX_US

pytestmark = pytest.mark.timeout(60)
LONG = Evidence(policy=1, night=False, level=2, limit=54.0, count=2_000, readings=((OBSERVED_MAX_US, 48_000),) * 2_000)
"""50 KB of a change, so that few of them fill the buffers of a socket."""


@pytest.fixture
async def ward(topics: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    """A manager that runs, and people with tokens."""
    async with managed(topics, tmp_path) as ward:
        yield ward


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Hello(token="wrong").encode().decode(), 4401),
        ("{}", 4400),
        ("not JSON", 4400),
        (Acknowledge(id=UUID(int=1), alert=UUID(int=2), level=1, version=(0, 0)).encode().decode(), 4400),
        ('{"type":"hello","token":"' + "x" * 513 + '"}', 4400),
        ("x" * (CLIENT_MESSAGE_BYTES_MAX + 1), 1009),
        (None, 4408),
    ],
    ids=["token", "empty", "no JSON", "no hello", "long token", "too large", "silent"],
)
async def test_who_does_not_keep_to_the_protocol_is_told_why(
    ward: Ward, first: str | None, code: int, monkeypatch: pytest.MonkeyPatch
):
    """The code says whether to come back; docs/feed.md lists them."""
    monkeypatch.setattr(session, "HELLO_SECONDS_MAX", 0.5)
    async with ward.gateway() as url, connect(url, limits=LIMITS) as peer:
        if first is not None:
            await peer.send(first)
        with pytest.raises(PeerGone) as gone:
            await peer.receive()
    assert gone.value.code == code


async def test_a_second_hello_and_one_connection_too_many_are_refused(ward: Ward):
    """A full gateway says so instead of serving everybody badly."""
    async with ward.gateway(feed_clients_max=1) as url, ward.feed() as nurse:
        async with connect(url, limits=LIMITS) as peer:
            with pytest.raises(PeerGone) as full:
                await peer.receive()
        await nurse.peer.send(Hello(token="nurse-token").encode().decode())
        with pytest.raises(PeerGone) as twice:
            await nurse.expect(CommandAnswer)
    assert (full.value.code, twice.value.code) == (1013, 4400)


async def test_a_client_that_never_reads_costs_only_itself(ward: Ward, monkeypatch: pytest.MonkeyPatch):
    """It completes the handshake and stops: the library alone would keep it for ever and hang at the end."""
    monkeypatch.setattr(gateway, "LIMITS", WebLimits(buffer_bytes_max=256 * 1024, watch_every_s=0.1, stall_s=1.0))
    health = free_port()
    async with ward.gateway(health_port=health) as url, ward.feed() as nurse:
        await nurse.expect(Snapshot)
        with silent_client(url):
            await ward.write(episode())
            await nurse.expect(Change)

            async def both() -> bool:
                return await clients(health) == 2

            await until(both)
            for number in range(1, 100):
                reasons = [f"{number} {part}" for part in range(10)]
                await ward.write(*(episode("reason", number / 100, reason=said, evidence=LONG) for said in reasons))
                await nurse.expect(Change, lambda message: message.alert.reason == reasons[-1])  # noqa: B023
                if await clients(health) == 1:
                    break
            assert await clients(health) == 1
    assert len(nurse.changes) == 1 + 10 * number


async def test_a_gateway_stops_although_a_client_never_reads(ward: Ward):
    """A restart that waits for the worst client is no restart."""
    with ExitStack() as left_open:
        async with ward.gateway() as url, ward.feed() as nurse:
            await nurse.expect(Snapshot)
            left_open.enter_context(silent_client(url))
            await ward.write(episode())
            for part in range(5):
                reasons = [f"{part} {number}" for number in range(20)]
                await ward.write(*(episode("reason", 1, reason=said, evidence=LONG) for said in reasons))
                await nurse.expect(Change, lambda message: message.alert.reason == reasons[-1])  # noqa: B023
            ward.stop()
            with pytest.raises(PeerGone) as gone:
                await nurse.expect(CommandAnswer)
    assert gone.value.code == 1012


async def test_two_hundred_clients_get_every_change(ward: Ward):
    """A hospital's screens on one gateway: each change is made once and sent to all."""
    clients, changes = 200, 20

    async def watch() -> list[str]:
        async with ward.feed("wall-token") as screen:
            await screen.expect(Snapshot)
            ready.release()
            while len(screen.changes) < changes:
                await screen.expect(Change)
            return [alert.label for alert in screen.changes]

    ready = asyncio.Semaphore(0)
    async with ward.gateway(), asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watch(), name=f"screen {number}") for number in range(clients)]
        for _ in range(clients):
            await ready.acquire()
        await ward.write(*(episode(label=f"p{number}", reason=str(number)) for number in range(changes)))
    assert all(len(task.result()) == changes for task in watching)
