"""Arrays as parameters of a statement, in PostgreSQL's own binary form: nothing is made of each element.

The form is that of ``array_send`` in PostgreSQL's sources (`backend/utils/adt/arrayfuncs.c`).
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from runtime.database import AsyncConnection


class Packed(NamedTuple):
    """A value in its type's binary form; ``oid`` is the type's number."""

    data: bytes
    oid: int


class _PackedDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: Packed, _format: PyFormat) -> tuple[type, int]:  # type: ignore[override]
        return (self.cls, obj.oid)

    def upgrade(self, obj: Packed, _format: PyFormat) -> _PackedDumper:
        found = _PackedDumper(self.cls)
        found.oid = obj.oid
        return found

    def dump(self, obj: Packed) -> bytes:
        return obj.data


def accept_packed(connection: AsyncConnection) -> None:
    """Let statements on a connection have `Packed` parameters."""
    connection.adapters.register_dumper(Packed, _PackedDumper)
