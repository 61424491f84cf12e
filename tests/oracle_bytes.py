"""What the oracle tells as the records that the processor must have written, to the byte; imports nothing of stream."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.oracle_closed import Closed, Dirty
from tests.oracle_told import Told
from vitals.causes import Cause
from vitals.journal import Episode, Mark
from vitals.steps import Output
from vitals.topics import JOURNAL, WINDOWS

WINDOW_BYTES = struct.Struct("<16s3qiHH7dfBBbB")
"""`vitals.windows.WINDOW` as the table of docs/wire-format.md has it."""
DIRTY_BYTES = struct.Struct("<16s3qi4xqdd36xBBbB")
"""`vitals.windows.DIRTY`, likewise."""
assert WINDOW_BYTES.size == DIRTY_BYTES.size == 112


def outputs(told: Iterable[Told], partition: int = 0) -> list[Output]:
    """The outputs in order, each with its cause: the ordinal counts what one record caused."""
    found: list[Output] = []
    for offset, key, what in told:
        last = found[-1].cause if found else Cause(-1, -1)
        cause = Cause(offset, last.ordinal + 1 if last.offset == offset else 0)
        if isinstance(what, Episode | Mark):
            found.append(Output(JOURNAL, partition, key, what.encode(), cause))
            continue
        value = b"".join(row(whose, cause, each) for whose, each in what)
        found.append(Output(WINDOWS, partition, key, value, cause))
    return found


def row(key: bytes, cause: Cause, each: Closed | Dirty) -> bytes:
    """A row of a record of windows."""
    if isinstance(each, Dirty):
        return DIRTY_BYTES.pack(
            key, each.first, each.last, *cause, each.interval, each.below, each.above, each.metric, each.window,
            each.scheme, 1,
        )  # fmt: skip
    return WINDOW_BYTES.pack(
        key, each.start, each.end, *cause, each.n, each.gap, each.mean, each.sd, each.low, each.high, each.slope,
        each.median, each.theil_sen, each.coverage, each.metric, each.window, each.arrow, 0,
    )  # fmt: skip
