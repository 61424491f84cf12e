"""Outputs in one order, whatever order the arrays made them in, each with its cause.

Order: record; first its episodes by row, instant, patient, device, metric, rule; then what its rows say of windows, by
row; its mark comes last. The ordinal of a cause counts the outputs of one record, whatever topic they go to.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from vitals.causes import Cause
from vitals.steps import Output
from vitals.topics import JOURNAL, MARK_KEY, WINDOWS
from vitals.windows import ROWS_MAX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vitals.journal import Episode, Mark


class Where(NamedTuple):
    """What causes an output: the record's position in the poll, the row in it, and the instant (µs)."""

    position: int
    row: int
    instant: int


_Order = tuple[int, int, bytes, str, str, str, int]
"""Row, instant, patient, device, metric, rule; and a number of its own, so that no more of an entry is compared."""


class _Record:
    """What one record causes."""

    __slots__ = ("episodes", "marks", "windows")

    def __init__(self) -> None:
        self.episodes: list[tuple[_Order, bytes, bytes]] = []
        self.windows: list[tuple[int, NDArray[np.void]]] = []
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

    def close(self, where: Where, rows: NDArray[np.void]) -> None:
        """All that a tick row says of windows: `WINDOW` rows (n,) in their order, at no instant of its own.

        Their version is written into the rows when the ordinals are known.
        """
        self._records[where.position].windows.append((where.row, rows))
        self.windows += len(rows)

    def mark(self, position: int, mark: Mark) -> None:
        """The site clocks after a tick record."""
        self._records[position].marks.append(mark.encode())
        self.marks += 1

    def drain(self, offsets: list[int]) -> list[Output]:
        """All outputs in order, with the causes of the records at ``offsets`` (by position)."""
        outputs: list[Output] = []
        for position in sorted(self._records):
            record, offset, before = self._records[position], offsets[position], len(outputs)
            record.episodes.sort()
            for _, key, value in record.episodes:
                outputs.append(self._output(JOURNAL, key, value, Cause(offset, len(outputs) - before)))
            for _, rows in sorted(record.windows, key=itemgetter(0)):
                rows["offset"] = offset
                for first in range(0, len(rows), ROWS_MAX):
                    some, cause = rows[first : first + ROWS_MAX], Cause(offset, len(outputs) - before)
                    some["ordinal"] = cause.ordinal
                    outputs.append(self._output(WINDOWS, None, some.tobytes(), cause))
            for value in record.marks:
                outputs.append(self._output(JOURNAL, MARK_KEY, value, Cause(offset, len(outputs) - before)))
        self._records.clear()
        return outputs

    def _output(self, topic: str, key: bytes | None, value: bytes, cause: Cause) -> Output:
        return Output(topic, self._partition, key, value, cause)
