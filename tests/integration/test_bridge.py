"""The bridge over real brokers and a real Kafka: what was published is in the log, once acknowledged, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import numpy as np
import pytest

from ingest import service
from ingest.directory import Directory
from ingest.follow import Follower
from ingest.settings import BridgeSettings
from ingest.ticks import REPLAY, Tick
from runtime.kafka import Out, Producer, Reader
from runtime.kafka.reader import CONSUMER_OPTIONS
from runtime.mqtt import Connection
from runtime.observe import Metrics, Readiness
from runtime.settings import Settings
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.metrics import MINUTE_US, TICK
from vitals.readings import Flag, Invalid, Rows, decode
from vitals.topics import (
    BINDINGS,
    READINGS,
    REJECTED,
    TICK_KEY,
    device_id,
    partition_of,
    patient_id,
    presence_topic,
    readings_topic,
    ticks_topic,
)

START = 1_699_228_800_000_000
PATIENTS = ("p-1", "p-2", "p-3", "p-4", "p-5", "p-6")


class Killed(BaseException):
    """What stands for kill -9: the process is gone between two statements."""


class DyingProducer(Producer):
    """Writes everything, and dies before it can say so, at the nth time that a reading was among it."""

    lives = 1

    async def send(self, records: Sequence[Out]) -> list[int]:
        offsets = await super().send(records)
        self.lives -= any(record.topic == READINGS and record.key != TICK_KEY for record in records)
        if not self.lives:
            raise Killed
        return offsets


class Log(NamedTuple):
    """The rows of one partition of ``vitals.readings`` in log order."""

    rows: Rows

    @property
    def readings(self) -> Rows:
        found: Rows = self.rows[self.rows["metric"] != TICK]
        return found


@pytest.fixture
async def ward(topics: Settings, mqtt: str) -> AsyncIterator[BridgeSettings]:
    """Settings of a bridge over a site with one sensor per patient; the bridge's session is removed at the end."""
    assert mqtt == topics.mqtt
    settings = BridgeSettings.model_validate(topics.model_dump())
    await bind(settings, *PATIENTS)
    async with service.connect(settings):
        pass  # from here on the broker keeps what comes for the bridge
    yield settings
    async with Connection(settings, "bridge-0", forget=True):
        pass


@pytest.fixture
async def wearer(ward: BridgeSettings) -> AsyncIterator[Connection]:
    """Whoever publishes for all devices."""
    async with Connection(ward, "wearer", forget=True) as connection:
        yield connection


async def bind(settings: Settings, *patients: str) -> None:
    """What the registry writes for a site and a sensor on each patient."""
    site = Site(name="ward-a", number=7)
    records = [Out(BINDINGS, 0, b"site:ward-a", site.encode())]
    for patient in patients:
        name = f"cgm-{patient}"
        binding = Binding(patient=patient_id(patient), label=patient, since=START - 10_000 * MINUTE_US)
        device = Device(
            name=name, id=device_id(name), type=DEVICE_TYPES["dexcom"], site=7, site_name="ward-a", bindings=(binding,)
        )
        records.append(Out(BINDINGS, 0, f"device:{name}".encode(), device.encode()))
    async with Producer(settings, "registry") as producer:
        await producer.send(records)


