"""Bytes that PostgreSQL takes: rows of a binary COPY and arrays, against ``struct`` and PostgreSQL's documentation."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from stream.copying import DOUBLE, INTEGER, SMALLINT, TIMESTAMP, UUID, array, encoded, layout, timestamp
from vitals.metrics import SECOND_US

COLUMNS = (("device", UUID), ("n", INTEGER), ("value", DOUBLE), ("e", TIMESTAMP))


def test_a_row_is_a_count_of_fields_and_each_ones_length_before_it():
    """PostgreSQL reads nothing between them: a byte too many is another column's."""
    names = ["fields", "device:length", "device", "n:length", "n", "value:length", "value", "e:length", "e"]
    assert list(layout(COLUMNS).names or ()) == names
    assert layout(COLUMNS).itemsize == 2 + 4 * 4 + 16 + 4 + 8 + 8


def test_rows_are_encoded_as_postgresql_reads_them():
    """Its order of bytes is not ours; a whole batch is one buffer, and one number stands for all its rows."""
    devices = np.frombuffer(bytes(range(32)), "V16")
    values: dict[str, Any] = {"device": devices, "n": 7, "value": np.array([5.5, -1.0]), "e": np.array([1, -2])}
    expected = [
        struct.pack(">hi16siiidiq", 4, 16, bytes(range(at, at + 16)), 4, 7, 8, value, 8, e)
        for at, value, e in ((0, 5.5, 1), (16, -1.0, -2))
    ]
    assert encoded(COLUMNS, values) == b"".join(expected)


def test_the_number_of_rows_is_that_of_the_first_array():
    """A partition's number stands before the arrays: it says nothing about how many rows there are."""
    columns = (("log_partition", SMALLINT), ("n", INTEGER))
    found = encoded(columns, {"log_partition": 3, "n": np.array([1, 2])})
    assert found == b"".join(struct.pack(">hihii", 2, 2, 3, 4, n) for n in (1, 2))
    assert encoded(columns, {"log_partition": 3, "n": np.zeros(0, np.int64)}) == b""


@pytest.mark.parametrize(
    ("name", "values", "oids", "cell"),
    [
        ("uuid", np.frombuffer(bytes(range(32)), "V16"), (2950, 2951), "16s"),
        ("smallint", np.array([1, -2]), (21, 1005), "h"),
        ("integer", np.array([1, -2]), (23, 1007), "i"),
        ("double", np.array([1.5, -2.0]), (701, 1022), "d"),
        ("timestamp", np.array([1, -2]), (1184, 1185), "q"),
    ],
)
def test_an_array_has_a_header_and_its_elements_with_their_lengths(
    name: str, values: np.ndarray[Any, Any], oids: tuple[int, int], cell: str
):
    """Dimensions, no NULL, the element's type; then length and lower bound, which PostgreSQL counts from 1."""
    element, whole = oids
    size = struct.calcsize(">" + cell)
    cells = b"".join(struct.pack(">i" + cell, size, each) for each in values.tolist())
    found = array(name, values)
    assert found == (struct.pack(">iiIii", 1, 0, element, 2, 1) + cells, whole)
    assert array(name, values[:0]) == (struct.pack(">iiI", 0, 0, element), whole)


def test_postgresql_counts_time_from_2000():
    """A timestamp of 1970's count would be stored without complaint, thirty years late."""
    assert timestamp(np.array([946_684_800 * SECOND_US, 0])).tolist() == [0, -946_684_800 * SECOND_US]
