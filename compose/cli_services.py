"""Each service alone, as the supervisor or an operator starts it: ``vigil bridge``, ``vigil process`` and so on."""

from __future__ import annotations

import typer

SETTINGS = "Settings come from VIGIL_* variables (docs/settings.md)."


def register(app: typer.Typer) -> None:
    """Add the services' commands."""
    for command in (bridge, registry, process, sink, manage, gateway, dashboard, prove):
        app.command(epilog=SETTINGS)(command)


def bridge() -> None:
    """Take readings from MQTT into Kafka."""
    from ingest.service import main
    from ingest.settings import BridgeSettings
    from runtime.service import run

    run(main, BridgeSettings, "bridge")


def registry() -> None:
    """Keep sites, devices and bindings."""
    from ingest.registry_service import main
    from ingest.settings import RegistrySettings
    from runtime.service import run

    run(main, RegistrySettings, "registry")


def process() -> None:
    """Compute windows, trends and episodes from the log of readings."""
    from runtime.service import run
    from stream.service import main
    from stream.settings import ProcessSettings

    run(main, ProcessSettings, "process")


def sink() -> None:
    """Store readings, windows and alerts in the database."""
    from runtime.service import run
    from stream.sink_service import main
    from stream.sink_settings import SinkSettings

    run(main, SinkSettings, "sink")


def manage() -> None:
    """Turn episodes, people and timers into alerts."""
    from alerts.manager_service import main
    from alerts.settings import ManageSettings
    from runtime.service import run

    run(main, ManageSettings, "manage")


def gateway() -> None:
    """Serve the live feed over websockets."""
    from alerts.gateway import main
    from alerts.settings import GatewaySettings
    from runtime.service import run

    run(main, GatewaySettings, "gateway")


def dashboard() -> None:
    """Serve the page, its API and its tiles."""
    from dashboards.service import main
    from dashboards.settings import DashboardSettings
    from runtime.service import run

    run(main, DashboardSettings, "dashboard")


def prove() -> None:
    """Prove the whole chain of every site, over and over, with a synthetic patient."""
    from functools import partial

    from alerts.prover import main
    from alerts.settings import ProveSettings
    from compose.wiring import RegistryClient
    from runtime.service import run

    run(partial(main, registry_factory=RegistryClient), ProveSettings, "prove")
