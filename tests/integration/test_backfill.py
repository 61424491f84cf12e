"""A ward's past and its present through a real broker, a real bridge, a real registry and a real Kafka."""

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
from simulators import backfill, fleet, stories
from simulators.roll import device_name, patient_name
from simulators.ward import NO_CONTACT, Due, Ward, WardSpec
from vitals.errors import StateError
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, TICK
from vitals.readings import Flag, Rows, decode
from vitals.topics import CONTROL_HEADER, READINGS, REJECTED, device_id, partition_of, patient_id

HOUR_US = 60 * MINUTE_US
PATIENTS = 8


@pytest.fixture
async def simulated(topics: Settings, mqtt: str) -> AsyncIterator[Settings]:
    """Settings of a Vigil on simulated time with registry and bridge running on them."""
    assert mqtt == topics.mqtt
    settings = topics.model_copy(update={"clock": "simulated"})
    async with running(settings):
        yield settings
    async with Connection(settings, "bridge-0", forget=True):
        pass


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """Registry and bridge beside the test."""
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


async def log_of(settings: Settings, topic: str = READINGS) -> dict[int, Rows]:
    """Rows of a topic in log order, by partition; control records are left out."""
    keys = [(topic, partition) for partition in range(settings.partitions)]
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


def rows_of(log: dict[int, Rows], index: int, settings: Settings) -> Rows:
    """A patient's readings in log order."""
    identity = patient_id(patient_name(index)).bytes
    rows = log[partition_of(identity, settings.partitions)]
    found: Rows = rows[(rows["metric"] != TICK) & (rows["patient"] == np.void(identity))]
    return found


def expected(due: Due, index: int, metric: int) -> list[tuple[int, float]]:
    mine = (due.patient == index) & (due.metric == metric) & (due.marks != NO_CONTACT)
    return list(zip(due.at[mine].tolist(), due.value[mine].tolist(), strict=True))


async def test_history_and_present_are_one_course(simulated: Settings):
    """What crosses from simulated to real time must show nowhere: no hole, no jump, nothing ahead of the wall."""
    clock = SystemClock()
    began_at = clock.now_us() - 2 * HOUR_US
    options = fleet.Options(patients=PATIENTS, rate_hz=0.2, began_at=began_at)
    told: list[int] = []
    report = await backfill.run(
        simulated, options, RegistryClient(simulated), clock, lambda so_far: told.append(so_far.readings)
    )
    behind = clock.now_us() - report.until
    history = await log_of(simulated)
    ward = Ward(WardSpec(PATIENTS, 0.2, 1, report.story_at))
    due = ward.due(report.began_at, report.until)
    assert 0 <= behind < 10 * SECOND_US, "the wall went on while this test looked"
    assert report.readings == len(due.at)
    assert told[-1] == report.readings
    for index in range(PATIENTS):
        rows = rows_of(history, index, simulated)
        assert not (rows["flags"] & (Flag.LATE | Flag.CLOCK_SUSPECT)).any()
        for metric in (HEART_RATE.code, GLUCOSE.code):
            mine = rows[(rows["metric"] == metric) & ((rows["flags"] & Flag.CONTACT_LOST) == 0)]
            found = list(zip(mine["observed_at"].tolist(), mine["value"].tolist(), strict=True))
            assert found == expected(due, index, metric)
    for rows in history.values():
        ticks = rows["observed_at"][rows["metric"] == TICK]
        assert (ticks[0], ticks[-1]) == (report.began_at, report.until)
        assert 0 <= np.diff(ticks).min() <= np.diff(ticks).max() <= MINUTE_US
        readings = rows[rows["metric"] != TICK]
        assert (readings["observed_at"] >= readings["received_at"]).all()
    assert not any(len(rows) for rows in (await log_of(simulated, REJECTED)).values())


