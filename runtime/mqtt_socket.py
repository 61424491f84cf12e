"""paho's client on an asyncio loop: one ``recv`` for many packets, one ``send`` for many.

Stock paho makes three ``recv`` calls for each packet and a ``send`` for each PUBACK. Here its parser reads from a
64 KiB buffer and its writer fills one, which more than halves the cost of a message. This leans on two private
methods of paho (``_sock_recv``, ``_sock_send``); ``tests/contract/test_mqtt.py`` fails when they change.

``runtime.mqtt`` holds the protocol (acks, generations, publishing); this file holds the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

READ_BYTES = 64 * 1024
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
        self._received, self._at = b"", 0
        self._pending = bytearray()
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
        self._received, self._at = b"", 0
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
            if self._at < len(self._received):
                self._loop_.call_soon(self._on_readable)

    def _on_readable(self) -> None:
        if self._watched is None or not self._reading:
            return
        self.loop_read()
        while self._at < len(self._received) and self._watched is not None and self._may_read():
            self.loop_read()
        if self._watched is not None and not self._may_read():
            self._reading = False
            assert self._loop_ is not None
            self._loop_.remove_reader(self._watched)

    def _sock_recv(self, bufsize: int) -> bytes:
        left = len(self._received) - self._at
        if not left:
            self._received, self._at = super()._sock_recv(max(bufsize, READ_BYTES)), 0
            left = len(self._received)
        taken = min(left, bufsize)
        chunk = self._received[self._at : self._at + taken]
        self._at += taken
        return chunk

    # Writing

    def _write_wanted(self, _client: Any, _userdata: Any, _sock: Any) -> None:
        if not self._opening and not self._flush_due and self._loop_ is not None:
            self._flush_due = True
            self._loop_.call_soon(self._flush)

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
