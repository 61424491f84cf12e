"""The supervisor and its processes, on small real programs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compose import errors, services, signals
from compose.errors import GaveUp, ProcessExited, ProcessNotReady
from compose.process import Process, ProcessSpec, run_to_end
from compose.supervisor import ALIVE_ASKS_MIN, Backoff, Event, Kind, Supervisor
from runtime.testing.waiting import until

QUICK = Backoff(first_seconds=0.01, cap_seconds=0.05, failures_max=3)
PATIENT = Backoff(first_seconds=0.01, cap_seconds=0.05, failures_max=50)
SLEEP = ("sleep", "60")
NICEST = 19
"""Nobody stands back further: who runs all tests may have put them there already."""


class Heard:
    """Collects events; ``await heard(kind)`` returns when one of that kind has come."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    def count(self, kind: Kind) -> int:
        return sum(event.kind is kind for event in self.events)

    async def until(self, kind: Kind, times: int = 1) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.count(kind) >= times)


def spec(
    tmp_path: Path, *argv: str, name: str = "it", ready: Callable[[], Awaitable[None]] | None = None
) -> ProcessSpec:
    return ProcessSpec(name, argv, tmp_path / f"{name}.log", ready=ready, stop_seconds=5.0)


def file_exists(path: Path) -> Callable[[], Awaitable[None]]:
    async def ready() -> None:
        path.stat()  # noqa: ASYNC240 - a local file

    return ready


async def gone(pid: int) -> None:
    """Return when a process that is not our child runs no longer."""
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def test_a_process_that_is_killed_starts_again(tmp_path: Path) -> None:
    """Otherwise one crash of a service would end the alarms until somebody looks."""
    heard = Heard()
    async with Supervisor(heard, QUICK) as supervisor:
        await supervisor.start(spec(tmp_path, *SLEEP))
        first = supervisor.processes["it"].pid
        os.kill(first, signal.SIGKILL)
        await heard.until(Kind.READY, 2)
        assert supervisor.processes["it"].pid != first
        assert supervisor.restarts == {"it": 1}


async def test_a_process_that_hangs_is_killed_and_starts_again(tmp_path: Path) -> None:
    """A frozen service ends by nothing of its own, alerts nobody and looks alive."""
    heard, deaf = Heard(), tmp_path / "deaf"

    async def alive() -> None:
        if deaf.exists():
            raise ConnectionError

    async with Supervisor(heard, QUICK) as supervisor:
        await supervisor.start(replace(spec(tmp_path, *SLEEP), alive=alive, alive_seconds=0.2))
        first = supervisor.processes["it"].pid
        deaf.touch()
        await heard.until(Kind.HUNG)
        deaf.unlink()
        await heard.until(Kind.READY, 2)
        assert supervisor.processes["it"].pid != first


async def test_a_process_that_was_silent_only_once_is_left_alone(tmp_path: Path) -> None:
    """When the whole machine slept, the first question after it may fail for a process that is well."""
    heard, asked = Heard(), 0

    async def alive() -> None:
        nonlocal asked
        asked += 1
        if asked % ALIVE_ASKS_MIN:
            raise EOFError

    async with Supervisor(heard, QUICK) as supervisor:
        asking = replace(spec(tmp_path, *SLEEP), alive=alive, alive_seconds=0.004, alive_poll_seconds=0.001)
        await supervisor.start(asking)
        await until(lambda: asked > 5 * ALIVE_ASKS_MIN)
    assert heard.count(Kind.HUNG) == 0


async def test_a_process_is_replaced_by_another_specification(tmp_path: Path) -> None:
    """Services start again by the real clock; whoever is killed afterwards must come back by it too."""
    heard, said = Heard(), tmp_path / "said"
    line = f'echo "$CLOCK" >> {said}; sleep 60'
    first = replace(spec(tmp_path, "sh", "-c", line, ready=file_exists(said)), env={"CLOCK": "simulated"})
    async with Supervisor(heard, QUICK) as supervisor:
        await supervisor.start(first)
        old = supervisor.processes["it"]
        await supervisor.replace(replace(first, env={"CLOCK": "real"}))
        assert old.returncode is not None
        await until(lambda: said.read_text().splitlines() == ["simulated", "real"])
        os.kill(supervisor.processes["it"].pid, signal.SIGKILL)
        await until(lambda: said.read_text().splitlines() == ["simulated", "real", "real"])
    assert heard.count(Kind.EXITED) == 1


async def test_a_process_that_keeps_failing_ends_everything_loudly(tmp_path: Path) -> None:
    """A stack with a dead part that looks alive is worse than one that says what is wrong and stops."""
    heard = Heard()
    ready = tmp_path / "ready"
    script = f"touch {ready}; sleep 0.05; echo no disk >&2; exit 3"
    with pytest.raises(GaveUp, match=r"it failed 3 times within 60 s, giving up: no disk"):  # noqa: PT012
        async with Supervisor(heard, QUICK) as supervisor:
            await supervisor.start(spec(tmp_path, *SLEEP, name="other"))
            other = supervisor.processes["other"]
            await supervisor.start(spec(tmp_path, "sh", "-c", script, ready=file_exists(ready)))
            await supervisor.wait()
    assert other.returncode is not None


