"""The judge of the engine drill: the recorded log through the plain program, and what stands where beside it.

    python -m tests.drills.engine FOLDER

FOLDER is what `compose.drills.recorded` wrote. For every partition the oracle reads all of ``vitals.readings``. Then,
with repeats dropped as every reader drops them, journal and windows in Kafka must be its outputs to the byte; and in
the database every window, every change of an alert that an episode made and the last state of every alert must be what
follows from them, none missing and none twice. What people's timers did to alerts is counted, not judged: it follows
from the wall's clock. Prints JSON: ``figures``, ``alerts`` of each rule, ``differences``; exit code 1 where there are
differences.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args
from uuid import UUID

from tests.drills.recording import Written, once, records, rows, written
from tests.oracle import Oracle
from tests.oracle_bytes import outputs
from tests.oracle_closed import Closed, Dirty, recomputed
from tests.oracle_told import Told
from tests.strategies.facts import Witness
from vitals.alerts import Alert
from vitals.alerts import decode as decode_feed
from vitals.journal import Episode, EpisodeChange, Mark
from vitals.journal import decode as decode_journal
from vitals.policies import PRIORITY_RANK
from vitals.proof import RULE as PROOF
from vitals.readings import READING
from vitals.readings import decode as decode_rows
from vitals.steps import Output, Records
from vitals.topics import CONTROL_HEADER, FEED, JOURNAL, READINGS, WINDOWS

SHOWN_MAX = 5
CONDITION = (
    "patient", "label", "site", "device", "metric", "rule", "category", "level", "condition", "priority", "since",
    "opened_at", "value", "value_at", "unit", "limit", "censored", "reason", "policy",
)  # fmt: skip
"""What an alert has from its episode."""
EPISODE_CHANGES = frozenset(get_args(EpisodeChange))
KEPT_US = {1: 60_000_000, 3: 0}
"""Kinds of windows of which the database keeps only those that end at whole multiples of so much, or none."""
Change = tuple[int, int]
"""Partition, and offset in it, of the episode that made a change of an alert."""


class Expected(NamedTuple):
    """What one partition's log comes to: windows by (patient, metric, window, end); what each episode makes of its
    alert, by its place in the journal: the alert, the change, the condition; the last condition of each alert.
    """

    windows: dict[tuple[str, int, int, int], tuple[Any, ...]]
    changes: dict[Change, tuple[str, str, dict[str, Any]]]
    alerts: dict[str, dict[str, Any]]
    readings: int
    figures: Counter[str]
    facts: set[str]
    differences: list[str]


def judged(partition: int, folder: Path, partitions: int) -> Expected:
    """One partition through the oracle, its topics compared."""
    began = time.process_time()
    log = records(folder, READINGS, partition)
    oracle = Witness(partition, partitions)
    told = oracle.read(log)
    wanted = outputs(told, partition)
    found = Expected({}, {}, {}, len(identities(log)), Counter(), oracle.finish(), [])
    taken: dict[str, list[Written]] = {}
    for topic in (JOURNAL, WINDOWS):
        mine = [each for each in written(records(folder, topic, partition)) if topic == WINDOWS or is_ours(each)]
        taken[topic], repeats = once(mine)
        found.figures[f"repeats in {topic}"] = repeats
        found.differences.extend(
            compared(topic, partition, [each for each in wanted if each.topic == topic], taken[topic])
        )
    for output, each in zip(wanted, told, strict=True):
        found.windows.update(windows_of(oracle, each, output))
    if not found.differences:
        follow(found, partition, taken[JOURNAL])
    found.figures.update(records=len(log.offsets), outputs=len(wanted), windows=len(found.windows))
    found.figures["episodes"] = sum(isinstance(each.what, Episode) for each in told)
    found.figures["cpu_ms"] = round(1000 * (time.process_time() - began))
    return found


def identities(log: Records) -> set[tuple[bytes, int, int]]:
    """The readings of a log, each once: device, metric, observed_at; of records that are whole rows."""
    found = decode_rows(plain(log))
    found = found[found["metric"] != 0]
    devices = [each.tobytes() for each in found["device"]]
    return set(zip(devices, found["metric"].tolist(), found["observed_at"].tolist(), strict=True))


def plain(log: Records) -> list[bytes]:
    """The values of a log of readings that are whole rows."""
    return [
        value
        for value, headers in zip(log.values, log.headers, strict=True)
        if len(value) % READING.itemsize == 0 and all(name != CONTROL_HEADER for name, _ in headers)
    ]


def is_ours(each: Written) -> bool:
    """Whether a record of the journal is a processor's."""
    return isinstance(decode_journal(each.value), Episode | Mark)


