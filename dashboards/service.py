"""The dashboard: page, HTTP API and tiles socket in one process. It serves also while the database or Kafka is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from importlib import metadata
from urllib.parse import urlsplit

from dashboards import api, auth, live, pulse, static
from dashboards.api_context import Context
from dashboards.database import database
from dashboards.live import Live
from dashboards.servers import Servers
from dashboards.settings import DashboardSettings
from dashboards.system import System
from dashboards.ward import Ward
from runtime import http, web
from runtime.clock import Clock, SystemClock
from runtime.observe import HealthServer, Metrics, Readiness
from vitals.errors import SettingsError
from vitals.people import Principal

log = logging.getLogger("vigil.dashboard")


def load_principals(settings: DashboardSettings) -> tuple[Principal, ...]:
    """The people of the tokens file.

    Raises:
        SettingsError: it cannot be read or is wrong.
    """
    path = settings.tokens_file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError("tokens cannot be read", f"{path}: {error.strerror}", "set VIGIL_TOKENS_FILE") from None
    return auth.parse(data, str(path))


async def main(
    settings: DashboardSettings,
    clock: Clock | None = None,
    listening: Callable[[int, int], None] = lambda _page, _live: None,
) -> None:
    """Run the dashboard until it is cancelled; ``listening`` is told the ports of page and tiles.

    Raises:
        SettingsError: the tokens file cannot be used.
        ServerError: a port is taken.
    """
    clock = clock or SystemClock()
    principals = load_principals(settings)
    metrics, readiness = Metrics(), Readiness("page", "tiles")
    ward = Ward()
    tiles = Live(settings, principals, ward, clock)
    _measure(metrics, tiles, ward)
    with http.listen(settings.page_host, settings.page_port) as listener:
        page_port = int(listener.getsockname()[1])
        origins = _origins(settings, page_port)
        socket = web.serve(tiles.handle, settings.page_host, settings.live_port, origins=origins, limits=live.LIMITS)
        async with (
            HealthServer(settings.health_port or None, readiness, metrics, settings.health_host),
            database(settings, clock) as stored,
            socket as live_port,
        ):
            version = _version()
            system = System(settings, stored, clock, version)
            context = Context(
                settings=settings,
                principals=principals,
                ward=ward,
                live=tiles,
                live_url=settings.live_url or f"ws://{_host(settings)}:{live_port}/live",
                database=stored,
                system=system,
                readiness=readiness,
                metrics=metrics,
                clock=clock,
                version=version,
            )
            app = http.with_headers(api.build(context, settings.page_dir), _headers(context))
            async with http.serve(app, listener):
                readiness.set("page", ok=True)
                log.info("serving on http://%s:%d, tiles on port %d", settings.page_host, page_port, live_port)
                listening(page_port, live_port)

                def told(why: str) -> None:
                    readiness.set("tiles", ok=not why, reason=why)
                    if not why:
                        tiles.caught_up()

                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(live.follow(settings, ward, clock, system.saw, told), name="tiles reader")
                    tasks.create_task(live.recall(ward, stored, clock, readiness), name="older values")
                    tasks.create_task(tiles.beat(), name="tiles beat")
                    tasks.create_task(pulse.follow(settings, clock, system.saw), name="pulse")
                    tasks.create_task(system.look(), name="system")
                    tasks.create_task(Servers(settings, stored, metrics, clock).look(), name="servers")


def _headers(context: Context) -> list[tuple[bytes, bytes]]:
    sockets = dict.fromkeys(_origin(url) for url in (context.settings.feed_url, context.live_url))
    return static.security_headers(tuple(sockets))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _host(settings: DashboardSettings) -> str:
    return f"[{settings.page_host}]" if ":" in settings.page_host else settings.page_host


def _origins(settings: DashboardSettings, port: int) -> list[str | None]:
    own = dict.fromkeys((f"http://{_host(settings)}:{port}", f"http://localhost:{port}", f"http://127.0.0.1:{port}"))
    further = (origin.strip() for origin in settings.page_origins.split(","))
    return [None, *own, *(origin for origin in further if origin)]


def _measure(metrics: Metrics, tiles: Live, ward: Ward) -> None:
    metrics.gauge("live_clients", "Clients of the tiles socket").set_function(lambda: tiles.clients)
    metrics.gauge("live_sent_bytes", "Bytes of tiles sent").set_function(lambda: tiles.sent_bytes)
    unreadable = metrics.gauge("live_unreadable_records", "Records that the tiles skipped")
    unreadable.set_function(lambda: ward.unreadable + ward.roster.unreadable)


def _version() -> str:
    try:
        return metadata.version("vigil-ward")
    except metadata.PackageNotFoundError:
        return "0"
