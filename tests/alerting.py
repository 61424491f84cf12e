"""Builders for tests of the alert path: episodes, commands, marks, and a journal that hands out offsets."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID, uuid5

from alerts.manager import AlertManager
from vitals.alerts import Alert, Answer, FeedMark, Service, Shelf, decode
from vitals.causes import HEADER, Cause
from vitals.journal import Action, Command, Episode, Mark, Tick, episode_id
from vitals.messages import Message
from vitals.metrics import MINUTE_US
from vitals.policies import LOW, Response
from vitals.steps import Headers, Output, Records
from vitals.topics import JOURNAL, NAMESPACE, patient_id

START = 1_700_000_000_000_000
MEDIUM, HIGH = LOW.levels[0].response, LOW.levels[1].response
REPEATING = Response(repeat_us=5 * MINUTE_US, hold_us=15 * MINUTE_US, lead_us=None, all_us=None)
"""As `HIGH`, without its escalation."""
SILENT = Response(repeat_us=None, hold_us=60 * MINUTE_US, lead_us=None, all_us=None)


def minute(number: float) -> int:
    """The instant so many minutes after the tests' start, µs UTC."""
    return START + int(number * MINUTE_US)


def episode(change: str = "open", at: float = 0, **fields: Any) -> Episode:
    """An episode of the low rule at level 2 of patient p1 at site 1; ``at`` in minutes after the start."""
    label = fields.pop("label", "p1")
    patient = patient_id(label)
    opened_at = minute(fields.pop("opened", 0))
    defaults: dict[str, Any] = {
        "id": episode_id(str(patient), fields.get("metric", "glucose"), fields.get("rule", "low"), opened_at),
        "patient": patient,
        "label": label,
        "site": 1,
        "device": "cgm-1",
        "metric": "glucose",
        "rule": "low",
        "category": "physiological",
        "level": 2,
        "condition": "over" if change == "clear" else "active",
        "priority": "high",
        "change": change,
        "at": minute(at),
        "opened_at": opened_at,
        "since": opened_at,
        "value": 48.0,
        "value_at": minute(at),
        "unit": "mg/dL",
        "limit": 54.0,
        "policy": 1,
        "response": HIGH,
    }
    return Episode.model_validate(defaults | fields)


def mild(change: str = "open", at: float = 0, **fields: Any) -> Episode:
    """As `episode`, at level 1."""
    return episode(change, at, **{"level": 1, "priority": "medium", "response": MEDIUM, "limit": 70.0} | fields)


def acknowledge(shown: Alert, number: int = 1, **fields: Any) -> Command:
    """The command of somebody who looks at this very alert."""
    defaults: dict[str, Any] = {
        "id": uuid5(NAMESPACE, f"command:{number}"),
        "action": "acknowledge",
        "alert": shown.id,
        "level": shown.level,
        "version": shown.version,
        "by": "nurse",
        "at": shown.at,
    }
    return Command.model_validate(defaults | fields)


def command(action: Action, number: int, shown: Alert | None = None, **fields: Any) -> Command:
    """Any command of a nurse; ``minutes`` is its duration, ``at`` minutes after the start."""
    about = {} if shown is None else {"alert": shown.id, "level": shown.level, "version": shown.version}
    if (minutes := fields.pop("minutes", None)) is not None:
        fields["duration_us"] = int(minutes * MINUTE_US)
    at = minute(fields.pop("at", 0))
    identity = uuid5(NAMESPACE, f"command:{number}")
    return Command.model_validate({"id": identity, "action": action, "by": "nurse", "at": at} | about | fields)


def receipt(shown: Alert, announcements: int | None = None) -> Command:
    """A screen has had so many announcements of an alert, all by default."""
    count = shown.announcements if announcements is None else announcements
    return command("delivered", -count, shown, by="", announcements=count)


def service(action: Literal["out_of_service", "in_service"], number: int, label: str = "p1", **fields: Any) -> Command:
    """A patient goes out of service, or comes back."""
    return command(action, number, None, **{"patient": patient_id(label), "label": label, "site": 1} | fields)


def mark(at: float, *sites: int, simulated: bool = False) -> Mark:
    """The processor's mark: the clocks of these sites (1 by default), minutes after the start."""
    return Mark(sites=dict.fromkeys(sites or (1,), minute(at)), simulated=simulated)


def replayed(at: float, *sites: int) -> Mark:
    """As `mark`, on simulated time: nothing is judged as not delivered, nothing stays unseen."""
    return mark(at, *sites, simulated=True)


def tick(at: float, site: int | None = None) -> Tick:
    """The manager's own tick, of one site or of all."""
    return Tick(at=minute(at), site=site)


class Journal:
    """One journal partition and its manager; `write` returns what the feed gets."""

    def __init__(self, **limits: int) -> None:
        self.manager = AlertManager(0, **limits)
        self.offset = 0
        self.feed: list[Output] = []

    def write(self, *messages: Message) -> list[Alert | Answer | Shelf | Service | FeedMark]:
        """Append messages, each in a batch of its own; episodes and marks carry the processor's cause."""
        outputs: list[Output] = []
        for message in messages:
            headers: Headers = ()
            if isinstance(message, Episode | Mark):
                headers = ((HEADER, Cause(1000 + self.offset, 0).pack()),)
            outputs += self.manager.step(records([message], self.offset, [headers]))
            self.offset += 1
        self.feed += outputs
        return [decode(output.value) for output in outputs]

    def alerts(self, *messages: Message) -> list[Alert]:
        """As `write`, only the alerts."""
        return [message for message in self.write(*messages) if isinstance(message, Alert)]

    def alert(self, *messages: Message) -> Alert:
        """As `write`, the only alert."""
        (alert,) = self.alerts(*messages)
        return alert

    def answer(self, command: Command) -> Answer:
        """As `write`, the only answer."""
        (answer,) = (message for message in self.write(command) if isinstance(message, Answer))
        return answer


def records(messages: list[Any], first: int, headers: list[Headers], partition: int = 0) -> Records:
    """Journal records with consecutive offsets."""
    offsets = list(range(first, first + len(messages)))
    values = [message.encode() if isinstance(message, Message) else message for message in messages]
    keys: list[bytes | None] = [None] * len(messages)
    return Records(JOURNAL, partition, offsets, keys, values, headers)


def unknown_id() -> UUID:
    """The id of an alert that nobody ever opened."""
    return uuid5(NAMESPACE, "alert:never")