@asynccontextmanager
async def bridge(settings: BridgeSettings) -> AsyncIterator[None]:
    """The bridge service beside the test; leaving stops it in good order."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.main(settings), name="bridge")
        yield
        task.cancel()


async def killed_bridge(settings: BridgeSettings, lives: int = 1) -> None:
    """Run a bridge until it has written readings for the nth time, then kill it before it acknowledges them."""
    async with (
        DyingProducer(settings, "bridge-0") as producer,
        Reader(settings, [(READINGS, partition) for partition in range(settings.partitions)]) as readings,
        Reader(settings, [(BINDINGS, 0)]) as bindings,
        Reader(settings, []) as asker,
    ):
        producer.lives = lives
        clocks = await service.partition_clocks(settings, readings)
        with pytest.raises(BaseExceptionGroup) as caught:
            await service.serve(
                settings,
                producer,
                Follower(bindings, asker, Directory(settings.partitions)),
                service.connect(settings),
                clocks,
                metrics=Metrics(),
                readiness=Readiness("directory"),
            )
        assert caught.group_contains(Killed)


async def publish(wearer: Connection, settings: Settings, patient: str, at: int, value: str = "100") -> None:
    topic = readings_topic(settings.namespace, "ward-a", f"cgm-{patient}")
    await wearer.publish(topic, f'{{"metric":"glucose","value":{value},"observed_at":{at}}}'.encode())


async def tick(wearer: Connection, settings: Settings, at: int) -> None:
    await wearer.publish(ticks_topic(settings.namespace, REPLAY), Tick(tick=at, sites=("ward-a",)).encode())


async def logs(settings: Settings, readings: int, ticks: int = 0) -> list[Log]:
    """The partitions of ``vitals.readings``, once they hold so many readings in all and so many ticks each."""
    keys = [(READINGS, partition) for partition in range(settings.partitions)]
    values: dict[int, list[bytes]] = {partition: [] for _, partition in keys}
    async with Reader(settings, keys) as reader, asyncio.timeout(20):
        while True:
            found = [Log(decode(values[partition])) for _, partition in keys]
            if sum(len(log.readings) for log in found) >= readings and all(
                len(log.rows) - len(log.readings) >= ticks for log in found
            ):
                return found
            for records in await reader.poll(1.0):
                values[records.partition].extend(records.values)


async def rejections(settings: Settings, count: int) -> dict[str, list[tuple[str, bytes]]]:
    """Reason -> (device, value) of ``vitals.rejected``, once there are ``count`` records."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    seen = 0
    async with (
        Reader(settings, [(REJECTED, partition) for partition in range(settings.partitions)]) as reader,
        asyncio.timeout(20),
    ):
        while seen < count:
            for records in await reader.poll(1.0):
                for key, value, headers in zip(records.keys, records.values, records.headers, strict=True):
                    reason = dict(headers)["reason"].decode()
                    found.setdefault(reason, []).append(((key or b"").decode(), value))
                    seen += 1
    return found


async def test_readings_and_ticks_reach_the_log(ward: BridgeSettings, wearer: Connection):
    """The whole way once, live: rows in their patients' partitions, and time in all of them."""
    async with bridge(ward):
        await logs(ward, 0, ticks=1)
        for patient in PATIENTS:
            await publish(wearer, ward, patient, START)
        found = await logs(ward, len(PATIENTS), ticks=2)
    for patient in PATIENTS:
        rows = found[partition_of(patient_id(patient).bytes, ward.partitions)].readings
        (row,) = rows[rows["patient"] == np.void(patient_id(patient).bytes)]
        assert (row["observed_at"], row["value"], row["site"]) == (START, 100.0, 7)
        assert row["flags"] == Flag.LATE
    for log in found:
        ticks = log.rows[log.rows["metric"] == TICK]
        assert set(ticks["site"]) == {7}
        assert (np.diff(ticks["observed_at"]) > 0).all()


async def test_each_kind_of_bad_input_is_kept_where_one_can_look_and_stops_nothing(
    ward: BridgeSettings, wearer: Connection
):
    """What cannot be used is counted and kept; what can be marked is stored; the next reading comes through."""
    huge = b'{"metric":"glucose","value":100,"observed_at":0,"padding":"' + b"x" * 2 * 1024 * 1024 + b'"}'
    topic = readings_topic(ward.namespace, "ward-a", "cgm-p-1")
    year_2099 = START + 76 * 365 * 24 * 60 * MINUTE_US
    async with bridge(ward):
        await wearer.publish(topic, b"hello")
        await publish(wearer, ward, "p-1", START, "-5")
        await publish(wearer, ward, "p-1", START, '"abc"')
        await publish(wearer, ward, "nobody", START)
        await wearer.publish(topic, b'{"device":"cgm-p-2","metric":"glucose","value":100,"observed_at":0}')
        await publish(wearer, ward, "p-1", 0)
        await publish(wearer, ward, "p-1", year_2099)
        await wearer.publish(topic, huge)
        await publish(wearer, ward, "p-1", START + 1, "100")
        await publish(wearer, ward, "p-1", START + 1, "101")
        found = await rejections(ward, 6)
        rows = np.concatenate([log.readings for log in await logs(ward, 4)])
    assert {reason: sorted(device for device, _ in kept) for reason, kept in found.items()} == {
        "malformed": ["cgm-p-1"],
        "not_a_number": ["cgm-p-1"],
        "not_bound": ["cgm-nobody", "cgm-p-1"],
        "device_mismatch": ["cgm-p-1"],
        "too_large": ["cgm-p-1"],
    }
    assert found["malformed"][0][1] == b"hello"
    assert found["too_large"][0][1] == huge[: 64 * 1024]
    negative, future, first, second = rows
    assert negative["flags"] >> 12 == Invalid.BELOW_RANGE
    assert future["flags"] & Flag.CLOCK_SUSPECT
    assert (first["value"], second["value"]) == (100.0, 101.0)


