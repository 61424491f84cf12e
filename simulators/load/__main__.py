"""``python -m simulators.load``: one worker of a load test; `vigil simulate` starts it and speaks with it."""

from __future__ import annotations

from typing import NoReturn

from runtime.clock import SystemClock
from runtime.service import run
from runtime.settings import Settings
from simulators.load.worker import Spec, Worker, stdin, take


async def play(settings: Settings) -> None:
    """Play what stdin says."""
    commands = await stdin()
    await Worker(settings, await take(commands, Spec), SystemClock()).run(commands)


def main() -> NoReturn:
    """Run as a process."""
    run(play, Settings, "load")


if __name__ == "__main__":
    main()
