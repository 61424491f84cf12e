"""The sink's loop over a log that it has to read again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import pytest

from runtime.kafka import GroupConsumer, Producer
from runtime.observe import Metrics, Readiness
from runtime.testing import ManualClock
from stream.sink_service import Sink
from stream.sink_settings import SinkSettings
from stream.sink_work import Partition, Tally, Work
from stream.store import Store
from stream.store_windows import Done
from tests.logs import T0, Log, worn
from vitals.metrics import MINUTE_US
from vitals.steps import Records
from vitals.topics import READINGS

PLACE = (READINGS, 0)


class Consumer:
    """Gives the log's records from where it stands, one poll each time, until it has given them ``times`` times."""

    assigned = frozenset({PLACE})

    def __init__(self, records: Records, times: int) -> None:
        self.records, self.times = records, times

    async def poll(self, _seconds: float) -> list[Records]:
        self.times -= 1
        if self.times < 0:
            raise asyncio.CancelledError
        return [self.records]

    async def end_offsets(self, places: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(places, len(self.records.offsets))

    def seek(self, _topic: str, _partition: int, position: int) -> None:
        assert position == 0


class Overtaken:
    """A database in which somebody else has moved the position, the first time."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    async def positions(self, places: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(places, 0)

    async def write(self, work: Work, *_: Any) -> dict[Partition, Tally] | None:
        self.works.append(work)
        return None if len(self.works) == 1 else {}

    async def recompute(self) -> Done:
        return Done(windows=None, left=0)


async def test_a_policy_that_is_read_again_holds_from_the_same_time():
    """Limits in force then: a transaction that is tried again must not date them by ticks that came later."""
    log = Log()
    log.site(1)
    log.patient("ann", worn("ann", "cgm-1", "libre", T0))
    for minute in range(3):
        log.tick(T0 + minute * MINUTE_US)
    store = Overtaken()
    sink = Sink(
        SinkSettings(sink_linger_seconds=0.0),
        cast("GroupConsumer", Consumer(log.records(), times=2)),
        cast("Producer", None),
        cluster="one",
        clock=cast("Any", ManualClock()),
        readiness=Readiness("kafka", "database"),
        metrics=Metrics(),
    )
    with pytest.raises(asyncio.CancelledError):
        await sink._store_all(cast("Store", store))
    first, again = store.works
    assert [policy.from_at for policy in first.policies] == [T0]
    assert again.policies == first.policies
