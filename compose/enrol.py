"""The registry as the simulators want it: a site with its devices and who wears them, as far as they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from ingest import commands
from runtime.settings import Settings
from simulators.registry import Wearer
from vitals.devices import Device
from vitals.errors import InputError
from vitals.registry import Command, DeviceAdd, DeviceBind, SiteAdd

BATCH_COMMANDS_MAX = 500
"""Commands per wait for answers, so that each batch is answered well within the client's deadline."""


class Enrolment:
    """A `simulators.registry.Registry` on the commands of ``ingest``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def sites(self) -> Sequence[str]:
        """Names of all sites."""
        return [site.name for site in await commands.sites(self._settings)]

    async def enrol(self, site: str, wearers: Sequence[Wearer]) -> None:
        """Make what is missing. Raises `InputError` where something else stands under one of the names."""
        known = {device.name: device for device in await commands.devices(self._settings)}
        missing: list[Command] = []
        if site not in await self.sites():
            missing.append(SiteAdd(id=uuid4(), name=site))
        for wearer in wearers:
            missing += _missing(known.get(wearer.device), site, wearer)
        for first in range(0, len(missing), BATCH_COMMANDS_MAX):
            answers = await commands.execute_all(self._settings, missing[first : first + BATCH_COMMANDS_MAX])
            for answer in answers:
                if answer.outcome == "refused":
                    raise InputError("the registry refuses", answer.reason)


def _missing(device: Device | None, site: str, wearer: Wearer) -> list[Command]:
    bind = DeviceBind(id=uuid4(), device=wearer.device, patient=wearer.patient, since=wearer.since)
    if device is None:
        return [DeviceAdd(id=uuid4(), name=wearer.device, site=site, type=wearer.type), bind]
    if device.site_name != site or device.type != wearer.type:
        there = f"{device.name} is a {device.type.name} at {device.site_name}"
        raise InputError(f"not the {wearer.type.name} at {site} that is asked for", there, "use another data folder")
    last = device.bindings[-1] if device.bindings else None
    if last is None or last.until is not None:
        return [bind]
    if last.label != wearer.patient or last.since > wearer.since:
        there = f"{device.name} is bound to {last.label}"
        remedy = "use another data folder"
        if last.label == wearer.patient:
            there, remedy = f"{there} since a later time", "begin no earlier than before, or use another data folder"
        raise InputError("a device is bound otherwise", there, remedy)
    return []
