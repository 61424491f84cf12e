"""A ward of thousands that behaves as badly as devices do, for a drill that is judged by what the log then holds.

Everybody has a heart rate every 5 s, a glucose and a count of steps every 30 s. Some are restless, and cross limits;
some hearts race; some do what one rule is about (`compose.drills.stories`). On top of it come mishaps: devices that say
nothing for a while, readings that are sent twice, late, or with another value under the same time, and clocks that run
ahead. Meanwhile policies change and devices are swapped, mostly of who is low. What is sent follows from the seed but
for the time of day; nobody needs to know it, for the log knows.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from compose.drills import stories
from compose.drills.accounts import Identity
from compose.drills.bedside import POLICY
from compose.drills.frame import Tell
from compose.drills.stories import STORIES, Story, nightly
from compose.ends import ended
from compose.wiring import RegistryClient
from runtime.clock import Clock
from runtime.mqtt import Connection
from runtime.settings import Settings
from simulators.registry import Wearer, enrol
from vitals.devices import DEVICE_TYPES
from vitals.errors import ServerStalled
from vitals.metrics import METRIC_BY_NAME, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, LOW, Policy
from vitals.policy_glucose import FORECASTS, SUSTAINED
from vitals.policy_glucose import RATES as RATES_OF_GLUCOSE
from vitals.topics import device_id, readings_topic

SITES = ("ward-a", "ward-b")
CONNECTIONS = 20
TOGETHER = 250
BOUND_BEFORE_US, LONG_BOUND_US = 4 * MINUTE_US, 60 * MINUTE_US
"""Most have put their devices on a moment ago. Who has worn one for an hour is called silent at the first tick, and
only their glucose can be late, for it has to be older than ten minutes.
"""
EVERY_S = {"heart_rate": 5, "glucose": 30, "steps": 30}
UNITS = {"heart_rate": "/min", "glucose": "mg/dL", "steps": "{steps}/min"}
WARD = DEVICE_TYPES["ward"]
KIND = WARD.model_copy(
    update={
        "name": "unruly",
        "streams": tuple(
            each.model_copy(update={"interval_us": EVERY_S[each.metric] * SECOND_US})
            for each in WARD.streams
            if each.metric in EVERY_S
        ),
    }
)
SUGARS = (45, 53, 54, 58, 59, 65, 69, 70, 74, 75, 110, 240, 251, 390, 400)
RATES = (34, 37, 39, 60, 128, 147, 151, 155)
STRIDES = (0, 0, 0, 12, 60)
RESTLESS, RACING, OTHERS, LONG, STORY = 0.15, 0.05, 0.4, 0.1, 0.02
"""Shares of the patients: whose glucose crosses limits, whose heart does, who has a policy of their own (a third of
them one by which lows come and go with one reading, a third `MORE` rules, a third a night), who has worn a device for
long; and of each of `STORIES`.
"""
MOVES = {"glucose": (0.3, SUGARS), "heart_rate": (0.01, RATES), "steps": (0.1, STRIDES)}
"""How often a value that moves is another one, and which."""
LATE_S = {"heart_rate": (31, 120), "glucose": (601, 1200), "steps": (121, 600)}
"""Too old to decide anything, and not older than what a processor holds."""
MISHAPS_HZ, CHANGES_HZ = 10.0, 0.5
SWAP_S = 2.0
AHEAD_US = (5 * MINUTE_US, 60 * MINUTE_US)
QUIET_S = 60.0
"""How long PUBACKs may take once sending has ended."""


def _moved(by: float) -> Policy:
    levels = tuple(
        each.model_copy(update={"limit": each.limit + by, "quick_limit": each.quick_limit + by}) for each in LOW.levels
    )
    changed = LOW.model_copy(update={"levels": levels})
    return DEFAULT.model_copy(update={"thresholds": (changed, *DEFAULT.thresholds[1:])})


MORE = DEFAULT.model_copy(update={"sustained": SUSTAINED, "rates": RATES_OF_GLUCOSE, "forecasts": FORECASTS})
"""With the rules for glucose that are off at first."""
POLICIES = (DEFAULT, POLICY, MORE, _moved(10), _moved(-4), *stories.POLICIES)


class Sent(NamedTuple):
    """What a device sent: its metric, its time (µs UTC) and the bytes."""

    metric: str
    at: int
    payload: bytes


@dataclass(slots=True)
class Bed:
    """A patient: device, connection, and how they are; times µs UTC. ``since`` is when the device was put on."""

    name: str
    site: str
    device: str
    connection: Connection
    restless: bool
    racing: bool
    since: int
    story: Story | None = None
    glucose: float = 110
    heart_rate: float = 70
    steps: float = 0
    silent_until: int = 0
    ahead: int = 0
    sequence: int = 0
    swaps: int = 0
    swapping: bool = False
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=6))


class Unruly:
    """The ward; `unruly` makes it. ``counts`` says what was done."""

    def __init__(self, settings: Settings, clock: Clock, registry: RegistryClient, seed: int) -> None:
        self.beds: list[Bed] = []
        self.counts: Counter[str] = Counter()
        self.sent: set[Identity] = set()
        """Every reading that was sent, once each."""
        self.late_s = 0.0
        """The longest that a reading left after its turn: this machine or this process, not Vigil."""
        self._settings, self._clock, self._registry = settings, clock, registry
        self._chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, no secret
        self._began = 0
        self._unacknowledged = 0
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, seconds: float) -> None:
        """Go on for some seconds; raises what went wrong with the devices or the registry."""
        done, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def end(self) -> None:
        """Send no more, and wait for every PUBACK.

        Raises:
            ServerStalled: they do not come.
        """
        self._over = True
        await asyncio.gather(*self._tasks)
        began = self._clock.monotonic()
        while self._unacknowledged:
            if self._clock.monotonic() - began > QUIET_S:
                raise ServerStalled("devices wait for PUBACKs", str(self._unacknowledged), "see the bridge's log")
            await self._clock.sleep(0.1)

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Send, and change what the registry knows, while the body runs."""
        play = asyncio.create_task(self._play(), name="unruly ward")
        change = asyncio.create_task(self._change(), name="the unruly ward's registry")
        self._tasks = [play, change]
        try:
            yield
        finally:
            await ended(play)
            await ended(change)

    # ---- readings

    async def _play(self) -> None:
        self._began = began = self._clock.now_us()
        chance = self._chance
        for bed in self.beds:
            for second in () if bed.story is None else bed.story.past:
                at = began + second * SECOND_US
                self._send(bed, "glucose", self._value(bed, "glucose", at), at)
        turns = [
            (began + round(chance.random() * every * SECOND_US), number, metric)
            for number in range(len(self.beds))
            for metric, every in EVERY_S.items()
        ]
        heapq.heapify(turns)
        mishap_at = began
        while not self._over:
            at, number, metric = turns[0]
            if (early := at - self._clock.now_us()) > 0:
                await self._clock.sleep(early / SECOND_US)
            self.late_s = max(self.late_s, (self._clock.now_us() - at) / SECOND_US)
            heapq.heapreplace(turns, (at + EVERY_S[metric] * SECOND_US, number, metric))
            bed = self.beds[number]
            if bed.silent_until <= at:
                self._send(bed, metric, self._value(bed, metric, at), at + bed.ahead)
            if mishap_at <= at:
                mishap_at += round(chance.expovariate(MISHAPS_HZ) * SECOND_US)
                self._mishap(chance.choice(self.beds), at)

    def _value(self, bed: Bed, metric: str, at: int) -> float:
        if bed.story is not None:
            value: float = getattr(bed.story, metric)((at - self._began) / SECOND_US)
            return value
        moves = {"glucose": bed.restless, "heart_rate": bed.racing, "steps": True}[metric]
        often, values = MOVES[metric]
        if moves and self._chance.random() < often:
            setattr(bed, metric, self._chance.choice(values))
        return float(getattr(bed, metric))

    def _mishap(self, bed: Bed, now: int) -> None:
        """Something that devices do; what came before the device was put on nobody could attribute."""
        kind = self._chance.choice(("gap", "repeat", "repeat", "late", "late", "conflict", "ahead", "back"))
        metric = self._chance.choice(tuple(EVERY_S))
        last = self._chance.choice(bed.sent) if bed.sent else None
        if kind == "gap":
            bed.silent_until = now + self._chance.randint(30, 150) * SECOND_US
        elif kind == "late":
            at = now - self._chance.randint(*LATE_S[metric]) * SECOND_US
            if at < bed.since:
                return
            self._send(bed, metric, self._value(bed, metric, at), at)
        elif kind == "ahead" and not bed.ahead:
            bed.ahead = self._chance.choice(AHEAD_US)
        elif kind == "back" and bed.ahead:
            bed.ahead = 0
        elif kind == "repeat" and last is not None:
            self._publish(bed, last.payload)
        elif kind == "conflict" and last is not None:
            self._send(bed, last.metric, self._chance.choice((44.0, 111.0)), last.at)
        else:
            return
        self.counts[kind] += 1

    def _send(self, bed: Bed, metric: str, value: float, at: int) -> None:
        bed.sequence = (bed.sequence + 1) & 0xFFFF
        if bed.swapping:
            return
        self.sent.add(Identity(device_id(bed.device), METRIC_BY_NAME[metric].code, at))
        what = f'{{"metric":"{metric}","value":{value:g},"unit":"{UNITS[metric]}","observed_at":{at}'
        doubts = metric == "heart_rate" and bed.story is not None and bed.story.doubts((at - self._began) / SECOND_US)
        doubted = ',"artefact":true' if doubts else ""
        payload = f'{what},"seq":{bed.sequence}{doubted}}}'.encode()
        bed.sent.append(Sent(metric, at, payload))
        self._publish(bed, payload)

    def _publish(self, bed: Bed, payload: bytes) -> None:
        if bed.swapping:
            return
        topic = readings_topic(self._settings.namespace, bed.site, bed.device)
        self._unacknowledged += 1
        self.counts["sent"] += 1
        bed.connection.publish_nowait(topic, payload).add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._unacknowledged -= 1

    # ---- the registry

    async def _change(self) -> None:
        restless = [bed for bed in self.beds if bed.restless]
        while not self._over:
            await self._clock.sleep(min(self._chance.expovariate(CHANGES_HZ), 5.0))
            low = [bed for bed in restless if bed.glucose < LOW.levels[0].limit]
            bed = self._chance.choice(low or restless)
            if self._chance.random() < 0.6:
                await self._registry.set_policy(bed.name, self._chance.choice(POLICIES))
                self.counts["policy"] += 1
            else:
                await self._swap(bed)

    async def _swap(self, bed: Bed) -> None:
        """Another device for a patient. Nothing is on its way then: a suspect clock's reading would be nobody's."""
        bed.swapping = True
        await self._clock.sleep(SWAP_S)
        before, at = bed.device, self._clock.now_us()
        bed.swaps += 1
        bed.device, bed.since = f"{bed.name}-spare-{bed.swaps}", at
        await self._registry.add_device(bed.device, KIND, bed.site)
        await self._registry.unbind(before, at)
        await self._registry.bind(bed.device, bed.name, at)
        bed.ahead = 0
        bed.sent.clear()
        bed.swapping = False
        self.counts["swap"] += 1


