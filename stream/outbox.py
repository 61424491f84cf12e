"""Outputs in one order, whatever order the arrays made them in, each with its cause.

Order: record, row, instant, patient, device, metric, rule. The ordinal of a cause counts the outputs of one record,
whatever topic they go to. A record's mark comes last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vitals.causes import Cause
from vitals.steps import Output
from vitals.topics import JOURNAL, MARK_KEY, WINDOWS
from vitals.windows import WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vitals.journal import Episode, Mark


# the constructor of a named tuple is Python: of thousands of windows it costs as much as what is in them
_CAUSE: Callable[[tuple[int, int]], Cause] = partial(tuple.__new__, Cause)
_OUTPUT: Callable[[tuple[Any, ...]], Output] = partial(tuple.__new__, Output)


class Where(NamedTuple):
    """What causes an output: the record's position in the poll, the row in it, and the instant (µs)."""

    position: int
    row: int
    instant: int


class _Block(NamedTuple):
    """Windows that close at one tick row: output ``i`` is ``rows[bounds[i]:bounds[i + 1]]``, of patient ``keys[i]`` at
    ``instants[i]``; they are in the order of outputs.
    """

    row: int
    instants: list[int]
    keys: list[bytes]
    rows: NDArray[np.void]
    bounds: list[int]

    def values(self, offset: int, ordinals: Sequence[int]) -> list[bytes]:
        """What each output holds, once its version is in its rows."""
        size = WINDOW.itemsize
        self.rows["offset"], self.rows["ordinal"] = offset, np.repeat(ordinals, np.diff(self.bounds))
        data = self.rows.tobytes()
        return [data[first * size : last * size] for first, last in pairwise(self.bounds)]


_Order = tuple[int, int, bytes, str, str, str, int]
"""Row, instant, patient, device, metric, rule; and a number of its own, so that no more of an entry is compared. That
of a window is below those of episodes.
"""


class _Record:
    """What one record causes."""

    __slots__ = ("blocks", "episodes", "marks")

    def __init__(self) -> None:
        self.episodes: list[tuple[_Order, bytes, bytes]] = []
        self.blocks: list[_Block] = []
        self.marks: list[bytes] = []


class Outbox:
    """What a step has made so far; emptied by `drain`. The counts grow for ever."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._records: defaultdict[int, _Record] = defaultdict(_Record)
        self.episodes = self.windows = self.marks = 0

    def episode(self, where: Where, key: bytes, episode: Episode) -> None:
        """An episode's new state. What one machine says in one row stays in the order it said it."""
        patient = b"" if episode.patient is None else episode.patient.bytes
        names = episode.device or "", episode.metric or "", episode.rule
        entries = self._records[where.position].episodes
        entries.append(((where.row, where.instant, patient, *names, len(entries)), key, episode.encode()))
        self.episodes += 1

    def close(
        self, where: Where, instants: list[int], keys: list[bytes], rows: NDArray[np.void], bounds: list[int]
    ) -> None:
        """Windows that a tick row closes: output ``i`` is ``rows[bounds[i]:bounds[i + 1]]``, of patient ``keys[i]`` at
        ``instants[i]``. They are in the order of outputs.

        Their version is written into the rows when the ordinals are known.
        """
        self._records[where.position].blocks.append(_Block(where.row, instants, keys, rows, bounds))
        self.windows += len(keys)

    def mark(self, position: int, mark: Mark) -> None:
        """The site clocks after a tick record."""
        self._records[position].marks.append(mark.encode())
        self.marks += 1

    def drain(self, offsets: list[int]) -> list[Output]:
        """All outputs in order, with the causes of the records at ``offsets`` (by position)."""
        outputs: list[Output] = []
        for position in sorted(self._records):
            record, offset, before = self._records[position], offsets[position], len(outputs)
            blocks = sorted(record.blocks, key=lambda block: block.row)
            if record.episodes:
                outputs += self._merged(record.episodes, blocks, offset)
            else:  # so are nearly all, and to compare each window with the next would cost as much as all the rest
                for block in blocks:
                    first = len(outputs) - before
                    ordinals = range(first, first + len(block.keys))
                    outputs += self._windows(block, offset, ordinals)
            for value in record.marks:
                cause = Cause(offset, len(outputs) - before)
                outputs.append(Output(JOURNAL, self._partition, MARK_KEY, value, cause))
        self._records.clear()
        return outputs

    def _windows(self, block: _Block, offset: int, ordinals: Sequence[int]) -> list[Output]:
        causes = map(_CAUSE, zip(repeat(offset), ordinals))
        values, same = block.values(offset, ordinals), (repeat(WINDOWS), repeat(self._partition))
        fields = zip(*same, block.keys, values, causes, repeat(0), repeat(()))
        return list(map(_OUTPUT, fields))

    def _merged(self, episodes: list[tuple[_Order, bytes, bytes]], blocks: list[_Block], offset: int) -> list[Output]:
        """Windows of a record among its episodes, each in its place."""
        places: list[tuple[_Order, int, int]] = [(order, -1, at) for at, (order, _, _) in enumerate(episodes)]
        for number, block in enumerate(blocks):
            for at, (instant, key) in enumerate(zip(block.instants, block.keys, strict=True)):
                places.append(((block.row, instant, key, "", "", "", -1), number, at))
        places.sort()
        ordinals = {(number, at): ordinal for ordinal, (_, number, at) in enumerate(places)}
        made = [
            self._windows(block, offset, [ordinals[number, at] for at in range(len(block.keys))])
            for number, block in enumerate(blocks)
        ]
        return [
            made[number][at]
            if number >= 0
            else Output(JOURNAL, self._partition, *episodes[at][1:], Cause(offset, ordinal))
            for ordinal, (_, number, at) in enumerate(places)
        ]