async def test_giving_up_says_how_it_ended_what_it_said_and_what_to_do(tmp_path: Path) -> None:
    """The person who is woken has this screen and no other: one line of it would send them looking for the log."""
    script = "sleep 0.1; echo one; echo two; echo No space left on device >&2; exit 3"
    heard = Heard()
    with pytest.raises(GaveUp) as caught:  # noqa: PT012
        async with Supervisor(heard, QUICK) as supervisor:
            await supervisor.start(spec(tmp_path, "sh", "-c", script))
            await supervisor.wait()
    told = errors.told(caught.value)
    assert f"it ended with exit code 3; the last lines of {tmp_path / 'it.log'}:" in told
    assert "    | two\n    | No space left on device\n" in told
    assert "what to do: the disk is full" in told
    assert errors.exit_code(caught.value) == errors.EXIT_GAVE_UP
    (event,) = [event for event in heard.events if event.kind is Kind.GAVE_UP]
    assert "exit code 3" in str(event)


def test_the_command_line_prints_the_whole_report_and_ends_with_its_own_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A unit of the system that starts ``vigil up`` can tell this end from a typing error by the code."""
    (tmp_path / "log").write_text("one\n\nMemory: out of memory\n")

    async def main() -> int:
        raise GaveUp("kafka", 6, 60.0, tmp_path / "log", 1)

    assert signals.run(main) == errors.EXIT_GAVE_UP == 69
    said = capsys.readouterr().err
    assert said.startswith("vigil: kafka failed 6 times within 60 s, giving up\n")
    assert "    | one\n    | Memory: out of memory\n" in said
    assert "it has no memory left" in said


def test_what_a_process_said_last_commands_no_terminal(tmp_path: Path) -> None:
    """A process repeats what devices and people gave it; an escape in it could clear the report it stands in."""
    words = ["Zoë, 5\u00a0µs", "\u0645\u06cc\u200c\u062e\u0648", "\u0915\u094d\u200d\u0937"]
    log = tmp_path / "a\nb"
    log.write_text("\n".join([*words, "red\x1b[31m \x1b]0;title\x07 \x9b2J \u202ebed\u200b"]))
    told = errors.told(GaveUp("it\x1b[2J\nx", 6, 60.0, log, 1))
    assert told.splitlines() == [
        "it\\x1b[2J\\nx failed 6 times within 60 s, giving up",
        f"  it ended with exit code 1; the last lines of {tmp_path}/a\\nb:",
        *(f"    | {word}" for word in words),
        "    | red\\x1b[31m \\x1b]0;title\\x07 \\x9b2J \\u202ebed\\u200b",
        f"  what to do: {errors.ENDINGS[1]}",
        "  everything is stopped, and what was stored is kept: mend it, then start again",
    ]


async def test_those_who_can_be_told_know_of_the_end_before_it(tmp_path: Path) -> None:
    """A page that is open says that Vigil is not ready, instead of freezing with a calm face."""
    told = tmp_path / "told"
    page = f"trap 'touch {told}' USR1; touch {tmp_path / 'up'}; while :; do sleep 0.01; done"
    backoff = replace(QUICK, farewell_seconds=0.5)
    seen: list[bool] = []

    def heard(event: Event) -> None:
        if (event.process, event.kind) == ("page", Kind.STOPPING):
            seen.append(told.exists())

    with pytest.raises(GaveUp):  # noqa: PT012
        async with Supervisor(heard, backoff) as supervisor:
            shown = spec(tmp_path, "sh", "-c", page, name="page", ready=file_exists(tmp_path / "up"))
            await supervisor.start(replace(shown, doom_signal=signal.SIGUSR1))
            await supervisor.start(spec(tmp_path, "sh", "-c", "sleep 0.1; exit 1"))
            await supervisor.wait()
    assert seen == [True]


@pytest.mark.parametrize(
    ("returncode", "tail", "word"),
    [
        (2, ["bridge: bad setting"], "setting"),
        (-9, [], "killed"),
        (70, ["Traceback"], "fault of Vigil's own"),
        (4, [], "log"),
    ],
)
def test_every_ending_has_its_advice(returncode: int, tail: list[str], word: str) -> None:
    """Who reads it at three in the morning has no time to look exit codes up."""
    assert word in errors.advice(returncode, tail)


async def test_a_first_start_that_fails_is_not_retried(tmp_path: Path) -> None:
    """A wrong setting is told at once, not after a minute of attempts."""
    async with Supervisor(Heard(), QUICK) as supervisor:
        with pytest.raises(ProcessExited, match=r"it stopped: exit code 3: bad setting"):
            await supervisor.start(
                spec(tmp_path, "sh", "-c", "echo bad setting; exit 3", ready=file_exists(tmp_path / "never"))
            )


async def test_a_program_that_is_missing_is_one_line(tmp_path: Path) -> None:
    """The person at the terminal needs its name, not a traceback."""
    with pytest.raises(ProcessExited, match=r"/no/such/program cannot be started"):
        await run_to_end(spec(tmp_path, "/no/such/program"))


async def test_a_process_that_never_answers_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    """A start that hangs for ever cannot be told from a slow one."""
    slow = ProcessSpec("it", SLEEP, tmp_path / "log", ready=file_exists(tmp_path / "never"), ready_seconds=0.2)
    async with Supervisor(Heard()) as supervisor:
        with pytest.raises(ProcessNotReady, match=r"it did not answer within 0.2 s"):
            await supervisor.start(slow)
        assert supervisor.processes["it"].returncode is not None


async def test_processes_stop_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    """Services leave before the servers that they write their last records to."""
    heard = Heard()
    async with Supervisor(heard) as supervisor:
        for name in ("first", "second", "third"):
            await supervisor.start(spec(tmp_path, *SLEEP, name=name))
    assert [event.process for event in heard.events if event.kind is Kind.STOPPED] == ["third", "second", "first"]


async def test_a_process_that_ignores_the_request_is_killed_at_its_deadline(tmp_path: Path) -> None:
    """Ctrl-C must end in a bounded time whatever a server does."""
    marker = tmp_path / "deaf"
    argv = ("sh", "-c", f"trap '' TERM; touch {marker}; while :; do sleep 60; done")
    stubborn = ProcessSpec("it", argv, tmp_path / "log", ready=file_exists(marker), stop_seconds=0.2)
    process = await Process.start(stubborn)
    await process.wait_ready()
    assert await process.stop() == -signal.SIGKILL


async def test_what_a_process_started_goes_with_it(tmp_path: Path) -> None:
    """A killed service must not leave helpers behind that hold its port."""
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}.part; mv {pid_file}.part {pid_file}; wait"
    process = await Process.start(spec(tmp_path, "sh", "-c", script, ready=file_exists(pid_file)))
    await process.wait_ready()
    await process.stop()
    await gone(int(pid_file.read_text()))


async def test_a_process_with_an_end_is_not_started_again(tmp_path: Path) -> None:
    """A simulator that has played its hour has not failed."""
    heard = Heard()
    async with Supervisor(heard, QUICK) as supervisor:
        await supervisor.start(ProcessSpec("it", ("sleep", "0.05"), tmp_path / "log", once=True))
        await heard.until(Kind.FINISHED)
    assert heard.count(Kind.RESTARTING) == 0


async def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C during the start is as common as after it."""
    heard = Heard()
    async with Supervisor(heard) as supervisor:
        never = spec(tmp_path, *SLEEP, ready=file_exists(tmp_path / "never"))
        start = asyncio.create_task(supervisor.start(never))
        await heard.until(Kind.STARTING)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        left = list(supervisor.processes.values())
    assert all(process.returncode is not None for process in left)