@asynccontextmanager
async def unruly(settings: Settings, clock: Clock, tell: Tell, patients: int, seed: int) -> AsyncIterator[Unruly]:
    """Register and connect a ward on a stack that stands, and play it until the body ends.

    Raises:
        InputError: the registry refuses.
        MqttUnavailable: the broker cannot be reached.
    """
    registry = RegistryClient(settings)
    ward, chance = Unruly(settings, clock, registry, seed), random.Random(~seed)  # noqa: S311 - as above
    now = clock.now_us()
    async with AsyncExitStack() as held:
        connections = [
            await held.enter_async_context(Connection(settings, f"unruly-{number}", forget=True))
            for number in range(CONNECTIONS)
        ]
        for number in range(patients):
            name, site, connection = (
                f"bed-{number + 1:04}",
                SITES[number % len(SITES)],
                connections[number % CONNECTIONS],
            )
            story = STORIES[int(which)] if (which := chance.random() / STORY) < len(STORIES) else None
            restless, racing = (story is None and chance.random() < share for share in (RESTLESS, RACING))
            past = story is not None and bool(story.past)
            since = now - (LONG_BOUND_US if past or chance.random() < LONG else BOUND_BEFORE_US)
            ward.beds.append(Bed(name, site, f"{name}-first", connection, restless, racing, since, story))
        for first in range(0, patients, TOGETHER):
            await _register(ward.beds[first : first + TOGETHER], registry)
        await _make_rules(ward.beds, registry, chance, clock.now_us())
        tell(f"{patients} patients, seed {seed}: {readings_hz(patients):.0f} readings a second, and mishaps")
        await held.enter_async_context(ward.playing())
        yield ward


def readings_hz(patients: int) -> float:
    """Readings a second, without gaps and repeats."""
    return patients * sum(1 / every for every in EVERY_S.values())


async def _register(beds: Sequence[Bed], registry: RegistryClient) -> None:
    for site in SITES:
        await enrol(registry, site, [Wearer(bed.device, KIND, bed.name, bed.since) for bed in beds if bed.site == site])


async def _make_rules(beds: Sequence[Bed], registry: RegistryClient, chance: random.Random, now: int) -> None:
    """Policies; the night among them begins soon after all of them are there."""
    night = nightly(now)
    others = {bed.name: chance.choice((POLICY, MORE, night)) for bed in beds if chance.random() < OTHERS}
    others |= {bed.name: bed.story.policy for bed in beds if bed.story is not None}
    names = list(others)
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        await asyncio.gather(*(registry.set_policy(name, others[name]) for name in some))
