"""PostgreSQL: connections, a pool, and migrations that are plain SQL files.

A migration is ``NNNN_name.sql``; it runs once, in one transaction, in the order of its number, under an advisory
lock. Its checksum is kept: a file that changed after it ran is an error. Blocks between ``-- timescaledb: begin`` and
``-- timescaledb: end`` run only where the extension can be had, ``-- plain: begin`` / ``-- plain: end`` only where not;
which of the two a database is, is decided by its first migration and remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import SecretStr

from runtime import database_views
from vitals.errors import ServerUnavailable, StateError

CONNECT_TIMEOUT_S = 10
POOL_WAIT_S = 10.0
MIGRATION_LOCK = 0x76_69_67_69_6C
"""Key of the advisory lock, the letters ``vigil``."""
MIGRATION_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")
MARKER = re.compile(r"--\s*(timescaledb|plain):\s*(begin|end)\s*\Z")

# Qualified: a schema of the user's own name would come first on the search path, once a migration has made it.
LEDGER = """
CREATE TABLE IF NOT EXISTS public.vigil_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    timescale boolean NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]


class DatabaseUnavailable(ServerUnavailable):
    """PostgreSQL cannot be reached or refuses us; the text never holds the password."""


async def connect(url: SecretStr | str, *, autocommit: bool = False, application: str = "vigil") -> AsyncConnection:
    """A dedicated connection; close it, or use it with ``async with``.

    Raises:
        DatabaseUnavailable: one line, without the password.
    """
    with _translated(url):
        return await psycopg.AsyncConnection.connect(
            _text(url), autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_S, application_name=application
        )


