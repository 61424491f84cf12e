"""The prover: one synthetic patient per site whose alarm crosses the whole chain every 10 s.

It sends a low and then a normal reading over MQTT, like any device, and hears in the feed's heartbeats when the gateway
last saw the alarm that follows. What it tells, it tells by another path than the feed: its log, its metrics and
``/readyz``. It outlives the servers that it proves, so that somebody is left to say that they are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from alerts import drops, follow
from alerts.client import Event, FeedClient, Lost
from alerts.patients import Patients
from alerts.proofs import SITES_MAX, Judge
from alerts.settings import ProveSettings
from runtime.clock import Clock, SystemClock
from runtime.kafka import Reader
from runtime.mqtt import Connection
from runtime.observe import HealthServer, Metrics, Readiness, get_logger
from runtime.settings import Settings
from vitals.devices import DEVICE_TYPES, DeviceType
from vitals.errors import InputError, ServerError, SettingsError, StateError
from vitals.metrics import SECOND_US
from vitals.policies import Policy
from vitals.proof import EVERY_US, FAILED_US, LOW, NORMAL, POLICY, device_name, patient_name
from vitals.protocol import Heartbeat
from vitals.topics import BINDINGS, readings_topic

HALF_S = EVERY_US / SECOND_US / 2
"""From the low reading to the normal one, and from that to the next low one."""
FAILED_S = FAILED_US / SECOND_US
LOOK_S = 1.0
ENROL_EVERY_S = 2.0
RETRY_S = 5.0
"""Pause before a server that failed is tried again."""

log = get_logger("vigil.prover")


class Registry(Protocol):
    """What the prover needs of the registry. Each call returns once the registry has answered, also where the same was
    there before; every other refusal raises ``InputError``.
    """

    async def add_device(self, name: str, type: DeviceType, site: str) -> object:  # noqa: A002 - the registry's word
        """Register a device of a type at a site."""
        ...

    async def bind(self, device: str, patient: str, since: int) -> object:
        """Bind a device to a patient (pseudonym) from ``since`` (µs UTC) on."""
        ...

    async def set_policy(self, patient: str, policy: Policy) -> object:
        """Give a patient a policy of their own."""
        ...


async def main(
    settings: ProveSettings, registry_factory: Callable[[Settings], Registry], clock: Clock | None = None
) -> None:
    """Prove every site until cancelled. ``registry_factory`` makes a client of the registry for each enrolment.

    Raises:
        SettingsError: there is no token.
        StateError: the stack lives by the simulated clock.
        FeedRefused: the gateway does not know the token.
    """
    if settings.clock != "real":
        raise StateError("the prover needs the real clock", "this stack is simulated", "prove a live stack")
    if not settings.prover_token.get_secret_value():
        raise SettingsError("the prover has no token", "VIGIL_PROVER_TOKEN", "give it one of role ops")
    metrics, readiness = Metrics(), Readiness("registry", "mqtt", "feed")
    clock = clock or SystemClock()
    prover = Prover(settings, registry_factory, metrics=metrics, readiness=readiness, clock=clock)
    health = HealthServer(settings.health_port or None, readiness, metrics, settings.health_host)
    async with health, asyncio.TaskGroup() as tasks:
        tasks.create_task(prover.again("registry", prover.read), name="registry reader")
        tasks.create_task(prover.enrol(), name="enrolment")
        tasks.create_task(prover.again("mqtt", prover.send), name="synthetic devices")
        tasks.create_task(prover.listen(), name="feed client")
        tasks.create_task(prover.look(), name="judge")
        tasks.create_task(drops.watch(settings, metrics, clock), name="what the broker drops")


class Prover:
    """The synthetic devices of all sites, and what is known of their proofs. Its methods are tasks."""

    def __init__(
        self,
        settings: ProveSettings,
        registry_factory: Callable[[Settings], Registry],
        *,
        metrics: Metrics,
        readiness: Readiness,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._registry_factory = registry_factory
        self._readiness = readiness
        self._clock = clock
        self._patients = Patients()
        self._judge = Judge(FAILED_S)
        self._faults: dict[str, str] = {}
        self._unacked: dict[str, asyncio.Future[None]] = {}
        self._age = metrics.gauge("proof_age_seconds", "Seconds since the reading behind a site's last proof", ["site"])
        self._took = metrics.gauge(
            "proof_took_seconds", "From a synthetic reading to its alarm, the last one", ["site"]
        )
        self._sent = metrics.counter("proof_readings", "Synthetic readings sent", ["site"])
        self._held = metrics.counter("proof_readings_held", "Not sent: the one before has no PUBACK", ["site"])

    async def again(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work with a server, and again after a pause each time it fails."""
        while True:
            try:
                await work()
            except ServerError as error:
                self._readiness.set(name, ok=False, reason=str(error))
                self._fault(name, str(error))
            await self._clock.sleep(RETRY_S)

    async def read(self) -> None:
        """Follow the registry."""
        async with Reader(self._settings, [(BINDINGS, 0)]) as reader:
            await follow.catch_up(reader, self._patients)
            self._readiness.set("registry", ok=True)
            self._fault("registry", "")
            await follow.follow(reader, self._patients)

    async def enrol(self) -> None:
        """Give every site its synthetic patient."""
        while True:
            for site in self._sites():
                if not self._patients.enrolled(site):
                    await self._enrol(site)
            await self._clock.sleep(ENROL_EVERY_S)

    async def send(self) -> None:
        """Play the devices: low, normal, low, and so on."""
        async with Connection(self._settings, f"prover-{self._settings.instance}", forget=True) as connection:
            self._fault("mqtt", "")
            value = LOW
            while True:
                self._readiness.set("mqtt", connection.connected, "no connection to the MQTT broker")
                for site in self._sites():
                    if self._patients.enrolled(site):
                        self._publish(connection, site, value)
                value = NORMAL if value == LOW else LOW
                await self._clock.sleep(HALF_S)

    async def listen(self) -> None:
        """Hear the heartbeats of the feed."""
        client = FeedClient(self._settings.feed_url, self._settings.prover_token.get_secret_value(), clock=self._clock)
        await client.run(self._hear)

    async def look(self) -> None:
        """Judge every site once a second, and say what changed."""
        while True:
            now, sites = self._clock.monotonic(), self._sites()
            for site in set(self._judge.sites) - set(sites):
                self._judge.forget(site)
                self._readiness.set(f"proof {site}", ok=True)
                self._age.remove(site)
                self._took.clear()  # the others are there again with the next heartbeat
            for site in sites:
                self._judge.watch(site, now)
                ok, reason = self._judge.verdict(site, now)
                self._readiness.set(f"proof {site}", ok, reason)
                self._age.labels(site).set(self._judge.age(site, now))
            for turn in self._judge.turns(now):
                say, what = (log.info, "proof of life is back") if turn.ok else (log.error, "proof of life FAILED")
                say(what, site=turn.site, age_s=round(turn.age_s, 1), todo="" if turn.ok else "look at vigil status")
            await self._clock.sleep(LOOK_S)

    def _sites(self) -> list[str]:
        """Names of the sites that are proved, by number."""
        numbers = self._patients.sites
        names = sorted(numbers, key=lambda name: numbers[name])
        self._readiness.set("sites", len(names) <= SITES_MAX, f"{len(names)} sites, only {SITES_MAX} are proved")
        return names[:SITES_MAX]

    async def _enrol(self, site: str) -> None:
        registry = self._registry_factory(self._settings)
        device, patient = device_name(site), patient_name(site)
        try:
            await registry.add_device(device, DEVICE_TYPES["proof"], site)
            await registry.bind(device, patient, self._clock.now_us())
            await registry.set_policy(patient, POLICY)
        except (InputError, ServerError) as error:
            self._fault(f"enrolment of {site}", str(error))
        else:
            self._fault(f"enrolment of {site}", "")

    def _publish(self, connection: Connection, site: str, value: int) -> None:
        held, before = self._held.labels(site), self._unacked.get(site)
        if before is not None and not before.done():
            held.inc()
            return
        payload = f'{{"metric":"glucose","value":{value},"unit":"mg/dL","observed_at":{self._clock.now_us()}}}'
        topic = readings_topic(self._settings.namespace, site, device_name(site))
        self._unacked[site] = connection.publish_nowait(topic, payload.encode())
        self._unacked[site].add_done_callback(lambda done: self._settled(site, done))
        self._sent.labels(site).inc()

    def _settled(self, site: str, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        self._fault(f"readings of {site}", "" if error is None else str(error))

    def _hear(self, event: Event) -> None:
        match event:
            case Heartbeat():
                self._readiness.set("feed", ok=True)
                names = {number: name for name, number in self._patients.sites.items()}
                for proof in event.proofs:
                    if proof.site in names:
                        self._judge.hear(names[proof.site], proof, self._clock.monotonic())
                        if proof.took_ms is not None:
                            self._took.labels(names[proof.site]).set(proof.took_ms / 1000)
            case Lost():
                self._readiness.set("feed", ok=False, reason=event.why)
            case _:
                pass

    def _fault(self, what: str, text: str) -> None:
        """Log a fault when it appears, when it becomes another, and when it is over."""
        if self._faults.get(what, "") != text:
            (log.warning if text else log.info)("trouble" if text else "trouble is over", where=what, error=text)
        self._faults[what] = text
