"""A client of the feed that notes when each scripted alert came, and which came twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alerts.client import Event, FeedClient
from alerts.view import FeedView
from compose.drills.watching import until
from compose.ends import ended
from compose.load.logs import Ledger
from runtime.clock import Clock
from vitals.protocol import Change, ServerEvent, Snapshot, Welcome

CONNECT_S = 30.0


class _CountingView(FeedView):
    """The client's memory, which also counts what it hides: changes that came twice."""

    def __init__(self) -> None:
        super().__init__()
        self.doubled = 0

    def take(self, message: ServerEvent) -> bool:
        fresh = super().take(message)
        self.doubled += isinstance(message, Change) and not fresh
        return fresh


class Socket:
    """The client; ``ledger`` is where it writes, None before a run begins."""

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self.ledger: Ledger | None = None
        self.connections = 0
        self.not_recovered = 0
        self._client = FeedClient(url, token, clock=clock)
        self._view = self._client.view = _CountingView()
        self._clock = clock

    @property
    def doubled(self) -> int:
        """Changes that came more than once."""
        return self._view.doubled

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the body runs; enters once the gateway has welcomed us.

        Raises:
            ServerStalled: it does not.
            FeedRefused: it will not have us.
        """
        task = asyncio.create_task(self._client.run(self._handle), name="feed client")
        try:
            await until(lambda: self._client.connected or task.done(), "the gateway is silent", self._clock, CONNECT_S)
            if task.done():
                await task
            yield
        finally:
            await ended(task)

    def _handle(self, event: Event) -> None:
        now = self._clock.now_us()
        match event:
            case Welcome():
                self.connections += 1
                self.not_recovered += self.connections > 1 and not event.recovered
            case Change() if self.ledger is not None and event.alert.change == "open":
                self.ledger.reached("socket", str(event.alert.id), now)
            case Snapshot() if self.ledger is not None:
                for alert in event.alerts:
                    self.ledger.reached("socket", str(alert.id), now)
            case _:
                pass
