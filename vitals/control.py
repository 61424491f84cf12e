"""Control records: what the registry puts into ``vitals.readings`` for processors, in force from its offset on.

They carry the header ``control`` and move no clock. The same version written twice changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from vitals.devices import BED_CHARACTERS_MAX, Binding, DeviceType
from vitals.errors import StateError
from vitals.messages import Message, Name
from vitals.numbers import Count, SiteNumber, Small
from vitals.policies import Policy
from vitals.readings import LAYOUT_VERSION


class WornDevice(Message):
    """A device in a patient's control record with the one binding that concerns the patient."""

    device: UUID
    name: Name
    type: DeviceType
    binding: Binding


class _Control(Message):
    layout: Small = LAYOUT_VERSION
    """Layout of the rows in this log; who reads another refuses, since bytes would be taken for other fields."""


class PatientControl(_Control):
    """A patient's whole policy and bindings; goes to the patient's partition."""

    kind: Literal["patient"] = "patient"
    patient: UUID
    label: Name
    site: SiteNumber
    version: Count
    worn: tuple[WornDevice, ...]
    policy: Policy
    bed: str = Field(default="", max_length=BED_CHARACTERS_MAX)
    """Where the patient lies, as the ward calls it; may be empty."""
    closings: Count = 0
    """How often somebody closed what was open of a device that is off; with each more it ends."""


class SiteControl(_Control):
    """A site exists from here on; goes to every partition."""

    kind: Literal["site"] = "site"
    number: SiteNumber
    name: Name


class ClockControl(_Control):
    """Whose time the log lives by from here on; goes to every partition. Without one it is real."""

    kind: Literal["clock"] = "clock"
    clock: Literal["real", "simulated"]


Control = Annotated[PatientControl | SiteControl | ClockControl, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[PatientControl | SiteControl | ClockControl] = TypeAdapter(Control)


def decode(data: bytes) -> PatientControl | SiteControl | ClockControl:
    """The control record in a value.

    Raises:
        ValidationError: pydantic's, for anything else.
        StateError: the log holds rows of another layout than `LAYOUT_VERSION`.
    """
    control = _ADAPTER.validate_json(data)
    if control.layout != LAYOUT_VERSION:
        raise StateError(
            f"the log holds rows of layout {control.layout}, not {LAYOUT_VERSION}", "vitals.readings", "update Vigil"
        )
    return control
