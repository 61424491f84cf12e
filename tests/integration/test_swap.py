"""A device is taken off one patient and put on another, and what it still held comes after: on the whole flow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from runtime.settings import Settings
from tests.flow import IOTCORE, MOSQUITTO, Flow, bridge, bridge_settings, flow, minute_us, on, told
from tests.integration.storage_data import rows
from tests.integration.test_bridge import killed_bridge
from vitals.readings import Flag
from vitals.registry import DeviceClose

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def ward(topics: Settings, mqtt: str, database_url: str) -> AsyncIterator[Flow]:
    """The whole flow on simulated time but for a bridge, and a sensor that p-1 wears from minute 0 on."""
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    async with flow(topics.model_copy(update={"clock": "simulated"})) as made:
        await made.add("cgm-1", "t1d-uom-5min")
        await made.bind("cgm-1", "p-1", minute_us(0))
        yield made


@on(MOSQUITTO, IOTCORE)
async def test_a_redelivery_after_a_swap_reaches_the_patient_who_wore_the_device_then(ward: Flow):
    """The bridge dies between write and acknowledgement, the sensor moves to another patient, and the broker brings
    everything again, with what the sensor's phone still held: the low stays with the one whose it was.
    """
    async with bridge(ward.settings):
        await ward.until(5)
        await ward.reads("cgm-1", 0, 100)
        await ward.passed(minute_us(5))
    await ward.reads("cgm-1", 5, 45)
    await killed_bridge(bridge_settings(ward.settings))
    await ward.unbind("cgm-1", minute_us(10))
    await ward.bind("cgm-1", "p-2", minute_us(10))
    async with bridge(ward.settings):
        await ward.until(11)
        await ward.reads("cgm-1", 9, 48)
        await ward.reads("cgm-1", 10, 102)
        await ward.until(15)
        await ward.reads("cgm-1", 15, 104)
        alerts = await ward.ends(16)
        stored = await ward.stored()
    assert stored == [
        ("p-1", "cgm-1", 0, 100, 0),
        ("p-1", "cgm-1", 5, 45, 0),
        ("p-1", "cgm-1", 9, 48, Flag.LATE),
        ("p-2", "cgm-1", 10, 102, 0),
        ("p-2", "cgm-1", 15, 104, 0),
    ]
    assert await rows(ward.settings, "SELECT sum(duplicates), sum(conflicts) FROM vigil.sink_positions") == [(1, 0)]
    assert told(alerts, "p-2") == []
    assert told(alerts, "p-1") == [
        ("low", 5, "open", "high", ""),
        ("low", 10, "unknown", "high", "device removed"),
    ]


@on(MOSQUITTO)
async def test_an_open_episode_of_a_removed_device_stays_unknown_until_a_new_one_decides(ward: Flow):
    """Neither what the old sensor still held nor the hour in which the new one warms up may end the low."""
    await ward.add("cgm-2", "libre")
    async with bridge(ward.settings):
        for minute, value in ((0, 66), (5, 45)):
            await ward.until(minute)
            await ward.reads("cgm-1", minute, value)
        await ward.until(10)
        await ward.unbind("cgm-1", minute_us(10))
        await ward.reads("cgm-1", 8, 110)
        await ward.until(12)
        await ward.reads("cgm-1", 9, 112)
        await ward.ends(15)  # a bridge that only starts must not bring all of this after the new sensor was put on
        await ward.bind("cgm-2", "p-1", minute_us(15))
        for minute in range(16, 75, 2):
            await ward.until(minute)
            await ward.reads("cgm-2", minute, 115)
        waiting = told(await ward.ends(75), "p-1")
        await ward.reads("cgm-2", 75, 117)
        await ward.until(79)
        await ward.reads("cgm-2", 79, 118)
        alerts = await ward.ends(80)
        stored = await ward.stored()
    assert waiting == [("low", 5, "open", "high", ""), ("low", 10, "unknown", "high", "device removed")]
    assert told(alerts, "p-1")[2:] == [("low", 75, "known", "high", ""), ("low", 79, "clear", "high", "")]
    assert len({alert.id for alert in alerts}) == 1
    assert {alert.device for alert in alerts if alert.change in {"known", "clear"}} == {"cgm-2"}
    assert [flags for _, _, minute, _, flags in stored if 8 <= minute <= 9] == [Flag.LATE] * 2
    assert {flags for _, device, minute, _, flags in stored if device == "cgm-2" and minute < 75} == {Flag.WARM_UP}


@on(IOTCORE)
async def test_an_open_episode_of_a_removed_device_ends_when_somebody_closes_it(ward: Flow):
    """The patient went home without a sensor: its last low would otherwise stand on the screens for ever."""
    async with bridge(ward.settings):
        await ward.until(5)
        await ward.reads("cgm-1", 5, 45)
        await ward.until(10)
        await ward.unbind("cgm-1", minute_us(10))
        await ward.until(12)
        await ward.passed(minute_us(12))
        await ward.do(DeviceClose(id=uuid4(), patient="p-1"))
        alerts = await ward.ends(15)
    assert told(alerts, "p-1") == [
        ("low", 5, "open", "high", ""),
        ("low", 10, "unknown", "high", "device removed"),
        ("low", 12, "clear", "high", "closed"),
    ]
    assert alerts[-1].closed
