"""Vigil's own services as processes: what each is called, its command, its health port and when it is ready."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path

from compose import page
from compose.process import STANDS_BACK, ProcessSpec, python, python_env
from compose.servers import probes
from runtime.health import ask
from runtime.service import DOOM_SIGNAL

SERVICES = ("registry", "sink", "process", "manage", "gateway", "dashboard", "bridge")
"""Every service that runs on either clock, in the order of the start; they stop in the reverse order."""
SHOWING = ("gateway", "dashboard")
"""Services for people: nobody needs them before a ward's history is there."""
UNHURRIED = ("sink", "dashboard")
"""Services that no alert waits for."""
PROVER = "prove"
SIMULATOR = "simulate"
READY_S = 900.0
"""A service that recovers reads its log from the beginning, however long that is; one that ends is told at once."""
FLOW_CHECKS = frozenset({"ticks", "ingest"})
"""Checks that fail while nothing flows yet: no reason to call a starting service not ready."""


def environment(
    *,
    addresses: Mapping[str, str],
    clock: str,
    partitions: int,
    ports: Mapping[str, int],
    health: Mapping[str, int],
    tokens_file: Path,
    told: Mapping[str, str],
    simulated_patients: bool = False,
) -> dict[str, str]:
    """The ``VIGIL_*`` settings of every service. ``addresses`` are those of ``kafka``, ``mqtt`` and ``database``,
    ``ports`` of ``feed``, ``page`` and ``live``, ``health`` of the services by name; ``told`` are the addresses
    ``feed`` and ``live`` that the page is told; ``simulated_patients`` lets it say that a simulator plays the ward.
    """
    origins = [f"http://{host}:{ports['page']}" for host in (probes.HOST, "localhost")]
    if more := os.environ.get("VIGIL_FEED_ORIGINS"):
        origins.append(more)
    return {
        "VIGIL_KAFKA": addresses["kafka"],
        "VIGIL_MQTT": addresses["mqtt"],
        "VIGIL_DATABASE_URL": addresses["database"],
        "VIGIL_CLOCK": clock,
        "VIGIL_PARTITIONS": str(partitions),
        "VIGIL_TOKENS_FILE": str(tokens_file),
        "VIGIL_FEED_PORT": str(ports["feed"]),
        "VIGIL_FEED_URL": told["feed"],
        "VIGIL_FEED_ORIGINS": ",".join(origins),
        "VIGIL_PAGE_PORT": str(ports["page"]),
        "VIGIL_PAGE_DIR": os.environ.get("VIGIL_PAGE_DIR") or str(page.DIST),
        "VIGIL_SIMULATED_PATIENTS": str(simulated_patients).lower(),
        "VIGIL_LIVE_PORT": str(ports["live"]),
        "VIGIL_LIVE_URL": told["live"],
        "VIGIL_HEALTH_PORTS": json.dumps(health),
    }


async def answers(port: int) -> None:
    """Ask a service's health server whether it takes part in the flow; raises OSError while it does not."""
    status, body = await ask(port, "/readyz")
    if status == HTTPStatus.OK:
        return
    try:
        checks: Mapping[str, bool] = json.loads(body)["checks"]
        failing = {name for name, ok in checks.items() if not ok}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OSError(f"health server on port {port} answered {status}") from None
    if not failing or failing - FLOW_CHECKS:
        raise OSError(f"not ready: {', '.join(sorted(failing))}")


async def lives(port: int) -> None:
    """Ask whether a service's event loop still turns; raises OSError while it does not."""
    status, _ = await ask(port, "/healthz")
    if status != HTTPStatus.OK:
        raise OSError(f"health server on port {port} answered {status}")


def command(*words: str) -> tuple[str, ...]:
    """The argument vector of a ``vigil`` command in this environment."""
    return python("compose.cli", *words)


def service(name: str, logs: Path, environment: Mapping[str, str], health_port: int) -> ProcessSpec:
    """The process of one service; ``environment`` is all of its ``VIGIL_*`` settings. ``process-1`` is a further
    instance of ``process``.
    """
    program, _, instance = name.partition("-")
    own = {"VIGIL_HEALTH_PORT": str(health_port)} | ({"VIGIL_INSTANCE": instance} if instance else {})
    return ProcessSpec(
        name=name,
        argv=command(program),
        log=logs / f"{name}.log",
        env={**python_env(), **environment, **own},
        ready=partial(answers, health_port),
        alive=partial(lives, health_port),
        doom_signal=DOOM_SIGNAL,
        stop_seconds=8.0,
        ready_seconds=READY_S,
        nice=STANDS_BACK if program in UNHURRIED else 0,
    )


def prover(logs: Path, environment: Mapping[str, str], health_port: int, *, feed: str, token: str) -> ProcessSpec:
    """The process that proves the chain; it is not ready before its first proof, and nobody waits for that.

    ``feed`` is the gateway's own address, ``token`` that of somebody who sees every site.
    """
    own = {"VIGIL_FEED_URL": feed, "VIGIL_PROVER_TOKEN": token}
    return replace(service(PROVER, logs, {**environment, **own}, health_port), ready=None)


@dataclass(frozen=True, slots=True)
class Ward:
    """A simulated ward; where it goes on with a history, ``began_at``, ``resume_at`` and ``story_at`` (µs UTC)."""

    patients: int
    rate: float
    seed: int
    began_at: int | None = None
    resume_at: int | None = None
    story_at: int | None = None

    def words(self) -> Iterator[str]:
        """The options of ``vigil simulate``, for ever."""
        yield from ("--patients", str(self.patients), "--rate", f"{self.rate:g}", "--seed", str(self.seed))
        yield from ("--duration", "0")
        for option, at in {
            "--began-at": self.began_at,
            "--resume-at": self.resume_at,
            "--story-at": self.story_at,
        }.items():
            if at is not None:
                yield from (option, str(at))


def simulator(ward: Ward, logs: Path, environment: Mapping[str, str]) -> ProcessSpec:
    """The process that plays a ward, for ever."""
    return ProcessSpec(
        name=SIMULATOR,
        argv=command("simulate", *ward.words()),
        log=logs / f"{SIMULATOR}.log",
        env={**python_env(), **environment},
        stop_seconds=5.0,
        once=True,
    )
