"""What can happen to one alert: pure transitions over condition (episodes) x response (people and timers).

Every function takes an alert as it was and returns it after exactly one change; `alerts.manager` decides which
change is next and gives it its version. The rules are RULES' *Conditions*: an unacknowledged alert repeats while
active or unknown, never while returning; an acknowledgement that runs out while the alert is not active waits,
and announces when it is next active. Times are µs UTC of the alert's site clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from vitals.alerts import Alert, AlertChange, Version
from vitals.journal import Command, Episode, EpisodeChange
from vitals.metrics import MINUTE_US
from vitals.policies import PRIORITY_RANK, Response

REASSERT_US = 24 * 60 * MINUTE_US
"""An open alert is written at least this often, so that a reader may begin 25 h back."""

TimedChange = Literal["run_out", "repeat", "reassert"]
Refusal = Literal["", "worsened", "cleared", "unknown_alert", "unknown_version"]

_FROM_EPISODE = tuple(
    name
    for name in Episode.model_fields
    if name in Alert.model_fields and name not in {"kind", "id", "change", "at", "response"}
)
"""What an alert takes from its episode as it stands there."""
assert set(get_args(EpisodeChange)) <= set(get_args(AlertChange))


@dataclass(frozen=True, slots=True)
class Tracked:
    """An alert as the manager holds it: the message last written, how people are asked to answer at its
    present level, and the clock at which it was written.
    """

    alert: Alert
    response: Response
    written_at: int

    @property
    def deadline(self) -> int | None:
        """When a timer of this alert is due next; None once it is closed."""
        if self.alert.closed:
            return None
        reassert = self.written_at + REASSERT_US
        return reassert if self.alert.next_at is None else min(self.alert.next_at, reassert)


def opened(episode: Episode, version: Version, now: int) -> Tracked:
    """The alert of an episode seen for the first time: announced, unless it comes already over."""
    over = episode.condition == "over"
    at = max(now, episode.at)
    alert = Alert(
        id=episode.id,
        version=version,
        change="clear" if over else "open",
        at=episode.at,
        announced=not over,
        risen=version,
        announced_at=at,
        announcements=0 if over else 1,
        response="unacknowledged",
        closed=over,
        **_condition(episode),
    )
    return _scheduled(Tracked(alert, episode.response, at), at)


def followed(tracked: Tracked, episode: Episode, version: Version, now: int) -> Tracked:
    """The alert after a later version of its episode.

    A rise announces and ends an acknowledgement; so does any worse level or priority, whatever the change is
    called. Everything else is silent. ``at`` stays the episode's; an announcement counts from ``now`` if the
    reading came late, or its repeat would be due at once.
    """
    before = tracked.alert
    at = max(now, episode.at)
    update = _condition(episode) | {"version": version, "at": episode.at, "change": episode.change}
    update["closed"] = episode.condition == "over"
    if update["closed"]:
        update["change"] = "clear"
    elif _worse(before, episode):
        update |= _announcement(before, at) | {"change": "rise", "risen": version}
    elif episode.change == "open":
        update["change"] = "active"
    return _after(tracked, update, at, episode.response)


def acknowledged(tracked: Tracked, command: Command, version: Version, now: int) -> Tracked:
    """The alert after an accepted acknowledgement, which holds from ``now`` on for the response's time."""
    at = max(now, tracked.alert.announced_at)
    update = {
        "version": version,
        "at": at,
        "change": "acknowledge",
        "response": "acknowledged",
        "acknowledged_by": command.by,
        "acknowledged_until": at + tracked.response.hold_us,
    }
    return _after(tracked, update, at)


def refusal(tracked: Tracked | None, was_closed: bool, command: Command) -> Refusal:
    """Why a command cannot be accepted, or the empty string. ``tracked`` None is an alert that is not open."""
    if tracked is None:
        return "cleared" if was_closed else "unknown_alert"
    alert = tracked.alert
    if command.version > alert.version:
        return "unknown_version"
    return "worsened" if alert.risen > command.version or command.level < alert.level else ""


def waits_to_announce(tracked: Tracked, now: int) -> bool:
    """Whether an acknowledgement ran out while the alert was not active, and the alert is active now."""
    alert = tracked.alert
    until = alert.acknowledged_until
    return not alert.closed and alert.condition == "active" and until is not None and until <= now


def due(tracked: Tracked, now: int) -> TimedChange | None:
    """The change that a timer of this alert asks for at ``now``, the earlier deadline first."""
    deadline = tracked.deadline
    if deadline is None or deadline > now:
        return None
    if tracked.alert.next_at != deadline:
        return "reassert"
    return "run_out" if tracked.alert.response == "acknowledged" else "repeat"


def timed(tracked: Tracked, change: TimedChange, version: Version, now: int) -> Tracked:
    """The alert after a timer at ``now``; ``at`` is the deadline that passed, not the moment it was noticed.

    When the clock jumped over several repeats, only the last of them is announced: a laptop that slept
    must not call a hundred times for one alert.
    """
    alert = tracked.alert
    deadline = now if tracked.deadline is None else min(tracked.deadline, now)
    if change == "reassert":
        return _after(tracked, {"version": version, "change": "reassert"}, now)
    if change == "repeat" and tracked.response.repeat_us:
        deadline += (now - deadline) // tracked.response.repeat_us * tracked.response.repeat_us
    update = _announcement(alert, deadline) | {"version": version, "at": deadline, "change": change}
    if alert.condition == "unknown" and alert.value is not None and alert.value_at is not None:
        update["reason"] = last_known(alert.value, alert.value_at, deadline)
    return _after(tracked, update, now)


def last_known(value: float, value_at: int, now: int) -> str:
    """What is still known of a series without data: ``was 48 at 22:59 UTC, no data for 12 min``."""
    seen = datetime.fromtimestamp(value_at // 1_000_000, UTC)
    return f"was {value:g} at {seen:%H:%M} UTC, no data for {max(0, now - value_at) // MINUTE_US} min"


def _condition(episode: Episode) -> dict[str, Any]:
    return {name: getattr(episode, name) for name in _FROM_EPISODE}


def _announcement(before: Alert, at: int) -> dict[str, Any]:
    return {
        "announced": True,
        "announced_at": at,
        "announcements": before.announcements + 1,
        "response": "unacknowledged",
        "acknowledged_by": None,
        "acknowledged_until": None,
    }


def _worse(before: Alert, episode: Episode) -> bool:
    higher = PRIORITY_RANK[episode.priority] > PRIORITY_RANK[before.priority]
    return episode.change == "rise" or episode.level > before.level or higher


def _after(tracked: Tracked, update: dict[str, Any], written_at: int, response: Response | None = None) -> Tracked:
    alert = tracked.alert.model_copy(update={"announced": False} | update)
    return _scheduled(Tracked(alert, response or tracked.response, written_at), written_at)


def _scheduled(tracked: Tracked, now: int) -> Tracked:
    """The same alert with ``next_at``: when it calls again if nothing happens, None if it then never does.

    A repeat that fell due while the alert was returning is due when it is active again, not before.
    """
    alert = tracked.alert
    next_at = _next_call(alert, tracked.response)
    if next_at is not None and next_at < now and not alert.announced:
        next_at = now
    return Tracked(alert.model_copy(update={"next_at": next_at}), tracked.response, tracked.written_at)


def _next_call(alert: Alert, response: Response) -> int | None:
    if alert.closed:
        return None
    if alert.response == "acknowledged":
        return alert.acknowledged_until if alert.condition == "active" else None
    if response.repeat_us is None or alert.condition == "returning":
        return None
    return alert.announced_at + response.repeat_us
