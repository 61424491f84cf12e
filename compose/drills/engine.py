"""The engine drill: three processors are killed, stopped and restarted under load, and a plain program judges the log.

    python -m compose.drills.engine [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.engine --seconds 120 --seed 2

2,000 patients on 12 partitions, 533 readings a second, with everything that devices do wrong (`compose.drills.unruly`),
some of them for the sake of one rule each (`compose.drills.stories`), while processors get
``kill -9``, alone and together, SIGSTOP for 30 s, SIGSTOP for longer than the group waits (so that others have the
partitions when the first one wakes), and rolling restarts. Then all of ``vitals.readings`` is read back from Kafka, and
the oracle of the tests, which imports nothing of the stream engine, says what windows, episodes and alerts must stand
in topics, database and feed: none may be missing, none there twice. Repeats in the topics are counted apart. Prints a
JSON verdict, with how many alerts each rule gave; exit code 0 when it passed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose import signals
from compose.drills import killing, ledger, recorded, stories
from compose.drills.frame import Frame, Skip, command_line, conduct
from compose.drills.unruly import Unruly, readings_hz, unruly
from compose.drills.watching import Recorder, stored
from compose.ends import terminated
from compose.stack import Options, Stack
from compose.supervisor import Backoff
from runtime.database import connect
from runtime.health import ask
from runtime.kafka.consumer import SESSION_TIMEOUT_S
from vitals.errors import ServerStalled
from vitals.proof import RULE as PROOF

PARTITIONS = "12"
PROCESSORS = 3
NAMES = ("process", *(f"process-{number}" for number in range(1, PROCESSORS)))
JUDGE = "tests.drills.engine"
ROOT = Path(__file__).parents[2]
QUIET_S, END_S, PAUSE_S = 10.0, 30.0, (2.0, 8.0)
"""Before and after the cruelties, and between two; by the end who had been low for 10 min must be so for 15."""
STOP_S, ZOMBIE_S = 30.0, SESSION_TIMEOUT_S + 15.0
PATIENCE_S = 75.0
"""How long the supervisor waits for an answer here: those that are stopped have to wake by themselves."""
LOG_S, CALM_S, LOOK_S = 60.0, 240.0, 3.0
JUDGE_S = 420.0
FACTS = (
    "an episode with the reason device removed",
    "a policy change inside an episode",
    "a repeated reading of a clock that runs ahead",
    *stories.FACTS,
)
"""What the recorded log has to contain, else the drill has tried less than it says; a short run may have less."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long the cruelty lasts."""

    seed: int = 1
    seconds: float = 300.0
    patients: int = 2000
    as_json: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What the cruelties share; ``done`` says what was done, in order."""

    frame: Frame
    stack: Stack
    ward: Unruly
    chance: random.Random
    done: list[str]


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    if not (ROOT / JUDGE.replace(".", "/")).with_suffix(".py").exists():
        raise Skip("the oracle is part of the tests, and they are not here: run it in a clone (make drill-engine)")
    asked = {"seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    hz = round(readings_hz(options.patients))
    frame.verdict.figures |= {"drill": "engine", **asked, "processors": PROCESSORS, "readings_per_second": hz}
    folder = frame.root / "recorded"
    async with frame.stack(Options(root=frame.root, processors=PROCESSORS, alive_seconds=PATIENCE_S)) as stack:
        recorder = Recorder(stack.ready.feed, stack.ready.token, frame.clock)
        async with (
            recorder.recording(),
            unruly(stack.settings, frame.clock, frame.tell, options.patients, options.seed) as ward,
        ):
            chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
            scene = Scene(frame, stack, ward, chance, [])
            await ward.run(QUIET_S)
            await _cruelties(scene, options.seconds)
            await ward.run(END_S)
            await ward.end()
            await _calm(scene)
            await recorded.dump(stack.settings, folder)
            heard = [(str(each.id), *each.version) for _, each in recorder.everything if each.rule != PROOF]
            await asyncio.to_thread((folder / "heard.json").write_text, json.dumps(heard))
            frame.verdict.expect("connections of the feed's client", recorder.connections, 1)
    await _judge(frame, folder, options.seconds)
    frame.verdict.figures |= {"done": scene.done, "ward": dict(ward.counts)}
    frame.verdict.figures["drill_itself_late_ms"] = round(ward.late_s * 1000, 1)
    frame.verdict.figures["load_per_core"] = round(os.getloadavg()[1] / (os.cpu_count() or 1), 1)


# ---- what is done to the processors


async def _cruelties(scene: Scene, seconds: float) -> None:
    """Every cruelty in a seeded order, and again, until the time is over; never so many in a row that the supervisor
    gives one of them up, as it should where a process fails by itself.
    """
    clock, patience = scene.frame.clock, Backoff()
    ended: deque[float] = deque(maxlen=patience.failures_max - 2)
    deadline = clock.monotonic() + seconds
    kinds: list[Callable[[Scene], Awaitable[str]]] = [_kill_one, _kill_two, _kill_all, _stop, _zombie, _roll]
    while True:
        scene.chance.shuffle(kinds)
        for kind in kinds:
            if clock.monotonic() >= deadline:
                return
            await scene.ward.run(scene.chance.uniform(*PAUSE_S))
            if len(ended) == ended.maxlen:
                await scene.ward.run(max(0.0, ended[0] + patience.failures_seconds - clock.monotonic()))
            began = clock.monotonic()
            what = await kind(scene)
            ended.append(clock.monotonic())
            scene.done.append(f"{what} ({clock.monotonic() - began:.0f} s)")
            scene.frame.tell(scene.done[-1])


async def _kill(scene: Scene, count: int) -> str:
    names = scene.chance.sample(NAMES, count)
    for name in names:  # who was let go on may have found its own deadlines passed, and have ended since
        await _back(scene, name, None)
    pids = {name: killing.strike(scene.stack, name, scene.frame.verdict) for name in names}
    for name, pid in pids.items():
        await _back(scene, name, pid)
    return f"kill -9 {' and '.join(sorted(names))}"


async def _kill_one(scene: Scene) -> str:
    return await _kill(scene, 1)


async def _kill_two(scene: Scene) -> str:
    return await _kill(scene, 2)


async def _kill_all(scene: Scene) -> str:
    return await _kill(scene, PROCESSORS)


async def _halt(scene: Scene, seconds: float) -> str:
    name = scene.chance.choice(NAMES)
    await _back(scene, name, None)
    process = scene.stack.supervisor.processes[name]
    halted = killing.hit(process, signal.SIGSTOP)
    scene.frame.verdict.expect(f"{name} is there to be stopped", halted, wanted=True)
    await scene.ward.run(seconds)
    killing.hit(process, signal.SIGCONT)
    await scene.ward.run(LOOK_S)
    await _back(scene, name, None)
    same = process.returncode is None
    return f"SIGSTOP {name} for {seconds:g} s, goes on as {'the same' if same else 'another'} process"


async def _stop(scene: Scene) -> str:
    return await _halt(scene, STOP_S)


async def _zombie(scene: Scene) -> str:
    """Stopped for longer than the group waits: when it wakes, others own its partitions, and it does not know."""
    return await _halt(scene, ZOMBIE_S)


async def _roll(scene: Scene) -> str:
    """A rolling restart, as an upgrade does it: each ends in order, and comes back before the next one ends."""
    for name in NAMES:
        await scene.stack.supervisor.replace(scene.stack.supervisor.processes[name].spec)
        await _back(scene, name, None)
        await scene.ward.run(1.0)
    return "rolling restart"


async def _back(scene: Scene, name: str, pid: int | None) -> None:
    """Wait until a processor takes part again, and look that the load goes on."""
    await killing.returned(name, pid, scene.stack, scene.frame.clock)
    await scene.ward.run(0)


# ---- the end


async def _calm(scene: Scene) -> None:
    """Wait until every reading is in the log, end the log, and wait until everybody has read all of it.

    Raises:
        ServerStalled: somebody does not get there.
    """
    stack, clock, verdict = scene.stack, scene.frame.clock, scene.frame.verdict
    sent = scene.ward.sent
    found = await ledger.logged(stack.settings, {each.device for each in sent}, sent, clock, LOG_S)
    rows = [row for device in found.values() for row in device]
    verdict.figures["log"] = {"sent": len(sent), "rows": len(rows), "distinct": len(set(rows))}
    verdict.expect("readings that are not in the log", len(sent.difference(rows)), 0)
    for name in ("prove", "bridge"):
        await stack.supervisor.stop(name)
    scene.frame.tell("the log has ended")
    began, calm = clock.monotonic(), 0
    while calm < 2:  # lags are looked at every so often, so one look may be of before
        await clock.sleep(LOOK_S)
        behind = await _behind(stack)
        calm = 0 if behind else calm + 1
        if behind and clock.monotonic() - began > CALM_S:
            raise ServerStalled("the services do not catch up", behind, "see their logs")
    await clock.sleep(2 * LOOK_S)
    await stack.supervisor.stop("manage")
    async with await connect(stack.settings.database_url, autocommit=True, application="vigil drill") as database:
        await stored(stack.settings, database, clock)
    scene.frame.tell("the database has everything")


async def _behind(stack: Stack) -> str:
    """Who has not read everything, in words; empty where all have."""
    owned = lag = 0.0
    for name in NAMES:
        told = await _metrics(stack, name)
        lag += told.get("vigil_processor_lag_records", 0)
        owned += sum(each.startswith("vigil_snapshot_restored_offset{") for each in told)
    if lag or owned != stack.settings.partitions:
        return f"processors own {owned:g} partitions and lag by {lag:g} records"
    lag = (await _metrics(stack, "manage"))["vigil_manager_lag_records"]
    return f"the manager lags by {lag:g} records" if lag else ""


async def _metrics(stack: Stack, name: str) -> dict[str, float]:
    """A service's metrics by name and labels; none where it does not answer."""
    try:
        _, body = await ask(stack.ready.health[name], "/metrics")
    except OSError:
        return {}
    lines = (line.rpartition(" ") for line in body.decode().splitlines() if line and not line.startswith("#"))
    return {key: float(value) for key, _, value in lines}


