"""Messages of ``alerts.journal``: episodes and marks by the processor, commands by gateways, ticks by the manager.

The broker's order is *the* order. An episode is always written whole; its version is the cause in the header.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field, TypeAdapter

from vitals.messages import Message
from vitals.policies import Priority, Response
from vitals.topics import NAMESPACE

Condition = Literal["active", "returning", "unknown", "over"]
EpisodeChange = Literal["open", "rise", "lower", "active", "returning", "unknown", "known", "reason", "clear"]


class Episode(Message):
    """The condition half of an alert, whole, after one change (RULES, *Conditions*).

    ``at`` is the instant of the change: an event time, or the deadline that passed. ``value`` is what the rule
    saw (canonical unit) at ``value_at``, None for technical episodes; ``since`` is when the run beyond the limit
    began, for technical ones the time from which silence counts. ``patient`` is None for a site's episode.
    """

    kind: Literal["episode"] = "episode"
    id: UUID
    patient: UUID | None
    label: str
    site: int
    device: str | None
    metric: str | None
    rule: str
    category: Literal["physiological", "technical"]
    level: int
    condition: Condition
    priority: Priority
    change: EpisodeChange
    at: int
    opened_at: int
    since: int
    value: float | None
    value_at: int | None
    unit: str
    limit: float | None
    censored: Literal["low", "high"] | None = None
    reason: str = ""
    policy: int
    response: Response


class Command(Message):
    """What a clinician asks of one alert, on the word of its ``level`` and ``version`` as shown to them."""

    kind: Literal["command"] = "command"
    id: UUID
    action: Literal["acknowledge"]
    alert: UUID
    level: int
    version: tuple[int, int]
    by: str = Field(max_length=128)
    at: int


class Mark(Message):
    """The processor's site clocks in this partition (site number -> µs), each second of clock."""

    kind: Literal["mark"] = "mark"
    sites: dict[int, int]


class Tick(Message):
    """The manager's own: time is at least ``at`` (µs); written only when a timer is due."""

    kind: Literal["tick"] = "tick"
    at: int


JournalMessage = Annotated[Episode | Command | Mark | Tick, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Episode | Command | Mark | Tick] = TypeAdapter(JournalMessage)


def decode(data: bytes) -> Episode | Command | Mark | Tick:
    """The message in a value of ``alerts.journal``. Raises pydantic's ``ValidationError`` for anything else."""
    return _ADAPTER.validate_json(data)


def episode_id(subject: str, metric: str | None, rule: str, opened_at: int) -> UUID:
    """The id of an episode: the same from every replay. ``subject`` is the patient's id or ``site:N``."""
    return uuid5(NAMESPACE, f"episode:{subject}:{metric or '-'}:{rule}:{opened_at}")
