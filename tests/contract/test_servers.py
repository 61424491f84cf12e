"""The servers of one machine: that they hold what Vigil asks of them, and come back after any kill.

They run in a stack of their own, on data of their own, since these tests kill them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from compose import servers
from compose.errors import FolderInUse
from compose.servers import cache, kafka, mosquitto, probes, timescale
from compose.supervisor import Backoff, Event, Kind

pytestmark = [pytest.mark.serial, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ABSENT = timescale.unavailable(cache.folder())
WANT = ("kafka", "mosquitto", "iotcore", "postgres", *(() if ABSENT else ("timescale",)))
DATABASES = [
    "postgres",
    pytest.param("timescale", marks=pytest.mark.skipif(bool(ABSENT), reason=ABSENT)),
]


class Stack:
    """Running servers and what their supervisor has told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.servers: servers.Servers
        self._ready: dict[str, asyncio.Event] = {}

    def hear(self, event: Event) -> None:
        if event.kind is Kind.READY:
            self._ready.setdefault(event.process, asyncio.Event()).set()

    async def killed(self, name: str) -> None:
        """Kill a server as the kernel would; returns when its successor answers."""
        self._ready[name].clear()
        os.kill(self.servers.processes[name].pid, signal.SIGKILL)
        await self._ready[name].wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("servers"))
    async with servers.start(
        made.root,
        cache.folder(),
        progress=print,
        want=WANT,
        durable=False,
        on_event=made.hear,
        backoff=Backoff(first_seconds=0.05),
    ) as running:
        made.servers = running
        yield made


async def create(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def write(address: str, topic: str, value: bytes) -> None:
    size = kafka.MESSAGE_BYTES_MAX
    async with asyncio.timeout(60):
        async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True, max_request_size=size) as to:
            await to.send_and_wait(topic, value, partition=0)


async def read(address: str, topic: str) -> bytes:
    """Return the first record of the topic's partition 0."""
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        record = await consumer.getone()
        assert isinstance(record.value, bytes)
        return record.value


async def test_kafka_takes_a_record_of_eight_mebibytes(stack: Stack) -> None:
    """A gateway that was away for a day sends its readings in one piece."""
    value = os.urandom(kafka.MESSAGE_BYTES_MAX - 1024)
    await create(stack.servers.kafka, "large")
    await write(stack.servers.kafka, "large", value)
    assert await read(stack.servers.kafka, "large") == value


