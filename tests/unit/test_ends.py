"""How tasks and processes are ended: within a limit, and nobody's own cancellation is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

import psutil
import pytest

from compose import ends
from compose.drills.duty import Duty
from compose.folder import Ready, write_ready
from compose.process import Process, ProcessSpec
from compose.supervisor import Backoff, Event, Kind, Supervisor
from runtime.testing.waiting import until

LIMIT_S = 10.0
WRONG = "no ward"
QUICK = Backoff(first_seconds=0.01, cap_seconds=0.05, failures_max=3)


class Undying:
    """A child of asyncio whose end never comes, as one that hangs in the kernel."""

    pid = 2**22 + 1
    returncode = None

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0


def undying() -> asyncio.subprocess.Process:
    return cast("asyncio.subprocess.Process", Undying())


class Slow(Duty):
    """A ward whose sending takes its time to end."""

    def __init__(self) -> None:  # it connects to nothing
        self.may_end = asyncio.Event()
        self.ending = asyncio.Event()

    async def _play(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ending.set()
            await self.may_end.wait()


async def test_who_waits_for_a_task_keeps_its_own_cancellation() -> None:
    """A supervisor that gives up cancels the drill; a drill that takes it for its ward's goes on without a stack."""
    slow = Slow()
    went_on = False

    async def drill() -> None:
        nonlocal went_on
        async with slow.playing():
            await asyncio.sleep(0)
        went_on = True

    task = asyncio.create_task(drill())
    await slow.ending.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, slow.may_end.set)
    await asyncio.wait([task], timeout=LIMIT_S)
    assert task.cancelled()
    assert not went_on


async def test_what_went_wrong_in_a_task_is_raised_at_its_end() -> None:
    """A ward that stopped sending has proved nothing."""

    async def fail() -> None:
        raise ValueError(WRONG)

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match=WRONG):
        await ends.ended(task)


async def test_a_task_that_will_not_end_is_left_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A wait without a limit hides which task it is."""
    over = False

    async def stubborn() -> None:
        while not over:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    task = asyncio.create_task(stubborn(), name="mule")
    await asyncio.sleep(0)
    assert not await ends.cancelled(task, seconds=0.01)
    assert "the task 'mule' goes on" in capsys.readouterr().err
    over = True
    task.cancel()
    await task


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A drill that does not clean up must not hold the ones after it."""
    marker = tmp_path / "deaf"
    script = f"trap '' TERM; touch {marker}; while :; do sleep 0.05; done"
    child = await asyncio.create_subprocess_exec("sh", "-c", script)
    await until(marker.exists)
    assert await asyncio.wait_for(ends.terminated(child, "it", 0.1), LIMIT_S) == -9


async def test_a_process_that_not_even_sigkill_ends_is_told_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process in the kernel's hands (a dead disk) would hold Ctrl-C for ever, and nobody would know what for."""
    monkeypatch.setattr(ends, "KILLED_S", 0.05)
    monkeypatch.setattr(Process, "kill", lambda _: None)
    monkeypatch.setattr("compose.process.os.kill", lambda *_: None)
    process = Process(ProcessSpec("it", ("it",), tmp_path / "log", stop_seconds=0.05), undying())
    assert await asyncio.wait_for(process.stop(), LIMIT_S) is None
    assert f"it (pid {Undying.pid}) is there 0.05 s after SIGKILL" in capsys.readouterr().err


async def test_a_supervisor_that_is_cancelled_while_it_stops_ends(tmp_path: Path) -> None:
    """Its body has ended well, Ctrl-C comes while a server takes its time: the others' watches must end too."""
    heard: list[Event] = []
    marker = tmp_path / "deaf"
    argv = ("sh", "-c", f"trap '' TERM; touch {marker}; while :; do sleep 0.05; done")

    async def ready() -> None:
        marker.stat()

    async def main() -> None:
        async with Supervisor(heard.append, QUICK) as supervisor:
            await supervisor.start(ProcessSpec("other", ("sleep", "60"), tmp_path / "other.log"))
            await supervisor.start(ProcessSpec("deaf", argv, tmp_path / "log", ready=ready, stop_seconds=60.0))

    task = asyncio.create_task(main())
    await until(lambda: any(event.kind is Kind.STOPPING for event in heard))
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=LIMIT_S)
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT_S)
    assert done
    assert task.cancelled()


