"""Rates from counters that were read twice, and Prometheus' text read back; pure."""

from __future__ import annotations

import math
import re

_LINE = re.compile(r"(vigil_[a-z0-9_]+(?:\{[^}\n]*\})?) (\S+)")
METRICS_MAX = 500
"""Values kept of one service."""


class Rates:
    """The growth of counters from one look to the next; ``now`` is steady time in seconds."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}
        self._grew: dict[str, float] = {}

    def per_second(self, name: str, count: float, now: float) -> float | None:
        """How much a counter grew each second since the last look; None at the first."""
        before = self._before.get(name)
        self._before[name] = count, now
        if before is not None and count > before[0]:
            self._grew[name] = now
        if before is None or now <= before[1] or count < before[0]:
            return None
        return round((count - before[0]) / (now - before[1]), 2)

    def quiet_ms(self, name: str, now: float) -> int | None:
        """Since when a counter has not grown, in ms, to the length of a look; None where it never did."""
        grew = self._grew.get(name)
        return None if grew is None else int((now - grew) * 1000)


def parse_metrics(text: str) -> dict[str, float]:
    """Vigil's own counters and gauges in Prometheus' text format: value by name with labels; buckets are left out."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or "_bucket{" in match[1] or "_created" in match[1]:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if math.isfinite(value) and len(found) < METRICS_MAX:
            found[match[1]] = value
    return found