async def test_a_binding_that_is_in_the_log_is_known_before_a_reading_is_refused(
    ward: BridgeSettings, wearer: Connection
):
    """A device is bound and publishes at once: the bridge reads the registry to its end before it says no."""
    async with bridge(ward):
        await logs(ward, 0, ticks=1)
        for number in range(5):
            await bind(ward, f"late-{number}")
            await publish(wearer, ward, f"late-{number}", START)
        await logs(ward, 5)
        await publish(wearer, ward, "never", START)
        assert await rejections(ward, 1) == {
            "not_bound": [("cgm-never", f'{{"metric":"glucose","value":100,"observed_at":{START}}}'.encode())]
        }


async def test_a_binding_that_nobody_can_read_stops_no_other_devices_readings(ward: BridgeSettings, wearer: Connection):
    """One foreign record would otherwise end every bridge at the same offset, and with it everybody's alerts."""
    async with bridge(ward):
        await logs(ward, 0, ticks=1)
        async with Producer(ward, "foreign") as producer:
            keys = [b"device:cgm-p-1", b"device:\xff"]
            await producer.send([Out(BINDINGS, 0, key, b'{"name":') for key in keys])
        await bind(ward, "new")  # by its reading the bridge knows what came before
        await publish(wearer, ward, "new", START)
        await logs(ward, 1)
        await publish(wearer, ward, "p-1", START)
        await publish(wearer, ward, "p-2", START)
        rows = np.concatenate([log.readings for log in await logs(ward, 2)])
        kept = await rejections(ward, 1)
    assert set(map(bytes, rows["patient"])) == {patient_id("new").bytes, patient_id("p-2").bytes}
    assert [name for name, _ in kept["not_bound"]] == ["cgm-p-1"]
    async with bridge(ward):  # and one that begins with it
        await publish(wearer, ward, "p-2", START + 1)
        await logs(ward, 3)


async def test_reading_the_registry_to_its_end_waits_behind_no_fetch(
    ward: BridgeSettings, monkeypatch: pytest.MonkeyPatch
):
    """Kafka answers one connection in order: a turn with an unknown name would stand still as long as a fetch may."""
    monkeypatch.setitem(CONSUMER_OPTIONS, "fetch_max_wait_ms", 15_000)
    async with (
        Reader(ward, [(BINDINGS, 0)]) as bindings,
        Reader(ward, []) as asker,
        asyncio.TaskGroup() as group,
    ):
        follower = Follower(bindings, asker, Directory(ward.partitions))
        task = group.create_task(follower.run(), name="directory")
        await follower.catch_up()
        for number in range(3):  # from the first on there is a fetch at the broker
            await bind(ward, f"late-{number}")
            async with asyncio.timeout(10):
                await follower.catch_up()
                await follower.catch_up()
            assert f"cgm-late-{number}" in follower.directory.devices
        task.cancel()


async def test_a_bridge_killed_between_write_and_acknowledgement_loses_nothing(
    ward: BridgeSettings, wearer: Connection
):
    """The broker delivers again what was not acknowledged: at worst a repeat in the log, never a hole."""
    for number in range(60):
        await publish(wearer, ward, PATIENTS[number % len(PATIENTS)], START + number)
    await killed_bridge(ward)
    async with bridge(ward):
        await publish(wearer, ward, "p-1", START + 60)
        found = np.concatenate([log.readings for log in await logs(ward, 61 + 1)])
        while START + 60 not in found["observed_at"]:  # repeats came first
            found = np.concatenate([log.readings for log in await logs(ward, len(found) + 1)])
    assert sorted(set(found["observed_at"].tolist())) == [START + number for number in range(61)]
    assert len(found) > 61, "the killed bridge had not written anything"
    assert len(found) <= 61 + ward.receive_maximum


