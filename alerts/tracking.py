"""An alert as the manager holds it, and what follows from that: its response, and when each of its timers is due.

Every transition (lifecycle, escalation, answers, receipts) ends in `changed`, which writes the alert's next version,
or in `called`, for a change that calls for a person. Both derive the same things afresh, so no transition can
forget one. Times are µs UTC of the alert's site clock. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple
from uuid import UUID

from vitals.alerts import Alert, AlertChange, Shelf, Version
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import Response
from vitals.proof import RULE as PROOF

DAY_US = 24 * 60 * MINUTE_US
REASSERT_US = DAY_US
"""An open alert is written at least this often, so that a reader may begin 25 h back."""
UNSEEN_US = DAY_US
"""How long an alert that is over, and that nobody has answered or seen, stays."""
DELIVERY_US = 10 * SECOND_US
"""An announcement that no screen has had for so long was not delivered."""

_NOBODY: dict[str, Any] = {
    "acknowledged_by": None,
    "acknowledged_until": None,
    "acknowledged_reason": "",
    "owner": None,
    "owner_at": None,
    "recheck_at": None,
}
"""An answer that no longer holds."""
_OFF_SHELF: dict[str, Any] = {"shelf": None, "shelved_by": None, "shelved_until": None, "shelved_reason": ""}


class Now(NamedTuple):
    """The instant of a change, and whether it is real time: on simulated time nobody is there to hear or see."""

    at: int
    real: bool = True


class Shelved(NamedTuple):
    """A shelf, and the rank of the priority that its alert had: a worse one is not covered."""

    shelf: Shelf
    rank: int


@dataclass(frozen=True, slots=True)
class Undo:
    """What an undo of the last answer goes back to."""

    command: UUID
    by: str
    at: int
    """When it was asked, by the gateway's clock: ten seconds of a person's time, also on simulated time."""
    version: Version
    before: Tracked
    shelve: bool
    shelved: Shelved | None
    """The shelf that was there before a *shelve*."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """The message last written, how people are asked to answer at its level, and what the message leaves out."""

    alert: Alert
    response: Response
    written_at: int
    out: bool = False
    """The patient is out of service."""
    called_at: int = 0
    """The call from which repeats count; an escalation does not move them."""
    resumed_at: int = 0
    """When it last ceased to be returning: what fell due meanwhile is due then, not before."""
    judge_at: int | None = None
    """When the last announcement counts as not delivered."""
    answered: bool = False
    """Somebody has acknowledged it, taken it, shelved it or looked at it."""
    waits: AlertChange | None = None
    """The call that it owes as soon as it is active: its shelf, or the time out of service, has ended."""
    expire_at: int | None = None
    undo: Undo | None = None

    @property
    def calling(self) -> bool:
        """Whether repeats and escalation run: nobody has answered, and it is not getting better."""
        waits = self.waits is not None or self.alert.rule == PROOF
        return self.alert.response == "unacknowledged" and self.alert.condition in {"active", "unknown"} and not waits

    @property
    def judged_at(self) -> int | None:
        """When it is judged whether the last announcement was delivered; None where that does not run."""
        return max(self.judge_at, self.resumed_at) if self.judge_at is not None and self.calling else None

    @property
    def holds_until(self) -> int | None:
        """The end of an acknowledgement that will call; None where there is none, or the alert is not active."""
        alert = self.alert
        return alert.acknowledged_until if alert.response == "acknowledged" and alert.condition == "active" else None

    @property
    def reassert_at(self) -> int:
        """When it is written again if nothing changes."""
        return self.written_at + REASSERT_US

    @property
    def deadline(self) -> int | None:
        """When a timer of this alert is due next; None once it is closed. The end of a shelf is the shelf's timer."""
        alert = self.alert
        if alert.closed or alert.rule == PROOF:
            return None
        own = (alert.repeat_at, alert.lead_at, alert.all_at, self.judged_at, self.holds_until, self.expire_at)
        return min(self.reassert_at, *(each if each is not None else self.reassert_at for each in own))


def changed(
    tracked: Tracked, change: AlertChange, version: Version, at: int, now: Now, *, resumes: bool = False, **update: Any
) -> Tracked:
    """The alert after a silent change; ``at`` is the instant it tells, ``now`` when it was written.

    ``resumes``: what fell due before ``now`` is due now.
    """
    resumed_at = now.at if resumes else tracked.resumed_at
    return settled(_written(replace(tracked, resumed_at=resumed_at), change, version, at, now, **update))


def announced(tracked: Tracked, change: AlertChange, version: Version, at: int, now: Now, **update: Any) -> Tracked:
    """The alert after a change that calls once more for an answer that is owed already."""
    return settled(_rung(_written(tracked, change, version, at, now, **update), at, now))


