"""Messages of ``alerts.journal``: episodes and marks by the processor, commands by gateways, ticks by the manager.

The broker's order is *the* order. An episode is always written whole; its version is the cause in the header.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field, TypeAdapter

from vitals.evidence import Evidence
from vitals.messages import Message, Name
from vitals.numbers import Count, Instant, Offset, Ordinal, SiteNumber, Small, Span, Time
from vitals.policies import Priority, Response
from vitals.topics import NAMESPACE

TEXT_CHARACTERS_MAX = 500
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
    label: Name
    site: SiteNumber
    device: Name | None
    metric: Name | None
    rule: Name
    category: Literal["physiological", "technical"]
    level: Small
    condition: Condition
    priority: Priority
    change: EpisodeChange
    at: Instant
    opened_at: Instant
    since: Instant
    value: float | None
    value_at: Time | None
    unit: Name
    limit: float | None
    censored: Literal["low", "high"] | None = None
    reason: str = Field(default="", max_length=TEXT_CHARACTERS_MAX)
    policy: Count
    response: Response
    evidence: Evidence | None = None
    """Why it opened or rose: in the episodes that do; None in all others, and in records of before it was kept."""


Action = Literal[
    "acknowledge", "shelve", "unshelve", "note", "going", "treated", "release", "undo", "seen", "delivered",
    "out_of_service", "in_service",
]  # fmt: skip


class Command(Message):
    """What a person (or, for *delivered*, a screen) says; which fields count depends on the action.

    acknowledge, shelve, going, treated: ``alert`` with its ``level`` and ``version`` as shown to them; shelve has
    ``duration_us`` too, treated the time to the recheck in it. note: ``text``. release, seen, undo: ``alert`` (undo:
    ``undone`` is the id of the command to take back). delivered: ``alert`` and ``announcements``, how many of them
    this screen has had. unshelve: ``shelf``. out_of_service and in_service: ``patient`` with ``label`` and ``site``.
    """

    kind: Literal["command"] = "command"
    id: UUID
    action: Action
    alert: UUID | None = None
    level: Small = 0
    version: tuple[Offset, Ordinal] = (0, 0)
    by: str = Field(max_length=128)
    at: Instant
    reason: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=TEXT_CHARACTERS_MAX)
    duration_us: Span | None = None
    announcements: Small = 0
    shelf: UUID | None = None
    undone: UUID | None = None
    patient: UUID | None = None
    label: Name = ""
    site: SiteNumber = 0


class Mark(Message):
    """The processor's site clocks in this partition (site number -> µs), each second of clock, and whose time it is:
    ``simulated`` from a `ClockControl` that says so until one that says otherwise.
    """

    kind: Literal["mark"] = "mark"
    sites: dict[SiteNumber, Instant]
    simulated: bool = False


class Tick(Message):
    """The manager's own: time is at least ``at`` (µs) at a site, None at every site; written only when a timer is due
    there and nothing else moves that site's clock. Only on real time.
    """

    kind: Literal["tick"] = "tick"
    at: Instant
    site: SiteNumber | None = None


JournalMessage = Annotated[Episode | Command | Mark | Tick, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Episode | Command | Mark | Tick] = TypeAdapter(JournalMessage)


def decode(data: bytes) -> Episode | Command | Mark | Tick:
    """The message in a value of ``alerts.journal``. Raises pydantic's ``ValidationError`` for anything else."""
    return _ADAPTER.validate_json(data)


def episode_id(subject: str, metric: str | None, rule: str, opened_at: int) -> UUID:
    """The id of an episode: the same from every replay. ``subject`` is the patient's id or ``site:N``."""
    return uuid5(NAMESPACE, f"episode:{subject}:{metric or '-'}:{rule}:{opened_at}")
