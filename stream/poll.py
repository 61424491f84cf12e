"""One poll of one partition as arrays: every record's key interned once, all rows in one buffer."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import TICK_SLOT, UNKNOWN_SLOT, Patients, Slots
from vitals.metrics import TICK
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, READING, Rows
from vitals.topics import CONTROL_HEADER

if TYPE_CHECKING:
    from vitals.steps import Records


class Poll(NamedTuple):
    """The records of a poll. Row ``r`` is of the metric ``codes[r]`` and has the slot ``slots[r]``; record ``p``'s rows
    are ``rows[starts[p]:starts[p + 1]]``. Records that are not whole rows have none, nor have those of ticks alone.
    ``strange`` says whether there may be a row without a slot. ``ticks`` are the tick records by position: their
    (site, time µs), in order.
    """

    rows: Rows
    codes: bytes
    slots: Slots
    starts: list[int]
    strange: bool
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
    interned = list(map(patients.slot_of.get, keys, repeat(UNKNOWN_SLOT)))
    strange, ticks, undated = UNKNOWN_SLOT in interned, dict[int, list[tuple[int, int]]](), 0
    if TICK_SLOT in interned:
        mine = [at for at, slot in enumerate(interned) if slot == TICK_SLOT]
        whole = [at for at in mine if len(values[at]) % READING.itemsize == 0]
        ticks, pure, undated = _moves(values, whole)
        strange |= not pure
        if pure:
            values = list(values)
            for at in whole:
                values[at] = b""
    sizes = list(map(len, values))
    slots, broken = np.array(interned, np.intp), 0
    if sizes.count(READING.itemsize) == len(sizes):  # what nearly every poll is, and the cheaper
        starts = list(range(len(sizes) + 1))
    else:
        counts, torn = np.divmod(np.array(sizes), READING.itemsize)
        bad = torn.nonzero()[0].tolist()
        if bad:
            values, broken = list(values), len(bad)
            for at in bad:
                counts[at], values[at] = 0, b""
        starts = [0, *np.cumsum(counts).tolist()]
        slots = np.repeat(slots, counts)
    rows: NDArray[np.void] = np.frombuffer(b"".join(values), READING)
    return Poll(rows, rows["metric"].tobytes(), slots, starts, strange, ticks, controls, broken + undated)


def _moves(values: list[bytes], at: list[int]) -> tuple[dict[int, list[tuple[int, int]]], bool, int]:
    """The ticks in the records at these positions, whether they hold nothing else, and how many more ticks there are,
    at times that no calendar has: no clock would ever come back from there.
    """
    tables = [values[each] for each in at]
    rows = np.frombuffer(b"".join(tables), READING)
    owners = np.repeat(at, [len(table) // READING.itemsize for table in tables])
    found: dict[int, list[tuple[int, int]]] = {}
    pure, undated = True, 0
    columns = owners, rows["metric"], rows["site"], rows["observed_at"]
    for owner, metric, site, time in zip(*(column.tolist() for column in columns), strict=True):
        if metric != TICK:
            pure = False
        elif OBSERVED_MIN_US <= time <= OBSERVED_MAX_US:
            found.setdefault(owner, []).append((site, time))
        else:
            undated += 1
    return found, pure, undated
