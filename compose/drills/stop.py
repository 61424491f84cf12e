"""The stop drill: every service is stopped (SIGSTOP) and let go on (SIGCONT), under load.

    python -m compose.drills.stop [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.stop --seconds 20 --seed 2

Services that do not wait for each other are stopped together, so that it takes about five minutes. Here the supervisor
waits 45 s for an answer, where it waits 30 s else: so every process that is stopped for 30 s, the default, wakes, and
all that it held in its hands is 30 s old. It may find its own deadlines on Kafka passed and end itself. One more group,
drawn by the seed, is stopped for 20 s only: the same process has to go on where it was. At the end one service, drawn
by the seed, is stopped and never let go on: the supervisor must notice and start another.
Whatever happens, nothing may be lost or come twice, a device's order stays, and the next right alert (of a crossing
sent after the SIGCONT, or after the supervisor's kill where that came first) is on the socket within 5 s, in every
partition, as is every other one, and all that waited for it. While a service stands still through which no alert goes,
every alert is there within 5 s of its reading. Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import dataclass

from compose import signals
from compose.drills import killing
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct
from compose.process import Process
from compose.stack import Options, Stack
from ingest.settings import BridgeSettings
from runtime.settings import load

GROUPS = (("process",), ("manage",), ("gateway",), ("bridge",), ("registry", "dashboard"), ("sink", "prove"))
"""Who is stopped together."""
IN_THE_WAY = ("process", "manage", "gateway", "bridge")
"""Services through which every alert goes: one of them is never let go on."""
QUIET_S = 5.0
WAKING_S = 20.0
"""A stop that every process outlives."""
PATIENCE_S = 45.0
"""How long the supervisor waits for an answer here."""
MARGIN_S = 10.0
"""So much around the supervisor's patience either outcome is right."""
LOOK_S = 0.1
NOTICED_S = 15.0
"""The supervisor notices a process that hangs at most so long after its patience has ended."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long each stop lasts."""

    seed: int = 1
    seconds: float = 30.0
    patients: int = 200
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    groups = list(GROUPS)
    chance.shuffle(groups)
    asked = {"drill": "stop", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= asked
    async with frame.stack(Options(root=frame.root, alive_seconds=PATIENCE_S)) as stack:
        ward = Load(patients=options.patients, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            await duty.run(QUIET_S)
            for names in groups:
                await _stop(frame, stack, duty, names, options.seconds)
            await _stop(frame, stack, duty, chance.choice(GROUPS), WAKING_S)
            await _hang(frame, stack, duty, chance.choice(IN_THE_WAY))
            account = await duty.settled()
        restarts = killing.restarts(stack)
    frame.verdict.figures["restarts"] = restarts
    # a bridge that stands still longer than its keepalive loses its connection: as a kill of it, but without one
    bridges = restarts.get("bridge", 0) + 1
    conclude(frame, duty, account, repeats_max=load(BridgeSettings).receive_maximum * bridges)


async def _stop(frame: Frame, stack: Stack, duty: Duty, names: tuple[str, ...], seconds: float) -> None:
    """Stop some services for so long, and wait until alerts come again.

    What goes through a service that stands still waits for its SIGCONT, however long that is: no 5 s can hold for it.
    So its alerts are timed from there, or from the supervisor's kill where that comes first. No alert goes through the
    others, so all of them are timed from the SIGSTOP on.
    """
    what = f"SIGSTOP {' and '.join(names)} for {seconds:g} s"
    seen = await _ready(frame, stack, names)
    frame.tell(what)
    began = frame.clock.now_us()
    processes = {name: _halt(frame, stack, name) for name in names}
    waits = not set(names).isdisjoint(IN_THE_WAY)
    if not waits:
        duty.fault(f"{what}, meanwhile", since=began)
    deadline = frame.clock.monotonic() + seconds
    while (left := deadline - frame.clock.monotonic()) > 0 and not all(map(_over, processes.values())):
        await duty.run(min(LOOK_S, left))
    since = began if waits else frame.clock.now_us()
    woken = {name: killing.hit(process, signal.SIGCONT) for name, process in processes.items()}
    fault = duty.fault(what, since=since)
    back = [await killing.returned(name, None, stack, frame.clock) for name in names]
    after = await duty.recovered(fault)
    which = {name: "another" if _over(process) else "the same" for name, process in processes.items()}
    fault.told.update(seen, back_s=round(sum(back), 1), process_afterwards=which)
    for name, process in processes.items():
        patience = process.spec.alive_seconds
        if seconds <= patience - MARGIN_S:
            frame.verdict.expect(f"{what}: {name} was there to go on", woken[name], wanted=True)
        if seconds <= WAKING_S:
            frame.verdict.expect(f"{what}: the process of {name} afterwards", which[name], "the same")
        if seconds >= patience + MARGIN_S:
            frame.verdict.expect(f"{what}: the process of {name} afterwards", which[name], "another")
    outcome = ", ".join(f"{name} by {found} process" for name, found in which.items())
    alert = "no alert" if after is None else f"next right alert after {after:.1f} s"
    frame.tell(f"{what}: over, {alert}; {outcome}")


async def _ready(frame: Frame, stack: Stack, names: tuple[str, ...]) -> dict[str, int]:
    """Wait until they run and answer: who was let go on may have ended since. Returns what the fault is told."""
    for name in names:
        await killing.returned(name, None, stack, frame.clock)
    return {"log_records_at_kill": await killing.log_records(stack.settings)}


def _halt(frame: Frame, stack: Stack, name: str) -> Process:
    """SIGSTOP a service; its process, which a restart does not replace here."""
    process = stack.supervisor.processes[name]
    frame.verdict.expect(f"{name} is there to be stopped", killing.hit(process, signal.SIGSTOP), wanted=True)
    return process


def _over(process: Process) -> bool:
    """Whether it has ended: its id alone does not tell, since the supervisor keeps it until the next one starts."""
    return process.returncode is not None


async def _hang(frame: Frame, stack: Stack, duty: Duty, name: str) -> None:
    """Stop one for good; the supervisor has to notice and to start another."""
    seen = await _ready(frame, stack, (name,))
    frame.tell(f"SIGSTOP {name} for good")
    since = frame.clock.now_us()
    before = _halt(frame, stack, name)
    began = frame.clock.monotonic()
    patience = before.spec.alive_seconds + NOTICED_S
    while not _over(before) and frame.clock.monotonic() - began < patience:
        await duty.run(LOOK_S)
    noticed = round(frame.clock.monotonic() - began, 1)
    frame.verdict.figures["hung_noticed_s"] = {name: noticed}
    if not _over(before):
        frame.verdict.expect(f"SIGSTOP {name} for good", "not noticed", f"within {patience:g} s")
        killing.hit(before, signal.SIGKILL)
    fault = duty.fault(f"{name} hung for good", since=since)
    back = await killing.returned(name, before.pid, stack, frame.clock)
    fault.told.update(seen, back_s=back, noticed_s=noticed)
    after = await duty.recovered(fault)
    frame.tell(f"{name} killed by the supervisor after {noticed} s, next right alert after {after or -1:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("stop", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the order")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each stop lasts")
    parser.add_argument("--patients", type=int, default=200, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
