"""What a client of the feed knows: the fold of the gateway's messages (docs/feed.md); pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar
from uuid import UUID

from vitals.alerts import Alert, Service, Shelf, Version
from vitals.policies import PRIORITY_RANK
from vitals.protocol import (
    Change,
    CommandAnswer,
    Heartbeat,
    ServerEvent,
    ServiceChange,
    ShelfChange,
    Snapshot,
    Welcome,
)

VERSIONS_MAX = 50_000
"""Alerts and shelves whose last version is remembered, closed ones included; an older change could count twice."""


T = TypeVar("T")


class FeedView:
    """Open alerts and shelves by id, who is out of service by patient, and the cursor to come back with."""

    def __init__(self, cursor: str | None = None) -> None:
        self.alerts: dict[UUID, Alert] = {}
        self.shelves: dict[UUID, Shelf] = {}
        self.services: dict[UUID, Service] = {}
        self.cursor = cursor
        self.welcome: Welcome | None = None
        self.heartbeat: Heartbeat | None = None
        self._partial: list[Snapshot] = []
        self._versions: OrderedDict[UUID, Version] = OrderedDict()

    def take(self, message: ServerEvent) -> bool:
        """Take the next message; False for a change that was seen before, which then counts for nothing."""
        fresh = True
        match message:
            case Welcome():
                self.welcome = message
                self._partial = []
            case Snapshot():
                self._partial.append(message)
                if not message.more:
                    self._whole()
            case Change(alert=alert):
                fresh = self._remember(alert.id, alert.version)
                _replace(self.alerts, alert.id, alert, fresh=fresh, over=alert.closed)
            case ShelfChange(shelf=shelf):
                fresh = self._remember(shelf.id, shelf.version)
                _replace(self.shelves, shelf.id, shelf, fresh=fresh, over=shelf.ended)
            case ServiceChange(service=service):
                fresh = self._remember(service.patient, service.version)
                _replace(self.services, service.patient, service, fresh=fresh, over=service.ended)
            case Heartbeat():
                self.heartbeat = message
            case CommandAnswer():
                return True
        self.cursor = message.cursor or self.cursor
        return fresh

    def worklist(self) -> list[Alert]:
        """Open alerts, first who needs somebody first (RULES, *Worklist order*)."""
        return sorted(self.alerts.values(), key=_order)

    def _whole(self) -> None:
        parts, self._partial = self._partial, []
        self.alerts = {alert.id: alert for part in parts for alert in part.alerts}
        self.shelves = {shelf.id: shelf for part in parts for shelf in part.shelves}
        self.services = {service.patient: service for part in parts for service in part.services}
        versions = {alert.id: alert.version for alert in self.alerts.values()}
        versions |= {shelf.id: shelf.version for shelf in self.shelves.values()}
        versions |= {service.patient: service.version for service in self.services.values()}
        for identity, version in versions.items():
            self._remember(identity, version)

    def _remember(self, identity: UUID, version: Version) -> bool:
        known = self._versions.pop(identity, None)
        fresh = known is None or version > known
        self._versions[identity] = version if fresh or known is None else known
        if len(self._versions) > VERSIONS_MAX:
            self._versions.popitem(last=False)
        return fresh


def _replace(kept: dict[UUID, T], identity: UUID, value: T, *, fresh: bool, over: bool) -> None:
    if not fresh:
        return
    if over:
        kept.pop(identity, None)
    else:
        kept[identity] = value


def _order(alert: Alert) -> tuple[int, bool, int, int, str, UUID]:
    settled = alert.response != "unacknowledged" or alert.unseen
    rank = 2 * (3 - PRIORITY_RANK[alert.priority]) + 3 * settled
    return rank, alert.category == "technical", -alert.escalation, alert.announced_at, alert.label, alert.id
