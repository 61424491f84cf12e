"""Sentences about the whole flow: from what a device sends to what calls people and what stands in the chart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.settings import Settings
from runtime.testing.waiting import until
from tests.boards import dashboard, knowing
from tests.flow import IOTCORE, MOSQUITTO, Flow, SteppedClock, bridge, flow, minute_us, on, told
from tests.integration.storage_data import rows, stored_to_the_end
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.policy_edits import edited
from vitals.readings import Flag
from vitals.registry import PolicySet
from vitals.rollups import LATE as SHOWN_LATE
from vitals.topics import patient_id

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def ward(topics: Settings, mqtt: str, database_url: str) -> AsyncIterator[Flow]:
    """The whole flow on simulated time, and a sensor of five minutes that p-1 wears from minute 0 on."""
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    settings = topics.model_copy(update={"clock": "simulated"})
    async with flow(settings) as made, bridge(settings):
        await made.add("cgm-1", "t1d-uom-5min")
        await made.bind("cgm-1", "p-1", minute_us(0))
        yield made


@on(MOSQUITTO)
async def test_a_device_an_hour_fast_and_then_silent(ward: Flow):
    """Its readings count when they come and its silence from the last of them: by its own clock it would be heard for
    an hour yet, with a low that nobody sees any more.
    """
    for minute, value in ((0, 100), (5, 100), (10, 66), (15, 50)):
        await ward.until(minute)
        await ward.reads("cgm-1", minute + 60, value)
    assert told(await ward.ends(36), "p-1") == [
        ("low", 15, "open", "high", ""),
        ("low", 26, "unknown", "high", "no data"),
        ("signal", 35, "open", "high", "silent"),
    ]
    stored = await ward.stored()
    assert [(minute, value) for _, _, minute, value, _ in stored] == [(60, 100), (65, 100), (70, 66), (75, 50)]
    assert {flags for *_, flags in stored} == {Flag.CLOCK_SUSPECT}


@on(IOTCORE)
async def test_a_device_an_hour_slow_has_only_old_readings(ward: Flow):
    """What it says, it says about an hour ago: nobody is paged for that, and somebody hears that its clock is wrong."""
    for minute in range(0, 65, 5):
        await ward.until(minute)
        await ward.reads("cgm-1", minute, 100)
    for minute in range(65, 95, 5):
        await ward.until(minute)
        await ward.reads("cgm-1", minute - 60 + 0.1, 45)
    assert told(await ward.ends(95), "p-1") == [("signal", 80, "open", "low", "only old readings")]
    late = [(minute, flags) for _, _, minute, value, flags in await ward.stored() if value == 45]
    assert late == [(minute + 0.1, Flag.LATE) for minute in range(5, 35, 5)]


@on(MOSQUITTO)
async def test_a_device_that_is_bound_and_never_heard(ward: Flow):
    """A sensor that was never switched on must not look like a calm patient."""
    await ward.until(0)
    assert told(await ward.ends(81), "p-1") == [
        ("signal", 20, "open", "low", "waiting for the first reading"),
        ("signal", 80, "rise", "medium", "waiting for the first reading"),
    ]
    assert await ward.stored() == []


@on(IOTCORE)
async def test_a_reading_40_minutes_late_pages_nobody_and_stands_marked_in_the_chart(ward: Flow, tmp_path: Path):
    """It is the truth about then, not about now."""
    for minute in range(0, 45, 5):
        await ward.until(minute)
        if minute != 5:
            await ward.reads("cgm-1", minute, 100)
    await ward.reads("cgm-1", 5, 45)
    assert told(await ward.ends(46), "p-1") == []
    assert [each for each in await ward.stored() if each[2] == 5] == [("p-1", "cgm-1", 5, 45, Flag.LATE)]
    async with dashboard(ward.settings, tmp_path) as board:
        await knowing(board, "nurse", 1)
        path, begin, end = f"/api/patients/{patient_id('p-1')}/series", minute_us(0), minute_us(46)
        chart = (await board.get(path, metric="glucose", from_=begin, to=end)).json
    assert chart["t"] == [minute_us(minute) for minute in range(0, 45, 5)]
    assert chart["last"] == [100, 45, *[100] * 7]
    assert chart["flags"] == [0, SHOWN_LATE, *[0] * 7]


@on(IOTCORE)
async def test_a_fast_heart_calls_at_rest_and_is_unknown_while_its_wearer_walks(ward: Flow, tmp_path: Path):
    """Steps go the way of every reading: from the device to the rule that asks for them, the chart and the page."""
    await ward.add("wrist-2", "wrist-steps")
    await ward.bind("wrist-2", "p-2", minute_us(0))
    policy = edited(DEFAULT, ["heart_rate_rest=on"])
    await ward.do(PolicySet(id=uuid4(), patient="p-2", policy=policy))
    for minute in range(13):
        await ward.until(minute)
        seconds = [minute_us(minute) + second * SECOND_US for second in range(1, 61)]
        await ward.publish("wrist-2", *((at, 125) for at in seconds), metric="heart_rate")
        await ward.publish("wrist-2", (seconds[-2], 0 if minute < 9 else 72), metric="steps")
    assert told(await ward.ends(13), "p-2") == [
        ("heart_rate_rest", 7, "open", "low", ""),
        ("heart_rate_rest", (590 + 62) / 60, "unknown", "low", "moving"),
    ]
    assert {device for _, device, *_ in await ward.stored()} == {"wrist-2"}
    async with dashboard(ward.settings, tmp_path) as board:
        await knowing(board, "nurse", 2)
        path, begin, end = f"/api/patients/{patient_id('p-2')}", minute_us(0), minute_us(13)
        steps = (await board.get(f"{path}/series", metric="steps", from_=begin, to=end)).json
        latest = (await board.get(path)).json["latest"]
    assert (steps["unit"], steps["last"]) == ("{steps}/min", [*[0] * 9, *[72] * 4])
    assert (latest["steps"]["value"], latest["heart_rate"]["news2_pulse"]) == (72, 2)


STORED = "SELECT (extract(epoch FROM observed_at) * 1000000)::bigint, flags FROM vigil.readings ORDER BY 1"


class Wearer:
    """Who wears a heart rate band on p-1 and makes time pass: it sends each second, those of a jump by the minute."""

    def __init__(self, made: Flow, clock: SteppedClock) -> None:
        self._flow, self._clock = made, clock
        self.sent: list[int] = []
        self.rate = 70

    async def wear(self) -> None:
        """Let seconds pass, and send them, for ever."""
        last = self._clock.now_us() // SECOND_US
        while True:
            self._clock.step(SECOND_US)
            now = self._clock.now_us() // SECOND_US
            seconds = [second * SECOND_US for second in range(last + 1, now + 1)]
            for first in range(0, len(seconds), 60):
                part = seconds[first : first + 60]
                await self._flow.publish("band-1", *((at, self.rate) for at in part), metric="heart_rate")
                self.sent += part
            last = now
            await self._clock.sleep(1)

    async def stored(self) -> list[tuple[int, int]]:
        """(µs, flags) of every reading in the database, once all that were sent until now are there."""
        wanted = set(self.sent)
        while True:
            await stored_to_the_end(self._flow.settings)
            found = await rows(self._flow.settings, STORED)
            if wanted <= {at for at, _ in found}:
                return [(at, flags) for at, flags in found]


@asynccontextmanager
async def worn(
    settings: Settings, bridges: tuple[str, ...] = ("0",)
) -> AsyncIterator[tuple[Flow, SteppedClock, Wearer]]:
    """The whole flow on real time, at most forty times as fast, without a bridge; p-1 wears a band, p-2 a sensor."""
    clock = SteppedClock(speed=40)
    async with flow(settings, bridges) as made:
        now = clock.now_us()
        for device, kind, patient in (("band-1", "wrist", "p-1"), ("cgm-2", "t1d-uom-5min", "p-2")):
            await made.add(device, kind)
            await made.bind(device, patient, now)
        wearer = Wearer(made, clock)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(wearer.wear(), name="wearer")
            yield made, clock, wearer
            task.cancel()


@on(MOSQUITTO)
async def test_two_bridges_3_s_apart_decide_once(topics: Settings, mqtt: str, database_url: str):
    """Each takes every reading and makes its own time; two of everything, of which one counts, and nobody is called
    twice or silent because the slower one is behind.
    """
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    async with (
        worn(topics, ("0", "1")) as (made, clock, wearer),
        bridge(topics, clock.ahead(3 * SECOND_US), "0"),
        bridge(topics, clock, "1"),
    ):
        began = clock.now_us()
        wearer.rate = 160
        await made.publish("cgm-2", (began, 50))
        alerts = await made.passed(began + 150 * SECOND_US)
        kept = await wearer.stored()
    assert [(rule, change) for rule, _, change, _, _ in told(alerts, "p-1")] == [("heart_rate_extreme", "open")]
    assert [(rule, change) for rule, _, change, _, _ in told(alerts, "p-2")] == [("low", "open")]
    assert {alert.label for alert in alerts} == {"p-1", "p-2"}, "no site is silent"
    times = [at for at, _ in kept if at != began]
    assert len(times) == len(set(times))
    assert set(wearer.sent[: len(times)]) <= set(times)
    assert {flags for _, flags in kept} == {0}


@on(IOTCORE)
async def test_nobody_is_called_silent_after_a_bridge_was_stopped_for_10_minutes(
    topics: Settings, mqtt: str, database_url: str
):
    """Its backlog is digested before time moves: twice the five minutes of silence went by, and nobody was silent."""
    assert (mqtt, database_url) == (topics.mqtt, topics.database_url.get_secret_value())
    async with worn(topics) as (made, clock, wearer):
        async with bridge(topics, clock):
            await made.passed(clock.now_us() + MINUTE_US)
        stopped = clock.now_us()
        await made.publish("cgm-2", (stopped, 100))
        clock.step(5 * MINUTE_US)
        await made.publish("cgm-2", (clock.now_us(), 101))
        clock.step(5 * MINUTE_US)
        back = clock.now_us()
        await until(lambda: wearer.sent[-1] >= back - SECOND_US)
        async with bridge(topics, clock):
            alerts = await made.passed(back + MINUTE_US)
            kept = await wearer.stored()
    assert [told(alerts, label) for label in ("p-1", "p-2", "ward-a")] == [[], [], []]
    late = [at for at, flags in kept if flags & Flag.LATE]
    assert stopped - MINUTE_US < min(late)
    assert max(late) < back
    assert len(late) > 9 * 60
    assert set(wearer.sent[:600]) <= {at for at, _ in kept}
