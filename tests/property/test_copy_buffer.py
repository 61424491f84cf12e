"""The array code of the sink against plain Python that does the same row by row."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream import copying, sink, sink_work
from stream.sink_work import Stored
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US, READING, Rows
from vitals.steps import Records
from vitals.topics import READINGS
from vitals.windows import WINDOW

TIMES = st.integers(OBSERVED_MIN_US, OBSERVED_MAX_US)
ROW = st.tuples(
    st.integers(0, 3),
    st.integers(1, 2),
    TIMES | st.integers(0, 3),
    st.sampled_from([4.5, 5.2, 9.9, float("nan")]),
    st.integers(2, 3),
    st.integers(0, 0xFFFF),
)
"""device, metric, observed_at, value, unit, flags; few of each, so that identities repeat."""
DECODERS = {">i2": ">h", ">i4": ">i", ">i8": ">q", ">f8": ">d", ">f4": ">f"}


def rows_of(given: list[tuple[int, int, int, float, int, int]]) -> Rows:
    rows = np.zeros(len(given), READING)
    for row, (device, metric, observed_at, value, unit, flags) in zip(rows, given, strict=True):
        row["patient"], row["device"] = np.void(UUID(int=2**127 + 5).bytes), np.void(UUID(int=device << 60).bytes)
        row["metric"], row["observed_at"], row["value"], row["unit"] = metric, observed_at, value, unit
        row["received_at"], row["seq"], row["site"], row["flags"] = 1_700_000_000_000_000, 65535, 65535, flags
    return rows


def batch_of(rows: Rows, sizes: list[int]) -> sink.Batch:
    """The rows as records of the given sizes; what is left over is one record more."""
    cuts = np.cumsum(sizes)[np.cumsum(sizes) < len(rows)].tolist()
    values = [part.tobytes() for part in np.split(rows, cuts) if len(part)]
    nothing: list[Any] = [None] * len(values)
    batch, broken = sink.read_readings(
        [Records(READINGS, 3, list(range(7, 7 + len(values))), nothing, values, [()] * len(values))]
    )
    assert not broken
    return batch


def parse(data: bytes, columns: copying.Columns) -> list[tuple[Any, ...]]:
    """Read a binary COPY field by field, as PostgreSQL's documentation describes it."""
    assert data.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    at, found = 19, []
    while (count := struct.unpack_from(">h", data, at)[0]) != -1:
        at += 2
        assert count == len(columns)
        row = []
        for _, kind in columns:
            (length,) = struct.unpack_from(">i", data, at)
            field = data[at + 4 : at + 4 + length]
            assert len(field) == length
            row.append(field if kind == copying.UUID else struct.unpack(DECODERS[kind], field)[0])
            at += 4 + length
        found.append(tuple(row))
    assert at + 2 == len(data)
    return found


@given(st.lists(ROW, min_size=1, max_size=20), st.lists(st.integers(1, 5)))
def test_the_buffer_says_of_every_row_what_the_row_says(given_rows: list[Any], sizes: list[int]):
    """PostgreSQL takes any bytes of the right length: a wrong byte order would store wrong glucose silently."""
    rows = rows_of(given_rows)
    batch = batch_of(rows, sizes)
    found = parse(b"".join(sink.readings_copy(batch, numbered=True)), sink.NUMBERED_COLUMNS)
    assert len(found) == len(rows)
    for number, (fields, row) in enumerate(zip(found, rows, strict=True)):
        said = dict(zip([name for name, _ in sink.NUMBERED_COLUMNS], fields, strict=True))
        for name in ("metric", "unit", "flags", "seq", "site"):
            assert said[name] == int(row[name])
        assert said["patient"] == row["patient"].tobytes()
        assert said["device"] == row["device"].tobytes()
        assert struct.pack(">d", said["value"]) == struct.pack(">d", float(row["value"]))
        suspect = int(row["flags"]) & 16
        times = {name: int(row[name]) - 946_684_800_000_000 for name in ("observed_at", "received_at")}
        assert said["e"] == times["received_at" if suspect else "observed_at"]
        assert {name: said[name] for name in times} == times
        assert (said["log_partition"], said["log_offset"], said["n"]) == (3, int(batch.offset[number]), number)


