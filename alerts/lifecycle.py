"""What an episode does to its alert: pure transitions, each returning the alert after exactly one change.

The rules are RULES' *Conditions* and *Response*: an unanswered alert calls on its timers while active or unknown,
never while returning; whatever ended while it was not active (an acknowledgement, a shelf) calls when it is next
active. Times are µs UTC of the alert's site clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from alerts.tracking import UNSEEN_US, Now, Tracked, called, changed, on_shelf, settled, taken_off
from vitals.alerts import Alert, AlertChange, Shelf, Version
from vitals.journal import Episode, EpisodeChange
from vitals.policies import PRIORITY_RANK
from vitals.proof import RULE as PROOF

_FROM_EPISODE = tuple(
    name
    for name in Episode.model_fields
    if name in Alert.model_fields and name not in {"kind", "id", "change", "at", "response"}
)
"""What an alert takes from its episode as it stands there."""
assert set(get_args(EpisodeChange)) <= set(get_args(AlertChange))


def opened(episode: Episode, version: Version, now: Now, shelf: Shelf | None = None, *, out: bool = False) -> Tracked:
    """The alert of an episode seen for the first time. It calls, unless a ``shelf`` covers it, its patient is ``out``
    of service, or it comes already over. ``at`` is the episode's; a late reading calls now, not in the past.
    """
    over = episode.condition == "over"
    calls_at = max(now.at, episode.at)
    alert = Alert(
        id=episode.id,
        version=version,
        change="clear" if over else "open",
        at=episode.at,
        announced=False,
        risen=version,
        announced_at=calls_at,
        announcements=0,
        response="unacknowledged",
        closed=over,
        **_condition(episode) | ({} if shelf is None else on_shelf(shelf)),
    )
    tracked = Tracked(alert, episode.response, calls_at, out=out)
    if over:
        return settled(tracked)
    return _told_at(called(tracked, "open", version, calls_at, now._replace(at=calls_at)), episode.at)


def followed(tracked: Tracked, episode: Episode, version: Version, now: Now) -> Tracked:
    """The alert after a later version of its episode.

    A rise ends an acknowledgement and a shelf and calls; so does any worse level or priority, whatever the change is
    called. Everything else is silent. ``at`` stays the episode's; a call counts from ``now`` if the reading came late.
    """
    before = tracked.alert
    written = now._replace(at=max(now.at, episode.at))
    update = _condition(episode)
    tracked = replace(tracked, response=episode.response)
    if episode.condition == "over":
        return _cleared(tracked, episode, version, written)
    if _worse(before, episode):
        update |= taken_off(risen=version)
        return _told_at(called(tracked, "rise", version, written.at, written, **update), episode.at)
    change: AlertChange = "active" if episode.change == "open" else episode.change
    resumes = before.condition == "returning" and episode.condition != "returning"
    return changed(tracked, change, version, episode.at, written, resumes=resumes, **update)


def owed(tracked: Tracked, now: int) -> AlertChange | None:
    """The call that an alert owes, now that it is active: of an acknowledgement that ran out meanwhile, of a shelf or a
    time out of service that ended meanwhile. None where it owes none.
    """
    alert = tracked.alert
    if alert.condition != "active" or alert.closed:
        return None
    if tracked.waits is not None:
        return tracked.waits if alert.response == "unacknowledged" else None
    if tracked.holds_until is None or tracked.holds_until > now:
        return None
    return "run_out" if alert.recheck_at is None else "recheck"


def _cleared(tracked: Tracked, episode: Episode, version: Version, now: Now) -> Tracked:
    """The end of an alert; on real time one that called and that nobody answered or looked at stays as *unseen*."""
    alert = tracked.alert
    called_for_nothing = alert.announcements > 0 and not tracked.answered
    unseen = now.real and called_for_nothing and episode.category == "physiological" and alert.rule != PROOF
    expire_at = now.at + UNSEEN_US if unseen else None
    update = _condition(episode) | {"unseen": unseen, "closed": not unseen}
    tracked = replace(tracked, expire_at=expire_at, judge_at=None, waits=None)
    return changed(tracked, "clear", version, episode.at, now, **update)


def _told_at(tracked: Tracked, at: int) -> Tracked:
    return replace(tracked, alert=tracked.alert.model_copy(update={"at": at}))


def _condition(episode: Episode) -> dict[str, Any]:
    """What the alert takes over; its evidence stays until another is there."""
    found = {name: getattr(episode, name) for name in _FROM_EPISODE}
    if episode.evidence is None:
        del found["evidence"]
    return found


def _worse(before: Alert, episode: Episode) -> bool:
    higher = PRIORITY_RANK[episode.priority] > PRIORITY_RANK[before.priority]
    return episode.change == "rise" or episode.level > before.level or higher
