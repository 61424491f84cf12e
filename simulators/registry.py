"""What a simulator needs of the registry; the composition root gives it an object that speaks to the real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from vitals.devices import DeviceType


class Wearer(NamedTuple):
    """A device of a type, worn by a patient (pseudonym) from an event time on (µs UTC)."""

    device: str
    type: DeviceType
    patient: str
    since: int


class Registry(Protocol):
    """The registry as two calls."""

    async def sites(self) -> Sequence[str]:
        """Names of all sites."""
        ...

    async def enrol(self, site: str, wearers: Sequence[Wearer]) -> None:
        """Make the site, the devices and the bindings, as far as they are missing; what is there already is fine.

        Raises:
            InputError: something else is there under one of these names, or the registry refuses.
        """
        ...
