"""What a simulator needs of the registry; the composition root gives it an object that speaks to the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from simulators.roll import Wearer, site_names, site_of, wearers, worn_now
from vitals.devices import Device, DeviceType

__all__ = ("Registry", "Wearer", "enrol", "enrol_ward")


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

    async def devices(self) -> Sequence[Device]:
        """Every device that was registered before this run, with its bindings."""
        ...

    async def bind(self, device: str, patient: str, since: int, bed: str = "") -> bool:
        """Bind a device to a patient (pseudonym) in a bed from ``since`` (µs UTC) on, unless it is bound to them
        already.
        """
        ...

    async def unbind(self, device: str, until: int) -> bool:
        """End a device's open binding at ``until`` (µs UTC)."""
        ...


async def enrol(registry: Registry, site: str, wearers: Sequence[Wearer]) -> None:
    """Make the site, the devices and the bindings, as far as they are missing.

    Raises:
        InputError: the registry refuses one of them.
    """
    await registry.add_site(site)
    adding = [registry.add_device(wearer.device, wearer.type, site) for wearer in wearers]
    await asyncio.gather(*adding)
    binding = [registry.bind(wearer.device, wearer.patient, wearer.since, wearer.bed) for wearer in wearers]
    await asyncio.gather(*binding)


async def enrol_ward(registry: Registry, patients: int, rate_hz: float, since: int) -> list[str]:
    """Make sites, devices and bindings of a ward, as far as they are missing; bindings hold from ``since`` (µs UTC).

    Returns the device of each patient: their first one, or what the registry says that they wear now.

    Raises:
        InputError: the registry refuses one of them.
    """
    devices = await registry.devices()
    found = wearers(patients, rate_hz, since, worn_now(devices))
    bound = {binding.label for device in devices for binding in device.bindings}
    for site in site_names(patients):
        here = [each for index, each in enumerate(found) if site_of(index, patients) == site]
        await enrol(registry, site, [each for each in here if each.patient not in bound])
    return [each.device for each in found]
