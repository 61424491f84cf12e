"""When a message came: the broker keeps no time, but a bridge's own ticks lie in the same queue."""

from __future__ import annotations

from ingest.ticks import BEHIND_US_MAX, Underway
from tests.unit.test_acks import NOW, House, SlowProducer, until
from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.readings import Flag
from vitals.topics import readings_topic


def test_what_comes_before_a_tick_was_there_before_the_tick_was_made():
    """A bridge that is a minute behind must not say that everything came a minute late."""
    underway = Underway()
    assert underway.arrived(50, 0) == 50
    for at in (100, 200):
        underway.sent(at, 0)
    assert underway.arrived(90, 0) == 90
    assert underway.arrived(950, 0) == 100
    underway.back(100)
    assert underway.arrived(950, 0) == 200
    underway.back(200)
    assert underway.arrived(950, 0) == 950


def test_a_bridge_that_is_far_behind_lets_readings_be_late():
    """After an hour without Kafka a low of then must not page as if it were one of now."""
    underway = Underway()
    underway.sent(NOW, 0)
    assert underway.arrived(NOW + BEHIND_US_MAX, 0) == NOW
    assert underway.arrived(NOW + 60 * MINUTE_US, 0) == NOW + 55 * MINUTE_US
    assert HEART_RATE.silent_us == BEHIND_US_MAX


def test_a_tick_that_is_back_before_its_acknowledgement_bounds_nothing():
    """PUBACK and the tick itself race; one that is kept for ever would stop the time of arrival."""
    underway = Underway()
    underway.back(100)
    underway.sent(100, 0)
    assert underway.arrived(950, 0) == 950


def test_ticks_of_a_lost_connection_bound_nothing():
    """A broker that forgot the session never brings them, and what devices kept meanwhile is younger than they are."""
    underway = Underway()
    underway.sent(100, 0)
    assert underway.arrived(950, 1) == 950
    underway.sent(900, 1)
    assert underway.arrived(950, 1) == 900
    underway.back(900)
    assert underway.arrived(990, 1) == 990


def test_a_tick_that_was_lost_bounds_only_until_the_next_one_is_back():
    """A queue that is full drops what comes: time of arrival goes on half a second later."""
    underway = Underway()
    for at in (100, 200, 300):
        underway.sent(at, 0)
    underway.back(200)
    assert underway.arrived(950, 0) == 300


async def test_the_end_of_a_backlog_is_not_late_however_long_the_bridge_takes():
    """The band sent it in time. Called late it would decide nothing, and its wearer be called silent by the tick behind
    it, which was made when the bridge came back.
    """
    house = House()
    house.bind("band-1", "p-2", "wrist")

    def beat(at: int) -> None:
        payload = f'{{"metric":"heart_rate","value":70,"observed_at":{at}}}'
        house.broker.inject(readings_topic("", "ward-a", "band-1"), payload.encode())

    async with house.running(simulated=False):
        pass
    for at in (-5 * MINUTE_US, -2 * SECOND_US, -SECOND_US):
        beat(NOW + at)
    producer, connection = SlowProducer(house.kafka), house.connection(receive_maximum=1)
    async with house.running(producer, connection, simulated=False):
        await producer.asked.wait()
        await house.clock.advance(60)
        beat(NOW + 59 * SECOND_US)
        producer.gate.set()
        await until(lambda: len(house.rows()) == 4)
    rows = house.rows()
    assert rows["flags"].tolist() == [Flag.LATE, 0, 0, 0]
    assert rows["received_at"][:3].tolist() == [NOW, NOW, NOW]
