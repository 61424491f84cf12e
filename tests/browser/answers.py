"""What the fake does with a command: the alert as a manager would tell it, so that a page sees its answer's change."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from runtime.web import PeerGone
from vitals.alerts import Alert, Note, Service, Shelf, shelf_id
from vitals.metrics import MINUTE_US
from vitals.protocol import Acknowledge, Assign, InService, NoteAdd, OutOfService, Seen, Shelve, Undo, Unshelve

if TYPE_CHECKING:
    from tests.browser.fake import Fake

HOLD_US = 15 * MINUTE_US
FREE: dict[str, Any] = {
    "response": "unacknowledged",
    "acknowledged_by": None,
    "acknowledged_until": None,
    "acknowledged_reason": "",
    "owner": None,
    "owner_at": None,
    "treated_at": None,
    "recheck_at": None,
    "shelf": None,
    "shelved_by": None,
    "shelved_until": None,
}
"""Nobody has answered."""


class Refused(Exception):
    """The command is not done; ``reason`` is the protocol's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def carry_out(fake: Fake, command: Any, by: str) -> None:
    """Do the command for ``by`` and tell every page. Raises Refused."""
    now = fake.now()
    if fake.faults.refuse:
        raise Refused(fake.faults.refuse)
    match command:
        case OutOfService():
            await fake.serve_out(_service(fake, command, now, by))
            return
        case InService():
            held = fake.services.get(command.patient)
            if held is None:
                raise Refused("not_possible")
            await fake.serve_out(held.model_copy(update={"ended": True, "version": (fake.next_version(), 0)}))
            return
        case Unshelve():
            shelf = fake.shelves.get(command.shelf)
            if shelf is None:
                raise Refused("not_shelved")
            await fake.shelve(shelf.model_copy(update={"ended": True, "version": (fake.next_version(), 0)}))
            return
        case _:
            alert = fake.alerts.get(command.alert)
    if alert is None:
        raise Refused("cleared")
    if isinstance(command, Acknowledge | Shelve | Assign) and command.version < alert.risen:
        raise Refused("worsened")
    if isinstance(command, Shelve):
        await fake.shelve(_shelf(fake, alert, command, now, by))
    change = _change(alert, command, now, by)
    update = {"version": (fake.next_version(), 0), "announced": False, "at": now} | change
    await fake.put(alert.model_copy(update=update))


def _change(alert: Alert, command: Any, now: int, by: str) -> dict[str, Any]:
    held = {"response": "acknowledged", "acknowledged_by": by, "acknowledged_until": now + HOLD_US, "escalation": 0}
    found: dict[str, Any] = {}
    match command:
        case Acknowledge():
            found = held | {"change": "acknowledge", "acknowledged_reason": command.reason}
        case Assign(what="going"):
            found = held | {"change": "going", "owner": by, "owner_at": now}
        case Assign(what="treated"):
            recheck = now + command.minutes * MINUTE_US
            found = held | {"change": "treated", "owner": by, "owner_at": now, "treated_at": now, "recheck_at": recheck}
        case Assign():
            found = {"change": "release", "owner": None, "owner_at": None, "treated_at": None}
        case Shelve():
            until = now + command.minutes * MINUTE_US
            shelved = {"shelf": _shelf_of(alert), "shelved_by": by, "shelved_until": until}
            found = shelved | {"change": "shelve", "response": "shelved", "shelved_reason": command.reason}
        case NoteAdd():
            found = {"change": "note", "notes": (*alert.notes, Note(by=by, at=now, text=command.text))}
        case Seen():
            found = {"change": "clear", "seen_by": (by,), "unseen": False, "closed": alert.condition == "over"}
        case Undo():
            found = FREE | {"change": "undo"}
        case _:
            raise Refused("not_possible")
    return found


def _shelf_of(alert: Alert) -> UUID:
    return shelf_id(str(alert.patient), alert.metric, alert.rule)


def _shelf(fake: Fake, alert: Alert, command: Shelve, now: int, by: str) -> Shelf:
    return Shelf(
        id=_shelf_of(alert),
        version=(fake.next_version(), 0),
        patient=alert.patient,
        label=alert.label,
        site=alert.site,
        metric=alert.metric,
        rule=alert.rule,
        level=alert.level,
        priority=alert.priority,
        since=now,
        until=now + command.minutes * MINUTE_US,
        by=by,
        reason=command.reason,
    )


def _service(fake: Fake, command: OutOfService, now: int, by: str) -> Service:
    tile = fake.tiles.get(command.patient)
    return Service(
        version=(fake.next_version(), 0),
        patient=command.patient,
        label=tile.label if tile else "",
        site=tile.site if tile else 1,
        since=now,
        until=now + command.minutes * MINUTE_US,
        by=by,
        reason=command.reason,
    )


def abort_all(peers: Any) -> None:
    """Break these connections without a word."""
    for peer in list(peers):
        peer.abort()


async def send_all(peers: Any, text: str) -> None:
    """Send to all; who is gone meanwhile is left out, and its own handler ends."""
    for peer in list(peers):
        with contextlib.suppress(PeerGone):
            await peer.send(text)
