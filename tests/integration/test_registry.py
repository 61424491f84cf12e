"""The registry over a real Kafka: commands, answers, and what bridges and processors read of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from ingest import commands, registry_service
from ingest.settings import RegistrySettings
from runtime.kafka import Out, Producer, Reader, Records
from runtime.settings import Settings
from vitals import control
from vitals.control import ClockControl, PatientControl, SiteControl
from vitals.devices import DEVICE_TYPES
from vitals.errors import ServerStalled
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.registry import Answer, ClockSet, DeviceAdd, DeviceBind, DeviceUnbind, PolicySet, SiteAdd
from vitals.topics import COMMANDS, READINGS, partition_of, patient_id

SINCE = 1_699_000_000_000_000


@asynccontextmanager
async def registry(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """The registry service beside the test; leaving stops it."""
    own = RegistrySettings.model_validate(settings.model_dump())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(registry_service.main(own), name="registry")
        yield task
        task.cancel()


async def everything(settings: Settings, topic: str, partitions: int) -> list[Records]:
    """All records of a topic, partition by partition."""
    keys = [(topic, partition) for partition in range(partitions)]
    found: list[Records] = []
    async with Reader(settings, keys) as reader:
        ends = await reader.end_offsets()
        positions = dict.fromkeys(keys, 0)
        while any(positions[key] < ends[key] for key in keys):
            for records in await reader.poll(1.0):
                found.append(records)
                positions[records.topic, records.partition] = records.offsets[-1] + 1
    return found


def new() -> UUID:
    return uuid4()


async def test_a_ward_is_set_up_by_commands_and_everybody_can_read_it(topics: Settings):
    """The answer must mean that processors have the control record and bridges the binding."""
    async with registry(topics):
        answers = await commands.execute_all(
            topics,
            [
                SiteAdd(id=new(), name="ward-a"),
                DeviceAdd(id=new(), name="cgm-1", site="ward-a", type=DEVICE_TYPES["dexcom"]),
                DeviceBind(id=new(), device="cgm-1", patient="p-1", since=SINCE),
                DeviceBind(id=new(), device="cgm-1", patient="p-2", since=SINCE),
                DeviceUnbind(id=new(), device="cgm-1", until=SINCE + 1),
            ],
        )
    assert [answer.outcome for answer in answers] == ["accepted", "accepted", "accepted", "refused", "accepted"]
    assert answers[3].reason.startswith("device cgm-1 is bound to p-1")
    (site,) = (await commands.sites(topics)).found
    (device,) = (await commands.devices(topics)).found
    assert (site.name, site.number) == ("ward-a", 1)
    assert [(each.label, each.since, each.until) for each in device.bindings] == [("p-1", SINCE, SINCE + 1)]
    sites, patients = [], []
    for records in await everything(topics, READINGS, topics.partitions):
        for value, headers in zip(records.values, records.headers, strict=True):
            assert ("control", b"1") in headers
            message = control.decode(value)
            if isinstance(message, SiteControl):
                sites.append((records.partition, message.number))
            else:
                assert isinstance(message, PatientControl)
                patients.append((records.partition, message.version, message.worn[0].binding.until))
    home = partition_of(patient_id("p-1").bytes, topics.partitions)
    assert sorted(sites) == [(partition, 1) for partition in range(topics.partitions)]
    assert patients == [(home, 1, None), (home, 2, SINCE + 1)]


async def test_a_patients_roster_stands_beside_devices_and_sites(topics: Settings):
    """The gateway and the dashboard read one topic, and bridges pass over what is not theirs."""
    async with registry(topics):
        answers = await commands.execute_all(
            topics,
            [
                ClockSet(id=new(), clock="simulated"),
                SiteAdd(id=new(), name="ward-a"),
                DeviceAdd(id=new(), name="cgm-1", site="ward-a", type=DEVICE_TYPES["dexcom"]),
                DeviceBind(id=new(), device="cgm-1", patient="p-1", since=SINCE, bed="3b"),
                PolicySet(id=new(), patient="p-1", policy=edited(DEFAULT, ["high=off"])),
                ClockSet(id=new(), clock="real"),
                ClockSet(id=new(), clock="simulated"),
            ],
        )
    assert [answer.outcome for answer in answers] == ["accepted"] * 6 + ["refused"]
    (patient,) = (await commands.patients(topics)).found
    assert (patient.label, patient.bed, patient.version, patient.policy.version) == ("p-1", "3b", 2, 2)
    assert [device.name for device in (await commands.devices(topics)).found] == ["cgm-1"]
    assert [site.name for site in (await commands.sites(topics)).found] == ["ward-a"]
    clocks = [
        (records.partition, message.clock)
        for records in await everything(topics, READINGS, topics.partitions)
        for message in map(control.decode, records.values)
        if isinstance(message, ClockControl)
    ]
    assert sorted(clocks) == [(each, clock) for each in range(topics.partitions) for clock in ("real", "simulated")]
    for partition in range(topics.partitions):
        assert [clock for each, clock in clocks if each == partition] == ["simulated", "real"]


async def test_a_restarted_registry_knows_what_it_answered(topics: Settings):
    """It recovers by replay: a site keeps its number, and no answer and no binding is written a second time."""
    first = SiteAdd(id=new(), name="ward-a")
    async with registry(topics):
        await commands.execute(topics, first)
    before = [len(records.offsets) for records in await everything(topics, READINGS, topics.partitions)]
    async with registry(topics):
        second = await commands.execute(topics, SiteAdd(id=new(), name="ward-b"))
        again = await commands.execute(topics, SiteAdd(id=new(), name="ward-a"))
    assert second.outcome == "accepted"
    assert again.reason == "site ward-a exists, its number is 1"
    assert [site.number for site in (await commands.sites(topics)).found] == [1, 2]
    after = [len(records.offsets) for records in await everything(topics, READINGS, topics.partitions)]
    assert sum(after) == sum(before) + topics.partitions


async def test_the_same_command_twice_is_answered_once(topics: Settings):
    """A client that repeats after a time-out must not bind twice, or hear two answers."""
    command = SiteAdd(id=new(), name="ward-a")
    async with registry(topics), Producer(topics, "twice") as producer:
        await producer.send([Out(COMMANDS, 0, b"ward-a", command.encode())] * 2)
        await commands.execute(topics, SiteAdd(id=new(), name="ward-b"))
    (records,) = await everything(topics, COMMANDS, 1)
    answers = [Answer.model_validate_json(value) for value in records.values if b'"answer"' in value]
    assert sum(answer.id == command.id for answer in answers) == 1


async def test_bytes_that_are_no_command_stop_nothing(topics: Settings):
    """One wrong record in the log would otherwise end every registry that ever reads it."""
    async with registry(topics), Producer(topics, "noise") as producer:
        await producer.send([Out(COMMANDS, 0, b"?", value) for value in (b"noise", b"{}", b'{"id":5}', b"\xff")])
        answer = await commands.execute(topics, SiteAdd(id=new(), name="ward-a"))
    assert answer.outcome == "accepted"


async def test_without_a_registry_a_command_says_so(topics: Settings):
    """A command line that waits for ever is worse than one that fails."""
    with pytest.raises(ServerStalled, match="start vigil registry"):
        await commands.execute(topics, SiteAdd(id=new(), name="ward-a"), deadline_s=0.5)
