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

from alerts.requests import Request
from alerts.view import FeedView
from runtime.clock import Clock, SystemClock
from runtime.web import Peer, PeerGone, WebLimits, WebUnavailable, connect
from vitals.alerts import Alert
from vitals.errors import ProtocolError
from vitals.protocol import (
    CLOSE_MEANING,
    FINAL_CLOSES,
    RECEIPTS_MAX,
    SERVER_MESSAGE_BYTES_MAX,
    Acknowledge,
    Change,
    CommandAnswer,
    Delivered,
    Hello,
    ServerEvent,
    Snapshot,
    Welcome,
    decode_server,
)

LIMITS = WebLimits(message_bytes_max=SERVER_MESSAGE_BYTES_MAX, received_messages_max=256)
LOST_SECONDS = 10.0
"""Without any message for so long the connection counts as dead: heartbeats come every 2 s."""
BACK_OFF_SECONDS = (0.5, 4.0)
QUICK_TRIES = 12
"""So many tries come one after the other, for about 5 s: a gateway that was killed is back by then. Later ones wait
twice as long each time."""
ANSWER_SECONDS = 5.0
RECEIPTS_EVERY_SECONDS = 0.1
"""What was shown within so long is said in one ``delivered``."""


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


Event = ServerEvent | Lost


def back_off(tries: int) -> float:
    """The longest pause in seconds after so many tries without a welcome (at least one)."""
    first, most = BACK_OFF_SECONDS
    return min(most, first * 2.0 ** min(max(tries - QUICK_TRIES, 0), 8))


class FeedClient:
    """One reader of the feed; ``view`` is what it knows, and has the cursor.

    ``screen`` says that ``handle`` shows alerts to somebody: then it tells the gateway which announcements it has had.
    """

    def __init__(
        self, url: str, token: str, *, cursor: str | None = None, clock: Clock | None = None, screen: bool = False
    ) -> None:
        self.view = FeedView(cursor)
        self._url = url
        self._token = token
        self._clock = clock or SystemClock()
        self._peer: Peer | None = None
        self._answers: dict[UUID, asyncio.Future[CommandAnswer]] = {}
        self._screen = screen
        self._shown: dict[UUID, int] = {}
        self._showing = asyncio.Event()

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
                    await self._talk(peer, handle)
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
            pause = back_off(tries) * random.uniform(0.5, 1.0)  # noqa: S311
            handle(Lost(why, pause))
            await self._clock.sleep(pause)

    async def acknowledge(self, alert: Alert, command: UUID | None = None) -> CommandAnswer | None:
        """Acknowledge an alert as it is given; None is *not confirmed*: ask again with the same ``command``."""
        shown = {"alert": alert.id, "level": alert.level, "version": alert.version}
        return await self.ask(Acknowledge.model_validate({"id": command or uuid4(), **shown}))

    async def ask(self, message: Request) -> CommandAnswer | None:
        """Send a command and wait for its answer; None is *not confirmed*: send the same message again."""
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

    async def _talk(self, peer: Peer, handle: Callable[[Event], None]) -> None:
        """Read, and say what was shown, until the connection ends; raises why it did."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(peer, handle), name="feed reader")
                if self._screen:
                    tasks.create_task(self._tell(peer), name="feed receipts")
        except* (PeerGone, TimeoutError) as ended:
            first = ended.exceptions[0]
        raise first

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
            self._note(message)

    def _note(self, message: ServerEvent) -> None:
        """Remember which announcements have just been shown and are not yet known to have been."""
        match message:
            case Snapshot():
                alerts = message.alerts
            case Change():
                alerts = (message.alert,)
            case Welcome(recovered=True):  # what was said just before the break may not have arrived
                alerts = tuple(self.view.alerts.values())
            case _:
                return
        for alert in alerts:
            if alert.announcements > alert.delivered and not alert.closed:
                self._shown[alert.id] = alert.announcements
                self._showing.set()

    async def _tell(self, peer: Peer) -> None:
        while True:
            await self._showing.wait()
            await self._clock.sleep(RECEIPTS_EVERY_SECONDS)
            self._showing.clear()
            shown, self._shown = list(self._shown.items()), {}
            for start in range(0, len(shown), RECEIPTS_MAX):
                message = Delivered(announcements=tuple(shown[start : start + RECEIPTS_MAX]))
                await peer.send(message.encode().decode())
