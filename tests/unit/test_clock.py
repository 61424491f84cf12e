"""The clock that tests move by hand."""

from __future__ import annotations

import asyncio

from runtime.clock import Clock, SystemClock
from runtime.testing import ManualClock


async def test_time_passes_only_when_it_is_told_to() -> None:
    """A test that waits for real time is slow and flaky."""
    clock: Clock = ManualClock(now_us=1_000_000)
    assert isinstance(clock, ManualClock)
    await clock.advance(2.5)
    assert clock.now_us() == 3_500_000
    assert clock.monotonic() == 2.5


async def test_sleepers_wake_in_the_order_of_their_deadlines_at_their_own_instants() -> None:
    """A loop that sleeps a second ten times must see ten seconds, not one jump."""
    clock = ManualClock(now_us=0)
    woke: list[tuple[str, int]] = []

    async def each(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(seconds)
            woke.append((name, clock.now_us() // 1_000_000))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(each("a", 1, 3), name="a")
        tasks.create_task(each("b", 2, 1), name="b")
        await clock.advance(3)
    assert woke == [("a", 1), ("b", 2), ("a", 2), ("a", 3)]
    assert clock.sleepers == 0


async def test_a_jump_of_the_wall_clock_moves_no_sleeper() -> None:
    """NTP steps the wall clock; deadlines count on the steady one."""
    clock = ManualClock(now_us=0)
    clock.jump(-100)
    assert clock.now_us() == -100_000_000
    assert clock.monotonic() == 0
    await clock.sleep(0)


async def test_the_machines_clock_counts_microseconds_and_does_not_go_back() -> None:
    """The unit is part of every row; a factor of a thousand would put readings in 1970."""
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.now_us() > 1_700_000_000_000_000
    await clock.sleep(0)
    assert clock.monotonic() >= first
