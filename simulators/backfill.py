"""Driver: a ward's past, from its beginning up to the wall's present, through MQTT on simulated time.

The same ward goes on live afterwards (``fleet.py``): both play one course, known beforehand for any time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass

from runtime.clock import Clock
from runtime.observe import get_logger
from runtime.settings import Settings
from simulators import payload
from simulators.fleet import Options
from simulators.pacemaker import Pacemaker, pacemaker
from simulators.registry import Registry, enrol_ward
from simulators.roll import device_name, site_names, site_of
from simulators.ward import Ward, WardSpec
from vitals.errors import StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import readings_topic

HISTORY_US = 24 * 60 * MINUTE_US
"""How long before the present the ward begins where nobody says when."""
BLOCK_US = 30 * MINUTE_US
"""So much of the ward's course is computed at a time."""
NEAR_US = 2 * SECOND_US
"""The history is over once it is so near to the present."""
STALLS_MAX = 3
REPORT_S = 1.0

log = get_logger("vigil.backfill")


@dataclass(slots=True)
class Report:
    """What a back-fill did; ``until`` is the last tick, up to which every reading is in the log (µs UTC)."""

    began_at: int
    until: int
    readings: int = 0
    seconds: float = 0.0

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self) | {"seconds": round(self.seconds, 1)})


async def run(
    settings: Settings,
    options: Options,
    registry: Registry,
    clock: Clock,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Enrol the ward and publish its past from ``options.began_at`` to the present; goes on where the log ends.

    Raises:
        StateError: the stack lives by the real clock.
        InputError: the registry refuses.
        MqttUnavailable, KafkaUnavailable, KafkaStalled, ServerStalled: servers' troubles.
    """
    if settings.clock != "simulated":
        raise StateError("a history needs the simulated clock", "this stack lives by the real one",
                         "vigil up --history with a data folder of its own")  # fmt: skip
    began_at = options.began_at or clock.now_us() - HISTORY_US
    began_at -= began_at % MINUTE_US
    await enrol_ward(registry, options.patients, options.rate_hz, began_at)
    async with pacemaker(settings, site_names(options.patients), clock) as pace:
        return await Backfill(settings, options, began_at, pace, clock).play(progress)


class Backfill:
    """One back-fill over a pacemaker."""

    def __init__(self, settings: Settings, options: Options, began_at: int, pace: Pacemaker, clock: Clock) -> None:
        self._pace, self._clock = pace, clock
        patients = options.patients
        self._topics = [
            readings_topic(settings.namespace, site_of(index, patients), device_name(index))
            for index in range(patients)
        ]
        self._ward = Ward(WardSpec(patients, options.rate_hz, options.seed, began_at))
        self._began = clock.monotonic()
        self.report = Report(began_at, began_at)

    async def play(self, progress: Callable[[Report], None]) -> Report:
        """Publish until the present is reached and in every partition."""
        await self._pace.catch_up()
        async with self._pace.watching(REPORT_S, lambda: self._tell(progress)):
            while not await self._attempt():
                log.warning("ticks do not come in Kafka: sending again", clock=self._pace.view.clock)
        self._tell(progress)
        return self.report

    def _tell(self, progress: Callable[[Report], None]) -> None:
        self.report.seconds = self._clock.monotonic() - self._began
        progress(self.report)

    async def _attempt(self) -> bool:
        at = self._pace.view.clock or self.report.began_at
        self._pace.restart()
        while True:
            now = self._clock.now_us()
            step = min(MINUTE_US, max(now - at - SECOND_US, 0))
            step = step if step < SECOND_US else step - step % SECOND_US
            if not await self._pace.tick(at):
                return False
            self.report.until = at
            if now - at <= NEAR_US:
                return await self._pace.reached(at)
            self._send(at, at + step)
            at += step

    def _send(self, begin: int, end: int) -> None:
        due = self._ward.due(end - self.report.began_at)
        due = due._replace(at=due.at + self.report.began_at)
        batches: defaultdict[int, list[str]] = defaultdict(list)
        for patient, text in zip(due.patient.tolist(), payload.readings(due), strict=True):
            batches[patient].append(text)
        for patient, texts in batches.items():
            self._pace.publish(self._topics[patient], payload.batch(texts))
        self.report.readings += len(due.at)
