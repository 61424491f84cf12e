"""What operators see of the servers themselves: copies, disks, the database's size, what the broker dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NodeNotReadyError
from pydantic import SecretStr

from alerts import drops
from compose.process import Process
from compose.servers import mosquitto, probes
from dashboards.database import database
from dashboards.servers import Servers
from dashboards.settings import DashboardSettings
from runtime.clock import SystemClock
from runtime.kafka import Disk, cluster_state
from runtime.kafka.cluster import disk, fullest
from runtime.mqtt import Connection
from runtime.observe import Metrics
from runtime.settings import Settings
from runtime.testing.clock import ManualClock
from runtime.testing.waiting import until
from tests.conftest import address
from tests.screens import free_port, running, settings_for
from vitals.topics import TOPICS

pytestmark = pytest.mark.timeout(90)
CLOCK = SystemClock()
TOPIC = "vigil/v1/ward-a/cgm-1/readings"
QUEUE_MAX = 20


def numbers(metrics: Metrics, name: str) -> dict[str, float]:
    """The values of a metric by its labels as they stand in the text."""
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith(f"vigil_{name}{{")]
    return {line.split("{")[1].split("}")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


async def test_a_real_kafka_tells_its_brokers_their_disks_and_that_no_copy_is_short(topics: Settings) -> None:
    """The request about disks is ours: aiokafka has none, and the broker must take and answer it."""
    found = await cluster_state(topics)
    assert (found.brokers, found.short) == (1, 0)
    (only,) = found.disks.values()
    assert 2**20 < only.free <= only.size < 2**60


async def test_copies_that_are_missing_are_counted_by_partition(
    topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broker cannot lose a copy; three of which one is away look like this."""

    async def partitions(_: Settings) -> dict[str, list[dict[str, list[int]]]]:
        whole, short = {"replicas": [1, 2, 3], "isr": [3, 1, 2]}, {"replicas": [1, 2, 3], "isr": [1, 2]}
        return {spec.name: [whole, short] for spec in TOPICS}

    monkeypatch.setattr("runtime.kafka.cluster.describe_partitions", partitions)
    assert (await cluster_state(topics)).short == len(TOPICS)


class Told:
    """One broker that answers as it is told to, or raises it."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def send(self, _number: int, _request: object) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        NodeNotReadyError("away"),
        RuntimeError("older"),
        TimeoutError("stopped"),
        SimpleNamespace(error_code=31, results=[]),
    ],
)
async def test_a_broker_that_does_not_tell_of_its_disk_ends_nothing(answer: object) -> None:
    """An older Kafka, or one whose access list says no, is no reason to lose the dashboard."""
    assert await disk(Told(answer), 1) is None


def test_of_several_disks_the_one_with_the_least_room_counts() -> None:
    """A full one ends its broker, however empty the others are; an offline one has no size."""
    assert fullest([Disk(50, 100), Disk(9, 10), Disk(30, 100), Disk(0, -1)]) == Disk(30, 100)
    assert fullest([]) is None


async def test_the_dashboard_shows_what_the_servers_say_and_nothing_once_they_are_away(
    topics: Settings, database_url: str
) -> None:
    """A number from before an outage would look like a server that is well."""
    metrics = Metrics()
    settings = settings_for(topics, DashboardSettings, database_url=SecretStr(database_url))
    async with database(settings, CLOCK) as stored:
        await Servers(settings, stored, metrics, CLOCK).once()
        assert numbers(metrics, "kafka_brokers") == {f'cluster="{topics.kafka}"': 1.0}
        assert numbers(metrics, "kafka_short_partitions") == {f'cluster="{topics.kafka}"': 0.0}
        free, size = numbers(metrics, "kafka_disk_free_bytes"), numbers(metrics, "kafka_disk_size_bytes")
        assert set(free) == set(size) == {'broker="1"'}
        ((name, taken),) = numbers(metrics, "database_size_bytes").items()
        assert name == f'database="{database_url.rpartition("/")[2].partition("?")[0]}"'
        assert taken > 1_000_000
    gone = settings.model_copy(
        update={
            "kafka": f"127.0.0.1:{free_port()}",
            "database_url": SecretStr(f"postgresql://127.0.0.1:{free_port()}/x"),
        }
    )
    metrics = Metrics()
    async with database(gone, CLOCK) as stored:
        servers = Servers(gone, stored, metrics, CLOCK)
        servers.show(await cluster_state(settings))
        assert numbers(metrics, "kafka_brokers")
        await servers.once()
    for each in ("kafka_brokers", "kafka_short_partitions", "kafka_disk_free_bytes", "database_size_bytes"):
        assert numbers(metrics, each) == {}


@asynccontextmanager
async def small_broker(folder: Path) -> AsyncIterator[str]:
    """A mosquitto of the test's own whose queues hold little."""
    program = mosquitto.find()
    if program is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    spec = mosquitto.prepare(program, folder / "data", folder / "log", port)
    config = folder / "data" / "mosquitto.conf"
    wide = f"max_queued_messages {mosquitto.QUEUED_MESSAGES_MAX}\n"
    text = config.read_text()
    assert wide in text
    config.write_text(
        text.replace(wide, f"max_queued_messages {QUEUE_MAX}\n").replace("sys_interval 5", "sys_interval 1")
    )
    process = await Process.start(spec)
    try:
        await process.wait_ready()
        yield f"{probes.HOST}:{port}"
    finally:
        await process.stop()


async def test_what_a_full_queue_costs_is_told_by_the_broker_and_shown(tmp_path: Path) -> None:
    """Its devices have a PUBACK for every one of them, so nobody else knows that they are gone."""
    async with small_broker(tmp_path) as where:
        settings, metrics = Settings(mqtt=where), Metrics()
        async with running(drops.watch(settings, metrics, CLOCK)):
            async with Connection(settings, "bridge-0", ["vigil/v1/+/+/+"]):
                pass
            async with Connection(settings, "device", forget=True) as device:
                for _ in range(3 * QUEUE_MAX):
                    await device.publish(TOPIC, b"{}")
            shown = f'broker="{where}"'
            await until(lambda: numbers(metrics, "broker_dropped_messages").get(shown, 0.0) >= QUEUE_MAX)


async def test_a_broker_that_does_not_tell_leaves_the_number_out() -> None:
    """Zero would say that nothing was dropped; and who closes the connection of who asks is not asked on and on."""
    settings, metrics, clock = Settings(mqtt=address("iotcore"), instance="alone"), Metrics(), ManualClock()
    async with running(drops.watch(settings, metrics, clock)):
        await until(lambda: clock.sleepers == 1)
        async with Connection(settings, "another", ["vigil/v1/+/+/+"], forget=True) as other:
            await other.publish(TOPIC, b"{}")
            assert (await other.take())[0].payload == b"{}"
        await clock.advance(2 * drops.RETRY_S - 1)
        assert clock.sleepers == 1, "it was asked again too early"
        assert numbers(metrics, "broker_dropped_messages") == {}


def test_only_a_count_is_a_count() -> None:
    """Whoever may publish under $SYS could write anything."""
    assert [drops.count_of(each) for each in (b"0", b"17", b"-1", b"", b"1e3", b"\xd9\xa1")] == [0, 17] + [None] * 4