async def test_the_live_ward_goes_on_where_the_history_ended(simulated: Settings):
    """Another process sends the present: between the last reading of one and the first of the other is one interval."""
    clock = SystemClock()
    options = fleet.Options(patients=2, rate_hz=0.2, began_at=clock.now_us() - HOUR_US // 4)
    report = await backfill.run(simulated, options, RegistryClient(simulated), clock)
    live = fleet.Options(
        patients=2, rate_hz=0.2, duration_s=6.0, began_at=report.began_at, resume_at=report.until,
        story_at=report.story_at,
    )  # fmt: skip
    real = simulated.model_copy(update={"clock": "real"})
    sent = await fleet.run(real, live, RegistryClient(real), clock)
    assert sent.acked == sent.sent > 0
    rows = await until_rows(simulated, report.readings + sent.sent)
    due = Ward(WardSpec(2, 0.2, 1, report.story_at)).due(report.began_at, report.until + 5 * SECOND_US)
    for index in range(2):
        mine = rows_of(rows, index, simulated)
        beats = mine["observed_at"][(mine["metric"] == HEART_RATE.code)].tolist()
        wanted = due.at[(due.patient == index) & (due.metric == HEART_RATE.code)].tolist()
        assert beats[: len(wanted)] == wanted


async def until_rows(settings: Settings, count: int) -> dict[int, Rows]:
    """The log once it holds so many readings."""
    async with asyncio.timeout(30):
        while True:
            log = await log_of(settings)
            if sum(len(rows[rows["metric"] != TICK]) for rows in log.values()) >= count:
                return log


async def test_a_history_that_was_cut_off_goes_on(simulated: Settings):
    """Ctrl-C in the first minute, and `vigil up` again: the ward began when it began, and nothing is lost."""
    clock = SystemClock()
    options = fleet.Options(patients=2, rate_hz=0.2, began_at=clock.now_us() - 24 * HOUR_US)
    first = asyncio.ensure_future(backfill.run(simulated, options, RegistryClient(simulated), clock))
    async with Reader(simulated, [(READINGS, 0)]) as reader:
        await clock_passes(reader, options.began_at or 0, 4 * HOUR_US)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    again = fleet.Options(patients=2, rate_hz=0.2)
    report = await backfill.run(simulated, again, RegistryClient(simulated), clock)
    assert report.began_at == (options.began_at or 0) // MINUTE_US * MINUTE_US
    due = Ward(WardSpec(2, 0.2, 1, report.story_at)).due(report.began_at, report.until)
    swap = stories.swap(report.began_at, report.until, 2)
    assert swap is not None
    log = await log_of(simulated)
    for index in range(2):
        rows = rows_of(log, index, simulated)
        wanted = {at for at in due.at[due.patient == index].tolist()
                  if index != swap.patient or not swap.off_at <= at < swap.on_at}  # fmt: skip
        assert set(rows["observed_at"].tolist()) == wanted
    worn = rows_of(log, swap.patient, simulated)
    before, after = (np.void(device_id(device_name(swap.patient, number)).bytes) for number in (0, 1))
    assert set(worn["device"][worn["observed_at"] < swap.off_at].tolist()) == {before.tobytes()}
    assert set(worn["device"][worn["observed_at"] >= swap.on_at].tolist()) == {after.tobytes()}


async def clock_passes(reader: Reader, began_at: int, by: int) -> None:
    """Wait until partition 0 has a tick so long after the beginning."""
    while True:
        for records in await reader.poll(1.0):
            plain = [value for value, headers in zip(records.values, records.headers, strict=True) if not headers]
            rows = decode(plain)
            if (rows["observed_at"][rows["metric"] == TICK] >= began_at + by).any():
                return


async def test_the_real_clock_is_refused():
    """Its ticks would age every live patient at once."""
    settings = Settings()
    with pytest.raises(StateError, match="a history needs the simulated clock"):
        await backfill.run(settings, fleet.Options(), RegistryClient(settings), SystemClock())
