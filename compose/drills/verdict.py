"""The replay drill's verdict: what file, log, database and websocket say, and where they differ."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose.drills.accounts import digest_of
from compose.drills.frame import Verdict
from compose.drills.killing import Kill
from compose.drills.watching import Key, Recorder, key_of
from runtime.database import AsyncConnection
from simulators.exports import Export, local_minute
from simulators.replay import Report
from vitals.alerts import Alert
from vitals.policies import LOW
from vitals.topics import device_id

SHOWN_MAX = 10
"""Differences of one kind that are listed."""

Announcement = tuple[str, str, str]
"""Local minute, change, and level ('' for a clear), as in ``expected/low-*.csv``."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds of the drill."""

    rows: int
    distinct: int
    rejected: int
    changes: dict[Key, Alert]
    change_rows: int


async def stored_of(connection: AsyncConnection, export: Export) -> Stored:
    """Read what the sink has stored."""
    device = str(device_id(export.device))
    rows, distinct = await _one(
        connection,
        "SELECT count(*), count(DISTINCT (device, metric, observed_at)) FROM vigil.readings WHERE device = %s::uuid",
        device,
    )
    (rejected,) = await _one(connection, "SELECT count(*) FROM vigil.rejected")
    cursor = await connection.execute("SELECT body FROM vigil.alert_changes")
    found = [Alert.model_validate(body) for (body,) in await cursor.fetchall()]
    return Stored(rows, distinct, rejected, {key_of(alert): alert for alert in found}, len(found))


async def _one(connection: AsyncConnection, sql: str, *values: str) -> tuple[Any, ...]:
    cursor = await connection.execute(sql.encode(), list(values))
    row = await cursor.fetchone()
    assert row is not None
    return row


def announcements(changes: list[Alert], label: str) -> list[Announcement]:
    """Openings, rises and clears of the low rule, by the instant of the change."""
    found = [
        (local_minute(alert.at), str(alert.change), "" if alert.change == "clear" else str(alert.level))
        for alert in changes
        if alert.label == label and alert.rule == LOW.name and alert.change in {"open", "rise", "clear"}
    ]
    return sorted(found, key=lambda each: each[0])


def expected_of(path: Path) -> list[Announcement]:
    """The announcements in a file of expected results, made by a program that shares nothing with Vigil."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(line["observed_at"], line["change"], line["level"] or "") for line in csv.DictReader(file)]


def judge(
    export: Export,
    report: Report,
    stored: Stored,
    recorder: Recorder,
    *,
    expected: list[Announcement] | None,
    kills: list[Kill],
    repeats_max: int,
) -> Verdict:
    """Compare everything with everything; ``expected`` None is a file without published results."""
    verdict = Verdict()
    on_socket = {key_of(alert): alert for alert in recorder.changes}
    seen = announcements(recorder.changes, export.patient)
    verdict.figures = {
        "readings_in_file": len(export.samples),
        "distinct_readings_in_file": export.distinct,
        "rows_in_database": stored.rows,
        "duplicates_in_database": stored.rows - stored.distinct,
        "rejected": stored.rejected,
        "repeats_in_log": report.repeats_in_log,
        "changes_on_socket": len(recorder.changes),
        "duplicates_on_socket": recorder.duplicates + len(recorder.changes) - len(on_socket),
        "connections_of_client": recorder.connections,
        "changes_in_database": stored.change_rows,
        "socket_equals_database": not differing(on_socket, stored.changes),
        "low_expected": None if expected is None else len(expected),
        "low_seen": len(seen),
        "low_equal": None if expected is None else seen == expected,
        "ticks": report.ticks,
        "kills": [kill.as_json() for kill in kills],
    }
    figures = verdict.figures
    in_file_twice = len(export.samples) - export.distinct
    verdict.expect("rows in the database", stored.rows, export.distinct)
    verdict.expect("duplicates in the database", figures["duplicates_in_database"], 0)
    verdict.expect("duplicates on the socket", figures["duplicates_on_socket"], 0)
    verdict.expect("changes stored twice", stored.change_rows - len(stored.changes), 0)
    verdict.expect("connections that missed something", recorder.not_recovered, 0)
    if not in_file_twice:
        verdict.expect("rejected", stored.rejected, 0)
    if figures["repeats_in_log"] > repeats_max + in_file_twice:
        verdict.expect("repeats in the log", figures["repeats_in_log"], f"at most {repeats_max + in_file_twice}")
    verdict.differences += differing(on_socket, stored.changes)
    if expected is not None:
        verdict.differences += missing_and_extra(seen, expected)
    return verdict


def differing(on_socket: dict[Key, Alert], in_database: dict[Key, Alert]) -> list[str]:
    """Changes that only one of the two has, or has otherwise."""
    lines = [f"only on the socket: {_line(on_socket[key])}" for key in on_socket.keys() - in_database.keys()]
    lines += [f"only in the database: {_line(in_database[key])}" for key in in_database.keys() - on_socket.keys()]
    both = on_socket.keys() & in_database.keys()
    lines += [
        f"not the same: {_line(on_socket[key])}"
        for key in both
        if digest_of(on_socket[key]) != digest_of(in_database[key])
    ]
    return _shortened(sorted(lines))


def missing_and_extra(seen: list[Announcement], expected: list[Announcement]) -> list[str]:
    """What the low rule should have announced and did not, and the other way round."""
    lines = [f"low: {' '.join(each)} is missing" for each in (Counter(expected) - Counter(seen)).elements()]
    lines += [f"low: {' '.join(each)} is not expected" for each in (Counter(seen) - Counter(expected)).elements()]
    return _shortened(sorted(lines))


def _line(alert: Alert) -> str:
    what = f"{alert.rule} {alert.change} level {alert.level} at {local_minute(alert.at)}"
    return f"{what}, {alert.id} version {alert.version[0]}.{alert.version[1]}"


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN_MAX
    return [*lines[:SHOWN_MAX], f"and {more} more"] if more > 0 else lines
