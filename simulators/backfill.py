"""Driver: a ward's past, from its beginning up to the wall's present, through MQTT on simulated time.

The same ward goes on live afterwards (``fleet.py``): both play one course, known beforehand for any time. Only its
stories depend on when it goes live; that moment is foreseen when the history comes near enough to it for the first
story's lead, and met by waiting for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from runtime.clock import Clock
from runtime.observe import get_logger
from runtime.settings import Settings
from simulators import payload, stories
from simulators.fleet import Options
from simulators.pacemaker import Pacemaker, pacemaker
from simulators.registry import Registry, enrol_ward
from simulators.roll import bed_of, began_before, device_name, device_type, patient_name, site_names, site_of
from simulators.ward import Ahead, Ward, WardSpec
from vitals.devices import Device
from vitals.errors import ServerStalled, StateError
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import READINGS, readings_topic

HISTORY_US = 24 * 60 * MINUTE_US
"""How long before the present the ward begins where nobody says when."""
BLOCK_US = 15 * MINUTE_US
"""So much of what the devices send is computed at a time."""
NEAR_US = 3 * SECOND_US // 2
"""The history is over once it is so near to the present."""
FORESEEN_US = stories.LEAD_US + 15 * MINUTE_US
"""The anchor of the stories is fixed when the history is so far from the present."""
PACE_MIN, PACE_MAX = 0.001, 0.05
"""Real time per simulated time that is foreseen for the rest, whatever it took so far."""
MARGIN_US = SECOND_US
"""What the rest may take longer than foreseen."""
STALLS_MAX = 3
REPORT_S = 1.0

log = get_logger("vigil.backfill")


@dataclass(slots=True)
class Report:
    """What a back-fill did: every reading from ``began_at`` to ``until``, the last tick, is in the log (µs UTC).

    ``story_at`` is the anchor of its stories (None without), ``readings`` counts what this run sent.
    """

    began_at: int
    until: int
    story_at: int | None = None
    readings: int = 0
    stalls: int = 0
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

    ``progress`` gets the report each second.

    Raises:
        StateError: the stack lives by the real clock.
        InputError: the registry refuses.
        MqttUnavailable, KafkaUnavailable, KafkaStalled, ServerStalled: servers' troubles.
    """
    if settings.clock != "simulated":
        raise StateError("a history needs the simulated clock", "this stack lives by the real one",
                         "vigil up --history with a data folder of its own")  # fmt: skip
    devices = await registry.devices()
    began_at = began_before(devices) or options.began_at or clock.now_us() - HISTORY_US
    began_at -= began_at % MINUTE_US
    worn = await enrol_ward(registry, options.patients, options.rate_hz, began_at)
    async with pacemaker(settings, site_names(options.patients), clock) as pace:
        swap = stories.swap(began_at, clock.now_us(), options.patients)
        history = History(settings, options, registry, pace=pace, clock=clock, began_at=began_at, worn=worn,
                          swap=swap, swapped=_done(swap, devices))  # fmt: skip
        return await history.play(progress)


