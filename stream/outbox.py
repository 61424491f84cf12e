"""Outputs in one order, whatever order the arrays made them in, each with its cause.

Order: record, row, instant, patient, device, metric, rule. The ordinal of a cause counts the outputs of one record,
whatever topic they go to. A record's mark comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream.series import NEVER
from vitals.causes import Cause
from vitals.steps import Output
from vitals.topics import JOURNAL, MARK_KEY, WINDOWS
from vitals.windows import WINDOW

if TYPE_CHECKING:
    import numpy as np
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

    def __init__(self, position: int, rows: NDArray[np.void], bounds: list[int]) -> None:
        self.position, self.rows, self.bounds = position, rows, bounds
        self.ordinals = [0] * len(rows)
        self.data = b""

    def finish(self, offset: int) -> None:
        """Write the versions into the rows: the ordinals are known."""
        self.rows["offset"], self.rows["ordinal"] = offset, self.ordinals
        self.data = self.rows.tobytes()

    def value(self, at: int) -> bytes:
        size = WINDOW.itemsize
        return self.data[self.bounds[at] * size : self.bounds[at + 1] * size]


_Order = tuple[int, int, int, bytes, str, str, str, int]
"""Position, row, instant, patient, device, metric, rule, and a number that no two entries share."""


class Outbox:
    """What a step has made so far; emptied by `drain`. The counts grow for ever."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._entries: list[tuple[_Order, bytes, bytes | None, int]] = []
        self._blocks: list[_Block] = []
        self.episodes = self.windows = self.marks = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many windows, episodes and marks there have been."""
        return self.windows, self.episodes, self.marks

    def episode(self, where: Where, key: bytes, episode: Episode) -> None:
        """An episode's new state. What one machine says in one row stays in the order it said it."""
        patient = b"" if episode.patient is None else episode.patient.bytes
        names = episode.device or "", episode.metric or "", episode.rule
        self._entries.append(((*where, patient, *names, len(self._entries)), key, episode.encode(), 0))
        self.episodes += 1

    def close(
        self, where: Where, instants: list[int], keys: list[bytes], rows: NDArray[np.void], bounds: list[int]
    ) -> None:
        """Windows that one tick row closes: output ``i`` is of patient ``keys[bounds[i]]`` at ``instants[bounds[i]]``.

        Their version is written into the rows when the ordinals are known.
        """
        number, block = len(self._blocks), _Block(where.position, rows, bounds)
        self._blocks.append(block)
        entries = self._entries
        for at, first in enumerate(bounds[:-1]):
            key = keys[first]
            # the last field says which entry of the block, the missing value that it is one
            order = (where.position, where.row, instants[first], key, "", "", "", len(entries))
            entries.append((order, key, None, (number << 32) | at))
        self.windows += len(bounds) - 1

    def mark(self, position: int, mark: Mark) -> None:
        """The site clocks after a tick record."""
        order = (position, NEVER, NEVER, b"", "", "", "", len(self._entries))
        self._entries.append((order, MARK_KEY, mark.encode(), 0))
        self.marks += 1

    def drain(self, offsets: list[int]) -> list[Output]:
        """All outputs in order, with the causes of the records at ``offsets`` (by position)."""
        entries, blocks = self._entries, self._blocks
        entries.sort()
        causes = []
        position, ordinal = -1, 0
        for order, _, value, number in entries:
            ordinal = ordinal + 1 if order[0] == position else 0
            position = order[0]
            causes.append(Cause(offsets[position], ordinal))
            if value is None:
                block, at = blocks[number >> 32], number & 0xFFFFFFFF
                for row in range(block.bounds[at], block.bounds[at + 1]):
                    block.ordinals[row] = ordinal
        for block in blocks:
            block.finish(offsets[block.position])
        outputs = [
            Output(WINDOWS, self._partition, key, blocks[number >> 32].value(number & 0xFFFFFFFF), cause)
            if value is None
            else Output(JOURNAL, self._partition, key, value, cause)
            for (_, key, value, number), cause in zip(entries, causes, strict=True)
        ]
        entries.clear()
        blocks.clear()
        return outputs
