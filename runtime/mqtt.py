"""MQTT 5 under asyncio: manual acknowledgements in arrival order, publishing with PUBACK, our own reconnecting.

The session at the broker is what keeps messages while nobody listens, so it is persistent from the very first
connect (``clean_start=False`` and an expiry longer than the longest outage). Each connection to the broker has a
*generation*: an acknowledgement counts only for the generation in which its message came, because after a
reconnect the broker uses packet ids anew. What was not acknowledged, it delivers again.

Topics are full MQTT topics; ``vitals.topics`` builds them with the namespace. Client ids get it here.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog
from paho.mqtt.client import MQTT_ERR_QUEUE_SIZE
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from runtime.mqtt_outbox import WINDOW_MAX, Outbox
from runtime.mqtt_socket import BufferedClient
from runtime.settings import Settings
from vitals.errors import ProtocolError, ServerUnavailable

CONNECT_TIMEOUT_S = 15.0
"""How long the first connection may take before it is an error."""
CLOSE_TIMEOUT_S = 2.0
KEEPALIVE_S = 20
SESSION_EXPIRY_S = 7 * 24 * 3600
"""The broker keeps a session, and queues for it, for a week; longer than any outage we promise to survive."""
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.1, 3.0
"""The longest pause delays the first alert after an outage of the broker, which comes within 5 s."""
FLAP_LIFE_S, FLAPS_MAX = 10.0, 10
"""So many connections in a row that lived shorter than this end ours for good; the back-off alone makes that 10 s."""
PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

_SESSION_TAKEN_OVER, _RECEIVE_MAXIMUM_EXCEEDED = 142, 147
_HOPELESS = {132: "protocol version", 133: "client id", 134: "user name or password", 135: "authorisation",
             138: "banned", 140: "authentication method"}  # fmt: skip

_TODO_START = "start it, or set VIGIL_MQTT; retrying"

log = structlog.get_logger("vigil.mqtt")


class Message(NamedTuple):
    """One PUBLISH as it came. ``mid`` is 0 at QoS 0; ``generation`` is the connection that brought it."""

    topic: str
    payload: bytes
    mid: int
    generation: int
    qos: int = 1
    retain: bool = False


class MqttUnavailable(ServerUnavailable):
    """The broker cannot be reached, refuses us, or closed the session for good."""


@dataclass(slots=True)
class Counters:
    """What a connection did since it was made."""

    connects: int = 0
    disconnects: int = 0
    received: int = 0
    acknowledged: int = 0
    stale_acks: int = 0
    published: int = 0


class Connection:
    """One client id at the broker.

    ``async with Connection(settings, "bridge", [topic_filter]) as connection``: enters once connected and
    subscribed; reconnects by itself; on leaving says DISCONNECT but keeps the session (``forget=True``: a client
    without a session, for tools and tests). Messages kept for the session may arrive before the subscription.
    """

    def __init__(
        self,
        settings: Settings,
        client_id: str,
        subscriptions: Iterable[str] = (),
        receive_maximum: int = 500,
        *,
        forget: bool = False,
        session_expiry_s: int = SESSION_EXPIRY_S,
        keepalive_s: int = KEEPALIVE_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        host, _, port = settings.mqtt.rpartition(":")
        self._host, self._port = host, int(port)
        self._subscriptions = tuple(subscriptions)
        self._receive_maximum = receive_maximum
        self._forget = forget
        self._expiry_s = 0 if forget else session_expiry_s
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self.client_id = f"{settings.namespace}-{client_id}" if settings.namespace else client_id
        """The full client id at the broker."""
        self.counters = Counters()
        self.generation = 0
        """Number of connections lost so far; messages carry the one in which they came."""
        self._incoming: deque[Message] = deque()
        self._unacked: deque[Message] = deque()
        self._done: set[int] = set()
        self._arrived = asyncio.Event()
        self._outbox = Outbox(self._send)
        self._connected = self._closing = False
        self._ready = asyncio.Event()
        self._lost = asyncio.Event()
        self._failure: Exception | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._client = self._new_client()
        user, word = username or _secret(settings.mqtt_username), password or _secret(settings.mqtt_password)
        if user:
            self._client.username_pw_set(user, word)
        self._client.connect_timeout = 5.0
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_arrival = self._on_arrival
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    def _new_client(self) -> BufferedClient:
        return BufferedClient(self.client_id)

    # Lifetime

    async def __aenter__(self) -> Self:
        self._client.attach(asyncio.get_running_loop(), self._may_read)
        self._keeper = asyncio.create_task(self._keep(), name=f"mqtt {self.client_id}")
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._ready.wait()
        except TimeoutError:
            await self._close()
            raise MqttUnavailable(
                "the MQTT broker cannot be reached", f"{self._host}:{self._port}", "start it, or set VIGIL_MQTT"
            ) from None
        except BaseException:
            await self._close()
            raise
        if self._failure:
            await self._close()
            raise self._failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._closing = True
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if self._connected:
            self._client.disconnect()
            await self._client.drain(CLOSE_TIMEOUT_S)
        self._client.detach()
        self._connected = False
        self._fail(MqttUnavailable("connection was closed before PUBACK", self.client_id))

    async def _keep(self) -> None:
        """Connect, wait until the connection is lost, back off, again.

        A connection that lived shortly counts as a failure, so the back-off grows; too many of them in a row are most
        likely two processes under one client id, which throw each other out (neither mosquitto 2.0.11 nor rumqttd
        says so), and one of the two has to end.
        """
        failures = flaps = 0
        loop = asyncio.get_running_loop()
        while self._failure is None:
            self._lost.clear()
            connects, since = self.counters.connects, loop.time()
            try:
                await self._client.open(self._host, self._port, self._keepalive_s, not self._forget, self._properties())
                await self._lost.wait()
            except OSError as error:
                where = f"{self._host}:{self._port}"
                log.warning("no connection to the MQTT broker", broker=where, error=str(error), todo=_TODO_START)
            if loop.time() - since >= FLAP_LIFE_S:
                failures = flaps = 0
            failures += 1
            flaps += self.counters.connects > connects
            if flaps >= FLAPS_MAX:
                remedy = "probably another process uses this client id: stop one, or set VIGIL_INSTANCE"
                self._fail(MqttUnavailable("MQTT connection is lost again and again", self.client_id, remedy))
            ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** (failures - 1))
            await asyncio.sleep(ceiling * random.uniform(0.5, 1.0))  # noqa: S311  jitter, no secret

    def _properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._expiry_s
        properties.ReceiveMaximum = self._receive_maximum
        properties.MaximumPacketSize = PAYLOAD_BYTES_MAX + 64 * 1024
        return properties

    def _fail(self, failure: Exception) -> None:
        """End for good: whoever takes or publishes gets the failure."""
        self._failure = self._failure or failure
        self._outbox.fail(failure)
        self._ready.set()
        self._lost.set()
        self._arrived.set()

    # Receiving

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the present connection."""
        return self._connected

    @property
    def failure(self) -> Exception | None:
        """Why this connection ended for good, if it did."""
        return self._failure

    async def take(self) -> list[Message]:
        """All messages that are here, in arrival order; waits for at least one.

        Raises:
            MqttUnavailable: the connection ended for good (session taken over, access refused, closed).
        """
        while not self._incoming:
            if self._failure:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        messages = list(self._incoming)
        self._incoming.clear()
        self._client.resume_reading()
        return messages

    def ack(self, messages: Iterable[Message]) -> None:
        """These are durable: acknowledge them, and whatever waited behind them, in arrival order.

        Messages of an earlier generation are ignored (the broker delivers them again), as is QoS 0.
        """
        for message in messages:
            if message.qos == 0:
                continue
            if message.generation != self.generation or not self._connected:
                self.counters.stale_acks += 1
                continue
            self._done.add(message.mid)
        while self._unacked and self._unacked[0].mid in self._done:
            message = self._unacked.popleft()
            self._done.discard(message.mid)
            self._client.ack(message.mid, message.qos)
            self.counters.acknowledged += 1
        self._client.resume_reading()

    def _may_read(self) -> bool:
        """Our own bound: mosquitto 2.0.11 miscounts the Receive Maximum, and rumqttd ignores it."""
        return max(len(self._incoming), len(self._unacked)) < self._receive_maximum

    def _on_arrival(self, topic: bytes, payload: bytes, mid: int, qos: int, retain: bool) -> None:
        message = Message(topic.decode("utf-8", "replace"), payload, mid, self.generation, qos, retain)
        self.counters.received += 1
        self._incoming.append(message)
        if qos:
            self._unacked.append(message)
        self._arrived.set()

    # Publishing

    async def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Publish and wait for PUBACK (QoS 0: until it is handed to the socket); survives reconnects.

        Raises:
            MqttUnavailable: the connection ended for good before.
            ProtocolError: the broker refused the message, or too many are waiting.
        """
        await self.publish_nowait(topic, payload, qos, retain=retain)

    def publish_nowait(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> asyncio.Future[None]:
        """Queue a publish; the future ends as `publish` does. Messages leave in the order of the calls."""
        if self._failure:
            raise self._failure
        return self._outbox.add(topic, payload, qos, retain=retain)

    def _send(self, topic: str, payload: bytes, qos: int, retain: bool) -> int:
        try:
            info = self._client.publish(topic, payload, qos, retain)
        except ValueError as error:
            raise ProtocolError("not a publishable message", topic, str(error)) from error
        if info.rc == MQTT_ERR_QUEUE_SIZE:
            raise ProtocolError("no MQTT packet id is free", topic)
        return info.mid

    def _on_publish(self, _client: Any, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._outbox.settle(mid, str(reason) if reason.is_failure else None)
        self.counters.published = self._outbox.published
        self._client.soon(self._outbox.pump)

    # Connection events

    def _on_connect(self, _client: Any, _userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refused(reason)
            return
        self.counters.connects += 1
        self._connected = True
        self._outbox.open(getattr(properties, "ReceiveMaximum", WINDOW_MAX))
        log.info("connected to the MQTT broker", client=self.client_id, session_present=flags.session_present)
        if self._subscriptions and not (flags.session_present and self._ready.is_set()):
            self._client.subscribe([(topic, 1) for topic in self._subscriptions])
        if flags.session_present or not self._subscriptions:  # rumqttd holds SUBACK back behind 100 kept messages
            self._ready.set()
        self._client.soon(self._outbox.pump)

    def _on_subscribe(self, _client: Any, _userdata: Any, _mid: int, reasons: Sequence[Any], _properties: Any) -> None:
        refused = [
            f"{topic}: {reason}"
            for topic, reason in zip(self._subscriptions, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self._fail(MqttUnavailable("subscription refused", "; ".join(refused), "give this user the right to read"))
        self._ready.set()

    def _refused(self, reason: Any) -> None:
        if what := _HOPELESS.get(reason.value):
            remedy = "set VIGIL_MQTT_USERNAME and VIGIL_MQTT_PASSWORD, or the broker's access list"
            self._fail(MqttUnavailable(f"the MQTT broker refused our {what}", f"{self.client_id}: {reason}", remedy))
        else:
            log.warning("MQTT broker refused the connection", reason=str(reason), todo="retrying")

    def _on_disconnect(self, _client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        self.generation += 1
        self.counters.disconnects += 1
        was_connected, self._connected = self._connected, False
        self._unacked.clear()
        self._done.clear()
        self._outbox.close()
        if was_connected and not self._closing:
            origin = "broker" if flags.is_disconnect_packet_from_server else "network"
            log.warning("MQTT connection lost", client=self.client_id, reason=str(reason), origin=origin,
                        todo=_advice(reason.value))  # fmt: skip
            if reason.value == _SESSION_TAKEN_OVER:
                self._fail(MqttUnavailable("another process uses our MQTT client id", self.client_id, "stop one"))
        self._lost.set()


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def _advice(reason: int) -> str:
    if reason == _SESSION_TAKEN_OVER:
        return "another process uses this client id: stop one of them"
    if reason == _RECEIVE_MAXIMUM_EXCEEDED:
        return "more publishes in flight than the broker allows; retrying with its limit"
    return "reconnecting; what was not acknowledged comes again"
