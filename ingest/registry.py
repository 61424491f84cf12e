"""The registry step: commands in, answers out, and before each answer what made it true.

A command's outputs go out in three stages, each durable before the next: control records for the processors
(``vitals.readings``), the whole record of the device, the site or the patient for everybody else
(``registry.bindings``), the answer. So whoever has the answer knows that everybody else can know.
"""

from __future__ import annotations

import json
from typing import ClassVar
from uuid import UUID

from pydantic import ValidationError

from ingest.roster import Refused, Roster
from vitals.causes import Cause
from vitals.codecs.state import State, reading
from vitals.control import ClockControl, PatientControl, SiteControl
from vitals.devices import Device, Site
from vitals.messages import Message
from vitals.registry import (
    Answer,
    ClockSet,
    Command,
    DeviceAdd,
    DeviceBind,
    DeviceClose,
    DeviceUnbind,
    PolicySet,
    SiteAdd,
    decode,
)
from vitals.snapshots import Format
from vitals.steps import Output, Records
from vitals.topics import BINDINGS, COMMANDS, CONTROL_HEADER, READINGS, partition_of

_CONTROL = ((CONTROL_HEADER, b"1"),)
_DETAIL_CHARACTERS_MAX = 200


class RegistryStep:
    """The fold of ``registry.commands``; ``partitions`` is the number of patient partitions.

    ``unreadable`` counts records that are no command and carry no id to answer to.
    """

    FORMAT: ClassVar[Format] = Format("registry", 2)

    def __init__(self, partitions: int) -> None:
        self.roster = Roster()
        self.unreadable = 0
        self._partitions = partitions
        self._answered: set[UUID] = set()

    def step(self, records: Records) -> list[Output]:
        """Take commands in offset order; a command id is answered, and done, once."""
        return [
            output
            for offset, key, value in zip(records.offsets, records.keys, records.values, strict=True)
            for output in self._record(offset, key, value)
        ]

    def state(self) -> State:
        """See `vitals.steps.Step`."""
        return {"roster": self.roster.state(), "unreadable": self.unreadable, "answered": sorted(self._answered)}

    def restore(self, state: State) -> None:
        """See `vitals.steps.Step`."""
        with reading():
            self.roster.restore(state["roster"])
            self.unreadable = state["unreadable"]
            self._answered = set(map(UUID, state["answered"]))

    def _record(self, offset: int, key: bytes | None, value: bytes) -> list[Output]:
        try:
            message = decode(value)
        except ValidationError as error:
            return self._not_a_command(offset, key, value, error)
        if isinstance(message, Answer) or message.id in self._answered:
            return []
        self._answered.add(message.id)
        outgoing = _Outgoing(offset)
        try:
            self._do(message, outgoing)
            answer = Answer(id=message.id, outcome="accepted")
        except Refused as refused:
            answer = Answer(id=message.id, outcome="refused", reason=str(refused))
        outgoing.add(2, COMMANDS, 0, key, answer)
        return outgoing.outputs

    def _do(self, command: Command, outgoing: _Outgoing) -> None:
        """Change the roster and say so; raises `Refused` before anything has changed."""
        match command:
            case SiteAdd():
                self._announce_site(self.roster.add_site(command), outgoing)
            case DeviceAdd():
                self._announce_device(self.roster.add_device(command), outgoing)
            case DeviceBind():
                device, patient = self.roster.bind(command)
                self._announce_patient(patient, outgoing)
                self._announce_device(device, outgoing)
            case DeviceUnbind():
                device, patient = self.roster.unbind(command)
                self._announce_patient(patient, outgoing)
                self._announce_device(device, outgoing)
            case DeviceClose():
                self._announce_patient(self.roster.close(command), outgoing)
            case PolicySet():
                changed, patient = self.roster.set_policy(command)
                if changed:
                    self._announce_patient(patient, outgoing)
            case ClockSet():
                if self.roster.set_clock(command):
                    self._everywhere(b"clock", ClockControl(clock=command.clock), outgoing)

    def _everywhere(self, key: bytes, control: SiteControl | ClockControl, outgoing: _Outgoing) -> None:
        for partition in range(self._partitions):
            outgoing.add(0, READINGS, partition, key, control)

    def _announce_site(self, site: Site, outgoing: _Outgoing) -> None:
        self._everywhere(f"site:{site.number}".encode(), SiteControl(number=site.number, name=site.name), outgoing)
        outgoing.add(1, BINDINGS, 0, f"site:{site.name}".encode(), site)

    def _announce_device(self, device: Device, outgoing: _Outgoing) -> None:
        outgoing.add(1, BINDINGS, 0, f"device:{device.name}".encode(), device)

    def _announce_patient(self, control: PatientControl, outgoing: _Outgoing) -> None:
        key = control.patient.bytes
        outgoing.add(0, READINGS, partition_of(key, self._partitions), key, control)
        outgoing.add(1, BINDINGS, 0, f"patient:{control.label}".encode(), control)

    def _not_a_command(self, offset: int, key: bytes | None, value: bytes, error: ValidationError) -> list[Output]:
        """Refuse what at least has an id, so that its sender does not wait in vain."""
        try:
            identity = UUID(json.loads(value)["id"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.unreadable += 1
            return []
        if identity in self._answered:
            return []
        self._answered.add(identity)
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"not a command: {where} {first['msg']}".replace("\n", " ")[:_DETAIL_CHARACTERS_MAX]
        outgoing = _Outgoing(offset)
        outgoing.add(2, COMMANDS, 0, key, Answer(id=identity, outcome="refused", reason=reason))
        return outgoing.outputs


class _Outgoing:
    """Outputs of one command; their ordinals count up."""

    def __init__(self, offset: int) -> None:
        self.outputs: list[Output] = []
        self._offset = offset

    def add(self, stage: int, topic: str, partition: int, key: bytes | None, message: Message) -> None:
        cause = Cause(self._offset, len(self.outputs))
        headers = _CONTROL if topic == READINGS else ()
        self.outputs.append(Output(topic, partition, key, message.encode(), cause, stage, headers))
