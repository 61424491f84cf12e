"""The version of an output is its cause: the input offset and the ordinal within that record."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = "cause"
_LAYOUT = struct.Struct(">qi")
pack = _LAYOUT.pack
"""The value of the ``cause`` header, 12 bytes, of an offset and an ordinal."""


class Cause(NamedTuple):
    """Why an output exists: ``offset`` of the input record in its partition, ``ordinal`` of the output within it.

    Causes of one input partition are totally ordered; a reader accepts only a greater one.
    """

    offset: int
    ordinal: int

    def pack(self) -> bytes:
        """The 12-byte value of the ``cause`` header."""
        return pack(*self)


NONE = Cause(-1, -1)
"""Less than every cause."""


def unpack(data: bytes) -> Cause:
    """The cause in a header's value; raises ``struct.error`` unless it is 12 bytes."""
    return Cause(*_LAYOUT.unpack(data))


def of_headers(headers: tuple[tuple[str, bytes], ...]) -> Cause | None:
    """The cause among a record's headers, or None for a record that is no step's output."""
    for name, value in headers:
        if name == HEADER:
            return unpack(value)
    return None
