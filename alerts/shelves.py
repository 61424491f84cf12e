"""Rules that are put aside for a while: which shelf covers which alert, and for how long one may last; pure.

A shelf holds for one rule of one patient (or site), so it hides no other rule; up to the level and the priority of
the alert that was shelved, so it hides nothing worse; and until an instant, so it ends. It outlives its episode:
whoever shelved a chattering alert is not called by the next of it. Times are µs UTC of the site's clock.
"""

from __future__ import annotations

from uuid import UUID

from alerts.tracking import Now, Shelved, Tracked, freed, taken_off
from vitals.alerts import Alert, Refusal, Shelf, Version, shelf_id
from vitals.journal import Command, Episode
from vitals.metrics import MINUTE_US
from vitals.policies import PRIORITY_RANK, Priority
from vitals.protocol import SHELF_MINUTES_HIGH_MAX, SHELF_MINUTES_MAX


def longest_us(priority: Priority) -> int:
    """The longest shelf of an alert of this priority: high priority has no off switch."""
    return (SHELF_MINUTES_HIGH_MAX if priority == "high" else SHELF_MINUTES_MAX) * MINUTE_US


def refusal(alert: Alert, command: Command) -> Refusal:
    """Why an alert cannot be shelved for so long, or the empty string."""
    if command.duration_us is None or command.duration_us <= 0:
        return "not_possible"
    return "too_long" if command.duration_us > longest_us(alert.priority) else ""


def key(about: Alert | Episode) -> UUID:
    """The id of the shelf of this alert's rule."""
    subject = f"site:{about.site}" if about.patient is None else str(about.patient)
    return shelf_id(subject, about.metric, about.rule)


def begun(alert: Alert, command: Command, version: Version, now: Now) -> Shelved:
    """The shelf of an accepted *shelve*; an earlier one of the same rule is replaced."""
    assert command.duration_us is not None, "a shelf without an end was refused"
    shelf = Shelf(
        id=key(alert),
        version=version,
        patient=alert.patient,
        label=alert.label,
        site=alert.site,
        metric=alert.metric,
        rule=alert.rule,
        level=alert.level,
        priority=alert.priority,
        since=now.at,
        until=now.at + command.duration_us,
        by=command.by,
        reason=command.reason,
    )
    return Shelved(shelf, PRIORITY_RANK[alert.priority])


def over(shelved: Shelved, version: Version, at: int) -> Shelved:
    """The shelf after its end at ``at``."""
    return shelved._replace(shelf=shelved.shelf.model_copy(update={"version": version, "until": at, "ended": True}))


def again(shelved: Shelved, version: Version) -> Shelved:
    """An earlier shelf that holds again, because the one that replaced it was taken back."""
    return shelved._replace(shelf=shelved.shelf.model_copy(update={"version": version}))


def covers(shelved: Shelved, episode: Episode) -> bool:
    """Whether a shelf holds for an alert that opens now."""
    return episode.level <= shelved.shelf.level and PRIORITY_RANK[episode.priority] <= shelved.rank


def ended(tracked: Tracked, version: Version, now: Now) -> Tracked:
    """The alert whose shelf has reached its end: it calls, or will as soon as it is active."""
    at = tracked.alert.shelved_until
    assert at is not None, "this alert is on a shelf"
    return freed(tracked, "shelf_end", version, at, now, **taken_off())


def taken_away(tracked: Tracked, version: Version, now: Now) -> Tracked:
    """The alert whose shelf somebody ended: it owes its call, which follows at once if it is active."""
    return freed(tracked, "unshelve", version, now.at, now, **taken_off())
