"""What a client of the feed knows: the fold of the gateway's messages (docs/feed.md); pure."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from vitals.alerts import Alert, Version
from vitals.policies import PRIORITY_RANK
from vitals.protocol import Change, CommandAnswer, Heartbeat, Snapshot, Welcome

VERSIONS_MAX = 50_000
"""Alerts whose last version is remembered, closed ones included; a change of an older one could count twice."""


class FeedView:
    """Open alerts by id, and the cursor to come back with."""

    def __init__(self, cursor: str | None = None) -> None:
        self.alerts: dict[UUID, Alert] = {}
        self.cursor = cursor
        self.welcome: Welcome | None = None
        self.heartbeat: Heartbeat | None = None
        self._partial: dict[UUID, Alert] = {}
        self._versions: OrderedDict[UUID, Version] = OrderedDict()

    def take(self, message: Welcome | Snapshot | Change | CommandAnswer | Heartbeat) -> bool:
        """Take the next message; False for a change that was seen before, which then counts for nothing."""
        fresh = True
        match message:
            case Welcome():
                self.welcome = message
                self._partial = {}
            case Snapshot():
                self._partial |= {alert.id: alert for alert in message.alerts}
                if not message.more:
                    self.alerts, self._partial = self._partial, {}
                    for alert in self.alerts.values():
                        self._remember(alert)
            case Change():
                fresh = self._remember(message.alert)
                if fresh:
                    self._replace(message.alert)
            case Heartbeat():
                self.heartbeat = message
            case CommandAnswer():
                return True
        self.cursor = message.cursor or self.cursor
        return fresh

    def worklist(self) -> list[Alert]:
        """Open alerts, first who needs somebody first (RULES, *Worklist order*)."""
        return sorted(self.alerts.values(), key=_order)

    def _replace(self, alert: Alert) -> None:
        if alert.closed:
            self.alerts.pop(alert.id, None)
        else:
            self.alerts[alert.id] = alert

    def _remember(self, alert: Alert) -> bool:
        known = self._versions.pop(alert.id, None)
        fresh = known is None or alert.version > known
        self._versions[alert.id] = alert.version if fresh or known is None else known
        if len(self._versions) > VERSIONS_MAX:
            self._versions.popitem(last=False)
        return fresh


def _order(alert: Alert) -> tuple[int, bool, int, str, UUID]:
    rank = 2 * (3 - PRIORITY_RANK[alert.priority]) + 3 * (alert.response == "acknowledged")
    return rank, alert.category == "technical", alert.announced_at, alert.label, alert.id
