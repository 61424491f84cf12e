"""Deadlines of alerts, shelves and times out of service, earliest first, each by the clock of its site; pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from uuid import UUID


class Timers:
    """At most one deadline per owner. Entries that were replaced stay in the heap until they surface."""

    def __init__(self) -> None:
        self._heaps: dict[int, list[tuple[int, UUID]]] = {}
        self._current: dict[UUID, tuple[int, int]] = {}

    def set(self, owner: UUID, site: int, deadline: int | None) -> None:
        """Replace an owner's deadline (µs on the clock of ``site``); None takes it away."""
        if deadline is None:
            self._current.pop(owner, None)
        elif self._current.get(owner) != (site, deadline):
            self._current[owner] = (site, deadline)
            heapq.heappush(self._heaps.setdefault(site, []), (deadline, owner))

    def take_due(self, now: Callable[[int], int]) -> UUID | None:
        """Take the owner with the least (deadline, id) among those whose site's clock has reached theirs."""
        due = [(head, site) for site in self._heaps if (head := self._head(site)) is not None and head[0] <= now(site)]
        if not due:
            return None
        (_, owner), site = min(due)
        heapq.heappop(self._heaps[site])
        del self._current[owner]
        return owner

    def earliest(self) -> int | None:
        """The least deadline of all sites, or None."""
        return min((head[0] for site in self._heaps if (head := self._head(site)) is not None), default=None)

    def by_site(self) -> dict[int, int]:
        """The least deadline of each site that has one."""
        return {site: head[0] for site in sorted(self._heaps) if (head := self._head(site)) is not None}

    def _head(self, site: int) -> tuple[int, UUID] | None:
        heap = self._heaps[site]
        while heap and self._current.get(heap[0][1]) != (site, heap[0][0]):
            heapq.heappop(heap)
        return heap[0] if heap else None
