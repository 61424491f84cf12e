"""An MQTT broker in memory, with the faults of a real one on demand.

`MemoryConnection` is the real `runtime.mqtt.Connection` over a fake of paho's client, so what a test proves about
acknowledgements, generations and publishing holds for the real thing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from paho.mqtt.client import MQTT_ERR_SUCCESS, topic_matches_sub

from runtime.mqtt import Connection
from runtime.mqtt_socket import BufferedClient
from runtime.settings import Settings


class Published(NamedTuple):
    """A message that the broker took."""

    topic: str
    payload: bytes
    qos: int


class _Reason(NamedTuple):
    value: int

    @property
    def is_failure(self) -> bool:
        return self.value >= 0x80

    def __str__(self) -> str:
        return f"reason {self.value}"


class _Session:
    def __init__(self) -> None:
        self.filters: set[str] = set()
        self.queue: deque[Published] = deque()
        self.in_flight: OrderedDict[int, Published] = OrderedDict()
        self.client: _MemoryClient | None = None
        self.next_mid = 1


class MemoryBroker:
    """The broker's side: sessions, queues, faults. Packet ids of a session begin at 1 in every connection."""

    def __init__(self) -> None:
        self.published: list[Published] = []
        """Everything that was published, in order."""
        self.acks_out_of_order = 0
        """PUBACKs that came in another order than their PUBLISHes, or for nothing in flight."""
        self.reverse_pubacks = False
        """Acknowledge what was published in one turn of the loop in reverse order."""
        self._sessions: dict[str, _Session] = {}
        self._down = False
        self._holding = False
        self._refusal = 0
        self._owed: list[tuple[_MemoryClient, int]] = []

    def connection(
        self, settings: Settings, client_id: str, subscriptions: Iterable[str] = (), receive_maximum: int = 500
    ) -> MemoryConnection:
        """Stands for ``Connection(settings, client_id, subscriptions, receive_maximum)``."""
        return MemoryConnection(self, settings, client_id, subscriptions, receive_maximum)

    # Faults

    def drop(self, client_id: str, reason: int = 128) -> None:
        """Cut a client's connection; its session stays. ``reason`` is an MQTT 5 reason code."""
        client = self._sessions[client_id].client
        if client:
            client.lose(_Reason(reason), from_server=reason != 128)

    def forget(self, client_id: str) -> None:
        """Lose a session with all it holds, as a broker without persistence does at a restart."""
        self.drop(client_id)
        del self._sessions[client_id]

    def stop(self) -> None:
        """Go down: connections are cut, new ones fail."""
        self._down = True
        for name in list(self._sessions):
            self.drop(name)

    def start(self) -> None:
        """Come back, with all sessions."""
        self._down = False

    def hold_pubacks(self) -> None:
        """Take what is published, acknowledge nothing until `release_pubacks`."""
        self._holding = True

    def release_pubacks(self) -> None:
        """Acknowledge what was held."""
        self._holding = False
        self._pay()

    def refuse(self, reason: int) -> None:
        """Answer the next connects with this CONNACK reason; 0 ends it."""
        self._refusal = reason

    def waiting(self, client_id: str) -> int:
        """Messages that a session holds, in flight or queued."""
        session = self._sessions.get(client_id)
        return len(session.queue) + len(session.in_flight) if session else 0

    def inject(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """A message from another client."""
        message = Published(topic, payload, qos)
        self.published.append(message)
        for session in self._sessions.values():
            if any(topic_matches_sub(pattern, topic) for pattern in session.filters):
                session.queue.append(message)
                if session.client:
                    session.client.deliver()

    # What clients do

    def connect(self, client: _MemoryClient, *, keep: bool) -> tuple[_Reason, bool]:
        """CONNECT: the reason and whether the session was there."""
        if self._down:
            raise ConnectionRefusedError(111, "memory broker is down")
        if self._refusal:
            return _Reason(self._refusal), False
        old = self._sessions.get(client.name)
        if old and old.client:
            old.client.lose(_Reason(142), from_server=True)
        present = keep and old is not None
        session = old if old and present else _Session()
        session.queue.extendleft(reversed(session.in_flight.values()))
        session.in_flight.clear()
        session.next_mid = 1
        session.client = client
        self._sessions[client.name] = session
        client.session = session
        return _Reason(0), present

    def take(self, client: _MemoryClient, mid: int, message: Published) -> None:
        """PUBLISH."""
        self.inject(*message)
        self._owed.append((client, mid))
        if not self._holding:
            client.soon(self._pay)

    def _pay(self) -> None:
        owed, self._owed = self._owed, []
        for client, mid in reversed(owed) if self.reverse_pubacks else owed:
            client.puback(mid)


class _MemoryClient:
    """What `Connection` needs of `BufferedClient`."""

    def __init__(self, broker: MemoryBroker, name: str, receive_maximum: int) -> None:
        self.broker, self.name, self.receive_maximum = broker, name, receive_maximum
        self.session: _Session | None = None
        self.connect_timeout = 0.0
        self.on_connect: Any = None
        self.on_disconnect: Any = None
        self.on_arrival: Any = None
        self.on_publish: Any = None
        self.on_subscribe: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._may_read: Callable[[], bool] = lambda: True
        self._mid = 0
        self._sent: OrderedDict[int, Published] = OrderedDict()

    def attach(self, loop: asyncio.AbstractEventLoop, may_read: Callable[[], bool]) -> None:
        self._loop, self._may_read = loop, may_read

    def soon(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon(callback)

    async def open(self, _host: str, _port: int, _keepalive_s: int, keep_session: bool, _properties: Any) -> None:
        await asyncio.sleep(0)
        reason, present = self.broker.connect(self, keep=keep_session)
        self.on_connect(self, None, SimpleNamespace(session_present=present), reason, SimpleNamespace())
        if reason.is_failure:
            self._gone(reason, from_server=False)
            return
        for mid, message in list(self._sent.items()):
            self.broker.take(self, mid, message)
        self.deliver()

    def max_inflight_messages_set(self, _inflight: int) -> None:
        return None

    def username_pw_set(self, _username: str, _password: str | None = None) -> None:
        return None

    def subscribe(self, wanted: list[tuple[str, int]]) -> None:
        assert self.session is not None
        self.session.filters = {topic for topic, _ in wanted}
        self.soon(lambda: self.on_subscribe(self, None, 0, [_Reason(1) for _ in wanted], None))

    def publish(self, topic: str, payload: bytes, qos: int, _retain: bool) -> Any:
        self._mid = self._mid % 65535 + 1
        mid, message = self._mid, Published(topic, payload, qos)
        if qos:
            self._sent[mid] = message
            self.broker.take(self, mid, message)
        else:
            self.broker.inject(*message)
            self.soon(lambda: self.on_publish(self, None, mid, _Reason(0), None))
        return SimpleNamespace(mid=mid, rc=MQTT_ERR_SUCCESS)

    def puback(self, mid: int) -> None:
        if self.session and self._sent.pop(mid, None):
            self.on_publish(self, None, mid, _Reason(0), None)

    def ack(self, mid: int, _qos: int) -> None:
        assert self.session is not None
        if next(iter(self.session.in_flight), None) != mid:
            self.broker.acks_out_of_order += 1
        self.session.in_flight.pop(mid, None)
        self.soon(self.deliver)

    def deliver(self) -> None:
        session = self.session
        while session and session.queue and len(session.in_flight) < self.receive_maximum and self._may_read():
            message, mid = session.queue.popleft(), 0
            if message.qos:
                mid = session.next_mid
                session.next_mid = mid % 65535 + 1
                session.in_flight[mid] = message
            self.on_arrival(message.topic.encode(), message.payload, mid, message.qos, False)

    def resume_reading(self) -> None:
        self.deliver()

    def lose(self, reason: _Reason, *, from_server: bool) -> None:
        self._gone(reason, from_server=from_server)

    def disconnect(self) -> None:
        self._gone(_Reason(0), from_server=False)

    async def drain(self, _timeout_s: float) -> None:
        return None

    def detach(self) -> None:
        self._unlink()

    def _gone(self, reason: _Reason, *, from_server: bool) -> None:
        self._unlink()
        self.on_disconnect(self, None, SimpleNamespace(is_disconnect_packet_from_server=from_server), reason, None)

    def _unlink(self) -> None:
        if self.session and self.session.client is self:
            self.session.client = None
        self.session = None


class MemoryConnection(Connection):
    """A `Connection` to a `MemoryBroker`."""

    def __init__(
        self,
        broker: MemoryBroker,
        settings: Settings,
        client_id: str,
        subscriptions: Iterable[str] = (),
        receive_maximum: int = 500,
        *,
        forget: bool = False,
    ) -> None:
        self._broker = broker
        super().__init__(settings, client_id, subscriptions, receive_maximum, forget=forget)

    def _new_client(self) -> BufferedClient:
        return cast("BufferedClient", _MemoryClient(self._broker, self.client_id, self._receive_maximum))
