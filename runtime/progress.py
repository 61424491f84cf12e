"""Whether a partition moves while its log has more: a fetch of one can stand still while the others go on."""

from __future__ import annotations

from collections.abc import Mapping

STALLED_SECONDS = 60.0
"""Longer than every deadline of a write or a question to Kafka, so that their error is the one we see."""
LOOK_SECONDS_MAX = 15.0
"""What the time between two looks counts at most: a process that was itself stopped has seen nothing stand."""


class Progress:
    """Remembers where each partition was, and how long it has stood there behind its log (s)."""

    def __init__(self, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._stalled_seconds = stalled_seconds
        self._stood: dict[int, tuple[int, float]] = {}
        self._looked_at = 0.0

    def stuck(self, positions: Mapping[int, int], ends: Mapping[int, int], now: float) -> list[int]:
        """The partitions that have stood for too long while the log's end lay beyond; ``now`` in monotonic seconds."""
        passed = min(now - self._looked_at, LOOK_SECONDS_MAX)
        self._looked_at = now
        stood: dict[int, tuple[int, float]] = {}
        for partition, position in positions.items():
            before, seconds = self._stood.get(partition, (-1, 0.0))
            stands = position == before and position < ends[partition]
            stood[partition] = (position, seconds + passed if stands else 0.0)
        self._stood = stood
        return sorted(each for each, (_, seconds) in stood.items() if seconds >= self._stalled_seconds)
