"""Messages of ``alerts.feed``: whole alerts, answers to commands, and the manager's marks.

An alert = condition (from its episode) x response (from people and timers). Its id is its episode's;
its version is the cause of the change, (journal offset, ordinal), which the JSON repeats for clients.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from vitals.journal import Condition, EpisodeChange
from vitals.messages import Message
from vitals.policies import Priority

Version = tuple[int, int]
AlertChange = Literal[EpisodeChange, "acknowledge", "run_out", "repeat", "reassert"]
ANNOUNCING: frozenset[str] = frozenset({"open", "rise", "run_out", "repeat"})
"""Changes that call for a person."""


class Alert(Message):
    """A whole alert after one change; ``announced`` says that this change calls for a person.

    ``risen`` is the version of the latest opening or rise: a command on an older version is refused.
    ``closed`` alerts have ended and never change again.
    """

    kind: Literal["alert"] = "alert"
    id: UUID
    version: Version
    change: AlertChange
    at: int
    announced: bool
    patient: UUID | None
    label: str
    site: int
    device: str | None
    metric: str | None
    rule: str
    category: Literal["physiological", "technical"]
    level: int
    priority: Priority
    condition: Condition
    value: float | None
    value_at: int | None
    unit: str
    limit: float | None
    censored: Literal["low", "high"] | None
    reason: str
    since: int
    opened_at: int
    policy: int
    risen: Version
    announced_at: int
    announcements: int
    response: Literal["unacknowledged", "acknowledged"]
    acknowledged_by: str | None = None
    acknowledged_until: int | None = None
    next_at: int | None = None
    """When this alert calls again if nothing happens: its repeat, or the end of its acknowledgement."""
    closed: bool = False


class Answer(Message):
    """What became of a command."""

    kind: Literal["answer"] = "answer"
    id: UUID
    alert: UUID
    outcome: Literal["accepted", "refused"]
    reason: Literal["", "worsened", "cleared", "unknown_alert", "unknown_version"] = ""
    by: str
    at: int


class FeedMark(Message):
    """The manager is alive: the site clocks it has read (site number -> µs), each second of clock."""

    kind: Literal["mark"] = "mark"
    sites: dict[int, int]


FeedMessage = Annotated[Alert | Answer | FeedMark, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Alert | Answer | FeedMark] = TypeAdapter(FeedMessage)


def decode(data: bytes) -> Alert | Answer | FeedMark:
    """The message in a value of ``alerts.feed``. Raises pydantic's ``ValidationError`` for anything else."""
    return _ADAPTER.validate_json(data)
