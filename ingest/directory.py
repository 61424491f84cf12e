"""What bridges know of devices and sites: a fold of ``registry.bindings``, laid out for a look-up per reading.

A record that cannot be read costs its own device the attribution, and nobody else: what was known of the device before
may be wrong since, so it is forgotten. A site keeps its number, which never changes and stands with its devices too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitals.devices import Device, Site, Stream
from vitals.metrics import METRIC_BY_NAME, MINUTE_US
from vitals.topics import partition_of

if TYPE_CHECKING:
    from vitals.metrics import Metric

DOUBT_US = 10 * MINUTE_US
"""As long as a glucose reading is fresh; what a broker or a phone brings again comes within it, or is old."""
REMEDY = "update Vigil if a newer one wrote it, else write it again: vigil device bind or unbind"
"""Of a record of a device that cannot be read: the registry writes its whole list with each change."""
_DEVICE, _SITE = b"device:", b"site:"


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


def known(device: Device, partitions: int) -> Known:
    """Lay out a device of the registry for look-ups; ``partitions`` is the number of patient partitions."""
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
            except (ValueError, KeyError):  # no message, no name, or a metric that this release does not know
                self.unreadable[key or b""] = offset
            self.position = offset + 1

    def unreadable_device(self, name: str) -> int | None:
        """The offset of a device's record where it cannot be read, else None."""
        return self.unreadable.get(_DEVICE + name.encode())

    def _forget(self, key: bytes) -> None:
        """What is deleted; of a key that is no name nothing was known."""
        for prefix, table in ((_DEVICE, self.devices), (_SITE, self.sites)):
            if key.startswith(prefix):
                table.pop(key.removeprefix(prefix).decode(errors="replace"), None)

    def _take(self, key: bytes, value: bytes) -> None:
        if key.startswith(_DEVICE):
            name = key.removeprefix(_DEVICE).decode()
            self.devices.pop(name, None)
            device = Device.model_validate_json(value)
            self.devices[name] = known(device, self._partitions)
            self.sites.setdefault(device.site_name, device.site)  # where the site's own record cannot be read
        elif key.startswith(_SITE):
            name = key.removeprefix(_SITE).decode()
            self.sites[name] = Site.model_validate_json(value).number
