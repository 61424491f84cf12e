"""The watchdog of a Kafka consumer: a fetch that stands still although there is something ends the process."""

from __future__ import annotations

from typing import Any, Self

import pytest

from runtime.kafka import KafkaStalled
from runtime.kafka.reader import Watchdog
from runtime.settings import Settings


class _Stuck:
    """A consumer that is behind and gets nothing."""

    def __init__(self, position: int) -> None:
        self.at = position

    def assignment(self) -> set[Any]:
        return {_Native("vitals.readings", 0)}

    async def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, 10)

    async def position(self, _partition: Any) -> int:
        return self.at


class _Native(tuple[str, int]):
    __slots__ = ()

    def __new__(cls, topic: str, partition: int) -> Self:
        return super().__new__(cls, (topic, partition))

    topic = property(lambda self: self[0])
    partition = property(lambda self: self[1])


async def test_the_watchdog_ends_a_consumer_that_gets_nothing_while_there_is_something() -> None:
    """The library has known ways to stop fetching without an error; the ward would go silently blind."""
    watchdog, consumer = Watchdog(Settings(), stall_s=0), _Stuck(3)
    await watchdog.check(consumer)
    with pytest.raises(KafkaStalled, match=r"vitals\.readings/0"):
        await watchdog.check(consumer)
    watchdog.progress()
    await watchdog.check(consumer)
    consumer.at = 10
    await watchdog.check(consumer)
    await watchdog.check(consumer)
