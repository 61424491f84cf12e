"""Driver: one process of a load test: so many devices on their connections, driven by the schedule alone.

Speaks JSON lines with who started it: takes a `Spec` on stdin, says ``connected``, takes `Begin`, says ``progress``
four times a second, and ``done`` with its figures; the end of stdin ends it at any time. Times are of the wall clock.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from bisect import bisect_right
from typing import Literal, TypeVar

from pydantic import ValidationError

from runtime.clock import Clock
from runtime.settings import Settings
from simulators.load.client import Broker, Counts, Device
from simulators.load.histogram import Latencies
from simulators.load.plan import LOW, RETURN_SPREAD_S, SITE, Messages, Plan, buffered, messages, name_of, payload
from vitals.errors import InputError, ServerUnavailable
from vitals.messages import Message
from vitals.metrics import SECOND_US
from vitals.topics import readings_topic

CONNECTING_MAX = 100
"""Connections that a worker makes at a time, unless the shape is a storm."""
CONNECT_S_MAX = 120.0
DRAIN_S = 20.0
"""How long the end waits for the last PUBACKs."""
TURN_S = 0.001
PROGRESS_S = 0.25
ENCODED_EVERY = 4
"""Every how many lines of progress the histograms are encoded anew: they are shown once a second."""
PING_IDLE_S = 20.0
LINE_BYTES_MAX = 64 * 1024 * 1024

M = TypeVar("M", bound=Message)


class Spec(Message):
    """What a worker plays: the devices from ``first`` up to, not including, ``last`` of a plan."""

    plan: Plan
    first: int
    last: int
    version: Literal[4, 5] = 5
    window: int = 20
    connect_s: float = CONNECT_S_MAX
    """How long all of them may take to be connected."""


class Begin(Message):
    """Play from ``start`` (µs UTC) on."""

    start: int


class Figures(Message):
    """What a worker has done so far. ``connected`` devices are connected now; latencies are encoded histograms, from
    the intended time: ``to_send``, and ``to_puback`` of live and of ``kept`` readings. ``blocked`` messages wait now
    for PUBACKs of others. In the last figures only: ``open``, the messages without PUBACK, (device, number), and
    ``lows``, when each crossing left for the first time, (device, number, µs UTC).
    """

    kind: Literal["connected", "progress", "done"]
    connected: int
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    resent: int = 0
    connects: int = 0
    lost: int = 0
    failed: int = 0
    planned: int = 0
    """Messages whose intended time has passed."""
    blocked: int = 0
    to_send: str = ""
    to_puback: str = ""
    to_puback_kept: str = ""
    back_s: float | None = None
    """After a storm or an outage: how long until every device was connected again."""
    open: tuple[tuple[int, int], ...] = ()
    lows: tuple[tuple[int, int, int], ...] = ()


class Worker:
    """The devices of one process."""

    def __init__(self, settings: Settings, spec: Spec, clock: Clock) -> None:
        self._plan, self._spec, self._clock = spec.plan, spec, clock
        self._messages: Messages = messages(spec.plan).of_devices(spec.first, spec.last)
        self._kept = buffered(spec.plan, self._messages.at).tolist()
        self._at = self._messages.at.tolist()
        self._kind = self._messages.kind.tolist()
        self._number = self._messages.number.tolist()
        self._device = self._messages.device.tolist()
        self._lows: list[tuple[int, int, int]] = []
        self._warm = spec.plan.warm_us
        self._start = 0
        self._given = 0
        self._counts = Counts()
        self._to_send, self._to_puback, self._to_puback_kept = Latencies(), Latencies(), Latencies()
        self._encoded: dict[str, str] = {}
        self._told = 0
        self._back_s: float | None = None
        gate = asyncio.Semaphore(spec.last - spec.first if spec.plan.shape == "storm" else CONNECTING_MAX)
        self._broker = _broker(settings, spec, gate)
        names = [name_of(index) for index in range(spec.first, spec.last)]
        prefix = f"{settings.namespace}-" if settings.namespace else ""
        self._topics = [readings_topic(settings.namespace, SITE, name).encode() for name in names]
        self._devices = [self._new(f"{prefix}{name}") for name in names]

    def _new(self, client_id: str) -> Device:
        return Device(
            client_id,
            self._broker,
            self._spec.window,
            self._counts,
            self._clock,
            encode=self._encode,
            sent=self._sent,
            done=self._done,
        )

    @property
    def connected(self) -> int:
        """How many devices are connected."""
        return sum(device.session.connected for device in self._devices)

    def figures(self, kind: Literal["connected", "progress", "done"]) -> Figures:
        """What has been done so far."""
        opened = [index for device in self._devices for index in device.session.open] if kind == "done" else []
        opened += range(self._given, len(self._at)) if kind == "done" else ()
        counts = self._counts
        if kind == "done" or self._told % ENCODED_EVERY == 0:
            found = {"to_send": self._to_send, "to_puback": self._to_puback, "to_puback_kept": self._to_puback_kept}
            self._encoded = {name: each.encoded() for name, each in found.items()}
        self._told += 1
        return Figures(
            kind=kind,
            connected=self.connected,
            blocked=sum(device.session.blocked for device in self._devices),
            planned=bisect_right(self._at, self._clock.now_us() - self._start) if self._start else 0,
            sent=counts.sent,
            acknowledged=counts.acknowledged,
            refused=counts.refused,
            resent=counts.resent,
            connects=counts.connects,
            lost=counts.lost,
            failed=counts.failed,
            **self._encoded,
            back_s=self._back_s,
            open=tuple((self._device[index], self._number[index]) for index in opened),
            lows=tuple(self._lows) if kind == "done" else (),
        )

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Connect, wait for the word, play, drain.

        Raises:
            ServerUnavailable: the broker does not take the connections.
        """
        async with asyncio.TaskGroup() as tasks:
            keepers = [
                tasks.create_task(device.keep(), name=f"device {index}") for index, device in enumerate(self._devices)
            ]
            await self._all_connected()
            gc.collect()
            gc.freeze()  # thousands of devices that stay: no collection need look at them again
            say(self.figures("connected"))
            self._start = (await take(commands, Begin)).start
            beside = [
                tasks.create_task(self._progress(), name="progress"),
                tasks.create_task(_ended(commands), name="stdin"),
            ]
            script = tasks.create_task(self._script(), name="script")
            await self._play()
            await self._drained()
            await asyncio.wait({script}, timeout=DRAIN_S)
            say(self.figures("done"))
            for task in [*beside, script, *keepers]:
                task.cancel()

    async def _all_connected(self) -> None:
        began, seconds = self._clock.monotonic(), self._spec.connect_s
        while self.connected < len(self._devices):
            if self._clock.monotonic() - began > seconds:
                what = f"{self.connected} of {len(self._devices)} devices are connected after {seconds:g} s"
                raise ServerUnavailable("the broker does not take the devices", what, "look at its log and limits")
            await self._clock.sleep(0.02)

    async def _play(self) -> None:
        """Give each message to its device when it is due; never wait for an answer."""
        at, device, count, first = self._at, self._device, len(self._at), self._spec.first
        while self._given < count:
            elapsed = self._clock.now_us() - self._start
            upto = self._given
            while upto < count and at[upto] <= elapsed:
                self._devices[device[upto] - first].give(upto)
                upto += 1
            self._given = upto
            if upto < count:
                await self._clock.sleep(max(TURN_S, (at[upto] - elapsed) / SECOND_US))
        rest = self._plan.length_us - (self._clock.now_us() - self._start)
        await self._clock.sleep(max(0.0, rest / SECOND_US))

    async def _drained(self) -> None:
        began = self._clock.monotonic()
        while not all(device.session.idle for device in self._devices):
            if self._clock.monotonic() - began > DRAIN_S:
                return
            await self._clock.sleep(0.02)

    async def _script(self) -> None:
        """Break connections when the shape says so."""
        if (away := self._plan.away_us) is not None:
            await self._until(away[0])
            for device in self._devices:
                device.stay_away()
            await self._until(away[1])
            for device in self._devices:
                device.return_home(RETURN_SPREAD_S)
            await self._count_back()
        elif (storm := self._plan.storm_us) is not None:
            await self._until(storm)
            for device in self._devices:
                device.break_connection()
            await self._count_back()

    async def _count_back(self) -> None:
        began = self._clock.monotonic()
        await self._clock.sleep(TURN_S)
        await self._all_connected()
        self._back_s = round(self._clock.monotonic() - began, 3)

    async def _until(self, at: int) -> None:
        await self._clock.sleep(max(0.0, (self._start + at - self._clock.now_us()) / SECOND_US))

    async def _progress(self) -> None:
        told = self._clock.monotonic()
        while True:
            await self._clock.sleep(PROGRESS_S)
            say(self.figures("progress"))
            if self._clock.monotonic() - told >= PING_IDLE_S / 2:
                told = self._clock.monotonic()
                for device in self._devices:
                    device.ping(PING_IDLE_S)

    def _encode(self, message: int) -> tuple[bytes, bytes]:
        device = self._device[message]
        text = payload(self._kind[message], device, self._number[message], self._start + self._at[message])
        return self._topics[device - self._spec.first], text

    def _sent(self, message: int) -> None:
        at, now = self._at[message], self._clock.now_us()
        if self._kind[message] == LOW:
            self._lows.append((self._device[message], self._number[message], now))
        if at >= self._warm and not self._kept[message]:
            self._to_send.record(now - self._start - at)

    def _done(self, message: int) -> None:
        at = self._at[message]
        if at >= self._warm:
            found = self._to_puback_kept if self._kept[message] else self._to_puback
            found.record(self._clock.now_us() - self._start - at)


def _broker(settings: Settings, spec: Spec, gate: asyncio.Semaphore) -> Broker:
    host, _, port = settings.mqtt.rpartition(":")
    user, word = settings.mqtt_username, settings.mqtt_password
    return Broker(
        host,
        int(port),
        spec.version,
        gate,
        username=user.get_secret_value() if user else None,
        password=word.get_secret_value() if word else None,
    )


def say(figures: Figures) -> None:
    """One line on stdout."""
    sys.stdout.write(figures.model_dump_json() + "\n")
    sys.stdout.flush()


async def take(commands: asyncio.StreamReader, kind: type[M]) -> M:
    """The next line on stdin.

    Raises:
        InputError: stdin has ended, or it is something else.
    """
    line = await commands.readline()
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        raise InputError("not what a load worker takes", kind.__name__, "it is started by vigil simulate") from None


async def _ended(commands: asyncio.StreamReader) -> None:
    """Whoever started us is gone: so are we."""
    if not await commands.read():
        raise InputError("who started the load worker has gone", "", "nothing was left behind")


async def stdin() -> asyncio.StreamReader:
    """This process's standard input."""
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader
