"""What people do to one alert: whether a command can be accepted, and the alert after it; pure.

A person answers what they were shown: alert, level and version. An answer holds for a bounded time, and then the
alert calls again if it is still active. Times are µs UTC of the alert's site clock, except where said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alerts.tracking import Now, Shelved, Tracked, Undo, changed, on_shelf, unanswered
from vitals.alerts import NOTES_MAX, SEEN_MAX, Note, Refusal, Shelf, Version
from vitals.journal import Action, Command
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.protocol import UNDO_SECONDS_MAX

RECHECK_US = 15 * MINUTE_US
"""The time to a recheck where nobody named one."""
RECHECK_MAX_US = 60 * MINUTE_US
_ANSWERS: frozenset[Action] = frozenset({"acknowledge", "shelve", "going", "treated"})
"""Commands that answer the call of an alert as it was shown."""


def refusal(tracked: Tracked | None, command: Command, *, was_closed: bool) -> Refusal:
    """Why a command on an alert cannot be accepted, or the empty string.

    ``tracked`` None is an alert that is not open. Whether a shelf is too long is the shelves' to say.
    """
    if tracked is None:
        return "cleared" if was_closed else "unknown_alert"
    if command.action in _ANSWERS:
        return _unanswerable(tracked, command)
    match command.action:
        case "release":
            return _unreleasable(tracked, command)
        case "undo":
            return _not_undoable(tracked, command)
        case "note" | "seen":
            return ""
        case _:
            return "not_possible"


def answered(tracked: Tracked, command: Command, version: Version, now: Now) -> Tracked:
    """The alert after an accepted acknowledge, going, treated, release, note or seen.

    An acknowledgement counts from the last call where the reading behind that was ahead of the clock.
    """
    match command.action:
        case "note":
            return _noted(tracked, command, version, now)
        case "seen":
            return _seen(tracked, command, version, now)
        case "release":
            return changed(tracked, "release", version, now.at, now, owner=None, owner_at=None)
        case _:
            return _taken_on(tracked, command, version, now)


def shelved(
    tracked: Tracked, command: Command, shelf: Shelf, version: Version, now: Now, *, before: Shelved | None
) -> Tracked:
    """The alert on a shelf; ``before`` is the shelf that was there, to which an undo goes back."""
    fields = unanswered(escalation=0, undelivered=False) | on_shelf(shelf)
    after = changed(_heard(tracked), "shelve", version, now.at, now, **fields)
    return replace(after, undo=_undo(tracked, command, version, before))


def undone(tracked: Tracked, version: Version, now: Now) -> Tracked:
    """The alert as it was before the last answer; nobody is called, and its timers go on as they were."""
    assert tracked.undo is not None, "an undo was accepted"
    before = replace(tracked.undo.before, out=tracked.out)
    return changed(before, "undo", version, now.at, now, resumes=True)


def _taken_on(tracked: Tracked, command: Command, version: Version, now: Now) -> Tracked:
    at = max(now.at, tracked.alert.announced_at)
    fields: dict[str, Any] = {
        "acknowledged_by": command.by,
        "acknowledged_until": at + tracked.response.hold_us,
        "acknowledged_reason": command.reason,
        "recheck_at": None,
        "escalation": 0,
        "undelivered": False,
    }
    if command.action != "acknowledge":
        fields |= {"owner": command.by, "owner_at": at}
    if command.action == "treated":
        recheck_at = at + _recheck_us(command)
        fields |= {"treated_at": at, "recheck_at": recheck_at, "acknowledged_until": recheck_at}
    assert command.action in {"acknowledge", "going", "treated"}
    after = changed(_heard(tracked), command.action, version, at, now._replace(at=at), **fields)
    return replace(after, undo=_undo(tracked, command, version, None))


def _recheck_us(command: Command) -> int:
    asked = RECHECK_US if command.duration_us is None else command.duration_us
    return min(max(asked, MINUTE_US), RECHECK_MAX_US)


def _noted(tracked: Tracked, command: Command, version: Version, now: Now) -> Tracked:
    notes = (*tracked.alert.notes, Note(by=command.by, at=now.at, text=command.text))[-NOTES_MAX:]
    return changed(tracked, "note", version, now.at, now, notes=notes)


def _seen(tracked: Tracked, command: Command, version: Version, now: Now) -> Tracked:
    """Who has looked, once each; the alert as it was where there is nothing new in it."""
    alert = tracked.alert
    if command.by in alert.seen_by and not alert.unseen:
        return tracked
    seen_by = (*(each for each in alert.seen_by if each != command.by), command.by)[-SEEN_MAX:]
    fields: dict[str, Any] = {"seen_by": seen_by, "undelivered": False, "closed": alert.unseen}
    return changed(replace(tracked, answered=True, judge_at=None), "seen", version, now.at, now, **fields)


def _heard(tracked: Tracked) -> Tracked:
    """Whoever answers has had the announcement, and settles a call that was owed."""
    return replace(tracked, answered=True, judge_at=None, waits=None)


def _undo(tracked: Tracked, command: Command, version: Version, before: Shelved | None) -> Undo:
    return Undo(
        command=command.id,
        by=command.by,
        at=command.at,
        version=version,
        before=replace(tracked, undo=None),
        shelve=command.action == "shelve",
        shelved=before,
    )


def _unanswerable(tracked: Tracked, command: Command) -> Refusal:
    alert = tracked.alert
    if alert.condition == "over":
        return "cleared"
    if command.version > alert.version:
        return "unknown_version"
    return "worsened" if alert.risen > command.version or command.level < alert.level else ""


def _unreleasable(tracked: Tracked, command: Command) -> Refusal:
    if tracked.alert.owner is None:
        return "not_possible"
    return "" if tracked.alert.owner == command.by else "not_yours"


def _not_undoable(tracked: Tracked, command: Command) -> Refusal:
    undo = tracked.undo
    if undo is None or undo.command != command.undone:
        return "not_possible"
    if undo.by != command.by:
        return "not_yours"
    late = command.at - undo.at > UNDO_SECONDS_MAX * SECOND_US
    return "too_late" if late or undo.version != tracked.alert.version else ""
