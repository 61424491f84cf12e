"""PostgreSQL's binary COPY, built from arrays: a structured array is many rows, no Python per row.

Format: PostgreSQL documentation, *COPY*, "Binary Format": `SIGNATURE`, rows, `TRAILER`. Every column here has a fixed
width and is not NULL, so a row is: field count (int16), then per field its length (int32) and its bytes, big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Signature, flags (none) and length of the header's extension (none)."""
TRAILER = b"\xff\xff"

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC in µs since 1970: where PostgreSQL's timestamps begin."""

UUID, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, TIMESTAMP = "V16", ">i2", ">i4", ">i8", ">f4", ">f8", ">i8"
"""numpy types of the columns' binary forms; a timestamp is µs since 2000."""

OIDS = {
    "uuid": (UUID, 2950, 2951),
    "smallint": (SMALLINT, 21, 1005),
    "integer": (INTEGER, 23, 1007),
    "double": (DOUBLE, 701, 1022),
    "timestamp": (TIMESTAMP, 1184, 1185),
}
"""By name: numpy type, and the numbers of PostgreSQL's type and of its array (`pg_type.dat`; they never change)."""

Columns = Sequence[tuple[str, str]]
"""Names and types of the columns of one COPY, in order."""


def layout(columns: Columns) -> np.dtype[np.void]:
    """The dtype of one row of a COPY of these columns; the length of field ``x`` is the field ``x:length``."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns:
        fields += [(f"{name}:length", ">i4"), (name, kind)]
    return np.dtype(fields)


def encoded(columns: Columns, values: Mapping[str, NDArray[Any] | int]) -> bytes:
    """The rows of a COPY of ``values``: arrays of one shape (n,) by column, or one int for all rows.

    At least one value is an array. Numbers must fit their columns: what does not is our bug.
    """
    count = next(len(value) for value in values.values() if isinstance(value, np.ndarray))
    rows = np.zeros(count, layout(columns))
    rows["fields"] = len(columns)
    for name, kind in columns:
        rows[f"{name}:length"] = np.dtype(kind).itemsize
        rows[name] = values[name]
    return rows.tobytes()


class Array(NamedTuple):
    """An array in PostgreSQL's binary form, and the number of its type."""

    data: bytes
    oid: int


def array(name: str, values: NDArray[Any]) -> Array:
    """``values`` (n,), none NULL, as an array of the type ``name`` of `OIDS`: header, then length and bytes of each."""
    kind, element, whole = OIDS[name]
    cells = np.zeros(len(values), np.dtype([("length", ">i4"), ("value", kind)]))
    cells["length"], cells["value"] = np.dtype(kind).itemsize, values
    dimensions = 1 if len(values) else 0  # PostgreSQL's empty array has none
    head = struct.pack(">iiI", dimensions, 0, element) + (struct.pack(">ii", len(values), 1) if dimensions else b"")
    return Array(head + cells.tobytes(), whole)


def timestamp(times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """PostgreSQL's form of times in µs since 1970, same shape; they lie in `OBSERVED_MIN_US` ... `OBSERVED_MAX_US`."""
    return times_us - POSTGRES_EPOCH_US
