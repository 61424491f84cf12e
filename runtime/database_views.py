"""Views of others on tables that a migration replaces: they would stop it at its end, after hours of copying perhaps.

PostgreSQL's own word then names a table that only the migration knows (`vigil.windows_before`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vitals.errors import StateError

if TYPE_CHECKING:
    from runtime.database import AsyncConnection

SCHEMA = "vigil"
NAMED_MAX = 5
_RENAMED = re.compile(rf"^ALTER TABLE {SCHEMA}\.(\w+) RENAME TO (\w+);", re.MULTILINE)
_DROPPED = re.compile(rf"^DROP TABLE {SCHEMA}\.(\w+);", re.MULTILINE)
_VIEWS = """
SELECT DISTINCT format('%%I.%%I', place.nspname, view.relname), base.relname
FROM pg_depend AS stands
JOIN pg_rewrite AS rule ON stands.classid = 'pg_rewrite'::regclass AND rule.oid = stands.objid
JOIN pg_class AS view ON view.oid = rule.ev_class
JOIN pg_namespace AS place ON place.oid = view.relnamespace
JOIN pg_class AS base ON stands.refclassid = 'pg_class'::regclass AND base.oid = stands.refobjid
JOIN pg_namespace AS ours ON ours.oid = base.relnamespace
WHERE ours.nspname = %s AND base.relname = ANY(%s) AND view.oid <> base.oid
ORDER BY 1, 2
"""


def replaced(sql: str) -> list[str]:
    """The tables that are there before a migration and not after it, by the names that they have before."""
    before = {new: old for old, new in _RENAMED.findall(sql)}
    return [before.get(name, name) for name in _DROPPED.findall(sql)]


async def check(connection: AsyncConnection, migration: str, sql: str) -> None:
    """Whether a migration can replace the tables that it replaces.

    Raises:
        StateError: views stand on them, with their names.
    """
    tables = replaced(sql)
    if not tables:
        return
    found = await (await connection.execute(_VIEWS.encode(), [SCHEMA, tables])).fetchall()
    if found:
        named = ", ".join(f"{view} on {SCHEMA}.{table}" for view, table in found[:NAMED_MAX])
        more = f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
        remedy = "drop them, run vigil migrate, and create them again; nothing was changed"
        raise StateError(f"views stand on a table that {migration} replaces", f"{named}{more}", remedy)
