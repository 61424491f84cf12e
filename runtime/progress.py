"""Whether a partition moves while its log has more: a fetch of one can stand still while the others go on."""

from __future__ import annotations

from collections.abc import Mapping

STALLED_SECONDS = 60.0
"""Longer than every deadline of a write or a question to Kafka, so that their error is the one we see."""


class Progress:
    """Remembers where each partition was, and since when (monotonic seconds)."""

    def __init__(self, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._stalled_seconds = stalled_seconds
        self._seen: dict[int, tuple[int, float]] = {}

    def stuck(self, positions: Mapping[int, int], ends: Mapping[int, int], now: float) -> list[int]:
        """The partitions whose position has stood for too long while the log's end lay beyond it."""
        seen: dict[int, tuple[int, float]] = {}
        for partition, position in positions.items():
            before, since = self._seen.get(partition, (-1, now))
            stands = position == before and position < ends[partition]
            seen[partition] = (position, since if stands else now)
        self._seen = seen
        return sorted(each for each, (_, since) in seen.items() if now - since >= self._stalled_seconds)