class History:
    """One back-fill over a pacemaker; ``report`` is up to date at any time."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        registry: Registry,
        *,
        pace: Pacemaker,
        clock: Clock,
        began_at: int,
        worn: list[str],
        swap: stories.Swap | None,
        swapped: set[int],
    ) -> None:
        self.report = Report(began_at, began_at)
        self._settings, self._options, self._registry = settings, options, registry
        self._pace, self._clock = pace, clock
        self._worn = worn
        self._topics = [self._topic(index, device) for index, device in enumerate(worn)]
        self._spec = WardSpec(options.patients, options.rate_hz, options.seed)
        self._ahead = Ahead(Ward(self._spec), BLOCK_US)
        self._swap, self._swapped = swap, swapped
        self._began, self._began_from = clock.monotonic(), began_at

    def _topic(self, index: int, device: str) -> str:
        return readings_topic(self._settings.namespace, site_of(index, self._options.patients), device)

    async def play(self, progress: Callable[[Report], None]) -> Report:
        """Publish until the present is reached, and every partition has it."""
        await self._pace.catch_up()
        self._began_from = self._pace.view.clock or self.report.began_at
        async with self._pace.watching(REPORT_S, lambda: self._tell(progress)):
            while not await self._attempt():
                self.report.stalls += 1
                log.warning("ticks do not come in Kafka: sending again what lies behind the last one there",
                            clock=self._pace.view.clock, todo="look at the bridge's log")  # fmt: skip
                if self.report.stalls >= STALLS_MAX:
                    raise ServerStalled("ticks do not come in Kafka", READINGS, "is a bridge running?")
        self._tell(progress)
        return self.report

    def _tell(self, progress: Callable[[Report], None]) -> None:
        self.report.seconds = self._clock.monotonic() - self._began
        progress(self.report)

    async def _attempt(self) -> bool:
        """Publish from the log's clock on; False when ticks stopped coming. A minute sent again changes nothing."""
        self._pace.restart()
        at = self._pace.view.clock or self.report.began_at
        while True:
            if not await self._pace.tick(at):
                return False
            self.report.until = at
            if not await self._change_devices(at):
                return False
            self._foresee(at)
            end = await self._next(at)
            if end is None:
                return await self._pace.reached(at)
            self._send(at, end)
            at = end

    def _foresee(self, at: int) -> None:
        """Fix the stories' anchor once the history is near: where this run will be when it has caught up."""
        now = self._clock.now_us()
        if not self._options.stories or self._spec.story_at is not None or now - at > FORESEEN_US:
            return
        done = at - self._began_from
        slow = (self._clock.monotonic() - self._began) * SECOND_US / done if done else PACE_MIN
        rest_us = int(min(max(slow, PACE_MIN), PACE_MAX) * (now - at))
        story_at = (now + rest_us + MARGIN_US) // SECOND_US * SECOND_US
        self.report.story_at = story_at
        self._spec = replace(self._spec, story_at=story_at)
        self._ahead = Ahead(Ward(self._spec), BLOCK_US)

    async def _next(self, at: int) -> int | None:
        """Until when to send next, None at the end; waits where that lies ahead of the wall."""
        now = self._clock.now_us()
        goal = self._spec.story_at
        if now - at <= NEAR_US and (goal is None or at >= goal):
            return None
        end = at + MINUTE_US if goal is None or at >= goal else min(at + MINUTE_US, goal)
        if end > now:
            shrunk = at + max((now - at) // SECOND_US, 1) * SECOND_US
            end = min(end, shrunk)
            await self._clock.sleep(max(0, end - self._clock.now_us()) / SECOND_US)
        return end

    def _send(self, begin: int, end: int) -> None:
        """What the devices measured in [begin, end), one payload each."""
        due = self._ahead.due(begin, end)
        batches: defaultdict[int, list[str]] = defaultdict(list)
        columns = (due.patient.tolist(), due.at.tolist(), payload.readings(due))
        for patient, at, text in zip(*columns, strict=True):
            swap = self._swap
            if swap is not None and patient == swap.patient and swap.off_at <= at < swap.on_at:
                continue
            batches[patient].append(text)
        for patient, texts in batches.items():
            self._pace.publish(self._topics[patient], payload.batch(texts))
            self.report.readings += len(texts)

    async def _change_devices(self, at: int) -> bool:
        """Carry out the swap of a device when its time has come; False when ticks stopped coming."""
        swap = self._swap
        if swap is None or at not in {swap.off_at, swap.on_at} or at in self._swapped:
            return True
        if not await self._pace.reached(at):
            return False
        index = swap.patient
        if at == swap.off_at:
            await self._registry.unbind(self._worn[index], at)
        else:
            fresh, patients = device_name(index, 1), self._options.patients
            await self._registry.add_device(fresh, device_type(self._options.rate_hz), site_of(index, patients))
            await self._registry.bind(fresh, patient_name(index), at, bed_of(index, patients))
            self._worn[index], self._topics[index] = fresh, self._topic(index, fresh)
        self._swapped.add(at)
        return True


def _done(swap: stories.Swap | None, devices: Sequence[Device]) -> set[int]:
    """Which steps of a swap (their times, µs UTC) an earlier run has done."""
    ends = {binding.until for device in devices for binding in device.bindings}
    begins = {binding.since for device in devices for binding in device.bindings}
    return set() if swap is None else ({swap.off_at} & ends) | ({swap.on_at} & begins)