def compared(topic: str, partition: int, wanted: Sequence[Output], found: Sequence[Written]) -> list[str]:
    """What is missing in a topic, is there without reason, or says something else."""
    mine = {each.cause: (each.key, each.value) for each in wanted}
    theirs = {each.cause: (each.key, each.value) for each in found}
    where = f"{topic}/{partition}"
    causes = {
        f"{where} lacks": mine.keys() - theirs.keys(),
        f"{where} has beyond the oracle": theirs.keys() - mine.keys(),
        f"{where} says something else": {each for each in mine.keys() & theirs.keys() if mine[each] != theirs[each]},
    }
    return [
        f"{what} {len(those)}, the first {min(those)}: {(mine | theirs)[min(those)][1]!r}"
        for what, those in causes.items()
        if those
    ]


def windows_of(oracle: Oracle, each: Told, output: Output) -> dict[tuple[str, int, int, int], tuple[Any, ...]]:
    """The rows of the database that a record of windows makes, by their identity.

    Those of a dirty mark are of all readings in the log: each that came after the mark made another one.
    """
    found: list[tuple[bytes, Closed]] = []
    for key, one in each.windows:
        if isinstance(one, Dirty):
            found += ((key, again) for again in recomputed(oracle.patients[key].series[one.metric], one))
        else:
            found.append((key, one))
    return {(str(UUID(bytes=key)), one.metric, one.window, one.end): window_row(one, output) for key, one in found}


def window_row(one: Closed, output: Output) -> tuple[Any, ...]:
    """What the database says of a window."""
    (coverage,) = struct.unpack("<f", struct.pack("<f", one.coverage))
    slope, median, theil_sen = (None if math.isnan(each) else each for each in (one.slope, one.median, one.theil_sen))
    arrow = None if one.arrow == -128 else one.arrow
    figures = one.n, coverage, one.mean, one.sd, one.low, one.high, slope, arrow, median, theil_sen, one.gap
    return (*output.cause, *figures)


def is_kept(window: int, end: int) -> bool:
    """Whether the database keeps a window of this kind and end (µs)."""
    step = KEPT_US.get(window)
    return step is None or (step > 0 and end % step == 0)


def follow(found: Expected, partition: int, journal: Iterable[Written]) -> None:
    """What each episode of the journal makes of its alert."""
    for each in journal:
        episode = decode_journal(each.value)
        if not isinstance(episode, Episode) or episode.rule == PROOF:
            continue
        condition = {name: json.loads(episode.model_dump_json())[name] for name in CONDITION}
        alert, before = str(episode.id), found.alerts.get(str(episode.id))
        found.changes[partition, each.offset] = (alert, changed(episode, before), condition)
        found.alerts[alert] = condition


def changed(episode: Episode, before: dict[str, Any] | None) -> str:
    """What an alert's change is called: a worse level or priority is a rise, whatever the episode calls it."""
    if before is None or episode.condition == "over":
        return episode.change
    higher = PRIORITY_RANK[episode.priority] > PRIORITY_RANK[before["priority"]]
    return "rise" if higher or episode.level > before["level"] else episode.change


# ---- the database and the feed


def stored_windows(folder: Path, told: dict[tuple[str, int, int, int], tuple[Any, ...]]) -> list[str]:
    """How the database's windows differ from those of the log that it keeps."""
    names = (
        *("v_offset", "v_ordinal", "count", "coverage", "mean", "sd", "min", "max", "slope", "arrow"),
        *("median", "theil_sen", "gap"),
    )
    wanted = {key: value for key, value in told.items() if is_kept(key[2], key[3])}
    kept: dict[tuple[str, int, int, int], tuple[Any, ...]] = {}
    doubled = 0
    for row in rows(folder, "windows"):
        key = row["patient"], row["metric"], row["win"], row["win_end"]
        doubled += key in kept
        (row["coverage"],) = struct.unpack("<f", struct.pack("<f", row["coverage"]))
        kept[key] = tuple(row[name] for name in names)
    return differences("windows in the database", wanted, kept, doubled)


def stored_changes(
    folder: Path, wanted: dict[Change, tuple[str, str, dict[str, Any]]], figures: Counter[str]
) -> list[str]:
    """How the database's changes of alerts differ from the episodes'; the manager's own are counted."""
    kept: dict[Change, tuple[str, str, dict[str, Any]]] = {}
    found = rows(folder, "alert_changes")
    doubled = len(found) - len({(row["partition"], row["v_offset"], row["v_ordinal"]) for row in found})
    for row in found:
        if row["change"] not in EPISODE_CHANGES or row["v_ordinal"]:
            figures[f"changes by the manager: {row['change']}"] += 1
            continue
        kept[row["partition"], row["v_offset"]] = (
            row["alert"],
            row["change"],
            {name: row["body"][name] for name in CONDITION},
        )
    return differences("changes of alerts in the database", wanted, kept, doubled)


