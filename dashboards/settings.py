"""Settings of the dashboard."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from runtime.settings import Settings


class DashboardSettings(Settings):
    """The dashboard's own settings: where page, API and tiles are served, and whom it asks."""

    page_host: str = "127.0.0.1"
    """Address of page, API and tiles socket; TLS belongs to the proxy before it."""
    page_port: int = Field(default=8080, ge=0, le=65535)
    """Port of page and API; 0 takes a free one and logs it."""
    live_port: int = Field(default=8789, ge=0, le=65535)
    """Port of the tiles socket; 0 takes a free one."""
    live_url: str = Field(default="", pattern=r"^(wss?://[^\s;,'\"]+)?$")
    """Where browsers find the tiles socket; empty is this process itself."""
    live_clients_max: int = Field(default=500, ge=1)
    """Open connections of the tiles socket; one more is told to try later."""
    feed_url: str = Field(default="ws://127.0.0.1:8787/feed", pattern=r"^wss?://[^\s;,'\"]+$")
    """Where browsers find the alert feed."""
    page_origins: str = ""
    """Further browser origins that may open the tiles socket, commas between; the page's own always may."""
    tokens_file: Path = Path(".vigil/tokens.json")
    """JSON list of principals: name, role, sites (null: all), token_sha256."""
    page_dir: Path = Path("dashboards/page/dist")
    """The built page."""
    simulated_patients: bool = False
    """The patients are a simulator's, as under ``vigil up``: the page says so."""
    health_ports: dict[str, int | str] = Field(default={})
    """Health port of each service by its name, for /api/system; ``host:port`` for one on another machine."""
    database_wait_seconds: float = Field(default=1.0, gt=0, le=30)
    """How long a request waits for a connection to the database."""
    database_query_seconds_max: float = Field(default=1.8, gt=0, le=60)
    """A query that takes longer is given up, and its connection is cut."""
    database_connections_max: int = Field(default=4, ge=1, le=32)