async def test_kafka_makes_no_topic_by_itself(stack: Stack) -> None:
    """A misspelt topic would swallow records with one partition and the wrong retention."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.servers.kafka)
    await admin.start()
    try:
        before = await admin.list_topics()
        with pytest.raises((KafkaError, TimeoutError)):  # noqa: PT012
            async with asyncio.timeout(2):
                async with AIOKafkaProducer(bootstrap_servers=stack.servers.kafka) as producer:
                    await producer.send_and_wait("misspelt", b"")
        assert sorted(await admin.list_topics()) == sorted(before)
    finally:
        await admin.close()


async def test_a_killed_kafka_comes_back_with_its_records(stack: Stack) -> None:
    """The log is the truth; what was acknowledged survives the death of its process, on the same address."""
    await create(stack.servers.kafka, "kept")
    await write(stack.servers.kafka, "kept", b"before")
    await stack.killed("kafka")
    assert await read(stack.servers.kafka, "kept") == b"before"


@pytest.mark.parametrize("name", DATABASES)
async def test_a_killed_database_comes_back_with_its_rows(stack: Stack, name: str) -> None:
    """A database that dies delays no alarm, and must come back by itself."""
    url = stack.servers.addresses[name]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("create table if not exists kept as select 1 as x")
    await stack.killed(name)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        assert await (await connection.execute("select x from kept")).fetchone() == (1,)


@pytest.mark.parametrize("name", ["mosquitto", "iotcore"])
async def test_a_killed_broker_comes_back_on_its_port(stack: Stack, name: str) -> None:
    """Devices know one address."""
    await stack.killed(name)
    await probes.mqtt(int(stack.servers.addresses[name].rpartition(":")[2]))


@pytest.mark.parametrize("name", DATABASES)
async def test_a_database_asks_for_its_password(stack: Stack, name: str) -> None:
    """Loopback is shared by all users of a machine."""
    secret = (stack.root / f"{name}.password").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(stack.servers.addresses[name].replace(secret, "wrong"))
    assert (stack.root / f"{name}.password").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(bool(ABSENT), reason=ABSENT)
async def test_timescale_makes_hypertables(stack: Stack) -> None:
    """The tests on it would otherwise pass on a plain PostgreSQL and prove nothing."""
    async with await psycopg.AsyncConnection.connect(stack.servers.addresses["timescale"]) as connection:
        await connection.execute("create extension if not exists timescaledb")
        await connection.execute("create table series (time timestamptz not null)")
        made = await connection.execute("select created from create_hypertable('series', by_range('time'))")
        assert await made.fetchone() == (True,)
        await connection.rollback()


async def test_servers_listen_on_loopback_only(stack: Stack) -> None:
    """Kafka and MQTT ask nobody for a password here."""
    for name, process in stack.servers.processes.items():
        addresses = {
            connection.laddr.ip.removeprefix("::ffff:")
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses == {probes.HOST}, name


async def test_a_second_start_on_the_same_folder_is_refused(stack: Stack) -> None:
    """Two Kafkas on one folder corrupt it."""
    with pytest.raises(FolderInUse, match="the data folder is in use"):
        async with servers.start(stack.root, cache.folder(), progress=print, want=("iotcore",)):
            pytest.fail("it started")


@pytest.mark.parametrize("name", ["mosquitto", "iotcore"])
async def test_a_broker_takes_a_payload_of_two_megabytes(stack: Stack, name: str) -> None:
    """It is the bridge that rejects it, with its reason; a broker that cut the connection would loop the device."""
    port = int(stack.servers.addresses[name].rpartition(":")[2])
    assert await published(port, bytes(mosquitto.PAYLOAD_BYTES_MAX // 2)) == 0


async def published(port: int, payload: bytes) -> int:
    """Publish at QoS 1 as MQTT 5 over a plain socket; returns the reason code of the PUBACK (16: no subscriber)."""
    reader, writer = await asyncio.open_connection(probes.HOST, port)
    try:
        writer.write(b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x04test")
        await reader.readexactly(2)
        head = b"\x00\x01t\x00\x01\x00"
        length, encoded = len(head) + len(payload), b""
        while length:
            length, digit = divmod(length, 128)
            encoded += bytes([digit | (0x80 if length else 0)])
        writer.write(b"\x32" + encoded + head + payload)
        await writer.drain()
        async with asyncio.timeout(10):
            while (await reader.readexactly(1))[0] != 0x40:
                pass
            size = (await reader.readexactly(1))[0]
            rest = await reader.readexactly(size)
        code = rest[2] if size > 2 else 0
        return 0 if code == 0x10 else code
    finally:
        writer.transport.abort()


async def test_data_survives_a_stop_and_another_port(tmp_path: Path) -> None:
    """A second start goes on where the first was, even where somebody has taken a port meanwhile."""
    start = partial(servers.start, tmp_path, cache.folder(), progress=print, want=("kafka", "postgres"), durable=False)
    async with start() as one:
        first = one.kafka
        await create(first, "kept")
        await write(first, "kept", b"before")
        async with await psycopg.AsyncConnection.connect(one.addresses["postgres"]) as connection:
            await connection.execute("create table kept as select 1 as x")
    taken = await asyncio.start_server(lambda _, __: None, probes.HOST, int(first.rpartition(":")[2]))
    async with taken, start() as two:
        assert two.kafka != first
        assert await read(two.kafka, "kept") == b"before"
        async with await psycopg.AsyncConnection.connect(two.addresses["postgres"]) as connection:
            assert await (await connection.execute("select x from kept")).fetchone() == (1,)
