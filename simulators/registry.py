"""What a simulator needs of the registry; the composition root gives it an object that speaks to the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from vitals.devices import DeviceType


class Registry(Protocol):
    """Commands as calls. Each returns once the registry has answered, True for done and False where the same was
    there before; every other refusal raises ``InputError`` with the registry's reason. Calls may overlap.
    """

    async def sites(self) -> Sequence[str]:
        """Names of all sites."""
        ...

    async def add_site(self, name: str) -> bool:
        """Make a site."""
        ...

    async def add_device(self, name: str, type: DeviceType, site: str) -> bool:  # noqa: A002 - the registry's word
        """Register a device of a type at a site."""
        ...

    async def bind(self, device: str, patient: str, since: int) -> bool:
        """Bind a device to a patient (pseudonym) from ``since`` (µs UTC) on, unless it is bound to them already."""
        ...


class Wearer(NamedTuple):
    """A device of a type, worn by a patient (pseudonym) from an event time on (µs UTC)."""

    device: str
    type: DeviceType
    patient: str
    since: int


async def enrol(registry: Registry, site: str, wearers: Sequence[Wearer]) -> None:
    """Make the site, the devices and the bindings, as far as they are missing.

    Raises:
        InputError: the registry refuses one of them.
    """
    await registry.add_site(site)
    adding = [registry.add_device(wearer.device, wearer.type, site) for wearer in wearers]
    await asyncio.gather(*adding)
    binding = [registry.bind(wearer.device, wearer.patient, wearer.since) for wearer in wearers]
    await asyncio.gather(*binding)
