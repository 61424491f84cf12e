"""Messages of ``alerts.feed``: whole alerts, shelves, who is out of service, answers to commands, the manager's marks.

An alert = condition (from its episode) x response (from people and timers). Its id is its episode's;
its version is the cause of the change, (journal offset, ordinal), which the JSON repeats for clients.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field, TypeAdapter

from vitals.evidence import Evidence
from vitals.journal import Condition, EpisodeChange
from vitals.messages import Message
from vitals.numbers import Count, Offset, Ordinal, Reckoned, SiteNumber, Small
from vitals.policies import Priority
from vitals.topics import NAMESPACE

Version = tuple[Offset, Ordinal]
AlertChange = Literal[
    EpisodeChange, "acknowledge", "run_out", "repeat", "reassert", "escalate", "not_delivered", "recheck",
    "shelve", "unshelve", "shelf_end", "service_end", "going", "treated", "release", "undo", "note", "seen",
    "delivered", "expire",
]  # fmt: skip
ANNOUNCING: frozenset[str] = frozenset(
    {"open", "rise", "run_out", "repeat", "escalate", "not_delivered", "recheck", "shelf_end", "service_end"}
)
"""Changes that call for a person, unless the alert is shelved or its patient out of service."""
SITE_SILENT = "site_silent"
"""The rule of the one alert for a whole site."""
NOTES_MAX = 10
"""Notes that an alert carries, the latest; all of them stand in its history."""
SEEN_MAX = 8
"""People named in ``seen_by``, the latest."""


Refusal = Literal[
    "", "worsened", "cleared", "unknown_alert", "unknown_version", "too_long", "not_shelved", "not_possible",
    "too_late", "not_yours", "unknown_patient",
]  # fmt: skip
"""Why a command was refused: *not_possible*, the alert is not in the state for it; *too_late*, for an undo;
*not_yours*, only who has it can let go of it."""


class Note(Message):
    """What somebody wrote to an alert; ``at`` in µs UTC."""

    by: str
    at: Reckoned
    text: str


class Alert(Message):
    """A whole alert after one change; ``announced`` says that this change calls for a person.

    ``risen`` is the version of the latest opening or rise: a command on an older version is refused.
    ``closed`` alerts have ended and never change again. All times µs UTC of the site's clock.
    """

    kind: Literal["alert"] = "alert"
    id: UUID
    version: Version
    change: AlertChange
    at: Reckoned
    announced: bool
    patient: UUID | None
    label: str
    site: SiteNumber
    device: str | None
    metric: str | None
    rule: str
    category: Literal["physiological", "technical"]
    level: Small
    priority: Priority
    condition: Condition
    value: float | None
    value_at: Reckoned | None
    unit: str
    limit: float | None
    censored: Literal["low", "high"] | None
    reason: str
    since: Reckoned
    opened_at: Reckoned
    policy: Count
    risen: Version
    announced_at: Reckoned
    announcements: Small
    response: Literal["unacknowledged", "acknowledged", "shelved", "out_of_service"]
    acknowledged_by: str | None = None
    acknowledged_until: Reckoned | None = None
    acknowledged_reason: str = ""
    shelf: UUID | None = None
    shelved_by: str | None = None
    shelved_until: Reckoned | None = None
    shelved_reason: str = ""
    owner: str | None = None
    """Who has it: the person who said that they are going, or have treated."""
    owner_at: Reckoned | None = None
    treated_at: Reckoned | None = None
    recheck_at: Reckoned | None = None
    """When somebody must look again after *treated*; then it calls, if it is still there."""
    unanswered_since: Reckoned | None = None
    """From when escalation counts; None while somebody has answered."""
    escalation: Literal[0, 1, 2] = 0
    """Whom it has called: 0 the patient's clinicians, 1 the lead too, 2 all."""
    repeat_at: Reckoned | None = None
    lead_at: Reckoned | None = None
    all_at: Reckoned | None = None
    next_at: Reckoned | None = None
    """When this alert calls again if nothing happens: the least of repeat, lead, all, the end of an acknowledgement or
    a shelf, and the recheck."""
    delivered: Small = 0
    """The greatest announcement that some screen has had."""
    delivered_at: Reckoned | None = None
    undelivered: bool = False
    """No screen had the last announcement within 10 s."""
    seen_by: tuple[str, ...] = ()
    unseen: bool = False
    """It is over, and nobody has answered or seen it: it stays until somebody does, a day at most."""
    notes: tuple[Note, ...] = ()
    closed: bool = False
    evidence: Evidence | None = None
    """Why it opened or last rose; None for sites, and in records of before it was kept."""


class Answer(Message):
    """What became of a command."""

    kind: Literal["answer"] = "answer"
    id: UUID
    alert: UUID | None = None
    outcome: Literal["accepted", "refused"]
    reason: Refusal = ""
    by: str
    at: Reckoned


class Shelf(Message):
    """Alerts of one rule of one patient (or site) put aside until a time; ``ended`` says that it is over.

    It holds for that rule alone (a shelved low hides no high) up to ``level``: a worse alert ends it.
    """

    kind: Literal["shelf"] = "shelf"
    id: UUID
    version: Version
    patient: UUID | None
    label: str
    site: SiteNumber
    metric: str | None
    rule: str
    level: Small
    priority: Priority | None = None
    """That of the alert that was put aside; null in records of before it was kept."""
    since: Reckoned
    until: Reckoned
    by: str
    reason: str
    ended: bool = False


class Service(Message):
    """A patient out of service until a time: nothing but a high physiological alert calls. ``ended``: back again."""

    kind: Literal["service"] = "service"
    version: Version
    patient: UUID
    label: str
    site: SiteNumber
    since: Reckoned
    until: Reckoned
    by: str
    reason: str
    ended: bool = False


class FeedMark(Message):
    """The manager is alive: the site clocks it has read (site number -> µs), each second of clock; whose time it is."""

    kind: Literal["mark"] = "mark"
    sites: dict[SiteNumber, Reckoned]
    simulated: bool = False


def shelf_id(subject: str, metric: str | None, rule: str) -> UUID:
    """The id of the shelf of a rule. ``subject`` is the patient's id or ``site:N``."""
    return uuid5(NAMESPACE, f"shelf:{subject}:{metric or '-'}:{rule}")


FeedMessage = Annotated[Alert | Answer | Shelf | Service | FeedMark, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Alert | Answer | Shelf | Service | FeedMark] = TypeAdapter(FeedMessage)


def decode(data: bytes) -> Alert | Answer | Shelf | Service | FeedMark:
    """The message in a value of ``alerts.feed``. Raises pydantic's ``ValidationError`` for anything else."""
    return _ADAPTER.validate_json(data)