async def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A killed stack that left its servers running would block the next one's data folder."""
    pid_file = tmp_path / "pid"
    program = f"""
import asyncio, pathlib
from compose.process import Process, ProcessSpec
async def main():
    child = await Process.start(ProcessSpec("child", ("sleep", "60"), pathlib.Path({str(tmp_path)!r}) / "child.log"))
    part = pathlib.Path({str(pid_file)!r} + ".part")
    part.write_text(str(child.pid))
    part.rename({str(pid_file)!r})
    await asyncio.sleep(60)
asyncio.run(main())
"""
    root = str(Path(__file__).parents[2])
    parent = await Process.start(
        ProcessSpec(
            "parent",
            (sys.executable, "-c", program),
            tmp_path / "log",
            ready=file_exists(pid_file),
            env={"PYTHONPATH": root},
        )
    )
    await parent.wait_ready()
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    await gone(int(pid_file.read_text()))


def test_the_wait_before_a_restart_doubles_up_to_its_cap() -> None:
    """A server that is down for long is not hammered, and one that was killed once is back at once."""
    policy = Backoff(first_seconds=0.5, cap_seconds=3.0)
    assert [policy.delay(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_what_no_alert_waits_for_stands_back(tmp_path: Path) -> None:
    """With too little CPU for all, a chart may wait; the service that calls somebody must not."""
    ours = os.nice(0)
    await run_to_end(replace(spec(tmp_path, "nice"), nice=3))
    assert (tmp_path / "it.log").read_text().strip() == str(min(ours + 3, NICEST))
    found = {name: services.service(name, tmp_path, {}, 1).nice for name in services.SERVICES}
    assert {name for name, nice in found.items() if nice} == {"sink", "dashboard"}
