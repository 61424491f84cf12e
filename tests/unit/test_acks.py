"""The bridge's loop over fakes: an acknowledgement leaves after Kafka has the records, in order, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from structlog.testing import capture_logs

from ingest import service
from ingest.directory import REMEDY, Directory
from ingest.follow import Follower
from ingest.settings import BridgeSettings
from ingest.ticks import REPLAY, Tick
from runtime.kafka import KafkaStalled, Out, Partition
from runtime.observe import Metrics, Readiness
from runtime.testing import ManualClock, MemoryBroker, MemoryConnection, MemoryKafka, MemoryProducer, MemoryReader
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.readings import Rows, decode, tick_rows
from vitals.topics import BINDINGS, READINGS, REJECTED, TICK_KEY, device_id, patient_id, readings_topic, ticks_topic

NOW = 1_700_000_000_000_000
SETTINGS = BridgeSettings(partitions=2)
TOPIC = readings_topic("", "ward-a", "cgm-1")


class SlowProducer(MemoryProducer):
    """Holds each write back until the test lets it through."""

    def __init__(self, kafka: MemoryKafka) -> None:
        super().__init__(kafka, "slow")
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()

    async def send(self, records: Sequence[Out]) -> list[int]:
        self.asked.set()
        await self.gate.wait()
        return await super().send(records)


class Asker(MemoryReader):
    """Counts the questions that it is asked."""

    asked = 0

    async def end_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        self.asked += 1
        return await super().end_offsets(partitions)


class BusyReader(MemoryReader):
    """Answers nothing beside its polls, as a connection to Kafka does that holds a fetch."""

    async def end_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        raise AssertionError(f"asked for the end of {partitions} behind a fetch")


class House:
    """A broker, a Kafka and what the registry wrote: one site, one sensor on one patient."""

    def __init__(self, linger_s: float = 0) -> None:
        self.settings = SETTINGS.model_copy(update={"bridge_linger_seconds": linger_s})
        self.broker = MemoryBroker()
        self.kafka = MemoryKafka({READINGS: 2, REJECTED: 2, BINDINGS: 1})
        self.clock = ManualClock(NOW)
        self.metrics, self.readiness = Metrics(), Readiness("directory", "mqtt", "ticks")
        self.asker = Asker(self.kafka, [])
        self.kafka.write([Out(BINDINGS, 0, b"site:ward-a", Site(name="ward-a", number=7).encode())])
        self.bind("cgm-1", "p-1")

    def bind(self, name: str, patient: str, kind: str = "meter") -> None:
        binding = Binding(patient=patient_id(patient), label=patient, since=0)
        device = Device(
            name=name,
            id=device_id(name),
            type=DEVICE_TYPES[kind],
            site=7,
            site_name="ward-a",
            bindings=(binding,),
        )
        self.kafka.write([Out(BINDINGS, 0, f"device:{name}".encode(), device.encode())])

    def connection(self, receive_maximum: int = 500) -> MemoryConnection:
        return MemoryConnection(self.broker, SETTINGS, "bridge-0", ["vigil/v1/+/+/+"], receive_maximum)

    async def serve(self, producer: MemoryProducer, connection: MemoryConnection, *, simulated: bool = True) -> None:
        """The bridge, until it fails or is cancelled."""
        settings = SETTINGS.model_copy(update={"clock": "simulated" if simulated else "real"})
        clocks = await service.partition_clocks(settings, self.kafka.reader([(READINGS, 0), (READINGS, 1)]))
        await service.serve(
            self.settings,
            producer,
            Follower(BusyReader(self.kafka, [(BINDINGS, 0)]), self.asker, Directory(2)),
            connection,
            clocks,
            metrics=self.metrics,
            readiness=self.readiness,
            clock=self.clock,
        )

    @asynccontextmanager
    async def running(
        self,
        producer: MemoryProducer | None = None,
        connection: MemoryConnection | None = None,
        *,
        simulated: bool = True,
    ) -> AsyncIterator[MemoryConnection]:
        connection = connection or self.connection()
        async with asyncio.TaskGroup() as group:
            work = self.serve(producer or self.kafka.producer(), connection, simulated=simulated)
            task = group.create_task(work, name="bridge")
            await until(lambda: connection.connected)
            yield connection
            task.cancel()

    def publish(self, at: int, topic: str = TOPIC) -> None:
        self.broker.inject(topic, f'{{"metric":"glucose","value":100,"observed_at":{at}}}'.encode())

    def rows(self) -> Rows:
        """Every reading in the log, partition by partition."""
        values = [
            stored.value
            for partition in (0, 1)
            for stored in self.kafka.records(READINGS, partition)
            if stored.key != TICK_KEY
        ]
        return decode(values)

    def observed(self) -> list[int]:
        """``observed_at`` of every reading in the log."""
        return [int(at) for at in self.rows()["observed_at"]]

    def shown(self, line: str) -> bool:
        return line in self.metrics.text().decode().splitlines()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  the fakes signal nothing, they only need turns of the loop
            await asyncio.sleep(0)


async def test_nothing_is_acknowledged_before_kafka_has_it():
    """A PUBACK is a promise: the device forgets the reading when it hears it."""
    house = House()
    producer = SlowProducer(house.kafka)
    async with house.running(producer) as connection:
        house.publish(NOW)
        await producer.asked.wait()
        assert (connection.counters.acknowledged, house.observed()) == (0, [])
        producer.gate.set()
        await until(lambda: connection.counters.acknowledged == 1)
        assert house.observed() == [NOW]
    assert house.shown("vigil_bridge_readings_total 1.0")


async def test_what_is_rejected_is_acknowledged_once_it_is_kept():
    """An unacknowledged one would come again at every reconnect, and in the end fill the session."""
    house = House()
    async with house.running() as connection:
        house.broker.inject(TOPIC, b"noise")
        house.broker.inject("vigil/v1/a/b/c", b"noise")
        await until(lambda: connection.counters.acknowledged == 2)
    kept = [stored for partition in (0, 1) for stored in house.kafka.records(REJECTED, partition)]
    assert [stored.value for stored in kept] == [b"noise", b"noise"]
    assert house.shown('vigil_bridge_rejected_total{reason="malformed"} 1.0')
    assert house.shown('vigil_bridge_rejected_total{reason="bad_topic"} 1.0')


@pytest.mark.parametrize("written", [0, 1, 3])
async def test_a_failed_write_ends_the_bridge_and_the_broker_brings_everything_again(written: int):
    """Going on after a failure would acknowledge later messages and lose this one."""
    house = House()
    async with house.running():
        pass
    for number in range(3):
        house.publish(NOW + number)
    house.kafka.fail_next_send(KafkaStalled("stalled"), after=written)
    with pytest.raises(BaseExceptionGroup) as caught:
        await house.serve(house.kafka.producer(), house.connection())
    assert caught.group_contains(KafkaStalled)
    assert house.broker.waiting("bridge-0") == 3
    async with house.running() as connection:
        await until(lambda: connection.counters.acknowledged == 3)
    assert house.observed() == [NOW + number for number in (*range(written), *range(3))]


async def test_after_a_small_turn_the_next_messages_share_one():
    """One write, fetch and step for a few messages; the first of them had left at once."""
    house = House(linger_s=0.01)
    async with house.running() as connection:
        house.publish(NOW)
        await until(lambda: connection.counters.acknowledged == 1)
        house.publish(NOW + 1)
        house.publish(NOW + 2)
        for _ in range(100):
            await asyncio.sleep(0)
        assert house.observed() == [NOW]
        await house.clock.advance(0.01)
        await until(lambda: connection.counters.acknowledged == 3)
        assert sorted(house.observed()) == [NOW, NOW + 1, NOW + 2]


async def test_acknowledgements_leave_in_the_order_of_arrival():
    """MQTT wants it so, and a broker may close the connection otherwise."""
    house = House()
    async with house.running(connection=house.connection(receive_maximum=3)) as connection:
        for number in range(50):
            house.publish(NOW + number)
        await until(lambda: connection.counters.acknowledged == 50)
    assert house.broker.acks_out_of_order == 0
    assert house.observed() == [NOW + number for number in range(50)]


async def test_a_connection_lost_while_kafka_writes_acknowledges_nothing_of_the_new_one():
    """Packet ids begin anew: a late acknowledgement would release another message, which nobody has written."""
    house = House()
    producer = SlowProducer(house.kafka)
    async with house.running(producer) as connection:
        house.publish(NOW)
        await producer.asked.wait()
        house.broker.drop("bridge-0")
        await until(lambda: connection.connected)
        producer.gate.set()
        await until(lambda: connection.counters.acknowledged == 1)
        assert connection.counters.stale_acks == 1
    assert house.observed() == [NOW, NOW]


async def test_a_new_binding_is_read_before_a_reading_is_refused():
    """Whoever binds a device and publishes at once has done everything right."""
    house = House()
    async with house.running() as connection:
        house.bind("cgm-2", "p-2")
        house.publish(NOW, readings_topic("", "ward-a", "cgm-2"))
        house.publish(NOW, readings_topic("", "ward-a", "cgm-3"))
        await until(lambda: connection.counters.acknowledged == 2)
    assert house.observed() == [NOW]
    assert house.shown('vigil_bridge_rejected_total{reason="not_bound"} 1.0')


async def test_a_binding_that_nobody_can_read_is_counted_and_logged_once():
    """Whoever looks for the readings of its device must learn why they are rejected, and where the record lies."""
    house = House()
    with capture_logs() as told:
        async with house.running() as connection:
            house.kafka.write([Out(BINDINGS, 0, b"device:cgm-1", b"noise")])
            house.publish(NOW, readings_topic("", "ward-a", "cgm-2"))
            await until(lambda: connection.counters.acknowledged == 1)
            house.publish(NOW)
            await until(lambda: connection.counters.acknowledged == 2)
            assert house.shown("vigil_bridge_unreadable_bindings 1.0")
    assert house.observed() == []
    (line,) = [each for each in told if each["log_level"] == "warning"]
    assert (line["count"], line["first_key"], line["remedy"]) == (1, "b'device:cgm-1'", REMEDY)


async def test_whoever_names_unknown_devices_costs_one_question_a_turn():
    """A question a message would let one sender hold everybody's readings back."""
    house = House()
    async with house.running():
        pass
    for number in range(100):
        house.publish(NOW, readings_topic("", "ward-a", f"nobody-{number}"))
    house.publish(NOW)
    asked = house.asker.asked
    async with house.running() as connection:
        await until(lambda: connection.counters.acknowledged == 101)
    assert house.asker.asked == asked + 1 + 1, "one at the start and one for the turn"
    assert house.observed() == [NOW]