def called(tracked: Tracked, change: AlertChange, version: Version, at: int, now: Now, **update: Any) -> Tracked:
    """The alert after a change that asks for an answer anew: answers given before it no longer hold.

    Where it is shelved or its patient out of service it calls nobody.
    """
    fresh = _NOBODY | {"unanswered_since": at, "escalation": 0}
    asking = replace(tracked, waits=None, judge_at=None)
    written = _written(asking, change, version, at, now, **fresh, **update)
    if _response(written) == "unacknowledged":
        written = _rung(replace(written, called_at=at), at, now)
    return settled(written)


Freed = Literal["unshelve", "shelf_end", "service_end"]


def freed(tracked: Tracked, change: Freed, version: Version, at: int, now: Now, **update: Any) -> Tracked:
    """The alert after the end of its shelf, or of its patient's time out of service.

    It stays silent where the other of the two, or an acknowledgement, still holds. Else it calls: at once where it is
    active and its time was over, otherwise it owes that call. After *unshelve* it always owes it, so that the feed
    tells who ended the shelf and then calls.
    """
    silent = changed(tracked, change, version, at, now, **update)
    until = silent.alert.acknowledged_until
    holds = silent.alert.response == "acknowledged" and until is not None and until > at
    if holds or silent.alert.response in {"shelved", "out_of_service"}:
        return silent
    if change != "unshelve" and silent.alert.condition == "active":
        return called(tracked, change, version, at, now, **update)
    owes: AlertChange = "shelf_end" if change == "unshelve" else change
    fields = _NOBODY | {"escalation": 0} | update
    return changed(replace(tracked, waits=owes, judge_at=None), change, version, at, now, **fields)


def taken_off(**update: Any) -> dict[str, Any]:
    """The fields of an alert that is on no shelf."""
    return _OFF_SHELF | update


def unanswered(**update: Any) -> dict[str, Any]:
    """The fields of an alert whose acknowledgement no longer holds."""
    return _NOBODY | update


def on_shelf(shelf: Shelf) -> dict[str, Any]:
    """The fields of an alert on a shelf."""
    return {
        "shelf": shelf.id,
        "shelved_by": shelf.by,
        "shelved_until": shelf.until,
        "shelved_reason": shelf.reason,
    }


def urgent(alert: Alert) -> bool:
    """Whether it calls even when its patient is out of service."""
    return alert.category == "physiological" and alert.priority == "high"


def settled(tracked: Tracked) -> Tracked:
    """The same with everything that follows: response, and the instants at which it calls if nothing happens."""
    alert = tracked.alert
    response = _response(tracked)
    asks = response == "unacknowledged" and tracked.waits is None and alert.condition != "over"
    since = alert.unanswered_since if asks else None
    if (response, since) != (alert.response, alert.unanswered_since):
        alert = alert.model_copy(update={"response": response, "unanswered_since": since})
        tracked = replace(tracked, alert=alert)
    times = _times(tracked)
    calls = [*times.values(), tracked.holds_until, _muffled_until(alert)]
    next_at = min((each for each in calls if each is not None), default=None)
    return replace(tracked, alert=alert.model_copy(update=times | {"next_at": next_at}))


def _written(tracked: Tracked, change: AlertChange, version: Version, at: int, now: Now, **update: Any) -> Tracked:
    fields = {"version": version, "change": change, "at": at, "announced": False}
    return replace(tracked, alert=tracked.alert.model_copy(update=fields | update), written_at=now.at)


def _rung(tracked: Tracked, at: int, now: Now) -> Tracked:
    """The same change, announced; within ten seconds of real time some screen must have had it."""
    count = tracked.alert.announcements + 1
    alert = tracked.alert.model_copy(update={"announced": True, "announced_at": at, "announcements": count})
    judge_at = max(now.at, at) + DELIVERY_US if now.real else None
    return replace(tracked, alert=alert, judge_at=judge_at)


def _response(tracked: Tracked) -> Literal["unacknowledged", "acknowledged", "shelved", "out_of_service"]:
    alert = tracked.alert
    if tracked.out and not urgent(alert):
        return "out_of_service"
    if alert.shelf is not None:
        return "shelved"
    return "unacknowledged" if alert.acknowledged_until is None else "acknowledged"


def _muffled_until(alert: Alert) -> int | None:
    return alert.shelved_until if alert.response == "shelved" and alert.condition == "active" else None


def _times(tracked: Tracked) -> dict[str, int | None]:
    """When it repeats and whom it calls then, as RULES' table asks at its present level."""
    alert, asked = tracked.alert, tracked.response
    runs = tracked.calling
    since = alert.unanswered_since
    every = asked.repeat_us if asked.repeat_us is not None and asked.repeat_us > 0 else None

    def due(from_us: int | None, after_us: int | None) -> int | None:
        if not runs or from_us is None or after_us is None:
            return None
        return max(from_us + after_us, tracked.resumed_at)

    return {
        "repeat_at": due(tracked.called_at, every),
        "lead_at": due(since, asked.lead_us) if alert.escalation < 1 else None,
        "all_at": due(since, asked.all_us) if alert.escalation < 2 else None,
    }
