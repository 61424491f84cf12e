"""How every service starts and ends; each ``__main__`` is ``run(main, Settings, "name")``.

A service that is started while Kafka is away waits for it for a while: a process that ended at once would be counted by
its supervisor as one that cannot live.

Exit codes: 0 after SIGTERM or SIGINT or when the work is done, 1 for an error of Vigil's (one line), 2 for a bad
setting (one line), 70 for a fault of ours (traceback in the log), 75 when the shutdown did not end in time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import structlog
import uvloop

from runtime.collector import OBJECTS_MAX, spare_collections
from runtime.kafka import KafkaUnavailable
from runtime.observe import Readiness, configure_logging
from runtime.settings import Settings, load
from vitals.errors import SettingsError, VigilError

EXIT_OK, EXIT_ERROR, EXIT_SETTINGS, EXIT_FAULT, EXIT_HUNG = 0, 1, 2, 70, 75
DOOM_SIGNAL = signal.SIGUSR1
"""The supervisor's word that it gave up and is about to stop everything: the service is not ready any more."""
KAFKA_PATIENCE_S = 120.0
"""How long after its start a service waits for Kafka before it ends. With this, no outage is more than one start in two
minutes, which no supervisor takes for a fault of ours, and who waits is there at once when it is over."""
KAFKA_POLL_S = 0.5
SHUTDOWN_S_MAX = 20.0
"""Longer than the sum of the drivers' own closing deadlines; then the process ends itself."""

S = TypeVar("S", bound=Settings)
log = structlog.get_logger("vigil.service")


def run(
    main: Callable[[S], Awaitable[None]], settings_cls: type[S], name: str, objects_max: int = OBJECTS_MAX
) -> NoReturn:
    """Load the settings, run ``main`` until it ends or a signal comes, and exit with the right code. ``objects_max`` is
    how many new objects make Python look for cycles.
    """
    raise SystemExit(run_code(main, settings_cls, name, objects_max))


def run_code(
    main: Callable[[S], Awaitable[None]], settings_cls: type[S], name: str, objects_max: int = OBJECTS_MAX
) -> int:
    """As `run`, but return the exit code."""
    try:
        settings = load(settings_cls)
    except SettingsError as error:
        _say(f"{name}: {error}")
        return EXIT_SETTINGS
    configure_logging(settings, name)
    spare_collections(objects_max)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_supervise(main, settings, name))


async def _supervise(main: Callable[[S], Awaitable[None]], settings: S, name: str) -> int:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(_patient(main, settings))
    stopping: list[asyncio.TimerHandle] = []

    def stop(signum: int) -> None:
        if stopping:
            return  # a second cancel would interrupt the closing that the first began
        log.info("stopping", signal=signal.Signals(signum).name)
        stopping.append(loop.call_later(SHUTDOWN_S_MAX, _give_up))
        work.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop, signum)
    loop.add_signal_handler(DOOM_SIGNAL, Readiness.doom, "gave up: everything is about to stop")
    await asyncio.wait({work})
    for handle in stopping:
        handle.cancel()
    if work.cancelled():
        return EXIT_OK if stopping else EXIT_FAULT
    return _verdict(work.exception(), name, stopping=bool(stopping))


async def _patient(main: Callable[[S], Awaitable[None]], settings: S) -> None:
    """Run ``main``, and begin again where it ends in its first seconds because Kafka cannot be reached."""
    loop = asyncio.get_running_loop()
    began, told = loop.time(), False
    while True:
        try:
            await main(settings)
        except (KafkaUnavailable, BaseExceptionGroup) as error:
            away = all(isinstance(leaf, KafkaUnavailable) for leaf in _leaves(error))
            if not away or loop.time() - began > KAFKA_PATIENCE_S:
                raise
            if not told:
                log.warning("waiting for Kafka", error=str(error), seconds=KAFKA_PATIENCE_S)
            told = True
        else:
            return
        await asyncio.sleep(KAFKA_POLL_S)


def _verdict(error: BaseException | None, name: str, *, stopping: bool) -> int:
    if error is None:
        return EXIT_OK
    leaves = list(_leaves(error))
    if stopping and all(isinstance(leaf, asyncio.CancelledError) for leaf in leaves):
        return EXIT_OK
    known = [leaf for leaf in leaves if isinstance(leaf, VigilError)]
    if known and len(known) == len(leaves):
        for leaf in known:
            log.debug("failed", error=str(leaf), exc_info=leaf)
        _say(f"{name}: {known[0]}")
        return EXIT_ERROR
    log.error("a fault of ours ended the service", exc_info=error)
    return EXIT_FAULT


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _give_up() -> None:
    _say(f"shutdown took more than {SHUTDOWN_S_MAX:g} s")
    os._exit(EXIT_HUNG)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
