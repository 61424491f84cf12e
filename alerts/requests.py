"""What a client asks, as the journal's command; pure. The gateway adds who asks, when, and who the patient is."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from alerts.patients import Known
from vitals.journal import Action, Command
from vitals.metrics import MINUTE_US
from vitals.protocol import (
    Acknowledge,
    Assign,
    InService,
    NoteAdd,
    OutOfService,
    Seen,
    Shelve,
    Undo,
    Unshelve,
)
from vitals.topics import NAMESPACE

OnAlert = Acknowledge | Shelve | NoteAdd | Assign | Undo | Seen
OnPatient = OutOfService | InService
Request = OnAlert | Unshelve | OnPatient
"""Every message that is answered."""


def command(message: Request, by: str, at: int, patient: Known | None = None) -> Command:
    """The command of somebody (``by``) at an instant (µs UTC); ``patient`` is needed for who is out of service."""
    fields = _fields(message)
    if patient is not None:
        fields |= {"label": patient.label, "site": patient.site}
    return Command(id=message.id, action=_action(message), by=by, at=at, **fields)


def receipt(alert: UUID, announcements: int, at: int) -> Command:
    """A screen has had so many announcements of an alert. The same from every gateway, so that it counts once."""
    identity = uuid5(NAMESPACE, f"delivered:{alert}:{announcements}")
    return Command(id=identity, action="delivered", alert=alert, announcements=announcements, by="", at=at)


def subject(message: Request) -> UUID | None:
    """The alert that a message is about, None for a shelf or a patient."""
    return None if isinstance(message, Unshelve | OutOfService | InService) else message.alert


def _action(message: Request) -> Action:
    return message.what if isinstance(message, Assign) else message.type


def _fields(message: Request) -> dict[str, Any]:
    """The fields that are called the same in both, and the two that are not."""
    fields = {name: value for name, value in message if name in Command.model_fields and name != "id"}
    match message:
        case Shelve() | OutOfService() | Assign(what="treated"):
            fields["duration_us"] = message.minutes * MINUTE_US
        case Undo():
            fields["undone"] = message.command
        case _:
            pass
    return fields
