"""A client of the feed that comes back by itself: used by the terminal, and by drills through compose.

``await FeedClient(url, token).run(handle)`` calls ``handle`` with every message, in order, each change once, and
with `Lost` when the feed is lost; it ends only by cancellation or by a refusal that coming back cannot cure.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic import ValidationError

from alerts.view import FeedView
from runtime.clock import Clock, SystemClock
from runtime.web import Peer, PeerGone, WebLimits, WebUnavailable, connect
from vitals.alerts import Alert
from vitals.errors import ProtocolError
from vitals.protocol import (
    CLOSE_MEANING,
    FINAL_CLOSES,
    SERVER_MESSAGE_BYTES_MAX,
    Acknowledge,
    Change,
    CommandAnswer,
    Heartbeat,
    Hello,
    Snapshot,
    Welcome,
    decode_server,
)

LIMITS = WebLimits(message_bytes_max=SERVER_MESSAGE_BYTES_MAX, received_messages_max=256)
LOST_SECONDS = 10.0
"""Without any message for so long the connection counts as dead: heartbeats come every 2 s."""
BACK_OFF_SECONDS = (0.5, 10.0)
ANSWER_SECONDS = 5.0


class FeedRefused(ProtocolError):
    """The gateway will not have this client; ``code`` is its close code."""

    def __init__(self, code: int) -> None:
        super().__init__("the feed refused us", f"{code}", CLOSE_MEANING.get(code, ""))
        self.code = code


@dataclass(frozen=True, slots=True)
class Lost:
    """The feed is lost; the next try is in ``retry_seconds``."""

    why: str
    retry_seconds: float


Event = Welcome | Snapshot | Change | CommandAnswer | Heartbeat | Lost


class FeedClient:
    """One reader of the feed; ``view`` is what it knows, and has the cursor."""

    def __init__(self, url: str, token: str, *, cursor: str | None = None, clock: Clock | None = None) -> None:
        self.view = FeedView(cursor)
        self._url = url
        self._token = token
        self._clock = clock or SystemClock()
        self._peer: Peer | None = None
        self._answers: dict[UUID, asyncio.Future[CommandAnswer]] = {}

    @property
    def connected(self) -> bool:
        """Whether the gateway has welcomed us on the present connection."""
        return self._peer is not None

    async def run(self, handle: Callable[[Event], None]) -> None:
        """Read the feed for ever, coming back with the cursor after every loss.

        Raises:
            FeedRefused: the token is not known, or the gateway does not understand us.
        """
        tries = 0
        while True:
            try:
                async with connect(self._url, limits=LIMITS) as peer:
                    await peer.send(self._hello())
                    await self._read(peer, handle)
            except PeerGone as gone:
                why = CLOSE_MEANING.get(gone.code, str(gone))
                if gone.code in FINAL_CLOSES:
                    raise FeedRefused(gone.code) from None
            except WebUnavailable as unavailable:
                why = str(unavailable)
            except TimeoutError:
                why = f"nothing for {LOST_SECONDS:g} s"
            tries = 1 if self._peer else tries + 1
            self._peer = None
            first, most = BACK_OFF_SECONDS
            pause = min(most, first * 2 ** min(tries - 1, 8)) * random.uniform(0.5, 1.0)  # noqa: S311
            handle(Lost(why, pause))
            await self._clock.sleep(pause)

    async def acknowledge(self, alert: Alert, command: UUID | None = None) -> CommandAnswer | None:
        """Acknowledge an alert as it is given; None is *not confirmed*: ask again with the same ``command``."""
        message = Acknowledge(id=command or uuid4(), alert=alert.id, level=alert.level, version=alert.version)
        answer = self._answers.setdefault(message.id, asyncio.get_running_loop().create_future())
        try:
            if self._peer is not None:
                await self._peer.send(message.encode().decode())
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(answer)
        except (TimeoutError, PeerGone):
            return None
        finally:
            self._answers.pop(message.id, None)

    def _hello(self) -> str:
        return Hello(token=self._token, cursor=self.view.cursor).encode().decode()

    async def _read(self, peer: Peer, handle: Callable[[Event], None]) -> None:
        while True:
            async with asyncio.timeout(LOST_SECONDS):
                text = await peer.receive()
            try:
                message = decode_server(text)
            except ValidationError:
                continue  # a newer gateway may say what we do not know
            if isinstance(message, Welcome):
                self._peer = peer
            if not self.view.take(message):
                continue
            if isinstance(message, CommandAnswer) and (waiting := self._answers.get(message.id)) and not waiting.done():
                waiting.set_result(message)
            handle(message)
