"""Driver: one device's connection to the broker, for load only: publishes, and comes back when it is thrown out.

paho's threads cannot hold thousands of devices in a process (PITFALLS of `select`), so this is a protocol of asyncio
over the pure `Session` and `Decoder`. A device comes back after a capped, jittered back-off, keeps what falls due
meanwhile, and resends with DUP what has no PUBACK.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from runtime.clock import Clock
from simulators.load import packets
from simulators.load.packets import Connack, Decoder, Disconnected, Puback, Version
from simulators.load.session import Session
from vitals.errors import ProtocolError

KEEPALIVE_S = 60
EXPIRY_S = 300
ANSWER_S = 20.0
"""How long a broker may take to accept a connection."""
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.1, 5.0
REFUSED = 128


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a device connects, and as whom; ``gate`` bounds how many connect at a time."""

    host: str
    port: int
    version: Version
    gate: asyncio.Semaphore
    username: str | None = None
    password: str | None = None


@dataclass(slots=True)
class Counts:
    """What the devices of a worker did; a connection is *lost* when nobody here wanted its end."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    resent: int = 0
    connects: int = 0
    lost: int = 0
    failed: int = 0
    """Tries to connect without success."""


class _Link(asyncio.Protocol):
    """One connection of a device, which may have another one by the time that this one is told of its end."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._device.made(self)

    def data_received(self, data: bytes) -> None:
        self._device.received(self, data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._device.lost(self)


class Device:
    """One device. ``encode`` gives topic and payload of a message; ``sent`` and ``done`` hear of each that leaves for
    the first time, and of each PUBACK.
    """

    def __init__(
        self,
        client_id: str,
        broker: Broker,
        window: int,
        counts: Counts,
        clock: Clock,
        *,
        encode: Callable[[int], tuple[bytes, bytes]],
        sent: Callable[[int], None],
        done: Callable[[int], None],
    ) -> None:
        self.session = Session(window)
        self._client_id, self._broker, self._counts, self._clock = client_id, broker, counts, clock
        self._encode, self._sent, self._done = encode, sent, done
        self._decoder = Decoder(broker.version)
        self._link: _Link | None = None
        self._transport: asyncio.Transport | None = None
        self._answered = asyncio.Event()
        self._gone = asyncio.Event()
        self._home = asyncio.Event()
        self._home.set()
        self._used = 0.0
        self._spread_s = 0.0

    # What the worker asks

    def give(self, message: int) -> None:
        """A message is due: it leaves now, or when there is room or a connection."""
        self.session.give(message)
        self._pump()

    async def keep(self) -> None:
        """Stay connected until cancelled, which says DISCONNECT."""
        failures = 0
        try:
            while True:
                await self._home.wait()
                if self._spread_s:
                    await self._clock.sleep(random.uniform(0, self._spread_s))
                    self._spread_s = 0.0
                began = self._clock.monotonic()
                if not await self._connect():
                    failures += 1
                    self._counts.failed += 1
                else:
                    await self._gone.wait()
                    failures = 0 if self._clock.monotonic() - began > BACKOFF_S_MAX else failures + 1
                ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(failures, 8))
                await self._clock.sleep(ceiling * random.uniform(0.5, 1.0))
        finally:
            self._leave()

    def stay_away(self) -> None:
        """The network is gone, until `return_home`."""
        self._home.clear()
        self._drop()

    def return_home(self, spread_s: float) -> None:
        """The network is back; the device tries within ``spread_s``."""
        self._spread_s = spread_s
        self._home.set()

    def break_connection(self) -> None:
        """The connection breaks; the device comes back by itself."""
        self._drop()

    def ping(self, idle_s: float) -> None:
        """Say that we are there if nothing was sent for so long."""
        if self._transport is not None and self.session.connected and self._clock.monotonic() - self._used >= idle_s:
            self._transport.write(packets.PINGREQ)
            self._used = self._clock.monotonic()

    # What a connection says

    def made(self, link: _Link) -> None:
        """There is a connection: say CONNECT."""
        assert link.transport is not None
        self._link, self._transport = link, link.transport
        self._decoder = Decoder(self._broker.version)
        self._used = self._clock.monotonic()
        broker = self._broker
        clean = broker.version == 4  # a 3.1.1 session would stay at the broker after the test
        link.transport.write(
            packets.connect(
                self._client_id,
                broker.version,
                keepalive_s=KEEPALIVE_S,
                clean=clean,
                expiry_s=EXPIRY_S,
                username=broker.username,
                password=broker.password,
            )
        )

    def received(self, link: _Link, data: bytes) -> None:
        """Take what the broker says."""
        if link is not self._link:
            return
        try:
            found = self._decoder.feed(data)
        except ProtocolError:
            self._drop()
            return
        for packet in found:
            match packet:
                case Puback():
                    self._acknowledged(packet)
                case Connack() if packet.code == 0:
                    self._counts.connects += 1
                    self.session.connect(packet.receive_maximum)
                    self._answered.set()
                case Connack() | Disconnected():
                    self._drop()
                case _:
                    pass
        self._pump()

    def lost(self, link: _Link) -> None:
        """The broker or the network ended a connection."""
        if link is self._link:
            self._counts.lost += self.session.connected
            self._forget()

    # Inside

    async def _connect(self) -> bool:
        self._answered.clear()
        self._gone.clear()
        loop = asyncio.get_running_loop()
        try:
            async with self._broker.gate, asyncio.timeout(ANSWER_S):
                await loop.create_connection(lambda: _Link(self), self._broker.host, self._broker.port)
                await self._answered.wait()
        except (OSError, TimeoutError):
            self._drop()
        return self.session.connected

    def _acknowledged(self, packet: Puback) -> None:
        message = self.session.acknowledge(packet.mid)
        if message is None:
            return
        if packet.code >= REFUSED:
            self._counts.refused += 1
        else:
            self._counts.acknowledged += 1
            self._done(message)

    def _pump(self) -> None:
        transport = self._transport
        if transport is None:
            return
        out = self.session.sends()
        if not out:
            return
        version = self._broker.version
        parts = []
        for mid, message, dup in out:
            parts.append(packets.publish(*self._encode(message), mid, version, dup=dup))
            if dup:
                self._counts.resent += 1
            else:
                self._counts.sent += 1
                self._sent(message)
        transport.write(b"".join(parts))
        self._used = self._clock.monotonic()

    def _forget(self) -> None:
        self._link = self._transport = None
        self.session.lose()
        self._answered.set()
        self._gone.set()

    def _drop(self) -> None:
        """End the connection without a word, as a network does."""
        transport = self._transport
        self._forget()
        if transport is not None:
            transport.abort()

    def _leave(self) -> None:
        transport = self._transport
        if transport is None or not self.session.connected:
            self._drop()
            return
        transport.write(packets.disconnect(self._broker.version, forget=True))
        self._forget()
        transport.close()
