"""Vigil's own services as processes: what each is called, its command, its health port and when it is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path

from compose.process import ProcessSpec, python, python_env
from runtime.health import ask

SERVICES = ("registry", "sink", "process", "manage", "gateway", "bridge")
"""Every service, in the order of the start; they stop in the reverse order."""
SIMULATOR = "simulate"
FLOW_CHECKS = frozenset({"ticks", "ingest"})
"""Checks that fail while nothing flows yet: no reason to call a starting service not ready."""


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
    """The process of one service; ``environment`` is all of its ``VIGIL_*`` settings."""
    return ProcessSpec(
        name=name,
        argv=command(name),
        log=logs / f"{name}.log",
        env={**python_env(), **environment, "VIGIL_HEALTH_PORT": str(health_port)},
        ready=partial(answers, health_port),
        alive=partial(lives, health_port),
        stop_seconds=8.0,
        ready_seconds=90.0,
    )


def simulator(patients: int, rate: float, seed: int, logs: Path, environment: Mapping[str, str]) -> ProcessSpec:
    """The process that plays a small ward, for ever."""
    words = ("--patients", str(patients), "--rate", f"{rate:g}", "--seed", str(seed), "--duration", "0")
    return ProcessSpec(
        name=SIMULATOR,
        argv=command("simulate", *words),
        log=logs / f"{SIMULATOR}.log",
        env={**python_env(), **environment},
        stop_seconds=5.0,
        once=True,
    )
