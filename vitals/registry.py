"""Commands to the registry and its answers: the messages of ``registry.commands``.

Every command carries its id, so that a repeated one is answered and done once.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from vitals.devices import BED_CHARACTERS_MAX, DeviceType
from vitals.messages import Message
from vitals.numbers import Count, Time
from vitals.policies import Policy

BY_CHARACTERS_MAX = 128
"""Of the name of who decided something."""


class SiteAdd(Message):
    """Create a site; its number is given by the registry."""

    kind: Literal["site_add"] = "site_add"
    id: UUID
    name: str


class DeviceAdd(Message):
    """Register a device of a type at a site."""

    kind: Literal["device_add"] = "device_add"
    id: UUID
    name: str
    site: str
    type: DeviceType


class DeviceBind(Message):
    """Bind a device to a patient (pseudonym) from an event time on (µs UTC)."""

    kind: Literal["device_bind"] = "device_bind"
    id: UUID
    device: str
    patient: str
    since: Time
    bed: str = Field(default="", max_length=BED_CHARACTERS_MAX)
    """Where the patient lies; empty leaves what is known."""


class DeviceUnbind(Message):
    """End a device's open binding at an event time (µs UTC)."""

    kind: Literal["device_unbind"] = "device_unbind"
    id: UUID
    device: str
    until: Time


class DeviceClose(Message):
    """Close what is open of a patient (pseudonym) since a device was taken off: nobody waits for the next any more."""

    kind: Literal["device_close"] = "device_close"
    id: UUID
    patient: str
    by: str = Field(default="", max_length=BY_CHARACTERS_MAX)


class PolicySet(Message):
    """Give a patient (pseudonym) who wears something a policy of their own; the registry numbers its version.

    ``base`` is the version that it was made from: refused where another is in force by now; None asks for no such
    check. ``by`` is who says so, for the history.
    """

    kind: Literal["policy_set"] = "policy_set"
    id: UUID
    patient: str
    policy: Policy
    base: Count | None = None
    by: str = Field(default="", max_length=BY_CHARACTERS_MAX)


class ClockSet(Message):
    """Say whose time the log lives by: *simulated* only while it is empty of readings, *real* once and for good."""

    kind: Literal["clock_set"] = "clock_set"
    id: UUID
    clock: Literal["real", "simulated"]


class Answer(Message):
    """What became of a command; ``reason`` is one line for a person where it was refused."""

    kind: Literal["answer"] = "answer"
    id: UUID
    outcome: Literal["accepted", "refused"]
    reason: str = ""


Command = SiteAdd | DeviceAdd | DeviceBind | DeviceUnbind | DeviceClose | PolicySet | ClockSet
CommandOrAnswer = Annotated[Command | Answer, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Command | Answer] = TypeAdapter(CommandOrAnswer)


def decode(data: bytes) -> Command | Answer:
    """The message in a value of ``registry.commands``. Raises pydantic's ``ValidationError`` for anything else."""
    return _ADAPTER.validate_json(data)