async def test_a_tick_stands_behind_the_readings_that_came_before_it():
    """A backlog is digested before time moves, so that a stopped bridge makes nobody silent."""
    house = House()
    async with house.running():
        pass
    for number in range(20):
        house.publish(NOW + number)
    house.broker.inject(ticks_topic("", REPLAY), Tick(tick=NOW + 20, sites=("ward-a",)).encode())
    house.publish(NOW + 21)
    async with house.running() as connection:
        await until(lambda: connection.counters.acknowledged == 22)
    kinds = [[stored.key == TICK_KEY for stored in house.kafka.records(READINGS, partition)] for partition in (0, 1)]
    assert sorted(kinds) == sorted([[True], [False] * 20 + [True, False]])


def ticks(house: House) -> list[int]:
    """The times of the ticks in partition 0."""
    values = [stored.value for stored in house.kafka.records(READINGS, 0) if stored.key == TICK_KEY]
    return [int(at) for at in decode(values)["observed_at"]]


async def test_a_live_bridge_ticks_twice_a_second_through_the_broker():
    """Time comes back behind what was queued; its stamp is that of the publishing."""
    house = House()
    async with house.running(simulated=False):
        await until(lambda: len(ticks(house)) == 1)
        await house.clock.advance(2.0)
        await until(lambda: len(ticks(house)) == 5)
    assert ticks(house) == [NOW + number * 500_000 for number in range(5)]
    assert house.shown("vigil_bridge_ticks_total 5.0")


