"""What Vigil needs of a Kafka: one suite on the driver with a real broker, and on the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from runtime.kafka import (
    Assigned,
    Event,
    GroupConsumer,
    KafkaFailed,
    KafkaStalled,
    KafkaUnavailable,
    Out,
    Partition,
    Producer,
    Reader,
    Revoked,
    cluster_id,
    delete_topics,
    describe,
    ensure_topics,
    last_headers,
)
from runtime.settings import Settings
from runtime.testing import MemoryKafka
from vitals.errors import StateError
from vitals.steps import Records
from vitals.topics import READINGS, TopicSpec, kafka_topic

TOPIC, OTHER = "contract.many", "contract.one"
SPECS = (TopicSpec(TOPIC, partitioned=True), TopicSpec(OTHER, partitioned=False))
WAIT_S = 30.0
"""Longest wait for something that must come; nothing is measured against it."""


class RealKafka:
    """The driver, with the face of `MemoryKafka`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def producer(self, client_id: str = "test") -> Producer:
        return Producer(self.settings, client_id)

    def group(self, topics: Sequence[str], group: str, instance: str) -> GroupConsumer:
        return GroupConsumer(self.settings, topics, group, instance, session_timeout_s=6)

    def reader(self, assignments: Iterable[Partition]) -> Reader:
        return Reader(self.settings, assignments)

    async def last_headers(
        self, topic: str, partition: int, header: str, match: Callable[[bytes], bool] | None = None
    ) -> bytes | None:
        return await last_headers(self.settings, topic, partition, header, match)


Port = RealKafka | MemoryKafka


