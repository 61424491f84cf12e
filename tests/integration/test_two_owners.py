"""Two processors that both believe that every partition is theirs, on real servers; judged as the engine drill is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from compose.drills import recorded
from runtime.clock import SystemClock
from runtime.kafka import GroupConsumer, Producer, Reader
from runtime.runner import Runner, RunnerSpec
from runtime.settings import Settings
from runtime.testing.waiting import until
from stream.processor import Processor, factory
from tests.drills.engine import verdict
from tests.drills.recording import once, records, written
from tests.flow import MOSQUITTO, Flow, bridge, flow, minute_us, on, told
from tests.integration.storage_data import stored_to_the_end
from vitals.alerts import Alert
from vitals.topics import JOURNAL, PROCESSOR_SNAPSHOTS, READINGS, WINDOWS

pytestmark = pytest.mark.timeout(90)


@asynccontextmanager
async def another(settings: Settings) -> AsyncIterator[Runner[Processor]]:
    """A processor in a group of its own: nobody takes its partitions away, nor does it know of the other's."""
    group, made = "processor-b", factory(settings.partitions)
    spec = RunnerSpec(READINGS, group, made, (JOURNAL, WINDOWS), PROCESSOR_SNAPSHOTS)
    runner = Runner(settings, spec, monotonic=SystemClock().monotonic)
    async with (
        Producer(settings, group) as producer,
        GroupConsumer(settings, [READINGS], group, "b") as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        task = tasks.create_task(runner.run(consumer, producer), name="the other owner")
        yield runner
        task.cancel()


async def recording(settings: Settings, alerts: list[Alert], folder: Path) -> Path:
    """Everything that stands where, with what a client of the feed would have had."""
    await stored_to_the_end(settings)
    await recorded.dump(settings, folder)
    heard = {(str(each.id), *each.version) for each in alerts}
    await asyncio.to_thread((folder / "heard.json").write_text, json.dumps(sorted(heard)))
    return folder


async def some_lows(ward: Flow) -> list[Alert]:
    """Two hours of two patients: lows that rise and end, a gap, a late reading, a repeated one; every change of it."""
    for minute in range(0, 120, 5):
        await ward.until(minute)
        if not 60 <= minute < 85:
            await ward.reads("cgm-1", minute, (100, 66, 65, 50, 58, 80)[minute // 5 % 6])
        await ward.reads("cgm-2", minute, (48, 90)[minute // 30 % 2])
        if minute == 50:
            await ward.reads("cgm-1", 20, 44)
            await ward.reads("cgm-2", 45, 90)
    return await ward.ends(121)


@on(MOSQUITTO)
async def test_two_owners_leave_what_one_would(topics: Settings, mqtt: str, database_url: str, tmp_path: Path):
    """A processor that was stopped and wakes does not know that others have its partitions: whatever it writes must
    be nobody's second alert, and no second row.
    """
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    settings = topics.model_copy(update={"clock": "simulated", "snapshot_seconds": 0.5})
    async with flow(settings) as ward, bridge(settings):
        for number in (1, 2):
            await ward.add(f"cgm-{number}", "t1d-uom-5min")
            await ward.bind(f"cgm-{number}", f"p-{number}", minute_us(0))
        async with another(settings) as runner:
            await until(lambda: runner.recovered)
            alerts = await some_lows(ward)
            async with Reader(settings, []) as reader:
                ends = await reader.end_offsets([(READINGS, each) for each in range(settings.partitions)])
            await until(lambda: all(runner.positions[each] >= end for (_, each), end in ends.items()))
        folder = await recording(settings, alerts, tmp_path / "recorded")
    found = await asyncio.to_thread(verdict, folder)
    assert found["differences"] == []
    assert found["figures"]["episodes"] > 10
    assert found["figures"]["alerts"] == len({alert.id for alert in alerts})
    assert [each[2] for each in told(alerts, "p-2")][:3] == ["open", "returning", "clear"]
    both = [once(written(records(folder, JOURNAL, partition))) for partition in range(settings.partitions)]
    assert sum(repeats for _, repeats in both) >= found["figures"]["episodes"], "both have written everything"
