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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vitals.journal import Episode, Mark


class Where(NamedTuple):
    """What causes an output: the record's position in the poll, the row in it, and the instant (µs)."""

    position: int
    row: int
    instant: int


class _Entry(NamedTuple):
    position: int
    row: int
    instant: int
    patient: bytes
    device: str
    metric: str
    rule: str
    sequence: int
    key: bytes
    value: bytes | NDArray[np.void]


class Outbox:
    """What a step has made so far; emptied by `drain`."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._entries: list[_Entry] = []

    def episode(self, where: Where, key: bytes, episode: Episode) -> None:
        """An episode's new state."""
        patient = b"" if episode.patient is None else episode.patient.bytes
        self._add(where, patient, (episode.device or "", episode.metric or "", episode.rule), key, episode.encode())

    def windows(self, where: Where, patient: bytes, rows: NDArray[np.void]) -> None:
        """One patient's closed windows of one instant; their version is written when the ordinal is known."""
        self._add(where, patient, ("", "", ""), patient, rows)

    def mark(self, position: int, mark: Mark) -> None:
        """The site clocks after a tick record."""
        self._add(Where(position, NEVER, NEVER), b"", ("", "", ""), MARK_KEY, mark.encode())

    def _add(
        self, where: Where, patient: bytes, names: tuple[str, str, str], key: bytes, value: bytes | NDArray[np.void]
    ) -> None:
        # the sequence keeps what one machine says in one row in the order it said it
        self._entries.append(_Entry(*where, patient, *names, len(self._entries), key, value))

    def drain(self, offsets: list[int]) -> list[Output]:
        """All outputs in order, with the causes of the records at ``offsets`` (by position)."""
        if not self._entries:
            return []
        self._entries.sort(key=_order)
        outputs = []
        position, ordinal = -1, 0
        for entry in self._entries:
            ordinal = ordinal + 1 if entry.position == position else 0
            position = entry.position
            cause = Cause(offsets[position], ordinal)
            value, topic = entry.value, JOURNAL
            if not isinstance(value, bytes):
                value["offset"], value["ordinal"] = cause
                value, topic = value.tobytes(), WINDOWS
            outputs.append(Output(topic, self._partition, entry.key, value, cause))
        self._entries.clear()
        return outputs


def _order(entry: _Entry) -> tuple[int, int, int, bytes, str, str, str, int]:
    return entry[:8]
