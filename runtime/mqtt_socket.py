"""paho's client on an asyncio loop: one ``recv`` for many packets, one ``send`` for many, and a short way for most.

Stock paho makes three ``recv`` calls and a dozen objects for each PUBLISH, and a ``send`` for each PUBACK. Here packets
are cut out of a buffer; a PUBLISH of QoS 0 or 1 and a plain PUBACK are decoded in place, all others go to paho's own
decoder; what is to be sent is collected and leaves once a turn of the loop. This leans on private names of paho
(``_in_packet``, ``_packet_handle``, ``_loop_rc_handle``, ``_do_on_publish``, ``_out_messages``, ``_sock_send``,
``_last_bytes_received``): the version is pinned, and ``tests/contract/test_mqtt.py`` fails when they change.

``runtime.mqtt`` holds the protocol (acks, generations, publishing); this file holds the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import MQTT_ERR_CONN_LOST, PUBACK, PUBLISH, Client, MQTTv5, time_func
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

READ_BYTES = 256 * 1024
PUBACK_SUCCESS = ReasonCode(PacketTypes.PUBACK)
PUBACK_PROPERTIES = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]

Arrival = Callable[[bytes, bytes, int, int, bool], None]
"""Topic, payload, packet id (0 at QoS 0), QoS, retain flag of a PUBLISH."""

MISC_EVERY_S = 1.0
"""How often keepalive is looked after."""


class BufferedClient(Client):
    """A paho client whose socket an asyncio loop drives; all calls belong to the loop's thread."""

    def __init__(self, client_id: str) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._loop_: asyncio.AbstractEventLoop | None = None
        self._may_read: Callable[[], bool] = lambda: True
        self._watched: Any = None
        self._reading = self._writing = self._flush_due = self._opening = False
        self._received, self._pending = bytearray(), bytearray()
        self.on_arrival: Arrival = lambda *_: None
        self._misc: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self.on_socket_close = self._socket_closed
        self.on_socket_register_write = self._write_wanted

    def attach(self, loop: asyncio.AbstractEventLoop, may_read: Callable[[], bool]) -> None:
        """Run on this loop; while ``may_read`` says no, the socket is left alone (back-pressure by TCP)."""
        self._loop_, self._may_read = loop, may_read

    def soon(self, callback: Callable[[], None]) -> None:
        """Run something outside paho's callbacks."""
        assert self._loop_ is not None
        self._loop_.call_soon(callback)

    async def open(self, host: str, port: int, keepalive_s: int, keep_session: bool, properties: Properties) -> None:
        """Connect (the blocking part in a thread) and start reading; the CONNACK comes by ``on_connect``."""
        assert self._loop_ is not None
        self._received.clear()
        self._pending.clear()
        self._opening = True
        connecting = self._loop_.run_in_executor(
            None, lambda: self.connect(host, port, keepalive_s, clean_start=not keep_session, properties=properties)
        )
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # The thread cannot be interrupted: wait for it (its own time-out is short), then close.
            await asyncio.wait({connecting})
            if not connecting.cancelled():
                connecting.exception()
            self._sock_close()
            raise
        finally:
            self._opening = False
        self._watched = self.socket()
        self.resume_reading()
        self._misc = self._loop_.call_later(MISC_EVERY_S, self._on_timer)
        self._flush()

    def detach(self) -> None:
        """Let go of the socket and the timers."""
        self._sock_close()
        if self._misc:
            self._misc.cancel()

    async def drain(self, timeout_s: float) -> None:
        """Wait until what was written has gone to the kernel, or the time is over."""
        assert self._loop_ is not None
        self._flush()
        if self._pending and self._watched is not None:
            self._drained = self._loop_.create_future()
            await asyncio.wait({self._drained}, timeout=timeout_s)

    # Reading

    def resume_reading(self) -> None:
        """Look at the socket again if reading was paused."""
        if self._watched is not None and not self._reading and self._may_read() and self._loop_ is not None:
            self._reading = True
            self._loop_.add_reader(self._watched, self._on_readable)
            if self._received:
                self._loop_.call_soon(self._consume)

    def _on_readable(self) -> None:
        sock = self._watched
        if sock is None or not self._reading:
            return
        try:
            if chunk := sock.recv(READ_BYTES):
                self._received += chunk
                self._last_bytes_received = time_func()
            else:
                self._loop_rc_handle(MQTT_ERR_CONN_LOST)
        except BlockingIOError:
            pass
        except OSError:
            self._loop_rc_handle(MQTT_ERR_CONN_LOST)
        self._consume()

    def _consume(self) -> None:
        """Handle the whole packets that are here, as far as they may be read; pause the socket if there are more."""
        buffer, at = self._received, 0
        while self._watched is not None and self._may_read():
            found = _whole_packet(buffer, at)
            if found is None:
                break
            start, end = found
            self._packet(buffer[at], buffer, start, end)
            at = end
        if self._watched is None:
            buffer.clear()
            return
        del buffer[:at]
        if not self._may_read():
            self._reading = False
            assert self._loop_ is not None
            self._loop_.remove_reader(self._watched)

    def _packet(self, command: int, buffer: bytearray, start: int, end: int) -> None:
        if command & 0xF0 == PUBLISH and command & 0x06 != 0x04:
            self._publish_in(command, buffer, start, end)
        elif command == PUBACK and end - start == 2:
            mid = buffer[start] << 8 | buffer[start + 1]
            if mid in self._out_messages:
                self._do_on_publish(mid, PUBACK_SUCCESS, PUBACK_PROPERTIES)
        else:
            self._in_packet = {
                "command": command,
                "have_remaining": 1,
                "remaining_count": [],
                "remaining_mult": 1,
                "remaining_length": end - start,
                "packet": buffer[start:end],
                "to_process": 0,
                "pos": 0,
            }
            self._loop_rc_handle(self._handled())

    def _handled(self) -> MQTTErrorCode:
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _publish_in(self, command: int, buffer: bytearray, start: int, end: int) -> None:
        """A PUBLISH: topic, packet id (QoS 1), properties (skipped), payload."""
        qos, mid = command >> 1 & 3, 0
        at = start + 2 + (buffer[start] << 8 | buffer[start + 1]) if end - start >= 2 else end
        if at + 2 * qos >= end:
            self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            return
        topic = bytes(buffer[start + 2 : at])
        if qos:
            mid = buffer[at] << 8 | buffer[at + 1]
            at += 2
        length, at = _varint(buffer, at, end)
        if at + length > end:
            self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            return
        self.on_arrival(topic, bytes(buffer[at + length : end]), mid, qos, bool(command & 1))

    # Writing

    def _write_wanted(self, _client: Any, _userdata: Any, _sock: Any) -> None:
        if not self._opening and not self._flush_due and self._loop_ is not None:
            self._flush_due = True
            self._loop_.call_soon(self._flush)

    def ack(self, mid: int, qos: int) -> MQTTErrorCode:
        """Acknowledge a PUBLISH of QoS 1; PUBACKs leave in the order of the calls."""
        assert qos == 1
        self._pending += bytes((PUBACK, 2, mid >> 8, mid & 0xFF))
        self._write_wanted(None, None, None)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._pending += buf
        return len(buf)

    def _flush(self) -> None:
        """Let paho write its packets into the buffer, then the buffer to the socket in one call."""
        self._flush_due = False
        if self.socket() is not None:
            self.loop_write()
        self._push()

    def _push(self) -> None:
        sock = self._watched
        if sock is None:
            return
        try:
            while self._pending:
                del self._pending[: sock.send(self._pending)]
        except BlockingIOError:
            if not self._writing and self._loop_ is not None:
                self._writing = True
                self._loop_.add_writer(sock, self._push)
            return
        except OSError:
            # The reader gets the same news, with the reason; it says goodbye.
            self._pending.clear()
        if self._writing and self._loop_ is not None:
            self._writing = False
            self._loop_.remove_writer(sock)
        if self._drained and not self._drained.done():
            self._drained.set_result(None)

    def _socket_closed(self, _client: Any, _userdata: Any, sock: Any) -> None:
        """Runs before paho closes the socket: last bytes out (a DISCONNECT), watchers off."""
        if self._watched is None:
            return
        self._push()
        self._watched = None
        assert self._loop_ is not None
        if self._reading:
            self._loop_.remove_reader(sock)
        if self._writing:
            self._loop_.remove_writer(sock)
        self._reading = self._writing = False
        if self._misc:
            self._misc.cancel()

    def _on_timer(self) -> None:
        assert self._loop_ is not None
        if self.socket() is not None:
            self._misc = self._loop_.call_later(MISC_EVERY_S, self._on_timer)
            self.loop_misc()


def _whole_packet(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at ``at`` starts and ends; None while it is not all here."""
    length, shift, start = 0, 0, at + 1
    while start < len(buffer) and shift <= 21:
        byte = buffer[start]
        length |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            return (start, start + length) if start + length <= len(buffer) else None
    return None


def _varint(buffer: bytearray, at: int, end: int) -> tuple[int, int]:
    """MQTT's variable byte integer at ``at``, and where it ends; beyond ``end`` where the packet is malformed."""
    value = shift = 0
    while at < end and shift <= 21:
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return 0, end + 1
