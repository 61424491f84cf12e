"""What PostgreSQL says, in Vigil's words: for those who run statements on a connection of ``runtime.database``."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.errors import InvalidColumnReference, UndefinedColumn, UndefinedTable, UniqueViolation
from pydantic import SecretStr

from runtime.database import AsyncConnection, DatabaseUnavailable, describe_url
from vitals.errors import StateError

__all__ = ["UniqueViolation", "may_pass", "statements"]

_PASSING = (
    "refused",
    "timeout",
    "timed out",
    "starting up",
    "shutting down",
    "recovery",
    "connection slots",
    "too many clients",
    "closed the connection",
    "No such file",
)
"""Parts of libpq's messages that tell of a server which may come back as it is, without anybody changing a setting."""


def may_pass(error: DatabaseUnavailable) -> bool:
    """Whether waiting may help: true of a stopped server, false of a wrong password or an unknown database."""
    return any(part in error.subject for part in _PASSING)


@contextmanager
def statements(
    url: SecretStr | str, connection: AsyncConnection | None = None, *, seconds_max: float = 60.0
) -> Iterator[None]:
    """Run statements in the body; ``connection`` is cut when they take longer than ``seconds_max``.

    Cut, not cancelled: psycopg answers a cancellation by asking the server for it and waiting for its answer, which
    a server that hangs never gives.

    Raises:
        DatabaseUnavailable: the server or the connection went away, or it has no room; trying again may help.
        StateError: the schema is missing, or of an earlier version.
    """
    loop = asyncio.get_running_loop()
    timer = connection and loop.call_later(seconds_max, _cut, connection)
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        reason = " ".join((error.diag.message_primary or str(error)).split())
        if timer and timer.when() <= loop.time():  # the server is told of a broken connection, and knows no reason
            reason = f"no answer within {seconds_max:g} s, given up here"
        raise DatabaseUnavailable("the database failed", f"{describe_url(url)}: {reason}") from error
    except UndefinedTable as error:
        raise StateError("the database lacks Vigil's tables", describe_url(url), "run vigil migrate") from error
    except (UndefinedColumn, InvalidColumnReference) as error:  # the latter: a key that a statement names
        raise StateError("the database is of an earlier version", describe_url(url), "run vigil migrate") from error
    finally:
        if timer:
            timer.cancel()


def _cut(connection: AsyncConnection) -> None:
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)
