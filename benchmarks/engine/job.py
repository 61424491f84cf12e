"""Whether what an engine wrote is right: every window of every patient once or more, the last word of each exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.logs import PARTITIONS, START_US, Shape, members, patient, readings
from benchmarks.engine.tumbling import RESULT, WIDTH_US
from runtime.kafka import Reader
from runtime.settings import Settings
from vitals.errors import ProtocolError
from vitals.metrics import SECOND_US
from vitals.topics import patient_id

ROUNDING = 1e-12
"""Means may differ by so much of their value: engines add floats in other orders."""
READ_S = 60.0


def expected(shape: Shape) -> dict[bytes, NDArray[np.void]]:
    """The windows of each patient by key, oldest first, of a plain log."""
    found = {}
    for partition in range(PARTITIONS):
        numbers = members(shape, partition)
        for number, rows in zip(numbers, readings(shape, numbers, partition), strict=True):
            start = rows["observed_at"] // WIDTH_US * WIDTH_US
            firsts = np.flatnonzero(np.diff(start, prepend=0))
            counts = np.diff(firsts, append=len(start))
            result = np.zeros(len(firsts), RESULT)
            result["start"], result["count"] = start[firsts], counts
            result["mean"] = np.add.reduceat(rows["value"], firsts) / counts
            result["min"] = np.minimum.reduceat(rows["value"], firsts)
            result["max"] = np.maximum.reduceat(rows["value"], firsts)
            found[patient_id(patient(number)).bytes] = result
    return found


def check(shape: Shape, wanted: dict[bytes, NDArray[np.void]], written: list[tuple[bytes, bytes]]) -> None:
    """Compare keys and values of an output with what is wanted.

    Raises:
        ProtocolError: naming the first difference.
    """
    end = START_US + shape.seconds * SECOND_US
    # not the readings that end the log, whose windows some engines write and others leave open
    latest = {(key, value[:8]): value for key, value in written if int.from_bytes(value[:8], "little") < end}
    windows = sum(map(len, wanted.values()))
    if len(latest) != windows:
        raise ProtocolError(f"{len(latest)} windows were written, not {windows}")
    rows = np.frombuffer(b"".join(latest.values()), RESULT)
    if (count := int(rows["count"].sum())) != shape.readings:
        raise ProtocolError(f"windows hold {count} readings, not {shape.readings}")
    keys = np.frombuffer(b"".join(key for key, _ in latest), "V16")
    order = np.lexsort((rows["start"], keys.view("<u8")[1::2], keys.view("<u8")[::2]))
    theirs = np.frombuffer(b"".join(key * len(each) for key, each in wanted.items()), "V16")
    all_wanted = np.concatenate(list(wanted.values()))
    same = np.lexsort((all_wanted["start"], theirs.view("<u8")[1::2], theirs.view("<u8")[::2]))
    rows, keys, ours, theirs = rows[order], keys[order], all_wanted[same], theirs[same]
    if (keys != theirs).any():
        raise ProtocolError("windows of other patients were written")
    for name in ("start", "count", "min", "max"):
        if wrong := np.flatnonzero(rows[name] != ours[name]).tolist():
            raise ProtocolError(f"{name} of a window is {rows[name][wrong[0]]}, not {ours[name][wrong[0]]}")
    if wrong := np.flatnonzero(np.abs(rows["mean"] - ours["mean"]) > ROUNDING * ours["mean"]).tolist():
        raise ProtocolError(f"the mean of a window is {rows['mean'][wrong[0]]!r}, not {ours['mean'][wrong[0]]!r}")


async def written(settings: Settings, topic: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of a whole topic, each partition in order."""
    found: list[tuple[bytes, bytes]] = []
    async with Reader(settings, [(topic, partition) for partition in range(PARTITIONS)]) as reader:
        left = sum((await reader.end_offsets()).values())
        while left > 0:
            for records in await reader.poll(READ_S):
                left -= len(records.offsets)
                found += ((key, value) for key, value in zip(records.keys, records.values, strict=True) if key)
    return found
