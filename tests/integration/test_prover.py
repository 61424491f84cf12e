"""Proof of life through the whole chain on real servers: prover, MQTT, bridge, processor, manager, gateway, prover."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from alerts import gateway, prover
from alerts.settings import ProveSettings
from compose.wiring import RegistryClient
from ingest import commands, registry_service
from ingest import service as bridge_service
from ingest.settings import BridgeSettings, RegistrySettings
from runtime.settings import Settings
from runtime.testing.waiting import until
from stream import service as stream_service
from stream.settings import ProcessSettings
from tests.screens import CLOCK, Ward, free_port, managed, running, settings_for
from vitals.errors import SettingsError, StateError
from vitals.proof import patient_name
from vitals.protocol import Heartbeat, OutOfService, Snapshot
from vitals.registry import SiteAdd
from vitals.topics import patient_id

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same chain, told in seconds instead of tens of seconds."""
    monkeypatch.setattr(prover, "HALF_S", 0.3)
    monkeypatch.setattr(prover, "FAILED_S", 3.0)
    monkeypatch.setattr(prover, "LOOK_S", 0.1)
    monkeypatch.setattr(prover, "ENROL_EVERY_S", 0.2)
    monkeypatch.setattr(gateway, "HEARTBEAT_SECONDS", 0.2)


class Chain:
    """Everything between a device and a screen but the gateway; the bridge can be stopped."""

    def __init__(self, settings: Settings, ward: Ward) -> None:
        self.settings = settings
        self.ward = ward

    def of(self, cls: type[Any], **more: Any) -> Any:
        return settings_for(self.settings, cls, mqtt=self.settings.mqtt, **more)

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[None]:
        async with running(bridge_service.main(self.of(BridgeSettings))):
            yield

    @asynccontextmanager
    async def proving(self, url: str, health: int) -> AsyncIterator[None]:
        settings = self.of(ProveSettings, feed_url=url, prover_token=SecretStr("ops-token"), health_port=health)
        async with running(prover.main(settings, RegistryClient)):
            yield


@pytest.fixture
def started(topics: Settings, mqtt: str, tmp_path: Path) -> AbstractAsyncContextManager[Chain]:
    """To be entered by the test itself, so that a service that fails ends it."""
    assert topics.mqtt == mqtt
    return _chain(topics, tmp_path)


@asynccontextmanager
async def _chain(settings: Settings, folder: Path) -> AsyncIterator[Chain]:
    async with managed(settings, folder, clock="real") as ward:
        chain = Chain(settings, ward)
        registry = registry_service.main(chain.of(RegistrySettings))
        processor = stream_service.main(chain.of(ProcessSettings))
        async with running(registry), running(processor):
            await commands.execute(settings, SiteAdd(id=uuid4(), name="ward-a"))
            yield chain


async def ask(port: int, path: str) -> str:
    """What a service's health server says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    text = (await reader.read()).decode().partition("\r\n\r\n")[2]
    writer.close()
    await writer.wait_closed()
    return text


async def reasons(port: int) -> dict[str, str]:
    found: dict[str, str] = json.loads(await ask(port, "/readyz"))["reasons"]
    return found


async def test_a_sites_alarm_is_proved_through_the_whole_chain_and_shown_to_nobody(
    started: AbstractAsyncContextManager[Chain],
):
    """The page says "proved 4 s ago"; and no nurse is ever called for a patient who does not exist."""
    health = free_port()
    async with (
        started as chain,
        chain.bridge(),
        chain.ward.gateway(clock="real") as url,
        chain.ward.feed() as nurse,
        chain.ward.feed("other-token") as other,
        chain.proving(url, health),
    ):
        first = await nurse.expect(Heartbeat, lambda beat: bool(beat.proofs and beat.proofs[0].age_ms is not None))
        (proof,) = first.proofs
        assert proof.site == 1
        assert (proof.took_ms or 0) < 10_000
        again = await nurse.expect(Heartbeat, lambda beat: beat.proofs[0].proved_at != proof.proved_at)
        assert again.clock_at is not None
        await until(lambda: _ready(health))
        assert 'vigil_proof_age_seconds{site="ward-a"}' in await ask(health, "/metrics")
        assert (await other.expect(Heartbeat)).proofs == (), "another ward's proof is not in scope"
        assert nurse.changes == []
        async with chain.ward.feed() as late:
            assert (await late.expect(Snapshot)).alerts == ()
        async with chain.ward.feed(cursor=nurse.cursor) as back:
            await back.expect(Heartbeat)
            assert (back.welcome.recovered, back.changes) == (True, [])


async def test_operators_hear_by_another_path_that_a_sites_alarm_fails_and_that_it_is_back(
    started: AbstractAsyncContextManager[Chain], capfd: pytest.CaptureFixture[str]
):
    """A chain that is broken cannot tell so itself: the prover's own log, metric and /readyz must."""
    health = free_port()
    async with started as chain, chain.ward.gateway(clock="real") as url, chain.proving(url, health):
        async with chain.bridge():
            await until(lambda: _ready(health))
            capfd.readouterr()  # a slow machine may have needed longer than this test's limit for the first one
        await until(lambda: _says(health, "site ward-a: no alarm has come through"))
        async with chain.bridge():
            await until(lambda: _ready(health))
    said = capfd.readouterr()
    text = said.out + said.err
    assert (text.count("proof of life FAILED"), text.count("proof of life is back")) == (1, 1)


async def test_the_prover_outlives_the_servers_that_it_proves(topics: Settings, mqtt: str):
    """When everything is gone, somebody must be left to say so."""
    assert mqtt
    port = free_port()
    settings = settings_for(
        topics,
        ProveSettings,
        mqtt=f"127.0.0.1:{free_port()}",
        feed_url=f"ws://127.0.0.1:{free_port()}/feed",
        prover_token=SecretStr("ops-token"),
        health_port=port,
    )
    async with running(prover.main(settings, RegistryClient)):
        await until(lambda: _says(port, "cannot be reached"))
        assert {"mqtt", "feed"} <= (await reasons(port)).keys()


async def test_a_prover_without_a_token_or_on_simulated_time_does_not_start(topics: Settings):
    """On a month of 2023 there is nobody to prove anything to, and without a token nothing is heard."""
    with pytest.raises(SettingsError):
        await prover.main(settings_for(topics, ProveSettings), RegistryClient, CLOCK)
    with pytest.raises(StateError):
        await prover.main(settings_for(topics, ProveSettings, clock="simulated"), RegistryClient, CLOCK)


async def test_screens_may_not_take_the_synthetic_patient_out_of_service(started: AbstractAsyncContextManager[Chain]):
    """Whoever could would silence the proof and nobody would know."""
    async with started as chain, chain.bridge(), chain.ward.gateway(clock="real") as url, chain.ward.feed() as nurse:
        async with chain.proving(url, free_port()):
            await nurse.expect(Heartbeat, lambda beat: bool(beat.proofs))
        message = OutOfService(id=uuid4(), patient=patient_id(patient_name("ward-a")), minutes=5)
        assert (await nurse.ask(message)).reason == "unknown_patient"
        assert nurse.changes == []


async def _ready(port: int) -> bool:
    try:
        return not await reasons(port)
    except OSError:
        return False


async def _says(port: int, text: str) -> bool:
    try:
        return any(text in reason for reason in (await reasons(port)).values())
    except OSError:
        return False
