"""The dashboard's way to the database: a few connections, short waits, and one sentence where it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from dashboards.settings import DashboardSettings
from runtime.clock import Clock
from runtime.database import AsyncConnection, DatabaseUnavailable, Pool
from runtime.database_errors import statements

T = TypeVar("T")


class Database:
    """Runs queries; each on one connection and within its time."""

    def __init__(self, settings: DashboardSettings, pool: Pool, clock: Clock) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock

    async def read(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What a query gives. Connections that a restarted database left behind are tried and thrown away.

        Raises:
            DatabaseUnavailable: it is away, has no room, or takes too long.
            StateError: the schema is missing.
        """
        deadline = self._clock.monotonic() + self._settings.database_wait_seconds
        for attempt in range(self._settings.database_connections_max + 1):
            try:
                return await self._once(query)
            except DatabaseUnavailable:
                if attempt == self._settings.database_connections_max or self._clock.monotonic() >= deadline:
                    raise
        raise AssertionError

    async def _once(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        url, seconds_max = self._settings.database_url, self._settings.database_query_seconds_max
        async with self._pool.lease() as connection:
            with statements(url, connection, seconds_max=seconds_max):
                return await query(connection)


@asynccontextmanager
async def database(settings: DashboardSettings, clock: Clock) -> AsyncIterator[Database]:
    """The database while the body runs; it may be away when it begins."""
    pool = Pool(
        settings.database_url,
        size_max=settings.database_connections_max,
        application="vigil dashboard",
        wait_s=settings.database_wait_seconds,
        eager=False,
    )
    async with pool:
        yield Database(settings, pool, clock)
