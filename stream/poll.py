"""One poll of one partition as arrays: every record's key interned once, all rows in one buffer."""

from __future__ import annotations

from bisect import bisect_right
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.series import TICK_SLOT, UNKNOWN_SLOT, Patients, Slots
from vitals.metrics import TICK
from vitals.readings import READING, Rows
from vitals.topics import CONTROL_HEADER

if TYPE_CHECKING:
    from vitals.steps import Records


class Poll(NamedTuple):
    """The records of a poll. Row ``r`` is of the metric ``codes[r]`` and has the slot ``slots[r]``; record ``p``'s rows
    are ``rows[starts[p]:starts[p + 1]]``. Records that are not whole rows have none. ``strange`` says whether there
    may be a row without a slot. ``ticks`` are the tick records by position: their (site, time µs), in order.
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
    sizes = list(map(len, values))
    interned = list(map(patients.slot_of.get, keys, repeat(UNKNOWN_SLOT)))
    slots, broken = np.array(interned, np.intp), 0
    if sizes.count(READING.itemsize) == len(sizes):  # what nearly every poll is, and the cheaper
        starts = list(range(len(sizes) + 1))
    else:
        counts, torn = np.divmod(np.array(sizes, np.int64), READING.itemsize)
        bad = torn.nonzero()[0].tolist()
        if bad:
            values, broken = list(values), len(bad)
            for at in bad:
                counts[at], values[at] = 0, b""
        starts = [0, *np.cumsum(counts).tolist()]
        slots = np.repeat(slots, counts)
    rows: NDArray[np.void] = np.frombuffer(b"".join(values), READING)
    codes = rows["metric"].tobytes()
    strange = UNKNOWN_SLOT in interned
    ticks: dict[int, list[tuple[int, int]]] = {}
    if TICK_SLOT in interned:
        of_ticks = (slots == TICK_SLOT).nonzero()[0]
        ticks = _moves(rows, starts, of_ticks)
        strange |= sum(map(len, ticks.values())) < len(of_ticks)
    return Poll(rows, codes, slots, starts, strange, ticks, controls, broken)


def _moves(rows: Rows, starts: list[int], at: Slots) -> dict[int, list[tuple[int, int]]]:
    ticks = rows[at]
    columns = at.tolist(), ticks["metric"].tolist(), ticks["site"].tolist(), ticks["observed_at"].tolist()
    found: dict[int, list[tuple[int, int]]] = {}
    for row, metric, site, time in zip(*columns, strict=True):
        if metric == TICK:
            found.setdefault(bisect_right(starts, row) - 1, []).append((site, time))
    return found