async def _judge(frame: Frame, folder: Path, seconds: float) -> None:
    """Let the tests' oracle say what had to come of the log of a drill of so many ``seconds``.

    Raises:
        ServerStalled: it does not come to an end, or says nothing.
    """
    frame.tell("the oracle reads the log")
    began = frame.clock.monotonic()
    judge = await asyncio.create_subprocess_exec(
        sys.executable, "-m", JUDGE, str(folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(JUDGE_S):
            said, _ = await judge.communicate()
        found: dict[str, Any] = json.loads(said)
    except (TimeoutError, ValueError) as error:
        raise ServerStalled("the oracle says nothing", repr(error), f"python -m {JUDGE} {folder}") from None
    finally:
        if judge.returncode is None:
            await terminated(judge, "oracle", LOOK_S)
    frame.verdict.figures["oracle_s"] = round(frame.clock.monotonic() - began, 1)
    frame.verdict.figures |= {name: found[name] for name in ("figures", "alerts", "changes", "facts")}
    frame.verdict.differences += found["differences"]
    for name in ("windows", "episodes", "alerts"):
        frame.verdict.expect_at_least(f"{name} compared", found["figures"].get(name, 0), 1)
    missing = [fact for fact in FACTS if seconds >= stories.FACTS_FROM_S and fact not in found["facts"]]
    frame.verdict.expect("facts that the log lacks", missing, [])
    beyond = [fact for fact in stories.NEVER if seconds < stories.NEVER_BELOW_S and fact in found["facts"]]
    frame.verdict.expect("facts that no such log may have", beyond, [])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("engine", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the cruelties")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the cruelties last")
    parser.add_argument("--patients", type=int, default=2000, help="patients, each with 0.27 readings a second")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
