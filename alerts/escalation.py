"""What time does to one alert: repeat, lead, all, the end of an acknowledgement, a recheck, not delivered; pure.

An alert that nobody answers repeats on its own rhythm, and calls the lead and then everybody, counted from when it
asked (RULES' table). An announcement that no screen has had within ten seconds takes the next of these steps at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from alerts.tracking import Now, Tracked, announced, called, changed
from vitals.alerts import Version
from vitals.metrics import MINUTE_US
from vitals.policies import Response

TimedChange = Literal["escalate", "not_delivered", "repeat", "run_out", "recheck", "expire", "reassert"]
Step = Literal[0, 1, 2]


class Due(NamedTuple):
    """A timer whose deadline has passed, and that deadline."""

    at: int
    change: TimedChange


def due(tracked: Tracked, now: int) -> Due | None:
    """The earliest timer of this alert that is due at ``now``; at one instant, the order of `_timers`."""
    if tracked.deadline is None:
        return None
    passed = [each for each in _timers(tracked, now) if each.at <= now]
    return min(passed, key=lambda each: each.at, default=None)


def timed(tracked: Tracked, timer: Due, version: Version, now: Now) -> Tracked:
    """The alert after a timer; ``at`` is the deadline that passed, not the moment it was noticed.

    An announcement that was not delivered and has no step left changes nothing the second time: then the alert
    in the answer is the very one that was given.
    """
    at, change = timer
    match change:
        case "reassert":
            return changed(tracked, change, version, tracked.alert.at, now)
        case "expire":
            return changed(tracked, change, version, at, now, closed=True)
        case "run_out" | "recheck":
            return called(tracked, change, version, at, now, **_known(tracked, at))
        case "repeat":
            again = replace(tracked, called_at=at)
            return announced(again, change, version, at, now, **_known(tracked, at))
        case "escalate":
            alert = tracked.alert
            step: Step = 2 if alert.all_at is not None and alert.all_at <= at else 1
            return _escalated(tracked, timer, step, version, now)
        case "not_delivered":
            return _undelivered(tracked, timer, version, now)


def last_known(value: float, value_at: int, now: int) -> str:
    """What is still known of a series without data: ``was 48 at 22:59 UTC, no data for 12 min``."""
    seen = datetime.fromtimestamp(value_at // 1_000_000, UTC)
    return f"was {value:g} at {seen:%H:%M} UTC, no data for {max(0, now - value_at) // MINUTE_US} min"


def _timers(tracked: Tracked, now: int) -> list[Due]:
    alert = tracked.alert
    ended: TimedChange = "run_out" if alert.recheck_at is None else "recheck"
    timers: list[tuple[int | None, TimedChange]] = [
        (alert.lead_at, "escalate"),
        (alert.all_at, "escalate"),
        (tracked.judged_at, "not_delivered"),
        (_last_repeat(tracked, now), "repeat"),
        (tracked.holds_until, ended),
        (tracked.expire_at, "expire"),
        (tracked.reassert_at, "reassert"),
    ]
    return [Due(at, change) for at, change in timers if at is not None]


def _last_repeat(tracked: Tracked, now: int) -> int | None:
    """When the repeat counts: of several that a jump of the clock passed over, the last.

    A laptop that slept must not call a hundred times for one alert.
    """
    at, every = tracked.alert.repeat_at, tracked.response.repeat_us
    if at is None or not every or at > now:
        return at
    return at + (now - at) // every * every


def _escalated(tracked: Tracked, timer: Due, step: Step, version: Version, now: Now, **update: Any) -> Tracked:
    """The next people are called; a repeat that is due at the same instant is this call."""
    repeat_at = tracked.alert.repeat_at
    if repeat_at is not None and repeat_at == timer.at:
        tracked = replace(tracked, called_at=timer.at)
    fields = {"escalation": step} | _known(tracked, timer.at) | update
    return announced(tracked, timer.change, version, timer.at, now, **fields)


def _undelivered(tracked: Tracked, timer: Due, version: Version, now: Now) -> Tracked:
    judged = replace(tracked, judge_at=None)
    step = next_step(tracked.alert.escalation, tracked.response)
    if step is not None:
        return _escalated(judged, timer, step, version, now, undelivered=True)
    if tracked.alert.undelivered:
        return judged
    return changed(judged, timer.change, version, timer.at, now, undelivered=True)


def next_step(escalation: Step, response: Response) -> Step | None:
    """Whom to call after those who have been called: 1 the lead, 2 all; None where the rule has no such step."""
    if escalation < 1 and response.lead_us is not None:
        return 1
    return 2 if escalation < 2 and response.all_us is not None else None


def _known(tracked: Tracked, at: int) -> dict[str, Any]:
    alert = tracked.alert
    if alert.condition != "unknown" or alert.value is None or alert.value_at is None:
        return {}
    return {"reason": last_known(alert.value, alert.value_at, at)}
