"""Site clocks: the only time that deadlines, windows and silence know; and sites that stopped ticking.

A site's clock is the running maximum of its ticks in this partition. A site is silent once another site's clock has
run `SITE_SILENT_US` since this one's last advancing tick (or its site record). The run is measured from the other's
first tick after that: a clock that stood still and jumps on its return has not run, and bridges' clocks may differ.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stream.evaluations import last_due
from stream.series import LONG_AGO, NEVER
from stream.windows import last_end
from vitals.alerts import SITE_SILENT
from vitals.windows import WINDOWS

SITE_SILENT_US = 10_000_000
MARK_EVERY_US = 1_000_000
RULE = SITE_SILENT


@dataclass(slots=True, eq=False)
class Site:
    """One site in one partition; times µs."""

    number: int
    name: str = ""
    clock: int = LONG_AGO
    others: dict[int, int] = field(default_factory=dict)
    """The other sites' clocks at their first tick after this one's last."""
    silent_at: int | None = None
    """When the open silence began; None while the site is heard."""
    marked: int = LONG_AGO
    alarm_at: int = NEVER
    """No deadline of this site's series lies before; may be too early, never too late."""
    window_at: int = NEVER
    """The first instant at which a window may close."""
    closed: dict[int, int] = field(default_factory=dict)
    """The newest window end that this clock has closed, by window code."""
    evaluated: int = LONG_AGO
    """The newest T at which this clock has evaluated window rules."""

    def catch_up(self) -> None:
        """Count as closed and evaluated what the clock has passed: only where nobody is was it passed over, and who
        moves here has had it at the site before.
        """
        if self.clock > LONG_AGO:
            self.closed = {spec.code: last_end(spec, self.clock) for spec in WINDOWS}
            self.evaluated = last_due(self.clock)


class Sites:
    """All sites that a partition knows, by number."""

    def __init__(self) -> None:
        self.by_number: dict[int, Site] = {}

    def add(self, number: int, name: str = "") -> Site:
        """The site of a number, heard now if it is new; a name is kept."""
        site = self.by_number.get(number)
        if site is None:
            site = self.by_number[number] = Site(number)
        if name:
            site.name = name
        return site

    def hear(self, ticked: list[Site]) -> None:
        """Sites ticked in one record: nothing has run since; the others take the measure of their clocks."""
        for site in ticked:
            site.others.clear()
        if len(ticked) < len(self.by_number):
            for site in self.by_number.values():
                if site not in ticked:
                    for other in ticked:
                        site.others.setdefault(other.number, other.clock)

    def silence(self, site: Site) -> int | None:
        """The instant on another site's clock at which this site counts as silent, if that is reached, else None."""
        limits = ((begun + SITE_SILENT_US, self.by_number[number].clock) for number, begun in site.others.items())
        return min((limit for limit, clock in limits if clock >= limit), default=None)

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
                at >= site.others.get(number, NEVER) + SITE_SILENT_US for number, at in times.items()
            ):
                return True
        return False

    def state(self) -> list[dict[str, Any]]:
        """All sites, in the order in which they came: marks name them in it. ``alarm_at`` depends on how the log was
        polled, so the next ticks of a restored site look at all deadlines.
        """
        return [
            asdict(replace(site, alarm_at=LONG_AGO))
            | {"others": sorted(site.others.items()), "closed": sorted(site.closed.items())}
            for site in self.by_number.values()
        ]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Take the sites of a snapshot."""
        for each in state:
            site = Site(**each | {"others": dict(each["others"]), "closed": dict(each["closed"])})
            self.by_number[site.number] = site

    def clocks(self) -> dict[int, int]:
        """The clocks of the sites that have ticked, by number."""
        return {site.number: site.clock for site in self.by_number.values() if site.clock > LONG_AGO}
