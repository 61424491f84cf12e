"""The disk drill: the database's disk fills up under load, then Kafka's; it has to be loud, and nothing may be lost.

    python -m compose.drills.disk [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.disk --seconds 10 --seed 2

Each of the two gets a small filesystem of its own (tmpfs, which needs root), and a file that takes what is left of it.
While the database has no room, the sink is not ready and says why, and alerts go on as if nothing were. While Kafka has
none, no alert can come, and the bridge or Kafka itself says so; the broker keeps what devices send. When there is room
again, everything that was acknowledged is stored. Prints a JSON verdict; exit code 0 when it passed, 77 where nothing
can be mounted: in a user namespace of its own it could be, but there a server cannot run as a user of its own.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from compose import signals
from compose.drills import killing
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, Skip, command_line, conduct
from compose.ends import killed
from compose.stack import Options, Stack
from ingest.settings import BridgeSettings
from runtime.health import ask
from runtime.settings import load

SIZES_MB = {"postgres": 320, "kafka": 96}
"""Folder of the data folder -> its size; about twice what an empty one takes."""
FILLER = "filler"
CHUNK = bytes(1 << 20)
QUIET_S = 5.0
LOUD_S = 60.0
KAFKA_S = 10.0
"""Longest time that Kafka has no room: the supervisor gives up after six failed starts within a minute."""
LOOK_S = 0.25
MOUNT_S = 20.0


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long the database has no room once that shows."""

    seed: int = 1
    seconds: float = 20.0
    patients: int = 40
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    asked = {"drill": "disk", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= {**asked, "sizes_mb": SIZES_MB}
    async with AsyncExitStack() as held:
        for name, size in SIZES_MB.items():
            await held.enter_async_context(_small(frame.root / name, size))
        stack = await held.enter_async_context(frame.stack(Options(root=frame.root)))
        ward = Load(patients=options.patients, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            await duty.run(QUIET_S)
            await _database(frame, stack, duty, options.seconds)
            await duty.run(QUIET_S)
            await _kafka(frame, stack, duty)
            await duty.run(QUIET_S)
            account = await duty.settled()
        restarts = killing.restarts(stack)
        await killing.dismiss(stack)
    frame.verdict.figures["restarts"] = restarts
    repeats_max = load(BridgeSettings).receive_maximum * (restarts.get("bridge", 0) + 1)
    conclude(frame, duty, account, repeats_max=repeats_max)


async def _database(frame: Frame, stack: Stack, duty: Duty, seconds: float) -> None:
    """Take the database's room away until the sink has said so for some seconds; alerts are timed meanwhile."""
    filler = fill(frame.root / "postgres")
    frame.tell(f"the database has no room: {filler.stat().st_size >> 20} MB filled")
    fault = duty.fault("no room for the database")
    reasons = await _unready(frame, stack, duty, "sink")
    frame.verdict.figures["sink_says"] = reasons
    frame.verdict.expect("the sink says that it is not ready", bool(reasons), wanted=True)
    await duty.recovered(fault)
    await duty.run(seconds)
    log = (frame.root / "logs" / "sink.log").read_text(encoding="utf-8", errors="replace")
    frame.verdict.expect("the sink's log tells of it", "nothing is lost, trying again" in log, wanted=True)
    filler.unlink()
    frame.tell("the database has room again")
    again = await _ready(frame, stack, duty, "sink")
    frame.verdict.expect("the sink is ready again", again, wanted=True)


async def _kafka(frame: Frame, stack: Stack, duty: Duty) -> None:
    """Take Kafka's room away; once that shows, or after a while, give it back, and alerts have to come again."""
    pid, since = stack.pid_of("kafka"), frame.clock.now_us()
    filler = fill(frame.root / "kafka")
    frame.tell("Kafka has no room")
    began = frame.clock.monotonic()
    while stack.pid_of("kafka") == pid and frame.clock.monotonic() - began < LOUD_S:
        await duty.run(LOOK_S)
    loud = stack.pid_of("kafka") != pid
    frame.verdict.figures["kafka_ended_after_s"] = round(frame.clock.monotonic() - began, 1) if loud else None
    frame.verdict.expect("Kafka without room ends, and is started again", loud, wanted=True)
    await duty.run(KAFKA_S)
    filler.unlink()
    frame.tell("Kafka has room again")
    back = await killing.returned("kafka", pid, stack, frame.clock)
    fault = duty.fault("no room for Kafka", since=since)
    fault.told["back_s"] = back
    after = await duty.recovered(fault)
    frame.tell(f"alerts again {'never' if after is None else f'{after:.1f} s'} after Kafka served again")


async def _unready(frame: Frame, stack: Stack, duty: Duty, name: str) -> list[str]:
    """Go on until a service says that it is not ready; its reasons, none where it does not say so in time."""
    began = frame.clock.monotonic()
    while frame.clock.monotonic() - began < LOUD_S:
        status, body = await ask(stack.ready.health[name], "/readyz")
        if status != 200:
            told = json.loads(body)
            return sorted(f"{check}: {reason}" for check, reason in told.get("reasons", {}).items()) or [str(told)]
        await duty.run(LOOK_S)
    return []


async def _ready(frame: Frame, stack: Stack, duty: Duty, name: str) -> bool:
    began = frame.clock.monotonic()
    while frame.clock.monotonic() - began < LOUD_S:
        status, _ = await ask(stack.ready.health[name], "/readyz")
        if status == 200:
            return True
        await duty.run(LOOK_S)
    return False


def fill(folder: Path) -> Path:
    """Take all that a folder's filesystem has left; returns the file that does."""
    path = folder / FILLER
    with path.open("wb", buffering=0) as file:
        for size in (len(CHUNK), 4096):
            try:
                while file.write(CHUNK[:size]) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return path


@asynccontextmanager
async def _small(folder: Path, megabytes: int) -> AsyncIterator[None]:
    """A filesystem of so many MB on a folder while the body runs.

    Raises:
        Skip: it cannot be mounted here.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    words = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(folder))
    if refused := await _refused(*words):
        raise Skip(f"needs root: no small filesystem can be mounted here: {refused} (sudo make drill-disk)")
    try:
        yield
    finally:
        if refused := await _refused("umount", "--lazy", str(folder)):
            sys.stderr.write(f"{folder} is still mounted: {refused} (umount --lazy {folder})\n")


async def _refused(program: str, *words: str) -> str | None:
    """Run one of the system's programs; None where it did what it was asked, or one line that says why not."""
    try:
        process = await asyncio.create_subprocess_exec(program, *words, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        return f"{program} cannot be started: {error.strerror}"
    try:
        async with asyncio.timeout(MOUNT_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await killed(process, program)
        return f"{program} did not end within {MOUNT_S:g} s"
    return " ".join(said.decode(errors="replace").split()) or "no reason given" if process.returncode else None


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("disk", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the database has no room")
    parser.add_argument("--patients", type=int, default=40, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
