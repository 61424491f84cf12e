"""Series as rows of columns: a patient's key is interned once to a *slot*, which is the row in every table.

A series is (patient, metric): every metric has its own `Series` table, with the patient's slot as its row.
Slots never leave the process and never order anything: outputs are ordered by the patient's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from vitals.topics import TICK_KEY

if TYPE_CHECKING:
    from vitals.control import WornDevice
    from vitals.devices import DeviceType
    from vitals.metrics import Metric
    from vitals.policies import Policy

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Slots = NDArray[np.intp]

LONG_AGO = -(1 << 62)
"""Before every time; adding any span to it does not overflow."""
NEVER = 1 << 62
"""After every time."""
UNKNOWN_SLOT = -1
TICK_SLOT = -2
CAPACITY = 16
ARROW_SCHEMES = ("dexcom", "xdrip", "libre")


class Table:
    """Columns (every array attribute) that have one row per slot and grow together."""

    FILL: ClassVar[dict[str, float]] = {}
    """What a new row holds, by column; 0 where not named."""

    capacity: int = CAPACITY

    def column(self, name: str, dtype: type, *shape: int) -> NDArray[np.generic]:
        """A new column's array, shape (capacity, *shape)."""
        return self._rows(name, self.capacity, np.dtype(dtype), shape)

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows; what is there stays."""
        for name, old in list(vars(self).items()):
            if isinstance(old, np.ndarray):
                new = self._rows(name, capacity, old.dtype, old.shape[1:])
                new[: len(old)] = old
                setattr(self, name, new)
        self.capacity = capacity

    def _rows(
        self, name: str, capacity: int, dtype: np.dtype[np.generic], shape: tuple[int, ...]
    ) -> NDArray[np.generic]:
        fill = self.FILL.get(name, 0)
        # zeros are pages the system gives only when they are written: a patient without a metric costs none
        return np.full((capacity, *shape), fill, dtype) if fill else np.zeros((capacity, *shape), dtype)


class Patients(Table):
    """Who has a slot, and what their last control record said."""

    def __init__(self) -> None:
        self.slot_of: dict[bytes | None, int] = {TICK_KEY: TICK_SLOT}
        self.keys: list[bytes] = []
        self.ids: list[UUID] = []
        self.labels: list[str] = []
        self.versions: list[int] = []
        self.closings: list[int] = []
        self.policies: list[Policy | None] = []
        self.site: Ints = np.zeros(self.capacity, np.int64)
        self._policies: dict[Policy, Policy] = {}
        self._types: dict[DeviceType, DeviceType] = {}

    def add(self, key: bytes) -> int:
        """The slot of a 16-byte key, a new one where it has none yet; the caller grows the tables."""
        slot = self.slot_of.get(key)
        if slot is None:
            slot = self.slot_of[key] = len(self.keys)
            self.keys.append(key)
            self.ids.append(UUID(bytes=key))
            self.labels.append("")
            self.versions.append(0)
            self.closings.append(0)
            self.policies.append(None)
        return slot

    def shared(self, policy: Policy) -> Policy:
        """An equal policy that is kept once for all who have it."""
        return self._policies.setdefault(policy, policy)

    def shared_type(self, worn: WornDevice) -> WornDevice:
        """The worn device with its type kept once for all who wear one."""
        return worn.model_copy(update={"type": self._types.setdefault(worn.type, worn.type)})

    def of_site(self, site: int) -> Slots:
        """Slots of the patients at a site, ascending; shape (n,)."""
        return np.flatnonzero(self.site[: len(self.keys)] == site)

    def policy(self, slot: int) -> Policy:
        """The policy of a patient whose control record has been read."""
        policy = self.policies[slot]
        assert policy is not None, "series exist only from a control record on"
        return policy


class Series(Table):
    """All series of one metric: the current binding and the newest readings. Times µs.

    ``last_e``: greatest event time of a usable reading. ``dec_*``: the last deciding reading's event time,
    arrival, value and censoring (0, 1 low, 2 high). ``waits_from``: end of warm-up of the current binding.
    """

    FILL: ClassVar[dict[str, float]] = {
        "last_e": LONG_AGO,
        "dec_e": LONG_AGO,
        "dec_rx": LONG_AGO,
        "waits_from": LONG_AGO,
        "interval": 1,
    }

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.devices: dict[int, WornDevice] = {}
        for name in ("interval", "gap", "silent_after", "waits_from", "last_e", "dec_e", "dec_rx"):
            setattr(self, name, self.column(name, np.int64))
        self.exists: Bools = np.zeros(self.capacity, np.bool_)
        self.bound: Bools = np.zeros(self.capacity, np.bool_)
        self.below: Floats = np.zeros(self.capacity)
        self.above: Floats = np.zeros(self.capacity)
        self.dec_value: Floats = np.zeros(self.capacity)
        self.dec_censored: NDArray[np.int8] = np.zeros(self.capacity, np.int8)
        self.scheme: NDArray[np.int8] = np.zeros(self.capacity, np.int8)

    interval: Ints
    gap: Ints
    silent_after: Ints
    waits_from: Ints
    last_e: Ints
    dec_e: Ints
    dec_rx: Ints

    def wear(self, slot: int, worn: tuple[WornDevice, ...]) -> bool:
        """Take a control record's list of devices; whether another binding holds from here on.

        The current binding is the latest open one; where none is open the latest stays known by name, unbound.
        """
        mine = [device for device in worn if device.type.stream(self.metric.name) is not None]
        if not mine:
            changed = bool(self.bound[slot])
            self.bound[slot] = False
            return changed
        mine.sort(key=lambda device: (device.binding.until is None, device.binding.since, device.name))
        current, before = mine[-1], self.devices.get(slot)
        bound = current.binding.until is None
        changed = bound != self.bound[slot] or (
            before is not None and (before.device, before.binding.since) != (current.device, current.binding.since)
        )
        self.devices[slot] = current
        self.exists[slot] = True
        self.bound[slot] = bound
        self._set(slot, current)
        return changed

    def _set(self, slot: int, worn: WornDevice) -> None:
        stream = worn.type.stream(self.metric.name)
        assert stream is not None, "only devices with a stream of this metric are worn in its table"
        self.interval[slot] = stream.interval_us
        self.gap[slot] = self.metric.gap_of_us(stream.interval_us)
        self.silent_after[slot] = self.metric.silent_after_us(stream.interval_us)
        self.waits_from[slot] = worn.binding.since + worn.type.warm_up_us
        self.below[slot] = stream.low - 1
        self.above[slot] = stream.high + 1
        self.scheme[slot] = ARROW_SCHEMES.index(worn.type.arrow)

    def device_name(self, slot: int) -> str | None:
        """The name of the device worn now, or last."""
        worn = self.devices.get(slot)
        return None if worn is None else worn.name

    def base(self, slots: Slots) -> Ints:
        """From when silence counts (µs): the last deciding arrival or the end of warm-up; shape of ``slots``."""
        return np.maximum(self.dec_rx[slots], self.waits_from[slots])
