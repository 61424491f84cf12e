"""The judge of the engine drill: what is right passes, and each thing that can be wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from alerts.manager import AlertManager
from stream.processor import Processor
from stream.sink_windows import KeptWindows, marks_in, next_ends, recomputed
from tests.drills.engine import identities, plain, verdict
from tests.logs import stored
from tests.strategies.acts import lived
from tests.strategies.trials import plan
from vitals.alerts import Alert, decode
from vitals.causes import HEADER
from vitals.readings import Rows
from vitals.readings import decode as decode_rows
from vitals.steps import Output, Records
from vitals.topics import FEED, JOURNAL, READINGS, WINDOWS
from vitals.windows import ARROW_UNKNOWN, WINDOW, is_dirty

BUSY = 11
"""A generated log with alerts that rise and end, and with windows."""
SAID = {
    "windows": "windows in the database",
    "alerts": "alerts in the database",
    "alert_changes": "changes of alerts in the database",
}
Line = Any


def lines(folder: Path, name: str) -> list[Line]:
    """What a file holds."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def write(folder: Path, name: str, what: list[Line]) -> None:
    """Write a file as `compose.drills.recorded` does."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in what), "utf-8")


def topic(outputs: list[Output], name: str) -> list[Line]:
    """The lines of a topic with these outputs."""
    mine = [each for each in outputs if each.topic == name]
    return [
        [at, None if each.key is None else each.key.hex(), each.value.hex(), [[HEADER, each.cause.pack().hex()]]]
        for at, each in enumerate(mine)
    ]


def window_rows(outputs: list[Output], read: Rows) -> list[Line]:
    """The latest windows as the database has them, those of dirty marks computed from the readings."""
    names = ("count", "coverage", "mean", "sd", "min", "max", "slope", "arrow", "median", "theil_sen", "gap")
    found = {}
    for output in outputs:
        rows = np.frombuffer(output.value, WINDOW) if output.topic == WINDOWS else np.zeros(0, WINDOW)
        again = [
            recomputed(mark, ends, stored(read, mark.patient.bytes, mark.spec.metric.code))
            for mark in marks_in(rows, 0)
            if (ends := next_ends(mark, mark.first, mark.spec.step_us))
        ]
        for row in KeptWindows().of(np.concatenate([rows[~is_dirty(rows)], *again])):
            figures = {name: row[name].item() for name in names}
            unknown = {name for name in ("slope", "median", "theil_sen") if np.isnan(figures[name])}
            figures |= dict.fromkeys(unknown | ({"arrow"} if figures["arrow"] == ARROW_UNKNOWN else set()))
            place = str(UUID(bytes=row["patient"].tobytes()))
            key = {"patient": place, "metric": row["metric"].item(), "win": row["window"].item()}
            version = {"v_offset": row["offset"].item(), "v_ordinal": row["ordinal"].item()}
            end = row["end"].item()
            found[place, key["metric"], key["win"], end] = key | {"win_end": end} | version | figures
    return list(found.values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of a stack that did everything right."""
    folder = tmp_path_factory.mktemp("recorded")
    log = lived(plan(BUSY)).log
    read = log.records()
    columns = zip(read.offsets, read.keys, read.values, read.headers, strict=True)
    carried = [(o, k, v, [[name, data.hex()] for name, data in h]) for o, k, v, h in columns]
    write(folder, f"{READINGS}-0", [[o, None if k is None else k.hex(), v.hex(), h] for o, k, v, h in carried])
    write(folder, "readings", [{"count": len(identities(read))}])
    outputs = log.run(Processor(0, 1))
    for name in (JOURNAL, WINDOWS):
        write(folder, f"{name}-0", topic(outputs, name))
    write(folder, "windows", window_rows(outputs, decode_rows(plain(read))))
    mine = [each for each in outputs if each.topic == JOURNAL]
    headers: list[tuple[tuple[str, bytes], ...]] = [((HEADER, each.cause.pack()),) for each in mine]
    keys, values = [each.key for each in mine], [each.value for each in mine]
    fed = AlertManager(0).step(Records(JOURNAL, 0, list(range(len(mine))), keys, values, headers))
    write(folder, f"{FEED}-0", topic(fed, FEED))
    alerts = [each for each in (decode(output.value) for output in fed) if isinstance(each, Alert)]
    bodies = [(str(each.id), *each.version, each.change, json.loads(each.model_dump_json())) for each in alerts]
    fields = ("alert", "v_offset", "v_ordinal", "change", "body")
    write(folder, "alert_changes", [{"partition": 0} | dict(zip(fields, each, strict=True)) for each in bodies])
    last = {name: {"id": name, "closed": body["closed"], "body": body} for name, *_, body in bodies}
    write(folder, "alerts", list(last.values()))
    (folder / "heard.json").write_text(json.dumps([each[:3] for each in bodies]), "utf-8")
    return folder


