"""The manager as a process: the runner over ``alerts.journal``, and the clock's hand for when nobody else moves time.

Timers run on the processor's marks. When a timer of a site is due by the wall clock and no mark has moved that site's
clock for a while, the site, the bridge or the processor is gone: then this process appends a tick of that site to the
journal and acts on it like on any other record, when it reads it back. On simulated time nobody but the replay moves
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from alerts.manager import AlertManager
from alerts.settings import ManageSettings
from runtime.clock import Clock, SystemClock
from runtime.kafka import GroupConsumer, Out, Producer
from runtime.observe import HealthServer, Metrics, Readiness
from runtime.runner import Runner, RunnerSpec
from vitals.journal import Tick
from vitals.topics import FEED, JOURNAL, MANAGER_SNAPSHOTS, MARK_KEY

GROUP = "manager"
SPEC = RunnerSpec(JOURNAL, GROUP, AlertManager, tails=(FEED,), snapshots=MANAGER_SNAPSHOTS)
LAG_SECONDS = 5.0
"""Between two looks at how far behind the journal the manager is."""
START_LOOK_SECONDS = 0.05
LOOK_SECONDS = 0.5
"""How often timers are compared with the wall clock."""


@dataclass(slots=True)
class _Seen:
    at: int
    since: float


class Ticker:
    """Decides which sites need a tick now: a timer is due there, and the site's time has stood for ``quiet_s``."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._seen: dict[tuple[int, int], _Seen] = {}

    def due(self, steps: dict[int, AlertManager], now_us: int, monotonic: float) -> list[tuple[int, int]]:
        """(partition, site) to tick at ``now_us``; each at most once in ``quiet_s`` (s of ``monotonic``)."""
        waiting = {
            (partition, site): deadline
            for partition, step in steps.items()
            for site, deadline in step.deadlines().items()
        }
        self._seen = {place: seen for place, seen in self._seen.items() if place in waiting}
        quiet = [(partition, site) for partition, site in waiting if self._stands(steps, partition, site, monotonic)]
        found = [place for place in quiet if waiting[place] <= now_us]
        for place in found:
            self._seen[place].since = monotonic
        return found

    def _stands(self, steps: dict[int, AlertManager], partition: int, site: int, monotonic: float) -> bool:
        place, at = (partition, site), steps[partition].now(site)
        seen = self._seen.get(place)
        if seen is None or seen.at != at:
            self._seen[place] = _Seen(at, monotonic)
            return False
        return monotonic - seen.since >= self._quiet_s


async def main(
    settings: ManageSettings, clock: Clock | None = None, recovered: Callable[[], None] = lambda: None
) -> None:
    """Run the manager until it is cancelled; ``recovered`` is called once it has read its journal.

    Raises:
        ServerError: Kafka is away, or stalls.
        StateError: the journal has lost its beginning, and no snapshot reaches beyond that.
    """
    clock = clock or SystemClock()
    metrics, readiness = Metrics(), Readiness("journal")
    spec = replace(SPEC, keep_days=settings.keep_journal_days)
    runner = Runner(settings, spec, monotonic=clock.monotonic, metrics=metrics)
    skipped = metrics.gauge("journal_unreadable_records", "Journal records skipped")
    skipped.set_function(lambda: sum(step.unreadable for step in runner.steps.values()))
    async with (
        HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
        Producer(settings, f"{GROUP}-{settings.instance}") as producer,
        GroupConsumer(settings, [JOURNAL], GROUP, settings.instance) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(runner.run(consumer, producer), name="manager")
        tasks.create_task(_watch(settings, runner, producer, readiness, clock), name="manager's clock")
        tasks.create_task(_lag(runner, consumer, metrics, clock), name="manager's lag")
        tasks.create_task(_tell(runner, clock, recovered), name="manager's start")


async def _lag(runner: Runner[AlertManager], consumer: GroupConsumer, metrics: Metrics, clock: Clock) -> None:
    lag = metrics.gauge("manager_lag_records", "Records of the journal that are not stepped over yet")
    while True:
        positions = dict(runner.positions)
        ends = await consumer.end_offsets([(JOURNAL, partition) for partition in positions]) if positions else {}
        lag.set(sum(max(0, end - positions[partition]) for (_, partition), end in ends.items()))
        await clock.sleep(LAG_SECONDS)


async def _tell(runner: Runner[AlertManager], clock: Clock, recovered: Callable[[], None]) -> None:
    while not runner.recovered:
        await clock.sleep(START_LOOK_SECONDS)
    recovered()


async def _watch(
    settings: ManageSettings, runner: Runner[AlertManager], producer: Producer, readiness: Readiness, clock: Clock
) -> None:
    ticker = Ticker(settings.manager_quiet_seconds)
    while True:
        readiness.set("journal", runner.recovered, "" if runner.recovered else "reading the journal")
        if settings.clock == "real":
            now = clock.now_us()
            places = ticker.due(dict(runner.steps), now, clock.monotonic())
            ticks = [(partition, Tick(at=now, site=site).encode()) for partition, site in places]
            await producer.send([Out(JOURNAL, partition, MARK_KEY, tick) for partition, tick in ticks])
        await clock.sleep(LOOK_SECONDS)
