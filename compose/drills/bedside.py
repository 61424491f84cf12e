"""A ward for the drills: heart rates at 1 Hz, and lows at known moments under a policy that ends them at once.

A low glucose opens an alert whose id follows from the patient and the reading's own time, so that whoever sees the id
on a screen knows which reading it was.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from compose.ends import ended
from compose.wiring import RegistryClient
from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.settings import Settings
from simulators.registry import Wearer, enrol
from vitals.devices import DEVICE_TYPES
from vitals.journal import episode_id
from vitals.metrics import SECOND_US
from vitals.policies import LOW, Level, Policy, ThresholdRule
from vitals.topics import patient_id, readings_topic

SITE = "ward-a"
CONNECTIONS = 20
TURN_S = 0.01
BOUND_BEFORE_US = 60 * SECOND_US
LOW_VALUE, NORMAL_VALUE = 45, 110


def _at_once(level: Level) -> Level:
    return level.model_copy(update={"on_span_us": 0, "quick_span_us": 0, "slow_span_us": 0, "quick_limit": level.limit})


POLICY = Policy(
    version=1,
    thresholds=(
        ThresholdRule(
            name=LOW.name, metric="glucose", side="low", levels=(_at_once(LOW.levels[0]), _at_once(LOW.levels[1]))
        ),
    ),
    signals=(),
)
"""RULES' low rule without its delays: on and off with one reading."""


@dataclass(slots=True)
class Bedside:
    """The devices of a drill's ward; ``lows`` is when the reading behind each alert left (µs UTC)."""

    settings: Settings
    clock: Clock
    patients: Sequence[str]
    connections: Sequence[Connection]
    lows: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    late_s: float = 0.0
    """The longest that `beat` came late to its own turn of 10 ms: a machine that stands still, not Vigil."""
    active: int = 0
    """So many of the patients, the first ones, take part in `beat`; 0 is all."""
    _sequence: int = 0

    def publish(self, index: int, metric: str, value: float, at: int) -> None:
        """Send one reading of the patient ``index`` with the event time ``at`` (µs UTC), without waiting."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        unit = "mg/dL" if metric == "glucose" else "/min"
        payload = f'{{"metric":"{metric}","value":{value},"unit":"{unit}","observed_at":{at},"seq":{self._sequence}}}'
        topic = readings_topic(self.settings.namespace, SITE, device_name(self.patients[index]))
        self.connections[index % len(self.connections)].publish_nowait(topic, payload.encode())
        self.sent += 1

    def low(self, index: int) -> UUID:
        """Send a low now; the id of the alert that it opens."""
        at = self.clock.now_us()
        alert = episode_id(str(patient_id(self.patients[index])), "glucose", LOW.name, at)
        self.lows[str(alert)] = at
        self.publish(index, "glucose", LOW_VALUE, at)
        return alert

    def normal(self, index: int) -> None:
        """Send a normal glucose now."""
        self.publish(index, "glucose", NORMAL_VALUE, self.clock.now_us())

    async def beat(self, seconds: float, *, cycle_s: float | None = None) -> None:
        """Heart rates at 1 Hz with even phases for some seconds; with ``cycle_s`` each patient is low once in it."""
        count = self.active or len(self.patients)
        began = self.clock.monotonic()
        hearts = [index / count for index in range(count)]
        turns = [] if cycle_s is None else [index / count * cycle_s for index in range(count)]
        low = [False] * count
        while (elapsed := self.clock.monotonic() - began) < seconds:
            for index in range(count):
                if hearts[index] <= elapsed:
                    hearts[index] += 1.0
                    self.publish(index, "heart_rate", 70 + index % 20, self.clock.now_us())
            for index, turn in enumerate(turns):
                if turn <= elapsed and cycle_s is not None:
                    low[index] = not low[index]
                    turns[index] += cycle_s / 2
                    if low[index]:
                        self.low(index)
                    else:
                        self.normal(index)
            slept = self.clock.monotonic()
            await self.clock.sleep(TURN_S)
            self.late_s = max(self.late_s, self.clock.monotonic() - slept - TURN_S)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Heart rates at 1 Hz while the body runs; what went wrong with them is raised at its end."""
        task = asyncio.create_task(self.beat(math.inf), name="heart rates")
        try:
            yield
        finally:
            await ended(task)


def patient_name(index: int) -> str:
    """Pseudonym of the drill's patient ``index`` (from 0)."""
    return f"bed-{index + 1:03}"


def device_name(patient: str) -> str:
    """The device that a drill's patient wears."""
    return f"drill-{patient}"


@asynccontextmanager
async def bedside(settings: Settings, clock: Clock, patients: int) -> AsyncIterator[Bedside]:
    """Register a ward of so many patients under `POLICY`, and connect its devices.

    Raises:
        InputError: the registry refuses.
        MqttUnavailable: the broker cannot be reached.
    """
    names = [patient_name(index) for index in range(patients)]
    since = clock.now_us() - BOUND_BEFORE_US
    registry = RegistryClient(settings)
    kind = DEVICE_TYPES["ward"]
    await enrol(registry, SITE, [Wearer(device_name(name), kind, name, since) for name in names])
    await asyncio.gather(*(registry.set_policy(name, POLICY) for name in names))
    async with AsyncExitStack() as stack:
        count = min(CONNECTIONS, patients)
        connections = [
            await stack.enter_async_context(Connection(settings, f"drill-{index}", forget=True))
            for index in range(count)
        ]
        yield Bedside(settings, clock, names, connections)
