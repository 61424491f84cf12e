"""What a device has sent and what is left to send: a window of QoS 1 messages over any number of connections. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MID_MAX = 65_535


class Send(NamedTuple):
    """A PUBLISH that is to leave now; ``dup`` where it may have left before."""

    mid: int
    message: int
    dup: bool


class Session:
    """Messages are numbers; they leave in the order in which they were given, at most ``window`` without PUBACK.

    What had left before a connection broke leaves again first, in its order and with DUP (3.1.1, 4.4).
    """

    def __init__(self, window: int) -> None:
        self._window = self._limit = window
        self._waiting: deque[int] = deque()
        self._flying: dict[int, int] = {}
        self._again: deque[int] = deque()
        self._mid = 0
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection to send on."""
        return self._connected

    @property
    def open(self) -> list[int]:
        """Messages without PUBACK, sent or not, in their order."""
        return [*self._flying.values(), *self._waiting]

    @property
    def blocked(self) -> int:
        """How many messages wait for a PUBACK of others, on a connection that is there."""
        return len(self._waiting) if self._connected else 0

    @property
    def idle(self) -> bool:
        """Whether everything given has its PUBACK."""
        return not self._flying and not self._waiting

    def give(self, message: int) -> None:
        """A message is due."""
        self._waiting.append(message)

    def connect(self, receive_maximum: int) -> None:
        """The broker has accepted a connection, and takes so many at a time."""
        self._connected = True
        self._limit = max(1, min(self._window, receive_maximum))
        self._again = deque(self._flying)

    def lose(self) -> None:
        """The connection is gone."""
        self._connected = False
        self._again.clear()

    def sends(self) -> list[Send]:
        """What leaves now; each is given out once for a connection."""
        found: list[Send] = []
        if not self._connected:
            return found
        while self._again and len(self._flying) - len(self._again) < self._limit:
            mid = self._again.popleft()
            found.append(Send(mid, self._flying[mid], dup=True))
        while not self._again and self._waiting and len(self._flying) < self._limit:
            mid = self._next()
            self._flying[mid] = self._waiting.popleft()
            found.append(Send(mid, self._flying[mid], dup=False))
        return found

    def acknowledge(self, mid: int) -> int | None:
        """The message whose PUBACK came; None for one that is not open."""
        message = self._flying.pop(mid, None)
        if message is not None and mid in self._again:
            self._again.remove(mid)
        return message

    def _next(self) -> int:
        while True:
            self._mid = self._mid % MID_MAX + 1
            if self._mid not in self._flying:
                return self._mid