async def test_a_bridge_without_a_broker_makes_no_ticks():
    """Ticks that pile up while disconnected would come back as a burst of old times."""
    house = House()
    async with house.running(simulated=False) as connection:
        await until(lambda: len(ticks(house)) == 1)
        house.broker.stop()
        await house.clock.advance(30.0)
        assert not house.readiness.ok
        assert house.readiness.reasons["mqtt"]
        assert house.readiness.reasons["ticks"] == "no ticks"
        house.broker.start()
        await until(lambda: connection.connected)
        await house.clock.advance(0.5)
        await until(lambda: len(ticks(house)) == 2)
    assert ticks(house)[1] >= NOW + 30_000_000


async def test_a_bridge_on_the_simulated_clock_makes_no_ticks():
    """Two writers of time would move it twice."""
    house = House()
    async with house.running():
        await house.clock.advance(5.0)
        assert house.readiness.reasons == {"ticks": "waiting for the first tick"}
    assert ticks(house) == []


async def test_a_restarted_bridge_reads_the_last_tick_of_each_partition():
    """After a crash in mid-write the partitions may stand at different ticks."""
    house = House()
    first, second = (tick_rows([7], at).tobytes() for at in (NOW, NOW + 5))
    house.kafka.write([Out(READINGS, 0, TICK_KEY, first), Out(READINGS, 0, TICK_KEY, second)])
    house.kafka.write([Out(READINGS, 0, b"patient", bytes(64)), Out(READINGS, 1, TICK_KEY, first)])
    reader = house.kafka.reader([(READINGS, 0), (READINGS, 1)])
    simulated = SETTINGS.model_copy(update={"clock": "simulated"})
    assert (await service.partition_clocks(simulated, reader)).received(0) == [NOW + 5, NOW]
    empty = MemoryKafka({READINGS: 2}).reader([(READINGS, 0), (READINGS, 1)])
    assert (await service.partition_clocks(simulated, empty)).received(0) == [None, None]
    assert (await service.partition_clocks(SETTINGS, reader)).received(9) == [9, 9]


