"""The columns of a table of slots, in short, for tests that say which there must be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream.series import Table


class Column(NamedTuple):
    """A column: numpy's short name of its type, the shape of a row, and what a new row holds."""

    kind: str
    row: tuple[int, ...] = ()
    new: float = 0


BYTE, WORD, LONG, BOOL, FLOAT = (Column(kind) for kind in ("i1", "i4", "i8", "b1", "f8"))


def columns(table: Table) -> dict[str, Column]:
    """All columns of a table that nobody has written to yet, by name."""
    found = {}
    for name, value in vars(table).items():
        if isinstance(value, np.ndarray):
            assert len(value) == table.capacity, name
            held = np.unique(value).tolist()
            assert len(held) <= 1, name
            found[name] = Column(value.dtype.str[1:], value.shape[1:], held[0] if held else 0)
    return found
