"""Tables with wide columns, whose empty rows take no memory; and the ids of patients as rows hold them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

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


class Ring(Table):
    """A column that is just wide enough, and a cube."""

    def __init__(self) -> None:
        self.ring = self.column("ring", np.int64, WIDE)
        self.cube = self.column("cube", np.int64, 4, WIDE // 4)


def resident() -> int:
    """Bytes of memory that this process has been given."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_patients_without_the_metric_take_no_memory() -> None:
    """Of thousands few wear a sensor for glucose: the rings of all others stay as the system gave them, also where the
    table grows or is read from a snapshot.
    """
    table, again, many = Ring(), Ring(), 1 << 16
    size = 2 * many * WIDE * 8
    rows = {name: np.zeros((many, *column.shape[1:]), np.int64) for name, column in vars(table).items()}
    for column in rows.values():
        column[5] = 1
    before = resident()
    for capacity in (many, many + 1):
        table.grow(capacity)
        table.ring[7] = table.cube[7] = 1
    again.grow(many)
    again.put(rows)
    assert resident() - before < size // 4
    assert [column.sum() for column in vars(table).values() if isinstance(column, np.ndarray)] == [WIDE, WIDE]
    assert [column[5].sum() for column in (again.ring, again.cube)] == [WIDE, WIDE]


def test_a_process_that_is_forked_writes_in_rings_of_its_own() -> None:
    """One that shared them would change what its parent has read from the log."""
    table = Ring()
    child = os.fork()
    if not child:
        table.ring[0, 0] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not table.ring.any()


def test_rings_are_no_files() -> None:
    """A process may have a thousand open: tables for each metric that grow all day must not use them up."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    tables = [Ring() for _ in range(3)]
    for table in tables:
        table.grow(CAPACITY + 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Asked(list[bytes]):
    """Keys that count how often one is asked for."""

    asked = 0

    def __getitem__(self, at: Any) -> Any:
        self.asked += 1
        return super().__getitem__(at)


def test_the_order_of_ids_is_made_once_for_all_who_are_there() -> None:
    """Every page of windows asks for it, and ten thousand ids take milliseconds to sort."""
    patients = Patients()
    for number in (5, 3, 9):
        patients.add(bytes([number] * 16))
    patients.keys = keys = Asked(patients.keys)
    ranks = Ranks(patients)
    assert ranks.of(np.arange(3)).tolist() == [1, 0, 2]
    sorted_once = keys.asked
    for _ in range(3):
        ranks.of(np.arange(3))
        ranks.keys(np.arange(3))
    assert (sorted_once, keys.asked) == (3, 3)