class Pool:
    """``async with Pool(url) as pool: async with pool.connection() as connection: ...`` (commits at the end).

    ``wait_s`` is how long to wait for a connection. ``eager`` False opens also while the database is away.
    """

    def __init__(
        self,
        url: SecretStr | str,
        *,
        size_max: int = 4,
        application: str = "vigil",
        wait_s: float = POOL_WAIT_S,
        eager: bool = True,
    ) -> None:
        self._url = url
        self._eager = eager
        self._pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            _text(url),
            min_size=1,
            max_size=size_max,
            timeout=wait_s,
            open=False,
            kwargs={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": application, "autocommit": True},
        )

    async def __aenter__(self) -> Self:
        if self._eager:
            await (await connect(self._url)).close()
        await self._pool.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one transaction.

        Raises:
            DatabaseUnavailable: none became free or could be made in time.
        """
        async with self.lease() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction of its own; one that broke is replaced.

        Raises:
            DatabaseUnavailable: none became free or could be made in time.
        """
        try:
            connection = await self._pool.getconn()
        except PoolTimeout as error:
            raise DatabaseUnavailable("no database connection in time", describe_url(self._url)) from error
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(url: SecretStr | str, directory: Path) -> list[str]:
    """Run what has not run yet; the names of the files that ran.

    Raises:
        DatabaseUnavailable: no connection.
        StateError: a file that ran has changed or is gone, a file is malformed, or its SQL failed.
    """
    wanted = read_migrations(directory)
    async with await connect(url, autocommit=True, application="vigil migrate") as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            await connection.execute(LEDGER)
            done = await _ledger(connection)
            timescale = next(iter(done.values()))[2] if done else await has_timescale(connection)
            _check_history(wanted, done)
            ran = [migration for migration in wanted if migration.number not in done]
            for migration in ran:
                await _apply(connection, migration, timescale=timescale)
            return [migration.name for migration in ran]
        finally:
            if not connection.broken:
                await connection.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def read_migrations(directory: Path) -> list[Migration]:
    """The files of a directory, by number; numbers are unique and begin with 0001 without holes."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        if not (match := MIGRATION_FILE.match(path.name)):
            raise StateError("not a migration's name", path.name, "call it NNNN_name.sql")
        found.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise StateError("migrations are not numbered 0001, 0002, ...", ", ".join(each.name for each in found))
    return found


def select_blocks(text: str, *, timescale: bool) -> str:
    """The SQL of one kind of database: lines of the other kind's blocks become empty, so line numbers stay.

    Raises:
        StateError: a block that is not closed, not opened, or inside another.
    """
    kept, inside = [], ""
    wanted = "timescaledb" if timescale else "plain"
    for number, line in enumerate(text.split("\n"), start=1):
        match = MARKER.match(line.strip())
        if match and (match[2] == "begin") == bool(inside):
            raise StateError("migration block out of place", f"line {number}: {line.strip()}")
        if match and match[2] == "end" and match[1] != inside:
            raise StateError("migration block closes another", f"line {number}: {line.strip()}")
        if match:
            inside = match[1] if match[2] == "begin" else ""
        kept.append(line if not match and inside in {"", wanted} else "")
    if inside:
        raise StateError("migration block is not closed", inside)
    return "\n".join(kept)


async def has_timescale(connection: AsyncConnection) -> bool:
    """Whether TimescaleDB is in this database or could be put into it."""
    cursor = await connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'")
    return await cursor.fetchone() is not None


def describe_url(url: SecretStr | str) -> str:
    """``user@host:port/database`` of a connection string: enough to find it, nothing secret."""
    try:
        parts = conninfo_to_dict(_text(url))
    except psycopg.ProgrammingError:
        return "VIGIL_DATABASE_URL"
    user = f"{parts['user']}@" if parts.get("user") else ""
    return f"{user}{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


async def _ledger(connection: AsyncConnection) -> dict[int, tuple[str, str, bool]]:
    cursor = await connection.execute(
        "SELECT number, name, checksum, timescale FROM public.vigil_migrations ORDER BY number"
    )
    return {number: (name, checksum, timescale) for number, name, checksum, timescale in await cursor.fetchall()}


def _check_history(wanted: list[Migration], done: dict[int, tuple[str, str, bool]]) -> None:
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum, _) in done.items():
        if number not in known:
            raise StateError("the database is newer than this Vigil", f"it ran {name}", "use the newer version")
        if known[number].checksum != checksum:
            raise StateError("a migration changed after it ran", name, "put it back and write a new one")


async def _apply(connection: AsyncConnection, migration: Migration, *, timescale: bool) -> None:
    sql = select_blocks(migration.text, timescale=timescale)
    await database_views.check(connection, migration.name, sql)
    try:
        async with connection.transaction():
            await connection.execute(sql.encode())
            await connection.execute(
                "INSERT INTO public.vigil_migrations (number, name, checksum, timescale) VALUES (%s, %s, %s, %s)",
                [migration.number, migration.name, migration.checksum, timescale],
            )
    except psycopg.Error as error:
        position = error.diag.statement_position
        line = sql.encode()[: int(position)].count(b"\n") + 1 if position else 0
        where = f"{migration.name}:{line}" if line else migration.name
        raise StateError("migration failed", f"{where}: {_one_line(error)}", "nothing of it was kept") from error


@contextmanager
def _translated(url: SecretStr | str) -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        reason = _one_line(error).replace(_password(url) or "\0", "***")
        remedy = "start it, or set VIGIL_DATABASE_URL"
        raise DatabaseUnavailable("the database cannot be reached", f"{describe_url(url)}: {reason}", remedy) from None
    except psycopg.ProgrammingError:
        remedy = "postgresql://user:password@host:5432/name"
        raise DatabaseUnavailable("not a database URL", "VIGIL_DATABASE_URL", remedy) from None


def _text(url: SecretStr | str) -> str:
    return url.get_secret_value() if isinstance(url, SecretStr) else url


def _password(url: SecretStr | str) -> str:
    try:
        return str(conninfo_to_dict(_text(url)).get("password") or "")
    except psycopg.ProgrammingError:
        return ""


def _one_line(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return " ".join(text.split())
