"""Driver: latencies in an HdrHistogram, from 1 µs to an hour with three significant digits; they can be merged.

The library is known here only; each of its own notes is microseconds of Python, so latencies are held and noted many
at a time. What is encoded is the standard's compressed form (V2), readable by its other tools.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from numpy.typing import NDArray

LOWEST_US, HIGHEST_US = 1, 3_600_000_000
DIGITS = 3
QUANTILES = (50.0, 90.0, 99.0, 99.9)
HELD_MAX = 4096
"""So many are held, at most, before they are noted."""
EXACT_BITS = 11
"""Three digits are the first eleven bits: values that agree in them are one to the library."""
CURVE_STEPS = 5
"""Points of a curve in each halving of what is left above it."""


class Latencies:
    """Latencies in µs; below 1 counts as 1, above an hour as an hour."""

    def __init__(self) -> None:
        self._all = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        self._held = array("q")

    @property
    def _found(self) -> HdrHistogram:
        """The library's, with everything noted."""
        if self._held:
            self._settle()
        return self._all

    def _settle(self) -> None:
        """Note what is held, each count of the library as often as values fall into it."""
        values = np.clip(np.frombuffer(self._held, np.int64), LOWEST_US, HIGHEST_US)
        self._held = array("q")
        bits = np.frexp(values.astype(np.float64))[1]
        shift = np.maximum(0, bits - EXACT_BITS).astype(np.int64)
        places, counts = np.unique(values >> shift << shift, return_counts=True)
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            self._all.record_value(place, count)

    @classmethod
    def decoded(cls, text: str) -> Self:
        """The one that was `encoded`."""
        latencies = cls()
        latencies._found.decode_and_add(text)
        return latencies

    @classmethod
    def merged(cls, parts: Iterable[Latencies]) -> Self:
        """One of several."""
        latencies = cls()
        for part in parts:
            latencies._take(part)
        return latencies

    def _take(self, other: Latencies) -> None:
        self._found.add(other._found)

    def record(self, us: int) -> None:
        """Note a latency."""
        self._held.append(us)
        if len(self._held) >= HELD_MAX:
            self._settle()

    def record_all(self, us: NDArray[np.int64]) -> None:
        """Note many."""
        self._held.frombytes(np.ascontiguousarray(us, np.int64).tobytes())
        if len(self._held) >= HELD_MAX:
            self._settle()

    @property
    def count(self) -> int:
        """How many were noted."""
        return int(self._found.get_total_count())

    def at(self, percent: float) -> int:
        """The latency that ``percent`` of them do not exceed, µs."""
        return self._at((percent,))[0]

    def summary_ms(self) -> dict[str, float] | None:
        """p50, p90, p99, p99.9 and max in ms, and the count; None of nothing."""
        if not self.count:
            return None
        found = {f"p{percent:g}": value / 1000 for percent, value in zip(QUANTILES, self._at(QUANTILES), strict=True)}
        return {**found, "max": int(self._found.get_max_value()) / 1000, "count": self.count}

    def _at(self, percents: Sequence[float]) -> list[int]:
        """As the library's own, which takes 20 ms for one: its counts, summed up by numpy."""
        found = self._found
        sums = np.cumsum(np.ctypeslib.as_array(found.counts))
        ranks = [found.get_target_count_at_percentile(percent) for percent in percents]
        places = np.searchsorted(sums, ranks).tolist()
        return [int(found.get_highest_equivalent_value(found.get_value_from_index(place))) for place in places]

    def curve(self) -> Sequence[tuple[float, float]]:
        """Points (share of all in percent, latency in ms) for a plot by quantile; the last is at 100."""
        if not self.count:
            return []
        points = self._found.get_percentile_iterator(CURVE_STEPS)
        return [(float(point.percentile_level_iterated_to), point.value_iterated_to / 1000) for point in points]

    def encoded(self) -> str:
        """As text that `decoded` reads."""
        text: bytes = self._found.encode()
        return text.decode("ascii")
