"""Tables with wide columns, whose empty rows take no memory; and the ids of patients as rows hold them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from stream.series import CAPACITY, WIDE, Patients, Ranks, Table


class Wide(Table):
    """A wide column, one that is as wide and not of zeros, and a narrow one."""

    FILL: ClassVar[dict[str, float]] = {"filled": -1}

    def __init__(self) -> None:
        self.zeros = self.column("zeros", np.int32, WIDE)
        self.filled = self.column("filled", np.int32, WIDE)
        self.cube = self.column("cube", np.uint16, 8, WIDE // 8)
        self.one = self.column("one", np.int64)


def made() -> Wide:
    """A table with something in its rows 1 and 3, and zeros that somebody wrote in row 2."""
    table = Wide()
    for name in ("zeros", "filled"):
        column = getattr(table, name)
        column[1], column[2], column[3, WIDE - 1] = 7, 0, 5
    table.cube[1, 2, 3], table.one[1] = 9, 1
    return table


def test_a_wide_column_has_its_type_and_begins_with_nothing() -> None:
    """Whether its pages are there or not."""
    table = Wide()
    kinds = {name: (column.dtype.str, column.shape) for name, column in vars(table).items()}
    assert kinds == {
        "zeros": ("<i4", (CAPACITY, WIDE)), "filled": ("<i4", (CAPACITY, WIDE)),
        "cube": ("<u2", (CAPACITY, 8, WIDE // 8)), "one": ("<i8", (CAPACITY,)),
    }  # fmt: skip
    assert [np.unique(column).tolist() for column in vars(table).values()] == [[0], [-1], [0], [0]]


def test_a_table_that_grows_keeps_rows_of_nothing_as_they_are() -> None:
    """Where a new row holds something else, what somebody set to zero stays zero."""
    table = made()
    before = {name: column.copy() for name, column in vars(table).items()}
    table.grow(CAPACITY + 5)
    for name, column in before.items():
        assert np.array_equal(getattr(table, name)[:CAPACITY], column), name
        assert np.unique(getattr(table, name)[CAPACITY:]).tolist() == [-1 if name == "filled" else 0]
    assert table.zeros.flags.writeable


def test_rows_of_a_snapshot_come_as_they_were() -> None:
    """Of wide columns, too; rows behind them stay."""
    rows = made().rows(np.array([3, 2, 1, 0]))
    table = Wide()
    table.put(rows)
    for name, column in rows.items():
        assert np.array_equal(getattr(table, name)[:4], column), name
        assert np.unique(getattr(table, name)[4:]).tolist() == [-1 if name == "filled" else 0]


def test_ids_stand_in_rows_as_they_are_in_the_log() -> None:
    """Sixteen bytes each, in the order asked for; whoever comes later has one as well."""
    patients = Patients()
    keys = [bytes([number] * 16) for number in (5, 3, 9)]
    for key in keys[:2]:
        patients.add(key)
    ranks = Ranks(patients)
    assert [each.tobytes() for each in ranks.keys(np.array([1, 0, 1]))] == [keys[1], keys[0], keys[1]]
    patients.add(keys[2])
    found = ranks.keys(np.array([2]))
    assert (found.dtype, found.tobytes()) == (np.dtype("V16"), keys[2])
