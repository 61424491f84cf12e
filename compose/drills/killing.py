"""Kills every service once, each at a seeded moment of a replay, with ``kill -9``; the supervisor brings it back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from compose import services
from compose.stack import Stack
from runtime.clock import Clock
from vitals.errors import ServerStalled

BACK_S = 90.0
POLL_S = 0.1


@dataclass(slots=True)
class Kill:
    """One kill: the service, the share of the replay that had gone by, and how long it was away (real seconds)."""

    service: str
    at: float
    away_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For the verdict."""
        return asdict(self)


def plan(seed: int, names: tuple[str, ...] = services.SERVICES) -> list[Kill]:
    """Every service once, in a seeded order, each at a seeded moment of its own part of the replay."""
    chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, no secret
    order = list(names)
    chance.shuffle(order)
    return [Kill(name, round((index + chance.uniform(0.2, 0.9)) / len(order), 3)) for index, name in enumerate(order)]


async def carry_out(
    kills: list[Kill], stack: Stack, share: Callable[[], float], clock: Clock, tell: Callable[[str], None]
) -> None:
    """Kill as planned, ``share`` being how much of the replay has gone by; ends when the last one is back.

    Raises:
        ServerStalled: a service did not come back.
    """
    async with asyncio.TaskGroup() as tasks:
        for kill in kills:
            while share() < kill.at:
                await clock.sleep(POLL_S)
            pid = stack.pid_of(kill.service)
            tell(f"kill -9 {kill.service} (pid {pid}) at {share():.0%} of the replay")
            os.kill(pid, signal.SIGKILL)
            tasks.create_task(_back(kill, pid, stack, clock), name=f"{kill.service} comes back")


async def _back(kill: Kill, pid: int, stack: Stack, clock: Clock) -> None:
    began = clock.monotonic()
    while True:
        if stack.pid_of(kill.service) != pid and await _answers(stack.ready.health[kill.service]):
            kill.away_seconds = round(clock.monotonic() - began, 1)
            return
        if clock.monotonic() - began > BACK_S:
            raise ServerStalled("a killed service does not come back", kill.service, "see its log")
        await clock.sleep(POLL_S)


async def _answers(port: int) -> bool:
    try:
        await services.answers(port)
    except OSError:
        return False
    return True
