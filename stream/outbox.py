"""Outputs in one order, whatever order the arrays made them in, each with its cause.

Order: record, row, instant, patient, device, metric, rule. The ordinal of a cause counts the outputs of one record,
whatever topic they go to. A record's mark comes last.
"""

from __future__ import annotations

from itertools import count as count_from
from itertools import groupby, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream.series import NEVER
from vitals.causes import Cause
from vitals.steps import Output
from vitals.topics import JOURNAL, MARK_KEY, WINDOWS
from vitals.windows import WINDOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vitals.journal import Episode, Mark


class Where(NamedTuple):
    """What causes an output: the record's position in the poll, the row in it, and the instant (µs)."""

    position: int
    row: int
    instant: int


class _Block:
    """Windows that close at one tick row: entry ``i`` is ``rows[bounds[i]:bounds[i + 1]]``."""

    __slots__ = ("bounds", "data", "ordinals", "position", "rows")
    data: bytes

    def __init__(self, position: int, rows: NDArray[np.void], bounds: list[int]) -> None:
        self.position, self.rows, self.bounds = position, rows, bounds
        self.ordinals = [0] * (len(bounds) - 1)

    def finish(self, offset: int) -> None:
        """Write the versions into the rows: the ordinals are known."""
        self.rows["offset"], self.rows["ordinal"] = offset, np.repeat(self.ordinals, np.diff(self.bounds))
        self.data = self.rows.tobytes()

    def value(self, at: int) -> bytes:
        size = WINDOW.itemsize
        return self.data[self.bounds[at] * size : self.bounds[at + 1] * size]


_Order = tuple[int, int, int, bytes, str, str, str, int] | tuple[int, int, int]
"""Position, row, instant, patient, device, metric, rule, and a number that no two such entries share: a window's own,
or how many entries there were. A mark's row is above all others, so no more of it is compared.
"""
_Entry = tuple[_Order, bytes, bytes | None]
"""An output's place, key and value, which is none for windows: their rows are in a block."""


def _position(entry: _Entry) -> int:
    return entry[0][0]


class Outbox:
    """What a step has made so far; emptied by `drain`. The counts grow for ever."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._entries: list[_Entry] = []
        self._blocks: list[_Block] = []
        self.episodes = self.windows = self.marks = 0

    def episode(self, where: Where, key: bytes, episode: Episode) -> None:
        """An episode's new state. What one machine says in one row stays in the order it said it."""
        patient = b"" if episode.patient is None else episode.patient.bytes
        names = episode.device or "", episode.metric or "", episode.rule
        self._entries.append(((*where, patient, *names, len(self._entries)), key, episode.encode()))
        self.episodes += 1

    def close(
        self, where: Where, instants: list[int], keys: list[bytes], rows: NDArray[np.void], bounds: list[int]
    ) -> None:
        """Windows that one tick row closes: output ``i`` is of patient ``keys[bounds[i]]`` at ``instants[bounds[i]]``.

        Their version is written into the rows when the ordinals are known.
        """
        number, block, count = len(self._blocks), _Block(where.position, rows, bounds), len(bounds) - 1
        self._blocks.append(block)
        firsts = bounds[:-1]
        owners, times = [keys[first] for first in firsts], [instants[first] for first in firsts]
        rest = repeat(where.position), repeat(where.row), times, owners, repeat(""), repeat(""), repeat("")
        orders = zip(*rest, count_from(number << 32), strict=False)
        self._entries.extend(zip(orders, owners, repeat(None), strict=False))
        self.windows += count

    def mark(self, position: int, mark: Mark) -> None:
        """The site clocks after a tick record."""
        self._entries.append(((position, NEVER, len(self._entries)), MARK_KEY, mark.encode()))
        self.marks += 1

    def drain(self, offsets: list[int]) -> list[Output]:
        """All outputs in order, with the causes of the records at ``offsets`` (by position)."""
        entries, blocks, partition = self._entries, self._blocks, self._partition
        entries.sort()
        records = [(offsets[position], list(group)) for position, group in groupby(entries, _position)]
        for _, record in records:
            for ordinal, (order, _, value) in enumerate(record):
                if value is None:
                    blocks[order[-1] >> 32].ordinals[order[-1] & 0xFFFFFFFF] = ordinal
        for block in blocks:
            block.finish(offsets[block.position])
        outputs = [
            Output(WINDOWS, partition, key, blocks[order[-1] >> 32].value(order[-1] & 0xFFFFFFFF), Cause(at, ordinal))
            if value is None
            else Output(JOURNAL, partition, key, value, Cause(at, ordinal))
            for at, record in records
            for ordinal, (order, key, value) in enumerate(record)
        ]
        entries.clear()
        blocks.clear()
        return outputs