def assert_received_at_the_tick_before(house: House) -> None:
    """On the simulated clock: each row's ``received_at`` is the tick before it in its own partition."""
    for partition in (0, 1):
        now = None
        for stored in house.kafka.records(READINGS, partition):
            row = decode([stored.value])[0]
            if stored.key == TICK_KEY:
                now = int(row["received_at"])
            elif now is not None:
                assert int(row["received_at"]) == now


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_fails_and_whenever_every_reading_is_in_the_log_in_its_order(seed: int):
    """Crashes in mid-write, lost connections and small windows, in any mixture: repeats are allowed, holes are not."""
    chance = random.Random(seed)  # noqa: S311  seeded faults, no secret
    house = House()
    for name in ("cgm-2", "cgm-3"):
        house.bind(name, f"of-{name}")
    async with house.running():
        pass
    sent: dict[str, list[int]] = {"cgm-1": [], "cgm-2": [], "cgm-3": []}
    for step in range(12):
        house.broker.inject(ticks_topic("", REPLAY), Tick(tick=NOW + step * 1000, sites=("ward-a",)).encode())
        for number in range(chance.randrange(12)):
            name = chance.choice(sorted(sent))
            house.publish(NOW + step * 1000 + number, readings_topic("", "ward-a", name))
            sent[name].append(NOW + step * 1000 + number)
        if chance.random() < 0.7:
            house.kafka.fail_next_send(KafkaStalled("stalled"), after=chance.randrange(8))
            with pytest.raises(BaseExceptionGroup):
                await house.serve(house.kafka.producer(), house.connection(chance.choice([1, 5, 500])))
        elif chance.random() < 0.5:
            async with house.running():
                house.broker.drop("bridge-0")
    async with house.running():
        await until(lambda: house.broker.waiting("bridge-0") == 0)
    for name, wanted in sent.items():
        device = np.void(device_id(name).bytes)
        found = [int(row["observed_at"]) for row in house.rows() if row["device"] == device]
        assert list(dict.fromkeys(found)) == wanted
    assert_received_at_the_tick_before(house)
