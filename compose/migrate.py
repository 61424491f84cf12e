"""Makes topics and schema before any service starts; ``vigil migrate``. Safe to run again, and by two at once."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from runtime import database
from runtime.kafka import ensure_topics
from runtime.settings import Settings
from vitals.topics import TOPICS


async def run(settings: Settings) -> list[str]:
    """Create what is missing and return what was done, a line each.

    Raises StateError where a topic or a migration is not what this version expects, ServerError where a server
    cannot be reached.
    """
    done = [f"topic {name} created" for name in await ensure_topics(settings, TOPICS, replication=settings.replication)]
    migrations = Path(str(files("runtime") / "migrations"))
    applied = await database.migrate(settings.database_url.get_secret_value(), migrations)
    return done + [f"migration {name} applied" for name in applied]


async def ensure_database(url: str, name: str) -> str:
    """Create a database beside the one of ``url`` where it is missing; returns its own URL. ``name`` is ours."""
    async with await database.connect(url, autocommit=True) as connection:
        found = await connection.execute("select 1 from pg_database where datname = %s", (name,))
        if await found.fetchone() is None:
            await connection.execute(f'create database "{name}"'.encode())
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))
