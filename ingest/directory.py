"""What bridges know of devices and sites: a fold of ``registry.bindings``, laid out for a look-up per reading.

A record that cannot be read costs its own device the attribution, and nobody else: what was known of the device before
may be wrong since, so it is forgotten. A site keeps its number, which never changes and stands with its devices too.
What can be read is decided by `device_of` and `site_of`, for whoever else lists devices and sites too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vitals.devices import Device, Site, Stream
from vitals.errors import CodecError
from vitals.messages import Message
from vitals.metrics import METRIC_BY_NAME, MINUTE_US
from vitals.topics import NAME, partition_of

if TYPE_CHECKING:
    from vitals.metrics import Metric

DOUBT_US = 10 * MINUTE_US
"""As long as a glucose reading is fresh; what a broker or a phone brings again comes within it, or is old."""
REMEDY = "update Vigil if a newer one wrote it, else write it again: vigil device add, bind or unbind"
"""Of a record of a device that cannot be read: the registry writes its whole list with each change."""
_BY_HAND = (
    "update Vigil if a newer one wrote it, else write it again: vigil site add makes it or tells its number, "
    "docs/wire-format.md how it is written"
)
_OF_THEIRS = "update Vigil if a newer one wrote it, else bind or unbind a device of theirs: it is written again"
_FOREIGN = "it is no name, so the registry never wrote it: delete it with an empty value under its key"
DEVICE, SITE, PATIENT = b"device:", b"site:", b"patient:"
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class WornBy:
    """One binding as a bridge needs it; times µs UTC, ``until`` exclusive and None while it lasts."""

    patient: bytes
    partition: int
    since: int
    until: int | None
    warm_until: int
    doubt_until: int
    """Before it a reading of a suspect clock may be what the device held of another patient."""

    def covers(self, at: int) -> bool:
        """Whether the binding holds at an event time (µs)."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Sends:
    """One metric of a device, with the age in µs beyond which its readings are late."""

    metric: Metric
    stream: Stream
    late_after_us: int


@dataclass(frozen=True, slots=True)
class Known:
    """A device as a bridge needs it: ``sends`` by the metric's code, ``worn`` by time, the latest last."""

    name: str
    id: bytes
    site: int
    site_name: str
    sends: dict[int, Sends]
    worn: tuple[WornBy, ...]

    def worn_at(self, at: int) -> WornBy | None:
        """The binding that covers an event time (µs), or None."""
        for worn in reversed(self.worn):
            if worn.since <= at:
                return worn if worn.covers(at) else None
        return None


def remedy(key: bytes) -> str:
    """What to do about a record of the registry that cannot be read; the registry writes a site only once."""
    if not NAME.match(key.partition(b":")[2].decode(errors="replace")):
        return _FOREIGN
    if key.startswith(DEVICE):
        return REMEDY
    return _OF_THEIRS if key.startswith(PATIENT) else _BY_HAND


def device_of(key: bytes, value: bytes) -> Device:
    """The device in a record of ``registry.bindings`` under a key ``device:NAME``.

    Raises:
        CodecError: no message, no name, or a metric that this release does not know: its readings cannot be placed.
    """
    device = _read(key, value, Device)
    for stream in device.type.streams:
        if stream.metric not in METRIC_BY_NAME:
            raise CodecError("the registry's record names an unknown metric", f"{key!a}: {stream.metric}")
    return device


def site_of(key: bytes, value: bytes) -> Site:
    """The site in a record of ``registry.bindings`` under a key ``site:NAME``; raises `CodecError`."""
    return _read(key, value, Site)


def _read(key: bytes, value: bytes, kind: type[M]) -> M:
    try:
        key.decode()
        return kind.model_validate_json(value)
    except ValueError:  # of pydantic's, and of bytes that are no text
        raise CodecError("the registry's record cannot be read", ascii(key)) from None


def known(device: Device, partitions: int) -> Known:
    """Lay out a device of `device_of` for look-ups; ``partitions`` is the number of patient partitions."""
    sends = {}
    for stream in device.type.streams:
        metric = METRIC_BY_NAME[stream.metric]
        sends[metric.code] = Sends(metric, stream, metric.late_after_us(stream.interval_us))
    worn = tuple(
        WornBy(
            binding.patient.bytes,
            partition_of(binding.patient.bytes, partitions),
            binding.since,
            binding.until,
            binding.since + device.type.warm_up_us,
            binding.since + (0 if before is None or before.patient == binding.patient else DOUBT_US),
        )
        for before, binding in zip([None, *device.bindings], device.bindings, strict=False)
    )
    return Known(device.name, device.id.bytes, device.site, device.site_name, sends, worn)


class Directory:
    """Devices and sites by name, as of ``position``, the next offset of ``registry.bindings``.

    ``unreadable`` has the offset of the record that stands under a key and cannot be read, until the key is written
    again.
    """

    def __init__(self, partitions: int) -> None:
        self.position = 0
        self.devices: dict[str, Known] = {}
        self.sites: dict[str, int] = {}
        self.unreadable: dict[bytes, int] = {}
        self._partitions = partitions

    def take(self, offsets: Sequence[int], keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> None:
        """Fold records in offset order; other things than devices and sites are for others."""
        for offset, key, value in zip(offsets, keys, values, strict=True):
            self.unreadable.pop(key or b"", None)
            if not value:
                self._forget(key or b"")
                self.position = offset + 1
                continue
            try:
                self._take(key or b"", value)
            except CodecError:
                self.unreadable[key or b""] = offset
            self.position = offset + 1

    def unreadable_device(self, name: str) -> int | None:
        """The offset of a device's record where it cannot be read, else None."""
        return self.unreadable.get(DEVICE + name.encode())

    def _forget(self, key: bytes) -> None:
        """What is deleted; of a key that is no name nothing was known."""
        for prefix, table in ((DEVICE, self.devices), (SITE, self.sites)):
            if key.startswith(prefix):
                table.pop(key.removeprefix(prefix).decode(errors="replace"), None)

    def _take(self, key: bytes, value: bytes) -> None:
        if key.startswith(DEVICE):
            name = key.removeprefix(DEVICE).decode(errors="replace")
            self.devices.pop(name, None)
            device = device_of(key, value)
            self.devices[name] = known(device, self._partitions)
            self.sites.setdefault(device.site_name, device.site)  # where the site's own record cannot be read
        elif key.startswith(SITE):
            site = site_of(key, value)
            self.sites[key.removeprefix(SITE).decode()] = site.number
