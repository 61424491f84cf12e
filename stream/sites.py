"""Site clocks: the only time that deadlines, windows and silence know; and sites that stopped ticking.

A site's clock is the running maximum of its ticks in this partition. A site is silent once another site's clock has
run `SITE_SILENT_US` since this one's last advancing tick (or its site record).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream.series import LONG_AGO, NEVER

SITE_SILENT_US = 10_000_000
MARK_EVERY_US = 1_000_000
RULE = "site_silent"


@dataclass(slots=True)
class Site:
    """One site in one partition; times µs."""

    number: int
    name: str = ""
    clock: int = LONG_AGO
    others: dict[int, int] = field(default_factory=dict)
    """The other sites' clocks when this one was last heard."""
    silent_at: int | None = None
    """When the open silence began; None while the site is heard."""
    marked: int = LONG_AGO
    alarm_at: int = NEVER
    """No deadline of this site's series lies before; may be too early, never too late."""
    window_at: int = NEVER
    """The first instant at which a window may close."""
    closed: dict[int, int] = field(default_factory=dict)
    """The newest window end that this clock has closed, by window code."""


class Sites:
    """All sites that a partition knows, by number."""

    def __init__(self) -> None:
        self.by_number: dict[int, Site] = {}

    def add(self, number: int, name: str = "") -> Site:
        """The site of a number, heard now if it is new; a name is kept."""
        site = self.by_number.get(number)
        if site is None:
            site = self.by_number[number] = Site(number)
            self.hear(site)
        if name:
            site.name = name
        return site

    def hear(self, site: Site) -> None:
        """Remember the others' clocks: from here on they measure this site's silence."""
        if len(self.by_number) > 1:
            site.others = {other.number: other.clock for other in self.by_number.values() if other is not site}

    def silence(self, site: Site) -> int | None:
        """The instant on another site's clock at which this site counts as silent, if that is reached, else None."""
        limits = (
            self._limit(site, other)
            for other in self.by_number.values()
            if other is not site and other.clock > LONG_AGO
        )
        return min((limit for limit, clock in limits if clock >= limit), default=None)

    def _limit(self, site: Site, other: Site) -> tuple[int, int]:
        heard = site.others.get(other.number, LONG_AGO)
        if heard == LONG_AGO:  # its clock had not begun when this site was last heard: count from its first tick
            site.others[other.number] = heard = other.clock
        return heard + SITE_SILENT_US, other.clock

    def stirs(self, moves: list[tuple[int, int]]) -> bool:
        """Whether a tick record (site, time) can begin or end a silence."""
        if len(self.by_number) < 2:
            return False
        times = dict(moves)
        for site in self.by_number.values():
            if site.number in times:
                if site.silent_at is not None:
                    return True
            elif site.silent_at is None and any(
                at >= site.others.get(number, LONG_AGO) + SITE_SILENT_US for number, at in times.items()
            ):
                return True
        return False

    def clocks(self) -> dict[int, int]:
        """The clocks of the sites that have ticked, by number."""
        return {site.number: site.clock for site in self.by_number.values() if site.clock > LONG_AGO}
