"""The load test's own MQTT client against real brokers: what it says is understood, nothing is lost or re-ordered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from runtime.clock import SystemClock
from runtime.mqtt import Connection
from runtime.settings import Settings
from runtime.testing.waiting import until
from simulators.load.client import Broker, Counts, Device
from simulators.load.packets import Version
from tests.conftest import address
from tests.contract.proxy import Proxy
from vitals.topics import mqtt_root, readings_topic

BROKERS: tuple[tuple[str, Version], ...] = (("mosquitto", 4), ("mosquitto", 5), ("iotcore", 5))
"""rumqttd, as we configure it, speaks MQTT 5 only."""
WINDOW = 8


class Ward:
    """Devices whose messages are numbers, and a subscriber that notes what comes."""

    def __init__(self, settings: Settings, where: str, version: Version, count: int) -> None:
        host, _, port = where.rpartition(":")
        self.counts = Counts()
        self.sent: list[int] = []
        self.done: list[int] = []
        self.came: dict[int, list[int]] = {index: [] for index in range(count)}
        broker = Broker(host, int(port), version, asyncio.Semaphore(10))
        self.devices = [self._device(settings, broker, index) for index in range(count)]

    def _device(self, settings: Settings, broker: Broker, index: int) -> Device:
        topic = readings_topic(settings.namespace, "load", f"d-{index}").encode()
        return Device(
            f"{settings.namespace}-{index}",
            broker,
            WINDOW,
            self.counts,
            SystemClock(),
            encode=lambda message: (topic, json.dumps([index, message]).encode()),
            sent=self.sent.append,
            done=self.done.append,
        )

    async def note(self, subscriber: Connection) -> None:
        """Take what comes, for ever."""
        while True:
            for message in await subscriber.take():
                index, number = json.loads(message.payload)
                self.came[index].append(number)
                subscriber.ack([message])

    @contextmanager
    def giving(self, messages: int) -> Iterator[None]:
        """So many messages are due at each device, half before the body and half after it."""
        for device in self.devices:
            for message in range(messages // 2):
                device.give(message)
        yield
        for device in self.devices:
            for message in range(messages // 2, messages):
                device.give(message)

    @property
    def connected(self) -> bool:
        return all(device.session.connected for device in self.devices)

    @property
    def idle(self) -> bool:
        return all(device.session.idle for device in self.devices)

    def first(self) -> list[list[int]]:
        """What came of each device, repeats left out."""
        return [list(dict.fromkeys(numbers)) for numbers in self.came.values()]


@asynccontextmanager
async def warded(settings: Settings, where: str, version: Version, count: int) -> AsyncIterator[Ward]:
    """A ward that is connected, and its subscriber."""
    ward = Ward(settings, where, version, count)
    async with (
        Connection(settings, "watcher", [f"{mqtt_root(settings.namespace)}/+/+/+"], forget=True) as subscriber,
        asyncio.TaskGroup() as tasks,
    ):
        await subscriber.publish(readings_topic(settings.namespace, "load", "first"), b"[-1, 0]")
        (first,) = await subscriber.take()  # only now is the subscription surely there
        subscriber.ack([first])
        noting = tasks.create_task(ward.note(subscriber), name="subscriber")
        keepers = [tasks.create_task(device.keep(), name="device") for device in ward.devices]
        await until(lambda: ward.connected)
        yield ward
        for task in (noting, *keepers):
            task.cancel()


@pytest.fixture(params=BROKERS, ids=lambda each: f"{each[0]}-{each[1]}")
def spoken(request: pytest.FixtureRequest) -> tuple[str, Version]:
    """A broker's address and a version of MQTT that it speaks."""
    name, version = request.param
    return address(name), version


async def test_everything_given_arrives_once_in_order_and_has_its_puback(namespace: str, spoken: tuple[str, Version]):
    """The encoder's bytes are a real broker's to judge, and more than a window of them."""
    mqtt, version = spoken
    async with warded(Settings(namespace=namespace, mqtt=mqtt), mqtt, version, 3) as ward:
        with ward.giving(40):
            pass
        await until(lambda: ward.idle and all(len(each) == 40 for each in ward.came.values()))
        assert list(ward.came.values()) == [list(range(40))] * 3
        assert (ward.counts.sent, ward.counts.acknowledged, ward.counts.resent) == (120, 120, 0)
        assert sorted(ward.done) == sorted(ward.sent)


async def test_a_cut_network_loses_nothing_and_keeps_each_devices_order(namespace: str, spoken: tuple[str, Version]):
    """What a drill counts as lost must be the system's loss, never its own client's."""
    mqtt, version = spoken
    settings = Settings(namespace=namespace, mqtt=mqtt)
    async with Proxy(mqtt) as proxy, warded(settings, proxy.address, version, 3) as ward:
        with ward.giving(40):
            proxy.cut()
            await until(lambda: ward.counts.lost >= 1)
        await until(lambda: ward.idle and all(len(each) == 40 for each in ward.first()))
        assert ward.first() == [list(range(40))] * 3
        assert ward.counts.acknowledged == 120
        assert ward.counts.connects > 3


async def test_devices_that_are_away_keep_their_readings_and_send_them_when_they_are_back(
    settings: Settings, mqtt: str
):
    """The outage by script: no connection meanwhile, everything in order afterwards."""
    async with warded(settings, mqtt, 5, 2) as ward:
        with ward.giving(20):
            for device in ward.devices:
                device.stay_away()
            assert not ward.connected
        assert not ward.connected
        for device in ward.devices:
            device.return_home(0.05)
        await until(lambda: ward.idle and all(len(each) == 20 for each in ward.first()))
        assert ward.first() == [list(range(20))] * 2
        assert ward.counts.lost == 0


async def test_a_broker_that_refuses_connections_is_asked_again(settings: Settings, mqtt: str):
    """A load test that gives up would leave its readings in its own memory."""
    async with Proxy(mqtt) as proxy, warded(settings, proxy.address, 5, 2) as ward:
        with ward.giving(10):
            proxy.refuse()
            await until(lambda: ward.counts.failed >= 2)
            proxy.refuse(refusing=False)
        await until(lambda: ward.idle)
        assert ward.counts.acknowledged == 20
