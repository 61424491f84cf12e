"""The stop drill: every service is stopped (SIGSTOP) and let go on (SIGCONT), under load.

    python -m compose.drills.stop [--seed K] [--seconds S] [--patients N] [--json] [--keep]

Services that do not wait for each other are stopped together, so that it takes about four minutes. The supervisor
kills what has not answered for 30 s, counted from its last answer, and a process that wakes after 25 s finds its own
deadlines on Kafka passed and ends itself; so a stop of 30 s, the default, may end as a kill. One more group, drawn by
the seed, is stopped for 20 s only: the same process has to go on where it was, which is the harder case. At the end one
service, drawn by the seed, is stopped and never let go on: the supervisor must notice and start another.
Whatever happens, nothing may be lost or come twice, a device's order stays, and the next right alert (of a crossing
sent after the SIGCONT, or after the supervisor's kill of the last one) is on the socket within 5 s, in every
partition. Prints a JSON verdict; exit code 0 when it passed.
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
MARGIN_S = 10.0
"""So much around the supervisor's patience either outcome is right."""
NOTICED_S = 15.0
"""The supervisor notices a process that hangs at most so long after its patience has ended."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long each stop lasts."""

    seed: int = 1
    seconds: float = 30.0
    patients: int = 60
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
    async with frame.stack(Options(root=frame.root)) as stack:
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
    """Stop some services for so long, and wait until alerts come again."""
    what = f"SIGSTOP {' and '.join(names)}"
    frame.tell(f"{what} for {seconds:g} s")
    pids = {name: killing.strike(stack, name, signal.SIGSTOP) for name in names}
    await duty.run(seconds)
    for name, pid in pids.items():
        if stack.pid_of(name) == pid:
            killing.strike(stack, name, signal.SIGCONT)
    fault = duty.fault(what)
    after = await duty.recovered(fault)
    for name, pid in pids.items():
        patience = stack.supervisor.processes[name].spec.alive_seconds
        if seconds <= patience - MARGIN_S:
            frame.verdict.expect(f"{what}: the process of {name} afterwards", _which(stack, name, pid), "the same")
        if seconds >= patience + MARGIN_S:
            frame.verdict.expect(f"{what}: the process of {name} afterwards", _which(stack, name, pid), "another")
    outcome = ", ".join(f"{name} by {_which(stack, name, pid)} process" for name, pid in pids.items())
    alert = "no alert" if after is None else f"next right alert after {after:.1f} s"
    frame.tell(f"{what}: over, {alert}; {outcome}")


def _which(stack: Stack, name: str, pid: int) -> str:
    return "the same" if stack.pid_of(name) == pid else "another"


async def _hang(frame: Frame, stack: Stack, duty: Duty, name: str) -> None:
    """Stop one for good; the supervisor has to notice and to start another."""
    frame.tell(f"SIGSTOP {name} for good")
    pid = killing.strike(stack, name, signal.SIGSTOP)
    before = stack.supervisor.processes[name]
    began = frame.clock.monotonic()
    patience = before.spec.alive_seconds + NOTICED_S
    while before.returncode is None and frame.clock.monotonic() - began < patience:
        await duty.run(0.1)
    noticed = round(frame.clock.monotonic() - began, 1)
    frame.verdict.figures["hung_noticed_s"] = {name: noticed}
    if before.returncode is None:
        frame.verdict.expect(f"SIGSTOP {name} for good", "not noticed", f"within {patience:g} s")
        killing.strike(stack, name)
    fault = duty.fault(f"{name} hung for good")
    await killing.returned(name, pid, stack, frame.clock)
    after = await duty.recovered(fault)
    frame.tell(f"{name} killed by the supervisor after {noticed} s, next right alert after {after or -1:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("stop", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the order")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each stop lasts")
    parser.add_argument("--patients", type=int, default=60, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
