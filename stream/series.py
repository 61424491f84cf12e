"""Series as rows of columns: a patient's key is interned once to a *slot*, which is the row in every table.

A series is (patient, metric): every metric has its own `Series` table, with the patient's slot as its row.
Slots never leave the process and never order anything: outputs are ordered by the patient's id.
"""

from __future__ import annotations

from base64 import b64decode
from math import prod
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from stream.kinds import Kinds
from vitals.codecs.state import State
from vitals.policies import Policy
from vitals.topics import TICK_KEY

if TYPE_CHECKING:
    from vitals.control import WornDevice
    from vitals.devices import Stream
    from vitals.metrics import Metric

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
WIDE = 64
"""Columns of so many numbers or more are rings of nothing but zeros: a patient without the metric never fills a pane.
"""
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
                self._copy(name, old, new)
                setattr(self, name, new)
        self.capacity = capacity

    def rows(self, order: Slots) -> State:
        """The rows of these slots, column by column, for a snapshot."""
        return {name: value.take(order, axis=0) for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def put(self, rows: State) -> None:
        """Take the rows of a snapshot, the first of them slot 0; there is room for them.

        Raises:
            ValueError, KeyError: the columns are not this table's.
        """
        for name, own in vars(self).items():
            if isinstance(own, np.ndarray):
                column = rows[name]
                if column.dtype != own.dtype or column.shape[1:] != own.shape[1:]:
                    raise ValueError(f"column {name} is {column.dtype}{column.shape}, not {own.dtype}{own.shape}")
                self._copy(name, column, own)

    def _wide(self, name: str, shape: tuple[int, ...]) -> bool:
        return prod(shape) >= WIDE and name not in self.FILL

    def _copy(self, name: str, rows: NDArray[np.generic], new: NDArray[np.generic]) -> None:
        """Copy rows to the first of a new column's; to write one of nothing would take its pages."""
        count, shape = len(rows), rows.shape[1:]
        if self._wide(name, shape):
            filled = np.flatnonzero(rows.reshape(count, prod(shape)).any(axis=1))
            new[filled] = rows[filled]
        else:
            new[:count] = rows

    def _rows(
        self, name: str, capacity: int, dtype: np.dtype[np.generic], shape: tuple[int, ...]
    ) -> NDArray[np.generic]:
        if self._wide(name, shape):
            # pages the system gives only when they are written; numpy's zeros may be of memory that was used before
            size = capacity * prod(shape) * dtype.itemsize
            pages = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
            return np.frombuffer(pages, dtype).reshape(capacity, *shape)
        return np.full((capacity, *shape), self.FILL.get(name, 0), dtype)


class Patients(Table):
    """Who has a slot, and what their last control record said."""

    def __init__(self) -> None:
        self.slot_of: dict[bytes | None, int] = {TICK_KEY: TICK_SLOT}
        self.keys: list[bytes] = []
        self.labels: list[str] = []
        self.versions: list[int] = []
        self.closings: list[int] = []
        self.policies: list[Policy | None] = []
        self.kind: list[int] = []
        """Numbers of policies, 0 before there is one."""
        self.parts: dict[int, Policy] = {}
        """Of those whose policy has a night: the part that is in force."""
        self.site: Ints = np.zeros(self.capacity, np.int64)
        self._kinds: Kinds[Policy] = Kinds()

    def add(self, key: bytes) -> int:
        """The slot of a 16-byte key, a new one where it has none yet; the caller grows the tables."""
        slot = self.slot_of.get(key)
        if slot is None:
            slot = self.slot_of[key] = len(self.keys)
            self.keys.append(key)
            self.labels.append("")
            self.versions.append(0)
            self.closings.append(0)
            self.policies.append(None)
            self.kind.append(0)
        return slot

    def take(self, slot: int, policy: Policy) -> None:
        """A patient's policy is this one; an equal one is kept once for all who have it."""
        before, self.kind[slot] = self.kind[slot], self._kinds.use(policy)
        if before:
            self._kinds.leave(before)
        self.policies[slot] = self._kinds[self.kind[slot]]

    def of_site(self, site: int) -> Slots:
        """Slots of the patients at a site, ascending; shape (n,)."""
        return np.flatnonzero(self.site[: len(self.keys)] == site)

    def id(self, slot: int) -> UUID:
        """The id of a patient."""
        return UUID(bytes=self.keys[slot])

    def policy(self, slot: int) -> Policy:
        """The policy in force for a patient whose control record has been read: its day or its night."""
        return self.parts.get(slot) or self.whole(slot)

    def whole(self, slot: int) -> Policy:
        """The whole policy of a patient, with its night."""
        policy = self.policies[slot]
        assert policy is not None, "series exist only from a control record on"
        return policy

    def order(self) -> Slots:
        """The slots of all who have a control record, by key: whatever order they came in, snapshots have this one."""
        known = (slot for slot, policy in enumerate(self.policies) if policy)
        return np.array(sorted(known, key=self.keys.__getitem__), np.intp)

    def state(self, order: Slots) -> State:
        """What is known of the patients at these slots; policies stand once each."""
        slots = order.tolist()
        policies, policy = self._kinds.counted(np.array([self.kind[slot] for slot in slots], np.int32))
        return {
            "keys": np.frombuffer(b"".join(self.keys[slot] for slot in slots), "V16"),
            "labels": [self.labels[slot] for slot in slots],
            "versions": np.array([self.versions[slot] for slot in slots], np.int64),
            "closings": np.array([self.closings[slot] for slot in slots], np.int64),
            "policies": policies,
            "policy": policy,
            "rows": self.rows(order),
        }

    def restore(self, state: State) -> None:
        """Take the patients of a snapshot; of none before."""
        policies = [Policy.model_validate(each) for each in state["policies"]]
        self.grow(max(CAPACITY, len(state["keys"])))
        for key in state["keys"]:
            self.add(key.tobytes())
        self.labels[:] = state["labels"]
        self.versions[:] = state["versions"].tolist()
        self.closings[:] = state["closings"].tolist()
        self._kinds.restore(policies, state["policy"])
        self.kind[:] = state["policy"].tolist()
        self.policies[:] = [self._kinds[number] for number in self.kind]
        self.put(state["rows"])


class Worn(NamedTuple):
    """A device worn by somebody: its name and id (16 bytes), and its binding (µs; until None while it lasts)."""

    name: str
    device: bytes
    since: int
    until: int | None


class Ranks:
    """Each slot's place in the order of the patients' ids, which is that of outputs; and the ids as an array."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._sort()

    def of(self, slots: Slots) -> Slots:
        """The places of slots; shape of ``slots``."""
        self._look()
        return self._ranks[slots]

    def keys(self, slots: Slots) -> NDArray[np.void]:
        """The ids of slots as they stand in rows; shape of ``slots``."""
        self._look()
        return self._keys[slots]

    def _look(self) -> None:
        if len(self._ranks) < len(self._patients.keys):
            self._sort()

    def _sort(self) -> None:
        keys = self._patients.keys
        self._ranks: Slots = np.argsort(sorted(range(len(keys)), key=keys.__getitem__))
        self._keys: NDArray[np.void] = np.frombuffer(b"".join(keys), "V16")


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
        self.worn: dict[int, Worn] = {}
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
        mine = [(device, stream) for device in worn if (stream := device.type.stream(self.metric.name)) is not None]
        if not mine:
            changed = bool(self.bound[slot])
            self.bound[slot] = False
            return changed
        mine.sort(key=lambda each: (each[0].binding.until is None, each[0].binding.since, each[0].name))
        (current, stream), before = mine[-1], self.worn.get(slot)
        now = Worn(current.name, current.device.bytes, current.binding.since, current.binding.until)
        bound = now.until is None
        changed = bound != self.bound[slot] or (
            before is not None and (before.device, before.since) != (now.device, now.since)
        )
        self.worn[slot] = now
        self.exists[slot] = True
        self.bound[slot] = bound
        self._set(slot, current, stream)
        return changed

    def _set(self, slot: int, worn: WornDevice, stream: Stream) -> None:
        self.interval[slot] = stream.interval_us
        self.gap[slot] = self.metric.gap_of_us(stream.interval_us)
        self.silent_after[slot] = self.metric.silent_after_us(stream.interval_us)
        self.waits_from[slot] = worn.binding.since + worn.type.warm_up_us
        self.below[slot] = stream.low - 1
        self.above[slot] = stream.high + 1
        self.scheme[slot] = ARROW_SCHEMES.index(worn.type.arrow)

    def device_name(self, slot: int) -> str | None:
        """The name of the device worn now, or last."""
        worn = self.worn.get(slot)
        return None if worn is None else worn.name

    def state(self, order: Slots) -> State:
        """The series of these slots, and which devices they have, by their new numbers."""
        return {"rows": self.rows(order), "worn": [self.worn.get(slot) for slot in order.tolist()]}

    def restore(self, state: State) -> None:
        """Take the series of a snapshot."""
        self.put(state["rows"])
        self.worn = {
            slot: Worn(name, b64decode(device), since, until)
            for slot, (name, device, since, until) in ((slot, each) for slot, each in enumerate(state["worn"]) if each)
        }

    def base(self, slots: Slots) -> Ints:
        """From when silence counts (µs): the last deciding arrival or the end of warm-up; shape of ``slots``."""
        return np.maximum(self.dec_rx[slots], self.waits_from[slots])
