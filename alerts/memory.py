"""What the manager remembers of one partition: alerts, shelves, times out of service, and all of their timers; pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from alerts.timers import Timers
from alerts.tracking import Shelved, Tracked
from vitals.alerts import Alert, Service, Shelf
from vitals.codecs.state import State
from vitals.journal import Episode
from vitals.proof import RULE as PROOF

_TRACKED, _SHELVED, _SERVICE = TypeAdapter(Tracked), TypeAdapter(Shelved), TypeAdapter(Service)
K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V], Generic[K, V]):
    """A dictionary that forgets what was added first once it holds more than so many."""

    def __init__(self, entries_max: int) -> None:
        super().__init__()
        self._entries_max = entries_max

    def __setitem__(self, key: K, value: V) -> None:
        """Add or replace an entry."""
        super().__setitem__(key, value)
        if len(self) > self._entries_max:
            self.popitem(last=False)


class Memory:
    """Open alerts by id, shelves by id, times out of service by patient; each with at most one timer."""

    def __init__(self, closed_max: int) -> None:
        self.open: dict[UUID, Tracked] = {}
        self.closed: Bounded[UUID, None] = Bounded(closed_max)
        self.shelves: dict[UUID, Shelved] = {}
        self.services: dict[UUID, Service] = {}
        self.timers = Timers()
        self._of: dict[UUID | int, set[UUID]] = {}

    def keep(self, tracked: Tracked) -> None:
        """Take an alert as it is now. Synthetic ones are forgotten when they close."""
        alert = tracked.alert
        self.timers.set(alert.id, alert.site, tracked.deadline)
        if not alert.closed:
            self.open[alert.id] = tracked
            self._of.setdefault(_subject(alert), set()).add(alert.id)
            return
        if self.open.pop(alert.id, None) is not None:
            self._drop(alert)
        if alert.rule != PROOF:
            self.closed[alert.id] = None

    def keep_shelf(self, shelved: Shelved) -> None:
        """Take a shelf as it is now."""
        shelf = shelved.shelf
        self.timers.set(shelf.id, shelf.site, None if shelf.ended else shelf.until)
        if shelf.ended:
            self.shelves.pop(shelf.id, None)
        else:
            self.shelves[shelf.id] = shelved

    def keep_service(self, service: Service) -> None:
        """Take a patient's time out of service as it is now."""
        self.timers.set(service.patient, service.site, None if service.ended else service.until)
        if service.ended:
            self.services.pop(service.patient, None)
        else:
            self.services[service.patient] = service

    def of(self, subject: UUID | int) -> list[Tracked]:
        """The open alerts of a patient, or of a site (its number), in the order of their ids."""
        return [self.open[alert] for alert in sorted(self._of.get(subject, ()))]

    def on_shelf(self, shelved: Shelved) -> list[Tracked]:
        """The open alerts that a shelf holds."""
        shelf = shelved.shelf
        return [each for each in self.of(_subject(shelf)) if each.alert.shelf == shelf.id]

    def is_out(self, about: Alert | Episode) -> bool:
        """Whether this alert's patient is out of service."""
        return about.patient is not None and about.patient in self.services

    def state(self) -> State:
        """Everything, each in the order in which it came; timers follow from it."""
        return {
            "open": list(self.open.values()),
            "closed": list(self.closed),
            "shelves": list(self.shelves.values()),
            "services": list(self.services.values()),
        }

    def restore(self, state: State) -> None:
        """Take a snapshot; of nothing remembered before."""
        for tracked in state["open"]:
            self.keep(_TRACKED.validate_python(tracked))
        for alert in state["closed"]:
            self.closed[UUID(alert)] = None
        for shelved in state["shelves"]:
            self.keep_shelf(_SHELVED.validate_python(shelved))
        for service in state["services"]:
            self.keep_service(_SERVICE.validate_python(service))

    def _drop(self, alert: Alert) -> None:
        subject = _subject(alert)
        self._of[subject].discard(alert.id)
        if not self._of[subject]:
            del self._of[subject]


def _subject(about: Alert | Shelf) -> UUID | int:
    return about.site if about.patient is None else about.patient
