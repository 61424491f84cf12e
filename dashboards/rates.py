"""Rates from counters that were read twice, and Prometheus' text read back; pure."""

from __future__ import annotations

import math
import re
from collections import deque

_LINE = re.compile(r"(vigil_[a-z0-9_]+(?:\{[^}\n]*\})?) (\S+)")
METRICS_MAX = 500
"""Values kept of one service."""


OVER_SECONDS = 30.0
"""A rate is taken over so long: from look to look what comes in bursts would flicker between nothing and much."""


class Rates:
    """The growth of counters over `OVER_SECONDS`; ``now`` is steady time in seconds."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[float, float]]] = {}
        self._grew: dict[str, float] = {}

    def per_second(self, name: str, count: float, now: float) -> float | None:
        """How much a counter grew each second over the last half minute; None at the first look.

        A counter that fell has begun anew: so does its rate.
        """
        looks = self._looks.setdefault(name, deque())
        if looks and count < looks[-1][0]:
            looks.clear()
        elif looks and count > looks[-1][0]:
            self._grew[name] = now
        looks.append((count, now))
        while len(looks) > 1 and looks[1][1] <= now - OVER_SECONDS:
            looks.popleft()
        first, since = looks[0]
        return round((count - first) / (now - since), 2) if now > since else None

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
