"""The registry's client as simulators see it, over a registry that the test plays."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest

from compose.wiring import RegistryClient
from ingest import commands
from ingest.directory import REMEDY
from runtime.settings import Settings
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.errors import InputError, ServerStalled
from vitals.policies import DEFAULT
from vitals.registry import Answer, Command
from vitals.topics import BINDINGS, device_id, patient_id


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> RegistryClient:
    binding = Binding(patient=patient_id("bed-1"), label="bed-1", since=1_000)
    worn = Device(
        name="cgm", id=device_id("cgm"), type=DEVICE_TYPES["dexcom"], site=1, site_name="ward-a", bindings=(binding,)
    )

    async def devices(_: Settings) -> commands.Listing[Device]:
        return commands.Listing([worn], {})

    async def sites(_: Settings) -> commands.Listing[Site]:
        return commands.Listing([], {})

    monkeypatch.setattr(commands, "devices", devices)
    monkeypatch.setattr(commands, "sites", sites)
    return RegistryClient(Settings())


async def test_calls_that_overlap_travel_together(client: RegistryClient, monkeypatch: pytest.MonkeyPatch):
    """A ward of hundreds would otherwise open hundreds of connections."""
    sent: list[int] = []

    async def execute(_: Settings, batch: Sequence[Command]) -> list[Answer]:
        sent.append(len(batch))
        await asyncio.sleep(0)
        return [Answer(id=command.id, outcome="accepted") for command in batch]

    monkeypatch.setattr(commands, "execute_all", execute)
    await client.sites()
    await asyncio.gather(*(client.bind(f"d{number}", f"p{number}", 5) for number in range(20)))
    assert sum(sent) == 20
    assert len(sent) <= 2


async def test_a_registry_that_is_away_fails_everyone_who_waits(
    client: RegistryClient, monkeypatch: pytest.MonkeyPatch
):
    """Whoever travelled in another's batch would otherwise wait for ever."""

    async def execute(_: Settings, batch: Sequence[Command]) -> list[Answer]:
        raise ServerStalled("the registry does not answer", f"{len(batch)} commands")

    monkeypatch.setattr(commands, "execute_all", execute)
    async with asyncio.timeout(5):
        calls = [client.bind(f"d{number}", "p", 5) for number in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in found] == [ServerStalled] * 3


async def test_a_binding_from_a_later_time_is_not_the_same(client: RegistryClient):
    """Readings before it could not be attributed, and each of them would be rejected."""
    assert await client.bind("cgm", "bed-1", 2_000) is False
    with pytest.raises(InputError, match="bound from a later time already"):
        await client.bind("cgm", "bed-1", 500)


async def test_a_swap_is_known_to_the_client_that_made_it(client: RegistryClient, monkeypatch: pytest.MonkeyPatch):
    """Reading the registry anew for each step would miss what this client has just done."""
    done: list[str] = []

    async def execute(_: Settings, batch: Sequence[Command]) -> list[Answer]:
        done.extend(command.kind for command in batch)
        return [Answer(id=command.id, outcome="accepted") for command in batch]

    monkeypatch.setattr(commands, "execute_all", execute)
    assert await client.add_device("cgm-2", DEVICE_TYPES["dexcom"], "ward-a")
    assert await client.add_device("cgm-2", DEVICE_TYPES["dexcom"], "ward-a") is False
    assert await client.unbind("cgm-2", 2_000) is False
    assert await client.unbind("cgm", 2_000)
    assert await client.unbind("cgm", 2_000) is False
    assert await client.bind("cgm-2", "bed-1", 2_000, bed="3b")
    assert await client.bind("cgm-2", "bed-1", 3_000) is False
    assert done == ["device_add", "device_unbind", "device_bind"]


async def test_a_refusal_names_the_records_that_may_be_its_cause_and_no_others(monkeypatch: pytest.MonkeyPatch):
    """The registry says of its own state; who asks by what they could read asks in vain, and is told why."""

    async def devices(_: Settings) -> commands.Listing[Device]:
        return commands.Listing([], {b"device:cgm": 8, b"device:odd": 9})

    async def sites(_: Settings) -> commands.Listing[Site]:
        return commands.Listing([], {})

    async def execute(_: Settings, batch: Sequence[Command]) -> list[Answer]:
        return [Answer(id=command.id, outcome="refused", reason="no") for command in batch]

    monkeypatch.setattr(commands, "devices", devices)
    monkeypatch.setattr(commands, "sites", sites)
    monkeypatch.setattr(commands, "execute_all", execute)
    client = RegistryClient(Settings())
    at = f"{BINDINGS} partition 0 offset"
    own = f"the registry's record cannot be read: b'device:cgm' at {at} 8, and the registry refused: no ({REMEDY})"
    with pytest.raises(InputError, match=f"^{re.escape(own)}$"):
        await client.add_device("cgm", DEVICE_TYPES["dexcom"], "ward-a")
    other = f"2 of the registry's records cannot be read: the first is b'device:cgm' at {at} 8; {REMEDY}"
    with pytest.raises(InputError, match=f"^{re.escape(f'the registry refused: no ({other})')}$"):
        await client.bind("new", "bed-1", 5)
    with pytest.raises(InputError, match=r"^the registry refused: no$"):
        await client.set_policy("bed-1", DEFAULT)
