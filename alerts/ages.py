"""How old the data behind the feed is, by partition and site: what every heartbeat says; pure.

On the real clock an age is the wall's time minus the site's clock. On simulated time it is the real time since
the clock last moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vitals.protocol import WHERE_MAX, FeedState, Place


class Report(NamedTuple):
    """The part of a heartbeat that tells the data's age."""

    state: FeedState
    age_ms: int | None
    where: tuple[Place, ...]
    clock_at: int | None = None
    """The newest site clock, µs UTC."""


class Ages:
    """Site clocks of every partition as the manager's marks told them. ``started`` is a monotonic time in s."""

    def __init__(self, partitions: int, *, real: bool, stalled_ms: int, started: float) -> None:
        self._partitions = partitions
        self._real = real
        self._stalled_ms = stalled_ms
        self._started = started
        self._clocks: dict[tuple[int, int], tuple[int, float]] = {}
        self._marked: set[int] = set()

    def mark(self, partition: int, sites: dict[int, int], monotonic: float) -> None:
        """Take a mark of a partition: site number -> clock (µs UTC); ``monotonic`` is now in s."""
        self._marked.add(partition)
        for site, clock in sites.items():
            known = self._clocks.get((partition, site))
            if known is None or clock > known[0]:
                self._clocks[partition, site] = (clock, monotonic)

    def report(self, now_us: int, monotonic: float, sees: Callable[[int], bool]) -> Report:
        """The state for someone who sees only some sites; a partition that never spoke concerns everybody."""
        if not self._marked:
            return Report("waiting for the first tick", None, ())
        places = self._places(now_us, monotonic, sees)
        places.sort(key=lambda place: (-place.age_ms, place.partition, place.site or 0))
        if not places:
            return Report("waiting for the first tick", None, ())
        stalled = tuple(place for place in places if place.age_ms >= self._stalled_ms)
        if stalled:
            return Report("stalled", places[0].age_ms, stalled[:WHERE_MAX], self._newest(sees))
        return Report("ok", places[0].age_ms, tuple(places[:1]), self._newest(sees))

    def _newest(self, sees: Callable[[int], bool]) -> int | None:
        return max((clock for (_, site), (clock, _) in self._clocks.items() if sees(site)), default=None)

    def _places(self, now_us: int, monotonic: float, sees: Callable[[int], bool]) -> list[Place]:
        places = []
        for (partition, site), (clock, moved) in self._clocks.items():
            if sees(site):
                age_ms = (now_us - clock) // 1000 if self._real else int((monotonic - moved) * 1000)
                places.append(Place(partition=partition, site=site, age_ms=max(0, age_ms)))
        silent_ms = max(0, int((monotonic - self._started) * 1000))
        missing = set(range(self._partitions)) - self._marked
        return places + [Place(partition=each, site=None, age_ms=silent_ms) for each in sorted(missing)]