def test_what_is_right_passes_and_says_what_was_compared(whole: Path):
    """A judge that compares nothing passes as well."""
    found = verdict(whole)
    assert found["differences"] == []
    figures = found["figures"]
    assert min(figures[name] for name in ("episodes", "windows", "alerts", "readings", "records")) > 3
    assert figures["repeats in alerts.journal"] == figures["repeats in the feed"] == 0


def dropped(found: list[Line]) -> list[Line]:
    """All but the first."""
    return found[1:]


def doubled(found: list[Line]) -> list[Line]:
    """One is there twice."""
    return [*found, found[-1]]


def otherwise(found: list[Line]) -> list[Line]:
    """The first says something else."""
    first = dict(found[0])
    if "body" in first:
        first["body"] = first["body"] | {"level": 7}
    else:
        first["count"] += 1
    return [first, *found[1:]]


@pytest.mark.parametrize("wrong", [dropped, doubled, otherwise])
@pytest.mark.parametrize("name", ["windows", "alerts", "alert_changes"])
def test_a_row_that_is_missing_twice_or_wrong_is_a_difference(
    whole: Path, tmp_path: Path, name: str, wrong: Callable[[list[Line]], list[Line]]
):
    """These are the ways in which the database can be wrong."""
    copied(whole, tmp_path)
    write(tmp_path, name, wrong(lines(whole, name)))
    found = verdict(tmp_path)["differences"]
    assert any(line.startswith(SAID[name]) for line in found), found


@pytest.mark.parametrize("name", [JOURNAL, WINDOWS, FEED])
def test_a_record_that_is_missing_is_a_difference_and_a_repeat_is_counted(whole: Path, tmp_path: Path, name: str):
    """Topics are written at least once: who reads them drops what came before, and nobody can drop what never came."""
    copied(whole, tmp_path)
    found = lines(whole, f"{name}-0")
    kind = {JOURNAL: b'"episode"', WINDOWS: b"", FEED: b'"alert"'}[name]
    least = next(at for at, line in enumerate(found) if kind in bytes.fromhex(line[2]))
    write(tmp_path, f"{name}-0", [*found[:least], *found[least + 1 :]])
    assert verdict(tmp_path)["differences"]
    write(tmp_path, f"{name}-0", [*found, [len(found), *found[least][1:]]])
    again = verdict(tmp_path)
    assert again["differences"] == []
    assert again["figures"]["repeats in the feed" if name == FEED else f"repeats in {name}"] == 1


def test_a_change_that_came_twice_on_the_socket_is_a_difference(whole: Path, tmp_path: Path):
    """A screen would have called twice."""
    copied(whole, tmp_path)
    heard = json.loads((whole / "heard.json").read_text("utf-8"))
    (tmp_path / "heard.json").write_text(json.dumps([*heard, heard[0]]), "utf-8")
    assert verdict(tmp_path)["differences"] == ["changes on the socket: 1 twice"]
    (tmp_path / "heard.json").write_text(json.dumps(heard[1:]), "utf-8")
    assert verdict(tmp_path)["differences"][0].startswith("changes on the socket: 1 missing")


def test_a_reading_that_the_database_lacks_is_a_difference(whole: Path, tmp_path: Path):
    """Counted only: which one it is, another drill says."""
    copied(whole, tmp_path)
    (count,) = lines(whole, "readings")
    write(tmp_path, "readings", [{"count": count["count"] - 1}])
    assert verdict(tmp_path)["differences"][0].startswith("readings in the database")


def copied(whole: Path, folder: Path) -> None:
    """A recording of one's own to spoil."""
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
