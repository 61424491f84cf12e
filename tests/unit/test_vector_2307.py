"""The low rule over a real person's month, against the published vectors of RULES and ``expected/low-2307.csv``."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from stream.processor import Processor
from tests.logs import Log, episodes, row, windows, worn
from vitals.metrics import GLUCOSE, MINUTE_US
from vitals.readings import Flag, Rows
from vitals.steps import Output
from vitals.units import Unit, whole_mg_dl

SHARED = Path(os.environ.get("VIGIL_SHARED", Path(__file__).resolve().parents[3] / "shared"))
FILE = SHARED / "data" / "t1d-uom" / "glucose-2307.csv"
EXPECTED = SHARED / "expected" / "low-2307.csv"
LONDON = ZoneInfo("Europe/London")
SENSOR = "t1d-uom-5min"

pytestmark = pytest.mark.skipif(
    not (FILE.exists() and EXPECTED.exists()), reason=f"T1D-UOM data is not at {SHARED}: set VIGIL_SHARED"
)


def micros(when: datetime) -> int:
    return round(when.astimezone(UTC).timestamp()) * 1_000_000


def local(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).astimezone(LONDON).strftime("%Y-%m-%dT%H:%M")


def readings() -> list[tuple[int, float]]:
    """(observed_at µs, mmol/L) in the file's order, with each repeated identity once."""
    with FILE.open(encoding="utf-8-sig", newline="") as file:
        rows = [(line["bg_ts"], float(line["value"])) for line in csv.DictReader(file)]
    first: dict[int, float] = {}
    for text, value in rows:
        at = datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=LONDON)
        first.setdefault(micros(at), value)
    return sorted(first.items())


def as_row(at: int, value: float, tick: int) -> Rows:
    flags = Flag.CENSORED_LOW if whole_mg_dl(value, Unit.MMOL_L) < 40 else Flag(0)
    return row("2307", value, at, received=tick, unit="mmol/L", flags=int(flags))


def whole_log() -> Log:
    """The file as a replay on simulated time publishes it: a tick each minute, readings behind their tick."""
    data = readings()
    log = Log()
    log.site(1)
    tick = data[0][0] // MINUTE_US * MINUTE_US
    log.patient("2307", worn("2307", "cgm-1", SENSOR, tick - MINUTE_US))
    log.tick(tick)
    for at, value in data:
        while tick + MINUTE_US <= at:
            tick += MINUTE_US
            log.tick(tick)
        log.readings(as_row(at, value, tick))
    return log


@pytest.fixture(scope="module")
def outputs() -> list[Output]:
    """The whole month, polled in pieces."""
    log = whole_log()
    return log.run(Processor(0, 1), cuts=range(0, len(log.keys), 997))


def test_the_low_rule_equals_the_published_vector_over_a_whole_month(outputs: list[Output]) -> None:
    """Two independent programs made that file: where we differ, one of the two reads RULES wrongly."""
    changes = [
        (local(each.at), each.change, str(each.level or ""))
        for each in episodes(outputs, "low")
        if each.change in {"open", "rise", "clear"}
    ]
    with EXPECTED.open(newline="") as file:
        expected = [(line["observed_at"], line["change"], line["level"]) for line in csv.DictReader(file)]
    assert changes == expected


def test_the_three_days_of_rules_hold_eight_episodes_and_nine_announcements(outputs: list[Output]) -> None:
    """RULES prints them, so anybody can check this without the file of expected results."""
    announced = [
        (local(each.at)[8:], each.priority)
        for each in episodes(outputs, "low")
        if each.change in {"open", "rise"} and "2023-11-26" <= local(each.at) < "2023-11-29"
    ]
    assert announced == [
        ("26T13:59", "medium"),
        ("26T22:59", "high"),
        ("26T23:54", "high"),
        ("27T01:34", "high"),
        ("27T10:44", "medium"),
        ("27T10:49", "high"),
        ("27T13:29", "high"),
        ("28T09:49", "medium"),
        ("28T20:09", "medium"),
    ]


def test_the_month_closes_a_window_for_every_five_minutes_with_readings(outputs: list[Output]) -> None:
    """A window that never closes, or closes twice, would be a hole or a lie in every report."""
    rows = windows(outputs)
    assert (rows["metric"] == GLUCOSE.code).all()
    for code in (2, 6, 7):
        ends = rows["end"][rows["window"] == code]
        assert len(np.unique(ends)) == len(ends)
        assert len(ends) > 8_000
