"""What the sink makes of the log's records: rows to store, each identity once; pure (``store.py`` has the SQL).

A reading's identity is (device, metric, observed_at), and the first in the log wins. A later one with the same
value and unit is a *duplicate*; with another it is a *conflict*, which goes to ``vitals.rejected`` under a
``source`` that a repeat after a crash has too. Of versioned things only the highest version per key is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from stream import copying
from stream.sink_windows import Mark, marks_in
from vitals import readings, windows
from vitals.metrics import METRIC_BY_CODE, TICK
from vitals.readings import READING, Rows
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY
from vitals.units import UNIT_NAME
from vitals.windows import WINDOW

READING_COLUMNS: copying.Columns = (
    ("patient", copying.UUID),
    ("device", copying.UUID),
    ("metric", copying.SMALLINT),
    ("observed_at", copying.TIMESTAMP),
    ("received_at", copying.TIMESTAMP),
    ("value", copying.DOUBLE),
    ("unit", copying.SMALLINT),
    ("flags", copying.INTEGER),
    ("seq", copying.INTEGER),
    ("site", copying.INTEGER),
    ("e", copying.TIMESTAMP),
    ("log_partition", copying.INTEGER),
    ("log_offset", copying.BIGINT),
)
NUMBERED_COLUMNS: copying.Columns = (*READING_COLUMNS, ("n", copying.INTEGER))
"""For the temporary table: the row's place in the batch, to find it again."""

WINDOW_COLUMNS: copying.Columns = (
    ("patient", copying.UUID),
    ("metric", copying.SMALLINT),
    ("win", copying.SMALLINT),
    ("win_end", copying.TIMESTAMP),
    ("log", copying.SMALLINT),
    ("v_offset", copying.BIGINT),
    ("v_ordinal", copying.INTEGER),
    ("count", copying.BIGINT),
    ("coverage", copying.REAL),
    ("mean", copying.DOUBLE),
    ("sd", copying.DOUBLE),
    ("min", copying.DOUBLE),
    ("max", copying.DOUBLE),
    ("slope", copying.DOUBLE),
    ("arrow", copying.SMALLINT),
    ("median", copying.DOUBLE),
    ("theil_sen", copying.DOUBLE),
    ("gap", copying.INTEGER),
)

PIECE_ROWS = 2000
"""Rows of a COPY that are encoded at a time, about 250 KB."""

_UNIT_NAMES = {int(unit): name for unit, name in UNIT_NAME.items()}


class Broken(NamedTuple):
    """A record that is not what its topic holds: skipped, counted and named once in the log."""

    topic: str
    partition: int
    offset: int
    why: str


class Batch(NamedTuple):
    """Readings in log order, ticks and control records left out; all arrays have the shape (n,)."""

    rows: Rows
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    ordinal: NDArray[np.int32]
    """The row's place within its record."""


class Identities(NamedTuple):
    """The distinct identities of a batch, ordered by (device, metric, observed_at)."""

    first: NDArray[np.intp]
    """Shape (m,): the row that is first in the log under each identity."""
    of_row: NDArray[np.intp]
    """Shape (n,): which identity each row of the batch has."""


class Refusal(NamedTuple):
    """A record for ``vitals.rejected``; the key is the device's name."""

    key: bytes
    value: bytes
    headers: Headers


def read_readings(polls: Iterable[Records]) -> tuple[Batch, list[Broken]]:
    """The readings in records of ``vitals.readings``, and the records that are not whole rows."""
    batches: list[Batch] = []
    broken: list[Broken] = []
    for records in polls:
        wanted = [
            (offset, value)
            for offset, key, value, headers in zip(
                records.offsets, records.keys, records.values, records.headers, strict=True
            )
            if key != TICK_KEY and not (headers and any(name == CONTROL_HEADER for name, _ in headers))
        ]
        whole = [(offset, value) for offset, value in wanted if value and len(value) % READING.itemsize == 0]
        if len(whole) < len(wanted):
            broken += [
                Broken(records.topic, records.partition, offset, f"{len(value or b'')} bytes are not whole rows")
                for offset, value in wanted
                if not value or len(value) % READING.itemsize
            ]
        if whole:
            batches.append(_batch(records.partition, whole))
    return _joined(batches), broken