def stored_alerts(folder: Path, wanted: dict[str, dict[str, Any]]) -> list[str]:
    """How the database's alerts differ from the last state of their episodes.

    A call by the manager puts what is known into the reason: "was 48 at 22:59 UTC, no data for 12 min".
    """
    found = rows(folder, "alerts")
    kept = {row["id"]: {name: row["body"][name] for name in CONDITION} for row in found}
    for row in found:
        if row["body"]["change"] not in EPISODE_CHANGES and row["id"] in wanted:
            kept[row["id"]]["reason"] = wanted[row["id"]]["reason"]
    said = differences("alerts in the database", wanted, kept, len(found) - len(kept))
    for row in found:
        over = row["body"]["condition"] == "over"
        if over != (row["closed"] or row["body"]["unseen"]):
            said.append(f"alert {row['id']} is over: {over}, closed: {row['closed']}")
    return said[:SHOWN_MAX]


def fed(folder: Path, partitions: int, figures: Counter[str]) -> list[str]:
    """How the feed differs from the changes in the database."""
    kept = {(row["alert"], row["v_offset"], row["v_ordinal"]) for row in rows(folder, "alert_changes")}
    told: Counter[tuple[str, int, int]] = Counter()
    for partition in range(partitions):
        for each in written(records(folder, FEED, partition)):
            alert = decode_feed(each.value)
            if isinstance(alert, Alert) and alert.rule != PROOF:
                told[str(alert.id), *alert.version] += 1
    figures["repeats in the feed"] = told.total() - len(told)
    heard = Counter(map(tuple, json.loads((folder / "heard.json").read_text(encoding="utf-8"))))
    figures["changes on the socket"] = len(heard)
    return [
        *differences("changes on the feed", dict.fromkeys(kept), dict.fromkeys(told), 0),
        *differences("changes on the socket", dict.fromkeys(kept), dict.fromkeys(heard), heard.total() - len(heard)),
    ]


def differences(what: str, wanted: dict[Any, Any], found: dict[Any, Any], doubled: int) -> list[str]:
    """A line for what is missing, for what is too much, for what is otherwise, and for what is there twice."""
    missing, beyond = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    other = [each for each in wanted.keys() & found.keys() if wanted[each] != found[each]]
    said = []
    if missing:
        said.append(f"{what}: {len(missing)} missing, such as {sorted(missing)[:SHOWN_MAX]}")
    if beyond:
        said.append(f"{what}: {len(beyond)} beyond the oracle's, such as {sorted(beyond)[:SHOWN_MAX]}")
    if other:
        one = min(other)
        said.append(f"{what}: {len(other)} otherwise, such as {one}: {found[one]}, expected {wanted[one]}")
    if doubled:
        said.append(f"{what}: {doubled} twice")
    return said


def each_judged(folder: Path, partitions: int, workers: int) -> Iterator[Expected]:
    """Every partition, by so many processes; one is this one."""
    judge = partial(judged, folder=folder, partitions=partitions)
    if workers == 1:
        yield from map(judge, range(partitions))
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(judge, range(partitions))


def verdict(folder: Path, workers: int = 1) -> dict[str, Any]:
    """The whole recording judged."""
    partitions = len(list(folder.glob(f"{READINGS}-*.jsonl")))
    figures: Counter[str] = Counter()
    facts: set[str] = set()
    said: list[str] = []
    windows: dict[tuple[str, int, int, int], tuple[Any, ...]] = {}
    changes: dict[Change, tuple[str, str, dict[str, Any]]] = {}
    alerts: dict[str, dict[str, Any]] = {}
    kinds: dict[str, int] = defaultdict(int)
    for found in each_judged(folder, partitions, workers):
        windows |= found.windows
        changes |= found.changes
        alerts |= found.alerts
        figures.update(found.figures)
        figures["readings"] += found.readings
        facts |= found.facts
        said += found.differences
    if not said:
        said += stored_windows(folder, windows)
        said += stored_changes(folder, changes, figures)
        said += stored_alerts(folder, alerts)
        said += fed(folder, partitions, figures)
        (count,) = (row["count"] for row in rows(folder, "readings"))
        if count != figures["readings"]:
            said.append(f"readings in the database: {count}, the log has {figures['readings']}")
    for alert, change, _ in changes.values():
        kinds[f"{alerts[alert]['rule']}: {change}"] += 1
    by_rule = Counter(each["rule"] for each in alerts.values())
    figures["alerts"] = len(alerts)
    return {
        "figures": dict(figures),
        "alerts": dict(sorted(by_rule.items())),
        "changes": dict(sorted(kinds.items())),
        "facts": sorted(facts),
        "differences": said,
    }


def main() -> int:
    """Judge a recording."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.stderr.write("usage: python -m tests.drills.engine FOLDER\n")
        return 2
    found = verdict(Path(sys.argv[1]), os.cpu_count() or 1)
    sys.stdout.write(json.dumps(found) + "\n")
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