async def test_what_is_published_while_no_bridge_runs_waits_at_the_broker_in_order(
    ward: BridgeSettings, wearer: Connection
):
    """The bridge's session is persistent from its first connect; a restart is a pause, not a loss."""
    for number in range(250):  # more than iotcore sends before it wants acknowledgements
        await publish(wearer, ward, "p-1", START + number)
    async with bridge(ward):
        found = await logs(ward, 250)
    rows = found[partition_of(patient_id("p-1").bytes, ward.partitions)].readings
    assert rows["observed_at"].tolist() == [START + number for number in range(250)]


async def site_rows(settings: Settings, enough: Callable[[list[int]], bool]) -> list[int]:
    """The sites of the ticks in partition 0, in order, once ``enough`` of them are there."""
    found: list[int] = []
    async with Reader(settings, [(READINGS, 0)]) as reader, asyncio.timeout(20):
        while not enough(found):
            for records in await reader.poll(1.0):
                rows = decode(records.values)
                found.extend(rows["site"][rows["metric"] == TICK].tolist())
    return found


async def test_a_site_whose_gateway_is_away_has_no_time_until_it_is_back(ward: BridgeSettings, wearer: Connection):
    """Its patients turn unknown together; with time going on they would be called silent one by one."""
    async with Producer(ward, "registry") as producer:
        await producer.send([Out(BINDINGS, 0, b"site:ward-b", Site(name="ward-b", number=8).encode())])
    topic = presence_topic(ward.namespace, "ward-b")
    async with bridge(ward):
        await site_rows(ward, lambda found: {7, 8} <= set(found))
        await wearer.publish(topic, b'{"session":"one","online":true}')
        await wearer.publish(topic, b'{"session":"one","online":false}')
        await site_rows(ward, lambda found: found[-3:] == [7, 7, 7])
        await wearer.publish(topic, b'{"session":"two","online":true}')
        await wearer.publish(topic, b'{"session":"one","online":false}')
        await site_rows(ward, lambda found: len(found) > 3 and found[-4:] == [7, 8, 7, 8])
        await wearer.publish(presence_topic(ward.namespace, "ward-z"), b'{"session":"one","online":false}')
        kept = await rejections(ward, 1)
    assert kept == {"not_bound": [("-gateway", b'{"session":"one","online":false}')]}


def simulated(settings: BridgeSettings) -> BridgeSettings:
    return settings.model_copy(update={"clock": "simulated"})


def assert_received_at_is_the_last_tick(log: Log) -> None:
    """Each reading's ``received_at`` is the tick before it in its own partition."""
    now = None
    for row in log.rows:
        if row["metric"] == TICK:
            now = row["observed_at"]
        else:
            assert row["received_at"] == now


async def test_on_simulated_time_a_reading_is_received_at_the_tick_before_it(ward: BridgeSettings, wearer: Connection):
    """A month that is replayed in a minute has the delays of the month: the wall's clock has no say."""
    settings = simulated(ward)
    async with bridge(settings):
        for minute in range(30):
            await tick(wearer, settings, START + minute * MINUTE_US)
            for patient in PATIENTS:
                await publish(wearer, settings, patient, START + minute * MINUTE_US + 1)
        found = await logs(settings, 30 * len(PATIENTS), ticks=30)
    for log in found:
        assert_received_at_is_the_last_tick(log)
        assert len(log.rows) - len(log.readings) == 30, "a bridge on the simulated clock makes no ticks"
    rows = np.concatenate([log.readings for log in found])
    assert (rows["received_at"] - rows["observed_at"] == -1).all()
    assert (rows["flags"] & (Flag.LATE | Flag.CLOCK_SUSPECT) == 0).all()


async def test_on_simulated_time_a_restarted_bridge_goes_on_at_the_last_tick(ward: BridgeSettings, wearer: Connection):
    """Otherwise the readings after a crash would be received at no time, or at the wall's, years late."""
    settings = simulated(ward)
    async with bridge(settings):
        await tick(wearer, settings, START)
        await publish(wearer, settings, "p-1", START + 1)
        await logs(settings, 1, ticks=1)
    for patient in PATIENTS:
        await publish(wearer, settings, patient, START + 2)
    await killed_bridge(settings)
    async with bridge(settings):
        await tick(wearer, settings, START + MINUTE_US)
        await publish(wearer, settings, "p-2", START + MINUTE_US + 1)
        found = await logs(settings, 1 + 6 + 6 + 1, ticks=2)
    for log in found:
        assert_received_at_is_the_last_tick(log)