def _joined(batches: Sequence[Batch]) -> Batch:
    if not batches:
        return Batch(np.zeros(0, READING), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))
    return Batch(
        np.concatenate([batch.rows for batch in batches]),
        np.concatenate([batch.partition for batch in batches]),
        np.concatenate([batch.offset for batch in batches]),
        np.concatenate([batch.ordinal for batch in batches]),
    )


def _batch(partition: int, whole: Sequence[tuple[int, bytes]]) -> Batch:
    rows = readings.decode([value for _, value in whole])
    counts = np.fromiter((len(value) // READING.itemsize for _, value in whole), np.intp, len(whole))
    ordinal = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = np.repeat(np.fromiter((offset for offset, _ in whole), np.int64, len(whole)), counts)
    batch = Batch(rows, np.full(len(rows), partition, np.int32), offset, ordinal.astype(np.int32))
    ticks = rows["metric"] == TICK
    return take(batch, ~ticks) if ticks.any() else batch


def take(batch: Batch, which: NDArray[np.bool_] | NDArray[np.intp]) -> Batch:
    """Some rows of a batch, by mask or by index."""
    return Batch(batch.rows[which], batch.partition[which], batch.offset[which], batch.ordinal[which])


def storable(batch: Batch) -> NDArray[np.bool_]:
    """Whether every time of each row lies in the calendar, shape (n,); what does not is refused, never bent."""
    return readings.dated(batch.rows)


def identities(rows: Rows) -> Identities:
    """The distinct identities among ``rows`` (n,), which stand in log order."""
    if not len(rows):
        return Identities(np.zeros(0, np.intp), np.zeros(0, np.intp))
    high, low = _halves(rows["device"])
    order = np.lexsort((rows["observed_at"], rows["metric"], low, high))
    begins = _changes(order, high, low, rows["metric"], rows["observed_at"])
    of_row = np.empty(len(rows), np.intp)
    of_row[order] = np.cumsum(begins) - 1
    return Identities(order[begins], of_row)


def _halves(ids: NDArray[np.void]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The upper and lower 64 bits of 16-byte ids (n,), in the order in which PostgreSQL sorts them."""
    pairs = np.ascontiguousarray(ids).view(">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _changes(order: NDArray[np.intp], *keys: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a new key begins among rows sorted by ``order``, shape (n,)."""
    begins = np.ones(len(order), np.bool_)
    begins[1:] = False
    for key in keys:
        ordered = key[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    return begins


def differs(batch: Batch, found: Identities, value: NDArray[np.float64], unit: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each row (n,) says something else than what is stored under its identity.

    ``value`` and ``unit`` have the shape (m,) of ``found.first``.
    """
    stored = value[found.of_row]
    same = (batch.rows["value"] == stored) | (np.isnan(batch.rows["value"]) & np.isnan(stored))
    return np.asarray(~same | (batch.rows["unit"] != unit[found.of_row]))


def readings_copy(batch: Batch, *, numbered: bool) -> Iterator[bytes]:
    """The COPY of a batch's rows into `READING_COLUMNS`, or `NUMBERED_COLUMNS`, in the given order.

    It comes in pieces of `PIECE_ROWS`, so that the server has something to do while the next one is made.
    """
    yield copying.SIGNATURE
    for begin in range(0, len(batch.rows), PIECE_ROWS):
        piece = slice(begin, begin + PIECE_ROWS)
        rows = batch.rows[piece]
        columns: dict[str, NDArray[np.generic]] = {
            name: rows[name] for name in ("patient", "device", "metric", "value", "unit", "flags", "seq", "site")
        }
        columns["observed_at"] = copying.timestamp(rows["observed_at"])
        columns["received_at"] = copying.timestamp(rows["received_at"])
        columns["e"] = copying.timestamp(readings.event_time(rows))
        columns["log_partition"], columns["log_offset"] = batch.partition[piece], batch.offset[piece]
        if numbered:
            columns["n"] = np.arange(begin, begin + len(rows))
        yield copying.encoded(NUMBERED_COLUMNS if numbered else READING_COLUMNS, columns)
    yield copying.TRAILER


def conflict(batch: Batch, row: int, device: str, stored_value: float, stored_unit: int) -> Refusal:
    """What ``vitals.rejected`` says of a row whose identity is stored with another value."""
    said = f"{batch.rows['value'][row]:.15g} {_unit(int(batch.rows['unit'][row]))}"
    detail = f"{said}, but {stored_value:.15g} {_unit(stored_unit)} came first"
    return _refusal(batch, row, device, "conflict", detail)


def beyond_calendar(batch: Batch, row: int, device: str) -> Refusal:
    """What ``vitals.rejected`` says of a row with a time that no calendar has."""
    return _refusal(batch, row, device, "bad_timestamp", "beyond the years 1 to 9999")


def source_of(batch: Batch, row: int) -> str:
    """Where in the log a row stands: ``topic/partition/offset/row``."""
    return f"{READINGS}/{batch.partition[row]}/{batch.offset[row]}/{batch.ordinal[row]}"


def _refusal(batch: Batch, row: int, device: str, reason: str, detail: str) -> Refusal:
    given = batch.rows[row]
    metric = METRIC_BY_CODE.get(int(given["metric"]))
    value = float(given["value"])
    reading = {
        "device": device,
        "metric": metric.name if metric else str(int(given["metric"])),
        "value": value if math.isfinite(value) else str(value),
        "unit": _unit(int(given["unit"])),
        "observed_at": int(given["observed_at"]),
        "seq": int(given["seq"]),
    }
    payload = json.dumps(reading, separators=(",", ":")).encode()
    headers = {
        "topic": READINGS,
        "reason": reason,
        "detail": detail,
        "received_at": str(int(given["received_at"])),
        "length": str(len(payload)),
        "digest": hashlib.sha256(payload).hexdigest(),
        "source": source_of(batch, row),
    }
    return Refusal(device.encode(), payload, tuple((name, text.encode()) for name, text in headers.items()))


def _unit(code: int) -> str:
    return _UNIT_NAMES.get(code, str(code))


def device_of(batch: Batch, row: int) -> UUID:
    """The id of the device that sent a row."""
    return UUID(bytes=batch.rows["device"][row].tobytes())


def read_windows(polls: Iterable[Records]) -> tuple[NDArray[np.void], list[Mark], list[Broken]]:
    """The `WINDOW` rows in records of ``vitals.windows``, of each window only the highest version; the dirty marks
    among them; and the records that hold neither, or rows at no time of the calendar, which are left out.
    """
    tables, marks, broken = [np.zeros(0, WINDOW)], list[Mark](), list[Broken]()
    for records in polls:
        rows, counts = windows.decode(records.values)
        fits = readings.in_calendar(rows["start"]) & readings.in_calendar(rows["end"])
        undated = np.bincount(np.arange(len(counts)).repeat(counts)[~fits], minlength=len(counts)).tolist()
        for value, offset, count, odd in zip(records.values, records.offsets, counts, undated, strict=True):
            if odd or not count:
                why = f"{odd} of {count} windows at no time" if count else f"{len(value or b'')} bytes are no windows"
                broken.append(Broken(records.topic, records.partition, offset, why))
        good = rows[fits]
        marks += marks_in(good, records.partition)
        tables.append(good[~windows.is_dirty(good)])
    return highest(np.concatenate(tables)), marks, broken


def highest(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Of `WINDOW` rows (n,) the highest version of each (patient, metric, window, end)."""
    if not len(rows):
        return rows
    high, low = _halves(rows["patient"])
    keys = (rows["end"], rows["window"], rows["metric"], low, high)
    order = np.lexsort((rows["ordinal"], rows["offset"], *keys))
    ends = np.roll(_changes(order, *keys), -1)
    return rows[order[ends]]


def windows_copy(rows: NDArray[np.void], log: int) -> bytes:
    """The COPY of `WINDOW` rows into `WINDOW_COLUMNS`; ``log`` numbers the cluster whose offsets are the versions."""
    same = (
        *("patient", "metric", "count", "coverage", "mean", "sd", "min", "max", "slope", "arrow"),
        *("median", "theil_sen", "gap"),
    )
    columns: dict[str, NDArray[np.generic] | int] = {name: rows[name] for name in same}
    columns |= {"win": rows["window"], "v_offset": rows["offset"], "v_ordinal": rows["ordinal"], "log": log}
    columns["win_end"] = copying.timestamp(rows["end"])
    return copying.SIGNATURE + copying.encoded(WINDOW_COLUMNS, columns) + copying.TRAILER
