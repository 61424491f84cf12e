"""Joins services that never import each other: the registry's client as simulators and the prover see it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

from ingest import commands
from ingest.directory import DEVICE, SITE, remedy
from runtime.settings import Settings
from vitals.devices import Binding, Device, DeviceType
from vitals.errors import InputError, ServerError
from vitals.policies import Policy
from vitals.registry import Answer, ClockSet, Command, DeviceAdd, DeviceBind, DeviceUnbind, PolicySet, SiteAdd
from vitals.topics import device_id, patient_id


class RegistryClient:
    """`simulators.registry.Registry`, and what the prover needs, over the real registry.

    What is registered is read once, at the first use, and kept in step with this client's own commands; calls that
    overlap travel together. Each returns True for done and False where the same was there before, and raises
    `InputError` with the registry's reason where it refuses; with the record that cannot be read, where that may be
    why this client asked for what the registry refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._pending: list[tuple[Command, asyncio.Future[Answer]]] = []
        self._sites: list[str] | None = None
        self._devices: dict[str, Device] = {}
        self._unreadable: dict[bytes, int] = {}

    async def sites(self) -> Sequence[str]:
        """Names of all sites, those of this client's own commands included."""
        async with self._lock:
            if self._sites is None:
                sites = await commands.sites(self._settings)
                devices = await commands.devices(self._settings)
                self._devices = {device.name: device for device in devices.found}
                self._unreadable = sites.unreadable | devices.unreadable
                # a site whose own record cannot be read stands with its devices, as for a bridge
                self._sites = sorted({site.name for site in sites.found} | {each.site_name for each in devices.found})
        return self._sites

    async def add_site(self, name: str) -> bool:
        """Make a site unless it is there."""
        if name in await self.sites():
            return False
        await self._execute(SiteAdd(id=uuid4(), name=name), SITE + name.encode())
        self._sites = [*(self._sites or []), name]
        return True

    async def add_device(self, name: str, type: DeviceType, site: str) -> bool:  # noqa: A002 - the registry's word
        """Register a device unless one of that name is there."""
        await self.sites()
        if name in self._devices:
            return False
        await self._execute(DeviceAdd(id=uuid4(), name=name, site=site, type=type), DEVICE + name.encode())
        # the site's number is the registry's; nobody asks this copy for it
        self._devices[name] = Device(name=name, id=device_id(name), type=type, site=1, site_name=site)
        return True

    async def devices(self) -> Sequence[Device]:
        """Every device as registered at this client's first use, with what this client did since."""
        await self.sites()
        return tuple(self._devices.values())

    async def bind(self, device: str, patient: str, since: int, bed: str = "") -> bool:
        """Bind a device from an event time on (µs UTC), unless it is bound to this patient at ``since`` already.

        ``bed`` is where the patient lies; empty leaves what is known.

        Raises:
            InputError: it is bound to them from a later time only, or the registry refuses.
        """
        await self.sites()
        known = self._devices.get(device)
        if known is not None and known.bindings:
            last = known.bindings[-1]
            if last.label == patient and last.until is None and last.since <= since:
                return False
            if last.label == patient and last.until is None:
                new = "what lies before cannot be attributed; use a new data folder"
                raise InputError("bound from a later time already", f"{device} to {patient}", new)
        command = DeviceBind(id=uuid4(), device=device, patient=patient, since=since, bed=bed)
        await self._execute(command, DEVICE + device.encode())
        if known is not None:
            binding = Binding(patient=patient_id(patient), label=patient, since=since)
            self._devices[device] = known.model_copy(update={"bindings": (*known.bindings, binding)})
        return True

    async def unbind(self, device: str, until: int) -> bool:
        """End a device's binding at an event time (µs UTC), unless nobody wears it.

        A swap is this, then `bind` of the other device at the same time.
        """
        await self.sites()
        known = self._devices.get(device)
        if known is not None and (not known.bindings or known.bindings[-1].until is not None):
            return False
        await self._execute(DeviceUnbind(id=uuid4(), device=device, until=until), DEVICE + device.encode())
        if known is not None:
            ended = known.bindings[-1].model_copy(update={"until": until})
            self._devices[device] = known.model_copy(update={"bindings": (*known.bindings[:-1], ended)})
        return True

    async def set_policy(self, patient: str, policy: Policy) -> None:
        """Give a patient who wears something a policy of their own; the same one again changes nothing."""
        await self._execute(PolicySet(id=uuid4(), patient=patient, policy=policy))

    async def set_clock(self, clock: Literal["real", "simulated"]) -> None:
        """Say whose time the log lives by; the same again changes nothing."""
        await self._execute(ClockSet(id=uuid4(), clock=clock))

    async def _execute(self, command: Command, key: bytes = b"") -> None:
        """Have a command carried out; of a site or device it writes the record under ``key`` anew."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending.append((command, answer))
        async with self._lock:
            batch, self._pending = self._pending, []
            if batch:
                await self._send(batch)
        outcome = await answer
        if outcome.outcome == "refused":
            raise self._refusal(outcome.reason, key)
        self._unreadable.pop(key, None)

    def _refusal(self, reason: str, key: bytes) -> InputError:
        """What the registry refuses may be right by what this client could read."""
        if (offset := self._unreadable.get(key)) is not None:
            what = f"{commands.place(key, offset)}, and the registry refused: {reason}"
            return InputError("the registry's record cannot be read", what, remedy(key))
        return InputError("the registry refused", reason, commands.told(self._unreadable) if key else "")

    async def _send(self, batch: list[tuple[Command, asyncio.Future[Answer]]]) -> None:
        """Carry out what waits together; a failure reaches everyone who waits."""
        try:
            found = await commands.execute_all(self._settings, [each for each, _ in batch])
        except ServerError as error:
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), each in zip(batch, found, strict=True):
            if not waiting.done():
                waiting.set_result(each)