@given(st.lists(ROW, max_size=30), st.lists(st.integers(1, 5)))
def test_a_row_knows_its_record_and_its_place_in_it(given_rows: list[Any], sizes: list[int]):
    """A conflict is named by them, and a repeat after a crash must give the same name."""
    batch = batch_of(rows_of(given_rows), sizes)
    places = list(zip(batch.offset.tolist(), batch.ordinal.tolist(), strict=True))
    assert places == sorted(set(places))
    previous = (6, 0)
    for offset, ordinal in places:
        assert (offset, ordinal) in {(previous[0], previous[1] + 1), (previous[0] + 1, 0)}
        previous = offset, ordinal


@given(st.lists(ROW, max_size=30), st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.floats(4, 6)))
def test_identities_are_settled_as_a_dictionary_would(given_rows: list[Any], before: dict[tuple[int, int], float]):
    """First in the log wins, a repeat is a duplicate, another value is a conflict, and each row is exactly one."""
    batch = batch_of(rows_of(given_rows), [3])
    found = sink.identities(batch.rows)
    database = {(device << 60, 2, at): (value, 3) for (device, at), value in before.items()}
    heads = [identity(batch.rows[row]) for row in found.first]
    assert heads == sorted(set(heads))
    known = [(number, *database[head]) for number, head in enumerate(heads) if head in database]
    numbers, values, units = zip(*known, strict=True) if known else ((), (), ())
    stored = Stored(np.array(numbers, np.intp), np.array(values, np.float64), np.array(units, np.int64))
    settled = sink_work.settle(batch, found, stored)

    for number, row in enumerate(batch.rows):
        said = (float(row["value"]), int(row["unit"]))
        new = identity(row) not in database
        first = database.setdefault(identity(row), said)
        same = struct.pack("d", first[0]) == struct.pack("d", said[0]) and first[1] == said[1]
        expected = (new, not new and same, not new and not same)
        assert (settled.new[number], settled.duplicate[number], settled.conflict[number]) == expected


def identity(row: np.void) -> tuple[int, int, int]:
    return int.from_bytes(row["device"].tobytes()), int(row["metric"]), int(row["observed_at"])


VERSION = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3), st.integers(0, 2))


@given(st.lists(VERSION, max_size=40))
def test_of_each_window_the_highest_version_is_kept(versions: list[tuple[int, int, int, int]]):
    """A replay writes a window's versions in any order; the last in a batch need not be the newest."""
    rows = np.zeros(len(versions), WINDOW)
    for row, (patient, end, offset, ordinal) in zip(rows, versions, strict=True):
        row["patient"], row["end"] = np.void(UUID(int=patient << 64).bytes), end
        row["offset"], row["ordinal"] = offset, ordinal
    highest: dict[tuple[int, int], tuple[int, int]] = {}
    for patient, end, offset, ordinal in versions:
        key = patient, end
        highest[key] = max(highest.get(key, (-1, -1)), (offset, ordinal))
    found = {
        (int.from_bytes(row["patient"].tobytes()) >> 64, int(row["end"])): (int(row["offset"]), int(row["ordinal"]))
        for row in sink.highest(rows)
    }
    assert found == highest
    assert len(sink.highest(rows)) == len(highest)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=4), st.integers(1, 20))
def test_a_poll_is_split_in_order_and_within_its_limit(polls: list[list[int]], bytes_max: int):
    """Each part moves the positions on: a record left out or out of order would be lost."""
    given_polls = [
        Records(READINGS, number, list(range(n)), [None] * n, [bytes(size) for size in sizes], [()] * n)
        for number, sizes in enumerate(polls)
        for n in (len(sizes),)
    ]
    parts = list(sink_work.split(given_polls, bytes_max))
    found = [(each.partition, offset) for part in parts for each in part for offset in each.offsets]
    assert found == [(each.partition, offset) for each in given_polls for offset in each.offsets]
    for part in parts:
        sizes = [len(value) for each in part for value in each.values]
        assert sizes
        assert sum(sizes) <= bytes_max or len(sizes) == 1
        assert len({each.partition for each in part}) == len(part)
        assert all(each.offsets for each in part)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_an_array_is_what_postgresql_sends(values: list[int]):
    """Dimensions, NULLs, type, length, lower bound, then elements with their lengths; empty has no dimension."""
    data, oid = copying.array("timestamp", np.array(values, np.int64))
    assert oid == 1185
    if not values:
        assert data == struct.pack(">iiI", 0, 0, 1184)
        return
    assert struct.unpack_from(">iiIii", data) == (1, 0, 1184, len(values), 1)
    assert [struct.unpack_from(">iq", data, 20 + 12 * at) for at in range(len(values))] == [
        (8, each) for each in values
    ]
    assert len(data) == 20 + 12 * len(values)
