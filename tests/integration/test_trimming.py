"""Logs that lose their beginning, on a real Kafka: only what is old, and only what two snapshots reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from runtime.clock import SystemClock
from runtime.kafka import GroupConsumer, Producer, Reader
from runtime.runner import Runner
from runtime.settings import Settings
from runtime.testing.waiting import until
from tests.integration.test_recovery import NEVER, OFTEN, every, saved
from tests.integration.test_runner import SPEC, Sum, expected, put, written
from vitals.topics import JOURNAL

MOMENT, LONG = 1e-9, 1.0
"""Days."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are looked at all the time."""
    monkeypatch.setattr("runtime.trimming.LOOK_SECONDS", 0.0)


@asynccontextmanager
async def keeping(settings: Settings, days: float) -> AsyncIterator[Runner[Sum]]:
    """A runner that keeps its log for so many days."""
    runner = Runner(settings, replace(SPEC, keep_days=days), monotonic=SystemClock().monotonic)
    async with (
        Producer(settings, "sum-0") as producer,
        GroupConsumer(settings, [JOURNAL], "sum", "0") as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        task = tasks.create_task(runner.run(consumer, producer))
        yield runner
        task.cancel()


async def begins(settings: Settings) -> int:
    """The first offset that the log still has."""
    async with Reader(settings, []) as reader:
        return (await reader.beginning_offsets([(JOURNAL, 1)]))[JOURNAL, 1]


async def grow(settings: Settings, runner: Runner[Sum], *ends: int) -> None:
    """Let the log grow to these lengths, with a snapshot at each."""
    for end in ends:
        await put(settings, range(end - 10, end))
        await until(lambda: runner.positions.get(1) == end)  # noqa: B023 - waited for before it changes
        await until(lambda: saved(settings, end))  # noqa: B023


async def test_a_log_is_shortened_to_the_snapshot_before_the_last_and_entered_again(topics: Settings) -> None:
    """Otherwise a disk fills for ever; and if the last snapshot cannot be read, the one before it still can."""
    settings = every(topics, OFTEN)
    async with keeping(settings, MOMENT) as runner:
        await grow(settings, runner, 10, 20, 30)

        async def shortened() -> bool:
            return await begins(settings) == 20

        await until(shortened)
    async with keeping(settings, MOMENT) as runner:
        await until(lambda: runner.recovered)
        assert runner.steps[1].stepped == 0
        await grow(settings, runner, 40)
    assert await begins(settings) in {20, 30}
    assert [value for _, value in await written(settings)] == expected(40)


async def test_what_is_not_old_stays(topics: Settings) -> None:
    """A database that is away for a night must find what it missed."""
    settings = every(topics, OFTEN)
    async with keeping(settings, LONG) as runner:
        await grow(settings, runner, 10, 20, 30)
        assert await begins(settings) == 0


async def test_what_no_snapshot_reaches_stays_however_old_it_is(topics: Settings) -> None:
    """It is all that a start has."""
    settings = every(topics, NEVER)
    async with keeping(settings, MOMENT) as runner:
        for end in (10, 20):
            await put(settings, range(end - 10, end))
            await until(lambda: runner.positions.get(1) == end)  # noqa: B023 - waited for before it changes
        assert await begins(settings) == 0
    assert [value for _, value in await written(settings)] == expected(20)
