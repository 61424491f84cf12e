"""The registry's client: write commands, wait for their answers; list what is registered.

For the ``vigil`` command line and whoever sets up a ward; the registry itself must be running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from ingest.directory import DEVICE, PATIENT, SITE, device_of, remedy, site_of
from runtime.kafka import Out, Producer, Reader
from runtime.settings import Settings
from vitals.control import PatientControl
from vitals.devices import Device, Site
from vitals.errors import CodecError, ServerStalled
from vitals.messages import Message
from vitals.registry import Answer, ClockSet, Command, DeviceAdd, DeviceClose, PolicySet, SiteAdd, decode
from vitals.steps import Records
from vitals.topics import BINDINGS, COMMANDS

ANSWER_S = 20.0
"""A registry that is restarting has its partition back within a second or two."""
POLL_S = 1.0
M = TypeVar("M", bound=Message)


async def execute(settings: Settings, command: Command, deadline_s: float = ANSWER_S) -> Answer:
    """Have one command carried out; its answer, accepted or refused with the reason.

    Raises:
        ServerStalled: no answer within ``deadline_s`` seconds. The command stays in the log and may yet be done.
        KafkaUnavailable, KafkaStalled, KafkaFailed: Kafka's own troubles.
    """
    return (await execute_all(settings, [command], deadline_s))[0]


async def execute_all(settings: Settings, commands: Sequence[Command], deadline_s: float = ANSWER_S) -> list[Answer]:
    """As `execute` for many: they are carried out one after the other, in this order, each on its own merit."""
    async with Reader(settings, [(COMMANDS, 0)]) as reader, Producer(settings, "registry-client") as producer:
        reader.seek(COMMANDS, 0, (await reader.end_offsets())[COMMANDS, 0])
        await producer.send([Out(COMMANDS, 0, _key(command), command.encode()) for command in commands])
        answers: dict[UUID, Answer] = {}
        try:
            async with asyncio.timeout(deadline_s):
                while any(command.id not in answers for command in commands):
                    for records in await reader.poll(POLL_S):
                        answers |= _answers(records.values)
        except TimeoutError:
            missing = sum(command.id not in answers for command in commands)
            what = f"{missing} of {len(commands)} commands after {deadline_s:g} s"
            raise ServerStalled("the registry does not answer", what, "start vigil registry, look at its log") from None
    return [answers[command.id] for command in commands]


@dataclass(frozen=True, slots=True)
class Listing(Generic[M]):
    """What is registered of one kind, by name; ``unreadable`` has key and offset of the records that nobody can read,
    the first one first: of devices and sites those that a bridge cannot use either.
    """

    found: list[M]
    unreadable: dict[bytes, int]


def place(key: bytes, offset: int) -> str:
    """Where a record of the registry stands, for a person."""
    return f"{ascii(key)[:80]} at {BINDINGS} partition 0 offset {offset}"


def told(unreadable: Mapping[bytes, int]) -> str:
    """How many records of a `Listing` cannot be read, where the first one stands and what to do; '' of none."""
    for key, offset in unreadable.items():
        how_many = f"{len(unreadable)} of the registry's records cannot be read"
        return f"{how_many}: the first is {place(key, offset)}; {remedy(key)}"
    return ""


async def devices(settings: Settings) -> Listing[Device]:
    """Every registered device with its bindings, by name."""
    return await _registered(settings, DEVICE, device_of)


async def sites(settings: Settings) -> Listing[Site]:
    """Every site with its number, by name."""
    return await _registered(settings, SITE, site_of)


async def log(settings: Settings) -> list[Records]:
    """All of ``registry.commands`` as it stands now, commands and answers in order."""
    found: list[Records] = []
    async with Reader(settings, [(COMMANDS, 0)]) as reader:
        end = (await reader.end_offsets())[COMMANDS, 0]
        position = (await reader.beginning_offsets())[COMMANDS, 0]
        while position < end:
            for records in await reader.poll(POLL_S):
                found.append(records)
                position = records.offsets[-1] + 1
    return found


async def patients(settings: Settings) -> Listing[PatientControl]:
    """Every patient who ever wore something, with all they wear and their policy, by pseudonym."""
    return await _registered(settings, PATIENT, _patient_of)


def _key(command: Command) -> bytes:
    match command:
        case SiteAdd() | DeviceAdd():
            return command.name.encode()
        case PolicySet() | DeviceClose():
            return command.patient.encode()
        case ClockSet():
            return b"clock"
        case _:
            return command.device.encode()


def _answers(values: list[bytes]) -> dict[UUID, Answer]:
    found = {}
    for value in values:
        try:
            message = decode(value)
        except ValidationError:
            continue  # somebody else's bytes: the registry answers or counts them
        if isinstance(message, Answer):
            found[message.id] = message
    return found


def _patient_of(key: bytes, value: bytes) -> PatientControl:
    try:
        return PatientControl.model_validate_json(value)
    except ValidationError:
        raise CodecError("the patient's record cannot be read", ascii(key)) from None


async def _registered(settings: Settings, prefix: bytes, read: Callable[[bytes, bytes], M]) -> Listing[M]:
    last: dict[bytes, tuple[int, bytes]] = {}
    async with Reader(settings, [(BINDINGS, 0)]) as reader:
        end = (await reader.end_offsets())[BINDINGS, 0]
        position = (await reader.beginning_offsets())[BINDINGS, 0]
        while position < end:
            for records in await reader.poll(POLL_S):
                for offset, key, value in zip(records.offsets, records.keys, records.values, strict=True):
                    if key and key.startswith(prefix):
                        last[key] = offset, value
                position = records.offsets[-1] + 1
    found, unreadable = [], {}
    for key, (offset, value) in sorted(last.items()):
        try:
            if value:
                found.append(read(key, value))
        except CodecError:
            unreadable[key] = offset
    return Listing(found, dict(sorted(unreadable.items(), key=lambda each: each[1])))
