"""Whom the drills strike: a process that has ended in that moment ends no drill, and nobody else is hit."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from compose.drills import kafka, kill, killing, stop
from compose.drills.accounts import NEXT_ALERT_S, Fault
from compose.drills.duty import Duty
from compose.drills.frame import Frame, Verdict
from compose.process import Process, ProcessSpec
from compose.stack import Stack
from runtime.clock import SystemClock
from vitals.errors import ServerStalled

NAME = "process"
LIMIT_S = 10.0
MISSED = f"{NAME} was there to get SIGKILL: False, expected True"


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """A service that does nothing."""
    found = await Process.start(ProcessSpec(NAME, ("/bin/sleep", "60"), tmp_path / "log"))
    try:
        yield found
    finally:
        found.kill()
        await found.killed()


def stack(process: Process) -> Stack:
    """A stack of one service."""
    supervisor = SimpleNamespace(processes={NAME: process})
    return cast("Stack", SimpleNamespace(supervisor=supervisor, settings=None, pid_of=lambda _: process.pid))


async def ended(process: Process) -> None:
    """Kill it, and hear of its end, as the supervisor does before it starts another."""
    process.kill()
    await process.killed()


class Ward:
    """A ward on duty; in its first turn something happens."""

    def __init__(self, clock: SystemClock, happens: Any) -> None:
        self._clock, self._happens = clock, happens
        self.faults: list[Fault] = []

    async def run(self, seconds: float) -> None:
        if self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        await self._clock.sleep(min(seconds, 0.01))

    def fault(self, what: str, within_s: float = NEXT_ALERT_S, *, since: int | None = None) -> Fault:
        self.faults.append(Fault(what, self._clock.now_us(), within_s, since))
        return self.faults[-1]

    async def recovered(self, fault: Fault) -> float:
        assert fault in self.faults
        return 1.0


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that would need servers."""

    async def returned(*_: object) -> float:
        return 0.5

    async def records(*_: object) -> int:
        return 812

    monkeypatch.setattr(killing, "returned", returned)
    monkeypatch.setattr(killing, "log_records", records)


def status(process: Process) -> str:
    return psutil.Process(process.pid).status()


async def test_a_signal_reaches_a_process_that_runs(process: Process):
    """It must still be cruel."""
    assert killing.hit(process, signal.SIGSTOP)
    async with asyncio.timeout(LIMIT_S):
        while status(process) != psutil.STATUS_STOPPED:
            await SystemClock().sleep(0.01)
    verdict = Verdict()
    assert killing.strike(stack(process), NAME, verdict) == process.pid
    assert await process.wait() == -signal.SIGKILL
    assert verdict.differences == []


async def test_a_server_is_killed_with_all_that_it_started(tmp_path: Path):
    """PostgreSQL's children would go on, and what was to be a crash is a shutdown."""
    family = await Process.start(ProcessSpec(NAME, ("/bin/sh", "-c", "sleep 60 & wait"), tmp_path / "log"))
    try:
        first = psutil.Process(family.pid)
        async with asyncio.timeout(LIMIT_S):
            while not (children := [each for each in first.children() if each.name() == "sleep"]):
                await SystemClock().sleep(0.01)
        verdict = Verdict()
        assert killing.strike_all(stack(family), NAME, verdict) == family.pid
        assert await family.wait() == -signal.SIGKILL
        assert psutil.wait_procs(children, timeout=LIMIT_S)[1] == []
        assert verdict.differences == []
    finally:
        family.kill()
        await family.killed()


async def test_who_has_ended_and_is_not_replaced_yet_is_not_struck(process: Process, monkeypatch: pytest.MonkeyPatch):
    """Its id is free: the signal would end the drill without a verdict, or another program."""
    await ended(process)
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: sent.append(pid))
    assert not killing.hit(process, signal.SIGCONT)
    verdict = Verdict()
    assert killing.strike(stack(process), NAME, verdict) == process.pid
    assert killing.strike_all(stack(process), NAME, verdict) == process.pid
    assert sent == []
    assert verdict.differences == [MISSED, MISSED], "a strike that met nobody is no passed drill"


