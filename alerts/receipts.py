"""Which announcements have been on a screen; pure. Nobody waits for an answer to a receipt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alerts.tracking import Now, Tracked, changed
from vitals.alerts import Version


def is_news(tracked: Tracked, announcements: int) -> bool:
    """Whether a receipt says something new, and of a call that was made."""
    return tracked.alert.delivered < announcements <= tracked.alert.announcements


def delivered(tracked: Tracked, announcements: int, version: Version, now: Now) -> Tracked:
    """The alert once a screen has had so many of its announcements; the last of them need not be judged any more."""
    last = announcements == tracked.alert.announcements
    judge_at = None if last else tracked.judge_at
    fields: dict[str, Any] = {"delivered": announcements, "delivered_at": now.at}
    fields |= {"undelivered": False} if last else {}
    return changed(replace(tracked, judge_at=judge_at), "delivered", version, now.at, now, **fields)
