"""The replay and the fleet through real brokers, a real bridge and a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from compose.wiring import RegistryClient
from ingest import registry_service, service
from ingest.settings import BridgeSettings, RegistrySettings
from runtime.clock import SystemClock
from runtime.kafka import Reader
from runtime.mqtt import Connection
from runtime.settings import Settings
from runtime.testing.proxy import Proxy
from simulators import fleet, replay
from simulators.exports import Export, parse
from simulators.physiology import faults
from vitals.errors import InputError, StateError
from vitals.metrics import MINUTE_US, TICK
from vitals.readings import Flag, Rows, decode
from vitals.topics import CONTROL_HEADER, READINGS, partition_of, patient_id

HOUR_US = 60 * MINUTE_US


@pytest.fixture
async def simulated(topics: Settings, mqtt: str) -> AsyncIterator[Settings]:
    """Settings of a Vigil on simulated time with registry and bridge running on them."""
    assert mqtt == topics.mqtt
    settings = topics.model_copy(update={"clock": "simulated"})
    async with running(settings):
        yield settings


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """Registry and bridge beside the test; the bridge's session is removed at the end."""
    values = settings.model_dump()
    bridge, registry = BridgeSettings.model_validate(values), RegistrySettings.model_validate(values)
    async with service.connect(bridge):
        pass  # from here on the broker keeps what comes for the bridge
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(registry_service.main(registry), name="registry"),
            group.create_task(service.main(bridge), name="bridge"),
        ]
        yield
        for task in tasks:
            task.cancel()
    async with Connection(settings, "bridge-0", forget=True):
        pass


def export(name: str = "glucose-1.csv", hours: int = 8) -> Export:
    """Five-minute readings from midnight on, with an hour's hole in the middle."""
    rows = [
        f"{6 + minute // 1440:02}/11/2023 {minute // 60 % 24:02}:{minute % 60:02},{5 + minute % 7 / 10:g}"
        for minute in range(0, hours * 60, 5)
        if not hours * 30 <= minute < hours * 30 + 60
    ]
    return parse(name, ("bg_ts,value\n" + "\n".join(rows)).encode())


async def play(settings: Settings, exports: list[Export], **options: object) -> replay.Report:
    chosen = replay.Options(**options)  # type: ignore[arg-type]
    return await replay.run(settings, exports, chosen, registry=RegistryClient(settings), clock=SystemClock())


async def log_of(settings: Settings) -> dict[int, Rows]:
    """Rows of ``vitals.readings`` in log order, by partition."""
    keys = [(READINGS, partition) for partition in range(settings.partitions)]
    values: dict[int, list[bytes]] = {partition: [] for _, partition in keys}
    async with Reader(settings, keys) as reader:
        ends = await reader.end_offsets()
        left = {key for key, end in ends.items() if end}
        while left:
            for records in await reader.poll(1.0):
                for value, headers in zip(records.values, records.headers, strict=True):
                    if not any(name == CONTROL_HEADER for name, _ in headers):
                        values[records.partition].append(value)
                if records.offsets[-1] + 1 >= ends[records.topic, records.partition]:
                    left.discard((records.topic, records.partition))
    return {partition: decode(found) for partition, found in values.items()}


def first_copies(rows: Rows) -> Rows:
    """Readings without their repeats, in log order."""
    readings = rows[rows["metric"] != TICK]
    _, first = np.unique(readings["observed_at"], return_index=True)
    copies: Rows = readings[np.sort(first)]
    return copies


