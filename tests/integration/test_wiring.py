"""The registry's client of simulators and provers on a real registry, beside records that nobody can read."""

from __future__ import annotations

import pytest

from compose.wiring import RegistryClient
from ingest import commands
from ingest.directory import REMEDY
from runtime.kafka import Out, Producer
from runtime.settings import Settings
from simulators.registry import Wearer, enrol
from tests.integration.test_registry import registry
from vitals.devices import DEVICE_TYPES
from vitals.errors import InputError
from vitals.topics import BINDINGS

SINCE = 1_699_000_000_000_000
CGM, WATCH = DEVICE_TYPES["dexcom"], DEVICE_TYPES["wrist"]
WARD = [Wearer("cgm-1", CGM, "bed-1", SINCE), Wearer("watch-2", WATCH, "bed-2", SINCE)]


async def write(settings: Settings, key: bytes, value: bytes = b"noise") -> int:
    """Write a record of the registry by hand; its offset."""
    async with Producer(settings, "foreign") as producer:
        (offset,) = await producer.send([Out(BINDINGS, 0, key, value)])
    return offset


async def test_a_device_whose_record_cannot_be_read_is_named_with_what_to_do(topics: Settings):
    """That the device exists, as the registry says, leads nobody to the record that a bridge rejects readings by."""
    async with registry(topics):
        await enrol(RegistryClient(topics), "ward-a", WARD)
        offset = await write(topics, b"device:cgm-1")
        with pytest.raises(InputError) as caught:
            await enrol(RegistryClient(topics), "ward-a", WARD)
        told = str(caught.value)
        where = f"b'device:cgm-1' at {BINDINGS} partition 0 offset {offset}"
        assert f"the registry's record cannot be read: {where}, and the registry refused: device cgm-1 exists" in told
        assert told.endswith(f"({REMEDY})")
        assert len(told.splitlines()) == 1

        assert await RegistryClient(topics).unbind("cgm-1", SINCE + 1)
        assert (await commands.devices(topics)).unreadable == {}, "what to do did not help"


async def test_who_wears_what_cannot_be_read_is_told_where_that_may_be_why(topics: Settings):
    """A patient wears a device that the client does not see, so it gives them another, which the registry refuses."""
    async with registry(topics):
        await enrol(RegistryClient(topics), "ward-a", WARD)
        offset = await write(topics, b"device:cgm-1")
        with pytest.raises(InputError) as caught:
            await enrol(RegistryClient(topics), "ward-a", [Wearer("cgm-9", CGM, "bed-1", SINCE)])
        assert "the registry refused: patient bed-1 wears cgm-1 for glucose now" in str(caught.value)
        assert f"the first is b'device:cgm-1' at {BINDINGS} partition 0 offset {offset}; {REMEDY}" in str(caught.value)


async def test_what_the_registry_does_not_need_the_record_for_goes_on(topics: Settings):
    """A foreign record must not keep a ward from starting: the devices name the site, and a new device has no past."""
    async with registry(topics):
        await enrol(RegistryClient(topics), "ward-a", WARD)
        await write(topics, b"site:ward-a")
        await write(topics, b"device:odd")
        await write(topics, b"device:cgm-3")
        await enrol(RegistryClient(topics), "ward-a", [*WARD, Wearer("cgm-3", CGM, "bed-3", SINCE)])
        assert list((await commands.devices(topics)).unreadable) == [b"device:odd"]


async def test_a_site_that_no_device_names_is_named_with_what_to_do(topics: Settings):
    """Nobody knows its number but the registry, which says it, and does not write it again."""
    async with registry(topics):
        await RegistryClient(topics).add_site("ward-a")
        offset = await write(topics, b"site:ward-a")
        with pytest.raises(InputError) as caught:
            await RegistryClient(topics).add_site("ward-a")
        told = str(caught.value)
        assert f"b'site:ward-a' at {BINDINGS} partition 0 offset {offset}" in told
        assert "site ward-a exists, its number is 1" in told
        assert "vigil site add" in told
