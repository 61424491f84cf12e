"""Latencies of the operations page, from the times that records carry."""

from __future__ import annotations

import numpy as np

from dashboards.latencies import KEPT_MS, Latencies
from vitals import readings
from vitals.causes import HEADER, Cause
from vitals.readings import READING, Flag
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, FEED, JOURNAL, READINGS, TICK_KEY, WINDOWS
from vitals.windows import WINDOW

NOW = 1_700_000_000_000


def reading(observed_ms: int, received_ms: int, flags: int = 0) -> bytes:
    row = np.zeros(1, READING)
    row["metric"], row["observed_at"], row["received_at"] = 1, observed_ms * 1000, received_ms * 1000
    row["flags"] = flags
    return row.tobytes()


def log(topic: str, first: int, values: list[bytes], at: list[int], causes: list[int] | None = None) -> Records:
    headers: list[Headers] = [()] * len(values)
    if causes is not None:
        headers = [((HEADER, Cause(each, 0).pack()),) for each in causes]
    return Records(topic, 0, list(range(first, first + len(values))), [b""] * len(values), values, headers, at)


def test_a_reading_tells_how_long_device_and_bridge_took():
    """Where a minute is lost between skin and log must be seen on one screen."""
    latencies = Latencies(simulated=False)
    values = [reading(NOW - 900, NOW - 100 - each) for each in range(100)]
    latencies.take(log(READINGS, 0, values, [NOW] * 100))
    assert latencies.quantiles("readings", NOW) == (150, 198)
    assert latencies.quantiles("devices", NOW) == (750, 799)
    assert latencies.quantiles("windows", NOW) is None


def test_what_came_late_and_what_is_no_reading_says_nothing_of_the_way():
    """A day of backfill would make the way look a day long."""
    latencies = Latencies(simulated=False)
    values = [reading(NOW - 10**8, NOW - 20, int(Flag.BACKFILL)), reading(NOW - 50, NOW - 20), b"{}"]
    headers: list[Headers] = [(), (), ((CONTROL_HEADER, b"1"),)]
    latencies.take(log(READINGS, 0, values, [NOW] * 3)._replace(headers=headers))
    latencies.take(log(READINGS, 3, [b"half a row"], [NOW]))
    assert latencies.quantiles("devices", NOW) == (30, 30)


def test_a_tick_tells_the_way_through_the_broker():
    """It is published by the bridge to itself, so both ends are one clock."""
    latencies = Latencies(simulated=False)
    tick = readings.tick_rows([1], (NOW - 40) * 1000).tobytes()
    latencies.take(log(READINGS, 0, [tick], [NOW])._replace(keys=[TICK_KEY]))
    assert latencies.quantiles("broker", NOW) == (40, 40)
    assert latencies.quantiles("readings", NOW) is None


def test_an_output_is_measured_from_the_record_that_caused_it_in_whatever_order_they_are_read():
    """Two readers follow the two logs: the effect may be here before its cause."""
    latencies = Latencies(simulated=True)
    latencies.take(log(FEED, 0, [b"{}"] * 2, [NOW - 100, NOW], [70, 71]))
    latencies.take(log(JOURNAL, 70, [b"{}"] * 2, [NOW - 130, NOW - 50], [8, 9]))
    assert latencies.quantiles("feed", NOW) == (40, 50)
    assert latencies.quantiles("journal", NOW) is None
    window = np.zeros(1, WINDOW)
    window["offset"] = 9
    latencies.take(log(WINDOWS, 0, [window.tobytes()], [NOW - 30]))
    latencies.take(log(READINGS, 8, [reading(1, 1)] * 2, [NOW - 140, NOW - 55]))
    assert latencies.quantiles("journal", NOW) == (8, 10)
    assert latencies.quantiles("windows", NOW) == (25, 25)
    assert latencies.quantiles("readings", NOW) is None


def test_a_minute_later_nothing_is_said_of_it():
    """A latency of yesterday beside a rate of zero would look like a system at work."""
    latencies = Latencies(simulated=False)
    latencies.take(log(READINGS, 0, [reading(NOW - 9, NOW - 5)], [NOW]))
    latencies.add("socket", NOW, 310.0)
    assert latencies.quantiles("socket", NOW) == (310, 310)
    for name in ("readings", "socket"):
        assert latencies.quantiles(name, NOW + KEPT_MS) is None