async def test_a_process_that_is_gone_before_one_hears_of_it_is_no_error(
    process: Process, monkeypatch: pytest.MonkeyPatch
):
    """Another thread waits for children: for a moment the id is free and the end not yet told."""

    def gone(*_: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    monkeypatch.setattr(psutil, "Process", lambda pid: (_ for _ in ()).throw(psutil.NoSuchProcess(pid)))
    assert not killing.hit(process, signal.SIGCONT)
    verdict = Verdict()
    assert killing.strike(stack(process), NAME, verdict) == process.pid
    assert killing.strike_all(stack(process), NAME, verdict) == process.pid
    assert verdict.differences == [MISSED, MISSED]


@pytest.mark.usefixtures("quiet")
async def test_a_kill_of_a_replay_that_meets_a_process_at_its_end_goes_on(process: Process):
    """The drill waits for the next process, as after any kill, and has failed: it was to try what a kill does."""
    await ended(process)
    kills, verdict = [killing.Kill(NAME, 0.5)], Verdict()
    await killing.carry_out(kills, stack(process), lambda: 1.0, SystemClock(), print, verdict=verdict)
    assert kills[0].away_seconds == 0.5
    assert verdict.differences == [MISSED]


async def test_nobody_has_returned_who_has_ended(process: Process, monkeypatch: pytest.MonkeyPatch):
    """Until the next start the supervisor has the old one, and its port may still answer in another's name."""

    async def answers(*_: object) -> bool:
        return True

    monkeypatch.setattr(killing, "answers", answers)
    monkeypatch.setattr(killing, "BACK_S", 0.05)
    monkeypatch.setattr(killing, "POLL_S", 0.01)
    assert await killing.returned(NAME, None, stack(process), SystemClock()) == 0.0
    await ended(process)
    with pytest.raises(ServerStalled):
        await killing.returned(NAME, None, stack(process), SystemClock())


@pytest.mark.usefixtures("quiet")
async def test_who_is_not_there_to_go_on_fails_the_drill(process: Process, tmp_path: Path):
    """A stop that ends as a kill says nothing of a process that wakes with what it held in its hands."""
    clock = SystemClock()
    frame = Frame(clock, tmp_path, lambda _: None)
    ward = Ward(clock, lambda: ended(process))
    await stop._stop(frame, stack(process), cast("Duty", ward), (NAME,), 0.2)
    (fault,) = ward.faults
    assert fault.told == {"log_records_at_kill": 812, "back_s": 0.5, "process_afterwards": {NAME: "another"}}
    assert fault.since is not None
    assert fault.at - fault.since < 200_000, "timed from the kill, not from the SIGCONT that nobody hears"
    assert frame.verdict.differences == [
        f"SIGSTOP {NAME} for 0.2 s: {NAME} was there to go on: False, expected True",
        f"SIGSTOP {NAME} for 0.2 s: the process of {NAME} afterwards: another, expected the same",
    ]


@pytest.mark.usefixtures("quiet")
async def test_a_process_that_goes_on_is_told_as_the_same(process: Process, tmp_path: Path):
    """Whether it was replaced decides what the figures mean."""
    clock = SystemClock()
    frame = Frame(clock, tmp_path, lambda _: None)
    ward = Ward(clock, None)
    await stop._stop(frame, stack(process), cast("Duty", ward), (NAME,), 0.05)
    assert ward.faults[0].told["process_afterwards"] == {NAME: "the same"}
    assert frame.verdict.differences == []


@pytest.mark.usefixtures("quiet")
async def test_alerts_are_timed_from_the_stop_where_none_goes_through_who_is_stopped(process: Process, tmp_path: Path):
    """A sink that stands still must not excuse an alert that is half a minute late."""
    clock = SystemClock()
    frame = Frame(clock, tmp_path, lambda _: None)
    ward = Ward(clock, None)
    found = stack(process)
    found.supervisor.processes["sink"] = process
    await stop._stop(frame, found, cast("Duty", ward), ("sink",), 0.05)
    meanwhile, after = ward.faults
    assert meanwhile.what == "SIGSTOP sink for 0.05 s, meanwhile"
    assert meanwhile.since is not None
    assert meanwhile.at - meanwhile.since < 50_000
    assert after.since is not None
    assert after.at - after.since < 50_000


@pytest.mark.usefixtures("quiet")
async def test_who_is_not_there_to_be_stopped_fails_the_drill(process: Process, tmp_path: Path):
    """A stop that stopped nobody would pass for a proof."""
    await ended(process)
    clock = SystemClock()
    frame = Frame(clock, tmp_path, lambda _: None)
    await stop._hang(frame, stack(process), cast("Duty", Ward(clock, None)), NAME)
    assert f"{NAME} is there to be stopped: False, expected True" in frame.verdict.differences


@pytest.mark.usefixtures("quiet")
async def test_a_kill_and_an_outage_tell_how_long_they_took(process: Process, tmp_path: Path):
    """Whether a slow alert comes of a slow start or of a long log is read from the verdict, or not at all."""
    clock = SystemClock()
    frame = Frame(clock, tmp_path, lambda _: None)
    ward = Ward(clock, None)
    before = clock.now_us()
    await kill._kill(frame, stack(process), cast("Duty", ward), (NAME,))
    await kafka._back(frame, cast("Duty", ward), "Kafka away", before, 2.5)
    killed, away = ward.faults
    assert killed.told == {"back_s": 0.5, "log_records_at_kill": 812}
    assert killed.since is not None
    assert before <= killed.since <= killed.at
    assert frame.verdict.differences == []
    assert (away.told, away.since, away.within_s) == ({"back_s": 2.5}, before, 5.0)
