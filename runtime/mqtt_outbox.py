"""What waits to be published: in the order of the calls, a bounded number at the broker, each with its future.

paho keeps no more than it is given, so on a reconnect it repeats at most the window and not everything that waits.
`runtime.mqtt.Connection` owns the one outbox of a connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vitals.errors import ProtocolError

WINDOW_MAX = 500
"""Publishes without PUBACK that the broker may hold at once; its own Receive Maximum lowers it."""
WAITING_MAX = 50_000
"""Publishes waiting for a connection or the window; beyond it `Outbox.add` refuses."""

Send = Callable[[str, bytes, int, bool], int]
"""Hand one message to the client: topic, payload, QoS, retain; its packet id. ProtocolError if it cannot be sent."""


@dataclass(slots=True)
class _Outgoing:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    future: asyncio.Future[None] = field(repr=False)


class Outbox:
    """Messages on their way out. Nothing leaves between `close` and the next `open`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[_Outgoing] = deque()
        self._in_flight: dict[int, _Outgoing] = {}
        self._window = 0
        self.published = 0
        """Messages that the broker has acknowledged (or that QoS 0 let go)."""

    def __len__(self) -> int:
        """Messages whose futures have not ended."""
        return len(self._waiting) + len(self._in_flight)

    def add(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> asyncio.Future[None]:
        """Queue a message; its future ends with the PUBACK.

        Raises:
            ProtocolError: QoS 2, or too many are waiting.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise ProtocolError("too many MQTT publishes are waiting", str(WAITING_MAX), "wait for their futures")
        if qos not in {0, 1}:
            raise ProtocolError("Vigil publishes at QoS 0 or 1", str(qos))
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Outgoing(topic, payload, qos, retain, future))
        self.pump()
        return future

    def open(self, window: int) -> None:
        """The connection is there; the broker takes so many at once."""
        self._window = min(WINDOW_MAX, window)

    def close(self) -> None:
        """The connection is gone. QoS 0 promises nothing: what was on its way counts as sent."""
        self._window = 0
        for mid in [mid for mid, outgoing in self._in_flight.items() if outgoing.qos == 0]:
            self.settle(mid, None)

    def pump(self) -> None:
        """Hand over what the window allows."""
        while self._waiting and len(self._in_flight) < self._window:
            outgoing = self._waiting.popleft()
            if outgoing.future.cancelled():
                continue
            try:
                mid = self._send(outgoing.topic, outgoing.payload, outgoing.qos, outgoing.retain)
            except ProtocolError as error:
                outgoing.future.set_exception(error)
                continue
            self._in_flight[mid] = outgoing

    def settle(self, mid: int, refusal: str | None) -> None:
        """The broker answered for a packet id."""
        outgoing = self._in_flight.pop(mid, None)
        if outgoing is None or outgoing.future.done():
            return
        if refusal is None:
            self.published += 1
            outgoing.future.set_result(None)
        else:
            outgoing.future.set_exception(ProtocolError("the broker refused a publish", outgoing.topic, refusal))

    def fail(self, failure: Exception) -> None:
        """Nothing will be sent any more: every future ends with this."""
        for outgoing in (*self._in_flight.values(), *self._waiting):
            if not outgoing.future.done():
                outgoing.future.set_exception(failure)
                outgoing.future.exception()  # whoever waits gets it; who does not is no fault
        self._in_flight.clear()
        self._waiting.clear()
