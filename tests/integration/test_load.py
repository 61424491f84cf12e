"""The processes of a load test over a real broker: what their figures say is what arrived."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from compose.load.workers import Merged, workers
from runtime.clock import SystemClock
from runtime.mqtt import Connection
from runtime.settings import Settings
from runtime.testing.waiting import until
from simulators.load.plan import Plan, Shape, messages, name_of
from vitals.errors import ServerError
from vitals.metrics import SECOND_US
from vitals.topics import mqtt_root

SHAPES: tuple[Shape, ...] = ("steady", "storm", "outage")


@pytest.mark.parametrize("shape", SHAPES)
async def test_workers_send_the_whole_schedule_and_their_figures_add_up(
    settings: Settings, mqtt: str, tmp_path: Path, shape: Shape
):
    """Two processes share the devices; every message of the plan arrives with its intended time in it."""
    assert mqtt == settings.mqtt
    plan = Plan(shape=shape, patients=25, rate_hz=4, duration_s=2, warm_up_s=0.25, crossings_hz=10)
    wanted = messages(plan)
    clock = SystemClock()
    start = 0
    came: dict[tuple[str, int], int] = {}

    async def note(subscriber: Connection) -> None:
        while True:
            for message in await subscriber.take():
                reading = json.loads(message.payload)
                came.setdefault((message.topic.split("/")[-2], reading["seq"]), reading["observed_at"])
                subscriber.ack([message])

    async with (
        Connection(settings, "watcher", [f"{mqtt_root(settings.namespace)}/+/+/+"], 2000, forget=True) as subscriber,
        workers(settings, plan, 2, tmp_path, version=5, window=20) as load,
        asyncio.TaskGroup() as tasks,
    ):
        noting = tasks.create_task(note(subscriber), name="subscriber")
        start = clock.now_us() + SECOND_US // 5
        for each in load:
            each.begin(start)
        found = Merged(await asyncio.gather(*(each.until("done") for each in load)))
        await until(lambda: len(came) == len(wanted.at))
        noting.cancel()
    expected = {
        (name_of(device), number): start + at
        for device, number, at in zip(wanted.device.tolist(), wanted.number.tolist(), wanted.at.tolist(), strict=True)
    }
    assert came == expected
    assert found.open == []
    assert found.total("acknowledged") == found.total("sent") == len(wanted.at)
    assert found.to_puback.count + found.to_puback_kept.count == int((wanted.at >= plan.warm_us).sum())
    assert (found.to_puback_kept.count > 0) == (shape == "outage")
    assert (found.back_s is not None) == (shape != "steady")
    assert found.total("connects") == (25 if shape == "steady" else 50)


async def test_a_worker_that_cannot_connect_says_why(settings: Settings, tmp_path: Path):
    """A load test against a wrong address must not look like a slow system."""
    nowhere = settings.model_copy(update={"mqtt": "127.0.0.1:1"})
    plan = Plan(patients=2, duration_s=1)

    async def connect() -> None:
        async with workers(nowhere, plan, 1, tmp_path, version=5, window=20, connect_s=0.5):
            pytest.fail("nobody listens there")

    with pytest.raises(ServerError, match="a load worker ended"):
        await connect()
    assert "0 of 2 devices are connected" in (tmp_path / "load-0.log").read_text(encoding="utf-8")