def assert_in_order(rows: Rows, chosen: Export) -> None:
    """Every reading once, in order, received at the tick of its minute."""
    readings = first_copies(rows)
    assert readings["observed_at"].tolist() == [sample.at for sample in chosen.samples]
    assert (readings["received_at"] == readings["observed_at"] // MINUTE_US * MINUTE_US).all()
    assert not (readings["flags"] & (Flag.LATE | Flag.CLOCK_SUSPECT)).any()


def home(chosen: Export, settings: Settings) -> int:
    return partition_of(patient_id(chosen.patient).bytes, settings.partitions)


async def test_every_reading_is_received_at_the_tick_of_its_minute(simulated: Settings):
    """Silence and delays are judged by the clock at which a reading came: a month must replay as it was lived."""
    chosen = export()
    report = await play(simulated, [chosen])
    log = await log_of(simulated)
    assert_in_order(log[home(chosen, simulated)], chosen)
    for rows in log.values():
        ticks = rows["observed_at"][rows["metric"] == TICK]
        assert ticks[0] == chosen.samples[0].at
        assert ticks[-1] == report.clock == chosen.samples[-1].at + HOUR_US
        assert set(np.diff(np.unique(ticks)).tolist()) == {MINUTE_US}
        assert (np.diff(ticks) >= 0).all()
    assert (report.rows_in_log, report.repeats_in_log, report.stalls) == (len(chosen.samples), 0, 0)


async def test_a_second_replay_sends_what_is_missing_and_time_does_not_go_back(simulated: Settings):
    """A replay that was stopped goes on; started twice by mistake it does no harm."""
    chosen = export()
    await play(simulated, [chosen], days=1 / 8, tail_us=0)
    report = await play(simulated, [chosen])
    assert 0 < report.skipped < len(chosen.samples)
    again = await play(simulated, [chosen])
    assert (again.skipped, again.late, again.repeats_in_log) == (len(chosen.samples), 0, 0)
    log = await log_of(simulated)
    assert_in_order(log[home(chosen, simulated)], chosen)
    assert all((np.diff(rows["observed_at"][rows["metric"] == TICK]) >= 0).all() for rows in log.values())


async def test_a_lost_connection_leaves_the_order_as_it_was(simulated: Settings):
    """The replay does not wait for each PUBACK; what is sent again must come behind what came before."""
    chosen = export(hours=48)  # what is published ahead of the log's clock is some 8 h of it
    host, _, port = simulated.mqtt.rpartition(":")
    async with Proxy(host, int(port)) as proxy, Reader(simulated, [(READINGS, 0)]) as reader:
        through = simulated.model_copy(update={"mqtt": f"127.0.0.1:{proxy.port}"})
        playing = asyncio.ensure_future(play(through, [chosen]))
        for hour in (2, 6):
            await clock_passes(reader, chosen.samples[0].at + hour * HOUR_US)
            proxy.cut()
            refused = asyncio.ensure_future(proxy.refused_one())
            await asyncio.wait({refused, playing}, return_when=asyncio.FIRST_COMPLETED)
            assert refused.done(), "the replay ended before it came back"
            proxy.mend()
        await playing
    log = await log_of(simulated)
    assert_in_order(log[home(chosen, simulated)], chosen)


async def test_a_killed_replay_is_taken_up_by_the_next(simulated: Settings):
    """What the first one left in the broker arrives meanwhile; nothing is lost, nothing comes in another order."""
    chosen = export(hours=24)
    async with Reader(simulated, [(READINGS, 0)]) as reader:
        playing = asyncio.ensure_future(play(simulated, [chosen]))
        await clock_passes(reader, chosen.samples[0].at + 2 * HOUR_US)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
    report = await play(simulated, [chosen])
    assert 0 < report.skipped < len(chosen.samples)
    log = await log_of(simulated)
    assert_in_order(log[home(chosen, simulated)], chosen)


async def clock_passes(reader: Reader, at: int) -> None:
    """Wait until partition 0 has a tick at ``at`` or later."""
    while True:
        for records in await reader.poll(1.0):
            plain = [v for v, h in zip(records.values, records.headers, strict=True) if not h]
            rows = decode(plain)
            if (rows["observed_at"][rows["metric"] == TICK] >= at).any():
                return


async def test_a_patients_devices_share_one_clock(simulated: Settings):
    """A later device is bound from its own first reading on: before, it is not silent but absent."""
    one, two = export("glucose-1.csv", hours=4), export("glucose-2.csv", hours=8)
    report = await play(simulated, [one, two])
    log = await log_of(simulated)
    assert report.rows_in_log == len(one.samples) + len(two.samples)
    assert sum(len(rows[rows["metric"] != TICK]) for rows in log.values()) == report.rows_in_log


async def test_the_real_clock_is_refused():
    """Its ticks would age every live patient at once."""
    with pytest.raises(StateError, match="a replay needs the simulated clock"):
        await play(Settings(), [export()])


async def test_a_choice_without_readings_is_refused():
    """Nothing would happen, and look like success."""
    with pytest.raises(InputError, match="nothing to replay"):
        await play(Settings(clock="simulated"), [export()], begin=0, days=1)


async def test_the_ward_sends_over_mqtt_and_every_reading_is_in_the_log(
    topics: Settings, mqtt: str, monkeypatch: pytest.MonkeyPatch
):
    """A PUBACK to a device means that Kafka has the reading; the report says how many have it. No device has a hole, as
    by the wall's time it may have for hours.
    """
    assert mqtt == topics.mqtt
    monkeypatch.setattr(faults, "lost", lambda *columns: np.zeros(len(columns[2]), np.bool_))
    monkeypatch.setattr(faults, "hole", lambda *columns: np.zeros(len(columns[1]), np.bool_))
    async with running(topics):
        options = fleet.Options(patients=3, rate_hz=2, duration_s=2.0, stories=False)
        report = await fleet.run(topics, options, RegistryClient(topics), SystemClock())
        again = await fleet.run(topics, options, RegistryClient(topics), SystemClock())
        sent = report.sent + again.sent
        assert (report.acked, again.acked) == (report.sent, again.sent)
        assert report.sent >= 3 * (4 + 4), "one of each metric at the start, and four heart rates"
        while sum(len(rows[rows["metric"] != TICK]) for rows in (await log_of(topics)).values()) < sent:
            pass


async def test_the_ward_refuses_simulated_time():
    """Its readings carry the wall's time, which the replay's clock may never reach."""
    settings = Settings(clock="simulated")
    with pytest.raises(StateError, match="the simulated ward needs the real clock"):
        await fleet.run(settings, fleet.Options(), RegistryClient(settings), SystemClock())