@pytest.fixture(params=["memory", "real"])
async def port(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[Port]:
    """Two topics, of four partitions and of one."""
    if request.param == "memory":
        yield MemoryKafka({TOPIC: 4, OTHER: 1}, now_ms=iter(range(1, 10**9)).__next__)
        return
    settings = Settings(kafka=request.getfixturevalue("kafka"), namespace=namespace)
    await ensure_topics(settings, SPECS)
    yield RealKafka(settings)
    await delete_topics(settings, [spec.name for spec in SPECS])


def out(partition: int, value: bytes, topic: str = TOPIC, **more: Any) -> Out:
    return Out(topic, partition, more.get("key", b"key"), value, more.get("headers", ()))


async def read(reader: Reader, count: int) -> list[Records]:
    """Poll until there are ``count`` records."""
    found: list[Records] = []
    async with asyncio.timeout(WAIT_S):
        while sum(len(records.offsets) for records in found) < count:
            found += await reader.poll(1.0)
    return found


async def events_until(consumer: GroupConsumer, done: Callable[[Event], bool]) -> list[Event]:
    """Poll until an event satisfies ``done``; all events up to the end of that poll."""
    found: list[Event] = []
    async with asyncio.timeout(WAIT_S):
        while not any(done(event) for event in found):
            found += await consumer.poll(1.0)
    return found


def values(events: Iterable[Event]) -> list[bytes]:
    return [value for event in events if isinstance(event, Records) for value in event.values]


async def test_offsets_come_back_in_the_order_of_the_records(port: Port) -> None:
    """A runner pairs each record with its offset; a mix-up would acknowledge the wrong one."""
    async with port.producer() as producer:
        records = [out(index % 3, b"%d" % index) for index in range(30)]
        offsets = await producer.send(records)
        assert offsets == [index // 3 for index in range(30)]
        assert await producer.send([]) == []
    async with port.reader([(TOPIC, 0), (TOPIC, 1), (TOPIC, 2)]) as reader:
        for polled in await read(reader, 30):
            for offset, value in zip(polled.offsets, polled.values, strict=True):
                assert offset == int(value) // 3
                assert int(value) % 3 == polled.partition


async def test_a_record_comes_back_as_it_was_written(port: Port) -> None:
    """Keys choose partitions, headers carry causes: a byte lost there is a duplicate or a lost output."""
    first = Out(TOPIC, 1, b"k\x00\xff", b"v\x00", (("cause", b"\x00\x01"), ("cause", b"\x02")))
    second = Out(TOPIC, 1, None, b"", ())
    async with port.producer() as producer:
        await producer.send([first, second])
    async with port.reader([(TOPIC, 1)]) as reader:
        (records,) = await read(reader, 2)
    assert records.topic == TOPIC
    assert records.partition == 1
    assert records.keys == [first.key, None]
    assert records.values == [first.value, b""]
    assert records.headers == [first.headers, ()]
    assert len(records.timestamps) == 2


async def test_order_within_a_partition_holds_over_many_batches_and_calls(port: Port) -> None:
    """One total order per partition is what every decision rests on; batches and concurrent calls must not mix."""
    async with port.producer() as producer:
        calls = [
            producer.send([out(index % 2, b"%d:%d:" % (call, index) + b"x" * 500) for index in range(3000)])
            for call in range(3)
        ]
        await asyncio.gather(*calls)
    async with port.reader([(TOPIC, 0), (TOPIC, 1)]) as reader:
        seen: dict[tuple[int, int], int] = {}
        for polled in await read(reader, 9000):
            for value in polled.values:
                call, index, _ = value.split(b":")
                assert seen.get((polled.partition, int(call)), -1) < int(index)
                seen[polled.partition, int(call)] = int(index)
    assert set(seen.values()) == {2998, 2999}


async def test_a_record_of_four_mebibytes_passes(port: Port) -> None:
    """A gateway's backlog can be one payload; the log must take what MQTT took."""
    big = bytes(range(256)) * (16 * 1024)
    async with port.producer() as producer:
        await producer.send([out(0, b"before"), out(0, big[:-200]), out(0, b"after")])
    async with port.reader([(TOPIC, 0)]) as reader:
        found = values(await read(reader, 3))
    assert found == [b"before", big[:-200], b"after"]


async def test_an_unknown_partition_is_an_error_in_one_line(port: Port) -> None:
    """Writing past the fixed number of partitions is our fault and must be loud, not retried for ever."""
    async with port.producer() as producer:
        with pytest.raises(KafkaFailed) as caught:
            await producer.send([out(9, b"lost")])
    assert "\n" not in str(caught.value)


async def test_assignment_comes_before_records_and_seek_decides_where_they_begin(port: Port) -> None:
    """A runner rebuilds state on assignment; a record that slipped in before would be stepped on empty state."""
    async with port.producer() as producer:
        await producer.send([out(0, b"%d" % index, OTHER) for index in range(10)])
    async with port.group([OTHER], "seekers", "a") as consumer:
        first = await events_until(consumer, lambda event: isinstance(event, Assigned))
        assert first == [Assigned(((OTHER, 0),))]
        consumer.seek(OTHER, 0, 7)
        rest = await events_until(consumer, lambda event: isinstance(event, Records) and event.offsets[-1] == 9)
    assert values(rest) == [b"7", b"8", b"9"]


async def test_a_poll_returns_when_a_record_comes_not_when_its_time_is_over(port: Port) -> None:
    """An alarm must not wait for the end of a poll."""
    async with port.group([OTHER], "quick", "a") as consumer, port.producer() as producer:
        await events_until(consumer, lambda event: isinstance(event, Assigned))
        polling = asyncio.ensure_future(consumer.poll(600))
        await producer.send([out(0, b"now", OTHER)])
        async with asyncio.timeout(WAIT_S):
            assert values(await polling) == [b"now"]


async def test_a_restarted_member_goes_on_at_its_commit(port: Port) -> None:
    """A killed process has its partitions back at once under its name, and nothing is skipped or read for ever."""
    async with port.producer() as producer:
        await producer.send([out(0, b"%d" % index, OTHER) for index in range(6)])
    async with port.group([OTHER], "restart", "a") as consumer:
        await events_until(consumer, lambda event: isinstance(event, Records) and event.offsets[-1] == 5)
        await consumer.commit({(OTHER, 0): 4})
        assert await consumer.committed(OTHER, 0) == 4
    async with port.group([OTHER], "restart", "a") as consumer:
        events = await events_until(consumer, lambda event: isinstance(event, Records) and event.offsets[-1] == 5)
    assert events[0] == Assigned(((OTHER, 0),))
    assert values(events) == [b"4", b"5"]


async def test_a_second_member_takes_over_half_and_nothing_of_the_revoked_follows(port: Port) -> None:
    """Two owners who both act are harmless by design, but a revoked owner must know that it is one."""
    async with port.group([TOPIC], "share", "a") as one:
        await events_until(one, lambda event: isinstance(event, Assigned) and len(event.partitions) == 4)
        joined: list[Event] = []

        async def polling() -> None:
            while len(one.assigned) != 2 or not joined:
                joined.extend(await one.poll(0.2))

        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(polling(), name="first member")
            two = await _entered(port.group([TOPIC], "share", "b"), tasks)
        try:
            kinds = [type(event) for event in joined if isinstance(event, Assigned | Revoked)]
            assert kinds[-2:] == [Revoked, Assigned]
            assert one.assigned | two.assigned == {(TOPIC, partition) for partition in range(4)}
            assert not one.assigned & two.assigned
            async with port.producer() as producer:
                await producer.send([out(partition, b"%d" % partition) for partition in range(4)])
            mine = await events_until(one, lambda event: isinstance(event, Records))
            assert {event.partition for event in mine if isinstance(event, Records)} <= {
                partition for _, partition in one.assigned
            }
            theirs = next(iter(two.assigned))
            await one.commit({theirs: 1})
            one.seek(*theirs, 0)
        finally:
            await two.__aexit__(None, None, None)


async def _entered(consumer: GroupConsumer, _tasks: asyncio.TaskGroup) -> GroupConsumer:
    return await consumer.__aenter__()


async def test_a_reader_knows_where_a_partition_begins_and_ends(port: Port) -> None:
    """Caught up means: at the end as it was at the start. Without these numbers nobody knows."""
    async with port.reader([(TOPIC, 2)]) as reader:
        assert await reader.end_offsets() == {(TOPIC, 2): 0}
        assert await reader.last_timestamp((TOPIC, 2)) is None
        assert await reader.poll(0.01) == []
        async with port.producer() as producer:
            await producer.send([out(2, b"%d" % index) for index in range(200)])
        assert await reader.end_offsets([(TOPIC, 2), (TOPIC, 3)]) == {(TOPIC, 2): 200, (TOPIC, 3): 0}
        assert await reader.beginning_offsets() == {(TOPIC, 2): 0}
        last = await reader.last_timestamp((TOPIC, 2))
        assert last is not None
        assert await reader.offset_for_time((TOPIC, 2), last + 1) is None
        assert await reader.offset_for_time((TOPIC, 2), 0) == 0
        reader.seek(TOPIC, 2, 150)
        assert await reader.position(TOPIC, 2) == 150
        assert len(values(await read(reader, 50))) == 50


async def test_a_reader_of_no_partition_answers_questions_and_can_be_assigned_some(port: Port) -> None:
    """The bridge asks for ends on a connection where no fetch of its own stands in the way."""
    async with port.reader([]) as asker, port.producer() as producer:
        assert asker.assignments == ()
        assert await asker.poll(0.05) == []
        await producer.send([out(2, b"%d" % index) for index in range(5)])
        assert await asker.end_offsets() == {}
        assert await asker.beginning_offsets() == {}
        assert await asker.end_offsets([]) == {}
        assert await asker.end_offsets([(TOPIC, 2), (TOPIC, 3)]) == {(TOPIC, 2): 5, (TOPIC, 3): 0}
        assert await asker.beginning_offsets([(TOPIC, 2)]) == {(TOPIC, 2): 0}
        assert await asker.offset_for_time((TOPIC, 2), 0) == 0
        await producer.send([out(2, b"5")])
        assert await asker.end_offsets([(TOPIC, 2)]) == {(TOPIC, 2): 6}
        assert asker.assignments == ()
        asker.assign([(TOPIC, 2)])
        assert values(await read(asker, 6)) == [b"%d" % index for index in range(6)]
        assert await asker.end_offsets() == {(TOPIC, 2): 6}
        asker.assign([])
        await producer.send([out(2, b"6")])
        assert await asker.poll(0.3) == []
        assert asker.assignments == ()


async def test_the_last_header_is_found_however_far_back_it_is(port: Port) -> None:
    """A runner that starts finds its own last cause; records of people without one may lie on top in thousands."""
    async with port.producer() as producer:
        await producer.send([out(0, b"", OTHER, headers=(("cause", b"1"),)), out(0, b"", OTHER)])
        await producer.send([out(0, b"", OTHER, headers=(("cause", b"2"), ("more", b"3")))])
        await producer.send([out(0, b"x" * 100, OTHER) for _ in range(5000)])
    assert await port.last_headers(OTHER, 0, "cause") == b"2"
    assert await port.last_headers(OTHER, 0, "cause", lambda value: value != b"2") == b"1"
    assert await port.last_headers(OTHER, 0, "nobody") is None
    assert await port.last_headers(TOPIC, 3, "cause") is None


async def test_names_carry_the_namespace_only_inside_kafka(kafka: str, namespace: str) -> None:
    """Two Vigils on one Kafka must not see each other; a test or a demo would otherwise page a ward."""
    mine, theirs = (Settings(kafka=kafka, namespace=namespace + end) for end in ("a", "b"))
    try:
        for settings in (mine, theirs):
            await ensure_topics(settings, SPECS)
        async with Producer(mine, "namespace") as producer:
            await producer.send([out(0, b"own"), Out(kafka_topic(mine.namespace, TOPIC), 0, None, b"full")])
        async with Reader(theirs, [(TOPIC, 0)]) as reader:
            assert await reader.end_offsets() == {(TOPIC, 0): 0}
        async with Reader(mine, [(TOPIC, 0)]) as reader:
            (records,) = await read(reader, 2)
            assert records.topic == TOPIC
        assert await describe(mine) == {TOPIC: 4, OTHER: 1}
        assert await cluster_id(mine) == await cluster_id(theirs)
    finally:
        for settings in (mine, theirs):
            await delete_topics(settings, [TOPIC, OTHER])


async def test_topics_are_made_once_and_their_partitions_are_fixed(kafka: str, namespace: str) -> None:
    """With another number of partitions every patient would move to another owner, away from their state."""
    settings = Settings(kafka=kafka, namespace=namespace)
    try:
        assert await ensure_topics(settings, SPECS) == [TOPIC, OTHER]
        assert await ensure_topics(settings, SPECS) == []
        with pytest.raises(StateError, match="4 partitions"):
            await ensure_topics(settings.model_copy(update={"partitions": 5}), SPECS)
    finally:
        await delete_topics(settings, [TOPIC, OTHER])


async def test_removed_topics_can_be_made_anew_at_once(kafka: str, namespace: str) -> None:
    """The controller answers before the broker has heard: made anew they were found still there, then gone for good."""
    settings = Settings(kafka=kafka, namespace=namespace)
    try:
        for _ in range(5):
            assert await ensure_topics(settings, SPECS) == [TOPIC, OTHER]
            await delete_topics(settings, [TOPIC, OTHER])
            assert await describe(settings) == {}
    finally:
        await delete_topics(settings, [TOPIC, OTHER])


async def test_an_absent_broker_is_one_clear_line(unused_tcp_port: int) -> None:
    """The first thing that goes wrong for a newcomer; a traceback tells them nothing."""
    settings = Settings(kafka=f"127.0.0.1:{unused_tcp_port}")
    for client in (Producer(settings, "absent"), GroupConsumer(settings, [TOPIC], "g", "a"), Reader(settings, [])):
        with pytest.raises(KafkaUnavailable, match="VIGIL_KAFKA") as caught:
            await client.__aenter__()
        assert "\n" not in str(caught.value)


async def test_a_silent_broker_is_a_stall_and_not_a_hang(topics: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With idempotence a batch never expires: without deadlines a send, and even the close, would wait for ever."""
    monkeypatch.setattr("runtime.kafka.producer.STOP_TIMEOUT_S", 0.2)
    async with Producer(topics, "silent", send_timeout_s=0.5) as producer:
        never = asyncio.get_running_loop().create_future()

        async def silence(*_args: object, **_more: object) -> None:
            await asyncio.shield(never)

        monkeypatch.setattr(producer._producer.client, "send", silence)
        with pytest.raises(KafkaStalled):
            await producer.send([Out("vitals.readings", 0, None, b"lost")])
    never.cancel()


@pytest.mark.parametrize("client", ["producer", "group", "reader"])
async def test_who_is_stopped_while_it_starts_leaves_no_connection(
    topics: Settings, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor stops services at any moment; a connection that nobody closes stays for the broker to find."""
    kafka = RealKafka(topics)
    make: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
        "producer": kafka.producer,
        "group": lambda: kafka.group([READINGS], "g", "a"),
        "reader": lambda: kafka.reader([(READINGS, 0)]),
    }
    asked: asyncio.Queue[AIOKafkaConnection] = asyncio.Queue()
    send = AIOKafkaConnection.send

    def spy(self: AIOKafkaConnection, *args: Any, **more: Any) -> Any:
        asked.put_nowait(self)
        return send(self, *args, **more)

    monkeypatch.setattr(AIOKafkaConnection, "send", spy)

    async def run() -> None:
        async with make[client]():
            await asyncio.Event().wait()

    for requests in range(1, 4):
        task = asyncio.create_task(run())
        seen = [await asyncio.wait_for(asked.get(), WAIT_S) for _ in range(requests)]
        task.cancel()
        await asyncio.wait({task})
        while not asked.empty():
            seen.append(asked.get_nowait())
        assert [connection for connection in seen if connection.connected()] == []
