"""The database drill's judgement: which alerts stand in which part of the outage, and how much later they came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast
from uuid import UUID

import pytest

from compose.drills import database, killing
from compose.drills.accounts import Account, Crossing, Fault, Told
from compose.drills.database import ALERTS_MIN, LATER_MS_MAX, QUIET, Scene, Span, later, least_s
from compose.drills.duty import Load, script
from compose.drills.frame import Frame
from runtime.testing.clock import ManualClock
from vitals.metrics import SECOND_US

SPANS: dict[str, Span] = {
    name: (number * 10 * SECOND_US, (number + 1) * 10 * SECOND_US)
    for number, name in enumerate((QUIET, "away", "returned", "killed, 1"))
}
LEAST_S = 6.0
STOP_S, START_S, STORED_S, BACK_S, RECOVERED_S = 3.0, 4.0, 5.0, 1.0, 0.5


def account(slow: str = "", slow_ms: float = 0.0, slow_alerts: int = 3, few: str = "") -> Account:
    """150 alerts in each span, each after 20 ms; some of one span later, or one span with too few."""
    crossings: list[Crossing] = []
    heard: list[Told] = []
    for name, (since, until) in SPANS.items():
        count = ALERTS_MIN - 1 if name == few else 150
        for number in range(count):
            alert = UUID(int=len(crossings) + 1)
            at = since + number * (until - since) // count
            crossings.append(Crossing(alert, 0, at))
            ms = slow_ms if name == slow and number < slow_alerts else 20.0
            heard.append(Told(alert, (len(crossings), 0), "open", at + round(ms * 1000)))
    return Account({}, {}, [], crossings=crossings, heard=heard)


def test_an_outage_that_delays_nobody_passes_and_says_how_many_alerts_each_part_had():
    """A percentile without its count cannot be judged by who reads it."""
    found = later(account(), SPANS)
    assert found.differences == []
    assert {name: each["alerts"] for name, each in found.figures["delay_by_span_ms"].items()} == dict.fromkeys(
        SPANS, 150
    )
    assert found.figures["later_at_p99_ms"] == dict.fromkeys(("away", "returned", "killed, 1"), 0.0)


@pytest.mark.parametrize("slow", ["away", "returned", "killed, 1"])
def test_each_part_is_compared_by_itself(slow: str):
    """The sink fights for the cores when it catches up, long after the outage; a minute of calm must not hide that."""
    found = later(account(slow, 20 + LATER_MS_MAX + 1), SPANS)
    assert len(found.differences) == 1
    assert f"({slow} 101.0 ms)" in found.differences[0]
    assert later(account(slow, 20 + LATER_MS_MAX - 1), SPANS).differences == []


@pytest.mark.parametrize("few", [QUIET, "away", "returned", "killed, 1"])
def test_a_part_with_too_few_alerts_is_a_difference(few: str):
    """With 99 alerts the 99th percentile is about the greatest of them: luck."""
    found = later(account(few=few), SPANS)
    assert found.differences == [f"spans with fewer than the 100 alerts of a 99th percentile: 1 ({few} 99)"]


def test_a_part_without_any_alert_is_a_difference():
    """Nothing is not late."""
    found = later(Account({}, {}, []), SPANS)
    assert "4 (away 0, killed, 1 0, returned 0, undisturbed 0)" in found.differences[0]


@pytest.mark.parametrize("patients", [60, 100, 500])
def test_a_span_of_the_least_length_has_the_alerts_wherever_it_begins(patients: int):
    """The return and the kills are over in seconds; the load must be dense enough to judge them."""
    ward = Load(patients=patients, cycle_s=database.CYCLE_S)
    lows: list[float] = []
    for due in script(ward):
        if due.after_s > 60:
            break
        if due.low:
            lows.append(due.after_s)
    for since in range(30):
        assert sum(since <= each < since + least_s(ward) for each in lows) >= ALERTS_MIN
    assert least_s(Load(patients=3)) > 0


class FakeDuty:
    """A ward that costs only time."""

    spares = range(3)

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.faults: list[Fault] = []

    async def run(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def fault(self, what: str) -> Fault:
        self.faults.append(Fault(what, self.clock.now_us()))
        return self.faults[-1]

    async def recovered(self, _: Fault) -> float:
        await self.clock.advance(RECOVERED_S)
        return RECOVERED_S


class FakeConnection:
    """A database in which the sink waits at once."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def execute(self, _: str) -> FakeConnection:
        return self

    async def fetchone(self) -> tuple[int]:
        return (1,)

    async def close(self) -> None:
        return


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A drill on a clock of its own, whose database takes its time for everything."""
    clock = ManualClock()

    @asynccontextmanager
    async def away(*_: object) -> AsyncIterator[None]:
        await clock.advance(STOP_S)
        yield
        await clock.advance(START_S)

    async def passes(seconds: float, found: object = None) -> object:
        await clock.advance(seconds)
        return found

    monkeypatch.setattr(killing, "away", away)
    monkeypatch.setattr(killing, "strike_all", lambda *_: 1)
    monkeypatch.setattr(killing, "returned", lambda *_: passes(BACK_S, BACK_S))
    monkeypatch.setattr(database, "stored", lambda *_: passes(STORED_S))
    monkeypatch.setattr(database, "connect", lambda *_, **__: passes(0.0, FakeConnection()))
    monkeypatch.setattr(database, "_acknowledge", lambda *_: passes(0.1, found=True))
    stack = SimpleNamespace(settings=SimpleNamespace(database_url=""))
    frame = Frame(cast("Any", clock), Path(), lambda _: None)
    return Scene(frame, cast("Any", stack), cast("Any", FakeDuty(clock)), LEAST_S, {})


def seconds(span: Span) -> float:
    return (span[1] - span[0]) / SECOND_US


async def test_the_outage_begins_at_the_stop_and_the_return_lasts_until_the_database_has_everything(scene: Scene):
    """PostgreSQL's last checkpoint and its start with the sink's catching up are what costs cores; neither is calm."""
    await database._away(scene, 20.0)
    spans = scene.spans
    assert list(spans) == [QUIET, "away", "returned"]
    assert seconds(spans[QUIET]) == 20.0
    assert spans["away"][0] == spans[QUIET][1]
    assert seconds(spans["away"]) == pytest.approx(STOP_S + 20.0, abs=0.2)
    assert spans["returned"][0] == spans["away"][1]
    assert seconds(spans["returned"]) == START_S + STORED_S
    assert scene.frame.verdict.figures["database_has_everything_after_s"] == {"returned": START_S + STORED_S}
    assert scene.frame.verdict.differences == []


async def test_each_kill_is_a_span_from_the_fault_until_the_database_has_everything(scene: Scene):
    """Recovery from a kill is a return too."""
    await database._kill(scene, 1)
    await database._kill(scene, 2)
    faults = cast("FakeDuty", scene.duty).faults
    assert [each.at for each in faults] == [since for since, _ in scene.spans.values()]
    assert [seconds(each) for each in scene.spans.values()] == [BACK_S + RECOVERED_S + STORED_S] * 2


async def test_a_quick_return_is_watched_for_as_long_as_a_percentile_needs(scene: Scene):
    """Otherwise a faster database would fail the drill for want of alerts."""
    scene.least_s = 30.0
    await database._caught_up(scene, "returned", scene.frame.clock.now_us())
    assert seconds(scene.spans["returned"]) == 30.0
