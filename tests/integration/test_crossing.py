"""A whole stack crosses from simulated to real time, on the servers of the tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from compose.crossing import cross
from compose.stack import Options, Stack
from compose.wiring import RegistryClient
from runtime.clock import SystemClock
from runtime.kafka import Out, Producer, Reader, delete_topics, describe
from runtime.settings import Settings
from tests.integration.test_registry import registry
from vitals import control, readings
from vitals.control import ClockControl
from vitals.errors import StateError
from vitals.metrics import MINUTE_US, SECOND_US, TICK
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY

PARTITIONS = 2
HOURS = 0.25
START_S = 240


@pytest.fixture
async def stacked(
    kafka: str,
    mqtt: str,
    database_url: str,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Settings]:
    """Settings of servers of their own, also in the environment, so that a stack starts none."""
    settings = Settings(
        kafka=kafka, mqtt=mqtt, database_url=SecretStr(database_url), namespace=namespace, partitions=PARTITIONS
    )
    for name, value in {
        "VIGIL_KAFKA": kafka,
        "VIGIL_MQTT": mqtt,
        "VIGIL_DATABASE_URL": database_url,
        "VIGIL_NAMESPACE": namespace,
        "VIGIL_PARTITIONS": str(PARTITIONS),
    }.items():
        monkeypatch.setenv(name, value)
    yield settings
    await delete_topics(settings, list(await describe(settings)))


def options(root: Path) -> Options:
    return Options(root=root, patients=3, rate=0.2, history_hours=HOURS)


def facts(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((root / "vigil.json").read_text(encoding="utf-8"))
    return found


async def times(settings: Settings, partition: int) -> list[tuple[str, int]]:
    """Clock changes (the clock, 0) and ticks ("tick", µs) of a partition of ``vitals.readings``, in order."""
    found: list[tuple[str, int]] = []
    async with Reader(settings, [(READINGS, partition)]) as reader:
        end = (await reader.end_offsets())[READINGS, partition]
        position = 0
        while position < end:
            for records in await reader.poll(1.0):
                position = records.offsets[-1] + 1
                for key, value, headers in zip(records.keys, records.values, records.headers, strict=True):
                    if any(name == CONTROL_HEADER for name, _ in headers):
                        message = control.decode(value)
                        if isinstance(message, ClockControl):
                            found.append((message.clock, 0))
                    elif key == TICK_KEY:
                        found.append(("tick", int(readings.decode([value])["observed_at"][0])))
    return found


@pytest.mark.serial
@pytest.mark.timeout(2 * START_S)
@pytest.mark.parametrize("mqtt", ["mosquitto"], indirect=True)
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_new_folder_has_a_past_and_goes_on_live_without_a_hole(stacked: Settings, tmp_path: Path):
    """A ward that begins empty shows nothing of a day; one whose clock jumped would alarm on the jump."""
    told: list[str] = []
    interrupted = asyncio.get_running_loop().create_future()

    def tell(line: str) -> None:
        told.append(line)
        if "bridge: ready" in line and not interrupted.done():
            interrupted.set_result(None)

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_entered(options(tmp_path), tell))
        await interrupted
        first.cancel()
    assert facts(tmp_path)["crossing"] is True, "a folder that was interrupted says so"
    began_at = facts(tmp_path)["began_at"]

    async with asyncio.timeout(START_S), Stack(options(tmp_path), tell) as stack:
        known = facts(tmp_path)
        assert (known["clock"], known["crossing"], known["began_at"]) == ("real", False, began_at)
        assert stack.ready.clock == "real"
        page = stack.ready.page
        assert page == f"{stack.ready.api}/#token={stack.ready.tokens['clinician']}"
    for partition in range(PARTITIONS):
        found = await times(stacked, partition)
        crossings = [index for index, (what, _) in enumerate(found) if what != "tick"]
        assert [found[index][0] for index in crossings] == ["simulated", "real"]
        before = [at for what, at in found[: crossings[1]] if what == "tick"]
        after = [at for what, at in found[crossings[1] :] if what == "tick"]
        assert before == sorted(before)
        assert before[0] == began_at
        assert max(later - earlier for earlier, later in pairwise(before)) <= MINUTE_US
        assert after[0] >= before[-1], "time never goes back"
        assert after[0] - before[-1] < 60 * SECOND_US
    told.clear()
    async with asyncio.timeout(START_S), Stack(options(tmp_path), tell) as stack:
        assert stack.ready.page == page, "an open page finds its way back"
    assert not any("history" in line for line in told), "an old folder has its past already"


async def _entered(chosen: Options, tell: Callable[[str], None]) -> None:
    async with Stack(chosen, tell):
        pytest.fail("it was ready before it was interrupted")


async def test_a_simulated_clock_ahead_of_the_walls_is_refused(topics: Settings):
    """Whatever came next would lie before the log's present: late, and silent, until the wall catches up."""
    clock = SystemClock()
    client = RegistryClient(topics)
    async with registry(topics), Producer(topics, "ahead") as producer:
        await client.set_clock("simulated")
        await client.add_site("ward-a")
        tick = readings.tick_rows([1], clock.now_us() + 60 * SECOND_US).tobytes()
        assert readings.decode([tick])["metric"][0] == TICK
        await producer.send([Out(READINGS, 0, TICK_KEY, tick)])
        with pytest.raises(StateError, match="the simulated clock is ahead of the real one"):
            await cross(topics, client, clock)
        await client.set_clock("simulated")
