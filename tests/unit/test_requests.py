"""What a client asks becomes the journal's command, field by field."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from alerts.patients import Known
from alerts.requests import Request, command, receipt, subject
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

ID, ALERT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
SHOWN: dict[str, Any] = {"id": ID, "alert": ALERT, "level": 2, "version": (7, 1)}
ANN = Known("ann", 4)


@pytest.mark.parametrize(
    ("message", "action", "fields"),
    [
        (Acknowledge(**SHOWN, reason="seen"), "acknowledge", SHOWN | {"reason": "seen"}),
        (Shelve(**SHOWN, minutes=15), "shelve", SHOWN | {"duration_us": 15 * MINUTE_US}),
        (Unshelve(id=ID, shelf=OTHER), "unshelve", {"shelf": OTHER}),
        (NoteAdd(id=ID, alert=ALERT, text="juice"), "note", {"alert": ALERT, "text": "juice"}),
        (Assign(**SHOWN, what="going"), "going", SHOWN),
        (Assign(**SHOWN, what="treated", minutes=20), "treated", SHOWN | {"duration_us": 20 * MINUTE_US}),
        (Assign(**SHOWN, what="release"), "release", SHOWN),
        (Undo(id=ID, alert=ALERT, command=OTHER), "undo", {"alert": ALERT, "undone": OTHER}),
        (Seen(id=ID, alert=ALERT), "seen", {"alert": ALERT}),
        (
            OutOfService(id=ID, patient=OTHER, minutes=60, reason="bath"),
            "out_of_service",
            {"patient": OTHER, "label": "ann", "site": 4, "duration_us": 60 * MINUTE_US, "reason": "bath"},
        ),
        (InService(id=ID, patient=OTHER), "in_service", {"patient": OTHER, "label": "ann", "site": 4}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_says_the_same_in_the_journal(message: Request, action: Action, fields: dict[str, Any]):
    """A field that is lost on the way is a command that does something else than the person saw."""
    patient = ANN if isinstance(message, OutOfService | InService) else None
    expected = Command.model_validate({"id": ID, "action": action, "by": "nurse", "at": 99} | fields)
    assert command(message, "nurse", 99, patient) == expected


def test_a_receipt_is_the_same_from_every_gateway():
    """Two gateways may serve two screens; the announcement counts as shown once."""
    first, second = receipt(ALERT, 2, 10), receipt(ALERT, 2, 11)
    assert first.id == second.id
    assert (first.action, first.alert, first.announcements, first.by) == ("delivered", ALERT, 2, "")
    assert receipt(ALERT, 3, 10).id != first.id


def test_the_subject_of_a_message_is_its_alert():
    """An answer names the alert so that a screen finds its card; shelves and patients have none."""
    assert subject(Seen(id=ID, alert=ALERT)) == ALERT
    assert subject(Unshelve(id=ID, shelf=OTHER)) is None
    assert subject(InService(id=ID, patient=OTHER)) is None
