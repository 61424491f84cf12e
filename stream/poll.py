"""One poll of one partition as arrays: every record's key interned once, all rows in one buffer."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import TICK_SLOT, UNKNOWN_SLOT, Ints, Patients, Slots
from vitals.metrics import TICK
from vitals.readings import READING, Rows
from vitals.topics import CONTROL_HEADER

if TYPE_CHECKING:
    from vitals.steps import Records


class Poll(NamedTuple):
    """The records of a poll. Row ``r`` is number ``row[r]`` of record ``record[r]`` and has the slot ``slots[r]``;
    record ``p``'s rows are ``rows[starts[p]:starts[p + 1]]``. Records that are not whole rows have none.
    ``ticks`` are the tick records by position: their (site, time µs), in order.
    """

    rows: Rows
    record: Slots
    row: Slots
    slots: Slots
    starts: list[int]
    ticks: dict[int, list[tuple[int, int]]]
    controls: list[int]
    broken: int


def is_control(headers: tuple[tuple[str, bytes], ...]) -> bool:
    """Whether a record's headers say that it is a control record."""
    return any(name == CONTROL_HEADER for name, _ in headers)


def read(records: Records, patients: Patients) -> Poll:
    """Decode a poll. Keys of control records get their slots here, so that one lookup per record is enough."""
    values, keys = records.values, records.keys
    controls = [at for at, headers in enumerate(records.headers) if headers and is_control(headers)]
    if controls:
        values = list(values)
        for at in controls:
            values[at] = b""
            key = keys[at]
            if key is not None and len(key) == 16:
                patients.add(key)
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    broken = np.flatnonzero(lengths % READING.itemsize).tolist()
    if broken:
        values = list(values)
        for at in broken:
            values[at] = b""
            lengths[at] = 0
    counts: Ints = lengths // READING.itemsize
    interned = np.fromiter(map(patients.slot_of.get, keys, repeat(UNKNOWN_SLOT)), np.intp, len(keys))
    rows: NDArray[np.void] = np.frombuffer(b"".join(values), READING)
    starts = np.concatenate([[0], np.cumsum(counts)])
    record, slots = np.repeat(np.arange(len(keys)), counts), np.repeat(interned, counts)
    return Poll(
        rows=rows,
        record=record,
        row=np.arange(len(rows)) - np.repeat(starts[:-1], counts),
        slots=slots,
        starts=starts.tolist(),
        ticks=_moves(rows, record, slots),
        controls=controls,
        broken=len(broken),
    )


def _moves(rows: Rows, record: Slots, slots: Slots) -> dict[int, list[tuple[int, int]]]:
    at = np.flatnonzero(slots == TICK_SLOT)
    at = at[rows["metric"][at] == TICK]
    found: dict[int, list[tuple[int, int]]] = {}
    columns = record[at].tolist(), rows["site"][at].tolist(), rows["observed_at"][at].tolist()
    for position, site, time in zip(*columns, strict=True):
        found.setdefault(position, []).append((site, time))
    return found