async def test_a_watch_that_loses_a_cancellation_is_cancelled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe of somebody else's library may lose one, and the stack would then never stop."""
    monkeypatch.setattr(ends, "TASK_S", 0.1)
    heard: list[Event] = []
    asking = asyncio.Event()
    lost = False

    async def ready() -> None:
        nonlocal lost
        if not any(event.kind is Kind.RESTARTING for event in heard):
            return
        asking.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if lost:
                raise
            lost = True
            raise OSError from None

    async with asyncio.timeout(LIMIT_S), Supervisor(heard.append, QUICK) as supervisor:
        await supervisor.start(ProcessSpec("it", ("sleep", "60"), tmp_path / "log", ready=ready))
        supervisor.processes["it"].kill()
        await asking.wait()
        await supervisor.stop("it")
    assert lost


async def test_a_helper_ends_when_its_stdin_does(tmp_path: Path) -> None:
    """It has a session of its own, so that neither Ctrl-C nor a hang-up reaches it; it must not outlive its drill."""
    child = await helper(tmp_path, "async def work(line): await asyncio.Event().wait()")
    assert child.stdin is not None
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), LIMIT_S) == 3


async def test_a_helper_gets_the_lines_that_it_asks_for(tmp_path: Path) -> None:
    """What the drill says before it is asked for must not be lost."""
    child = await helper(tmp_path, "async def work(line): return int(await line()) + int(await line())")
    assert child.stdin is not None
    child.stdin.write(b"40\n2\n")
    assert await asyncio.wait_for(child.wait(), LIMIT_S) == 42


async def helper(folder: Path, work: str) -> asyncio.subprocess.Process:
    program = (
        f"import asyncio, sys\nfrom compose import signals\nfrom compose.drills.children import attended\n{work}\n"
    )
    path = folder / "helper.py"
    path.write_text(program + "sys.exit(signals.run(lambda: attended(work)))\n")
    root = str(Path(ends.__file__).parents[1])
    return await asyncio.create_subprocess_exec(
        sys.executable, str(path), stdin=asyncio.subprocess.PIPE, env={"PYTHONPATH": root}, start_new_session=True
    )


READY = Ready(
    feed="ws://127.0.0.1:9",
    mqtt="127.0.0.1:9",
    kafka="127.0.0.1:9",
    database="postgresql://127.0.0.1:9/none",
    token="none",
    seconds=0.0,
    clock="real",
    partitions=1,
    health={},
)
"""A stack that refuses everybody, so that a client of it is never welcome."""


def listener(folder: Path) -> str:
    """A program that starts the clients drill's helper, tells its process id and waits."""
    write_ready(folder, READY)
    return f"""
import asyncio, pathlib, sys
from compose.drills.children import child
async def main():
    async with child("compose.drills.listening", {str(folder)!r}, "wild", 1, 0, 2) as it:
        pathlib.Path({str(folder / "pid")!r}).write_text(str(it._process.pid))
        await asyncio.sleep(60)
from compose import signals
sys.exit(signals.run(main))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_the_clients_of_the_feed_end_with_their_drill(tmp_path: Path, number: signal.Signals) -> None:
    """They lead a session, where no Ctrl-C comes; 200 sockets that nobody knows of would load the next drill."""
    root = str(Path(ends.__file__).parents[1])
    drill = await asyncio.create_subprocess_exec(sys.executable, "-c", listener(tmp_path), env={"PYTHONPATH": root})
    pid = tmp_path / "pid"
    await until(lambda: pid.exists() and bool(pid.read_text()))
    helper = psutil.Process(int(pid.read_text()))
    try:
        await until(lambda: os.getsid(helper.pid) == helper.pid)
        drill.send_signal(number)
        await asyncio.wait_for(drill.wait(), LIMIT_S)
        await until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE)
    finally:
        with suppress(psutil.NoSuchProcess):
            helper.kill()
