"""The kill drill: every service is killed with ``kill -9`` at seeded moments under load, one by one and in pairs.

    python -m compose.drills.kill [--seed K] [--patients N] [--json] [--keep]
    python -m compose.drills.kill --seed 3 --json

The supervisor brings each back. Nothing may be lost or come twice, a device's order stays, and the next right alert
(of a crossing sent after the kill) is on the socket within 5 s, in every partition; so is every other one sent after
it, and within 5 s of the kill every one that was on its way. The log may hold repeats: at most the bridge's
receive_maximum per kill of the bridge. Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from compose import signals
from compose.drills import killing
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct
from compose.stack import Options, Stack
from ingest.settings import BridgeSettings
from runtime.settings import load

QUIET_S = 5.0
PAUSE_S = (0.5, 2.5)


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``keep`` leaves the data folder."""

    seed: int = 1
    patients: int = 200
    as_json: bool = False
    keep: bool = False


def plan(seed: int, names: Sequence[str] = killing.ALL) -> list[tuple[str, ...]]:
    """Every service once alone, then all of them once more in pairs, both in a seeded order."""
    chance = random.Random(seed)  # noqa: S311 - a drill that can be repeated, no secret
    alone, paired = list(names), list(names)
    chance.shuffle(alone)
    chance.shuffle(paired)
    return [*((name,) for name in alone), *zip(paired[::2], paired[1::2], strict=True)]


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    victims = plan(options.seed)
    frame.verdict.figures |= {"drill": "kill", "seed": options.seed, "patients": options.patients}
    async with frame.stack(Options(root=frame.root)) as stack:
        ward = Load(patients=options.patients, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            await duty.run(QUIET_S)
            for names in victims:
                await duty.run(chance.uniform(*PAUSE_S))
                await _kill(frame, stack, duty, names)
            account = await duty.settled()
        killed = {name: sum(name in names for names in victims) for name in killing.ALL}
        restarts = killing.restarts(stack)
    frame.verdict.figures["kills"] = len(victims)
    frame.verdict.expect("restarts of services", restarts, killed)
    conclude(frame, duty, account, repeats_max=load(BridgeSettings).receive_maximum * killed["bridge"])


async def _kill(frame: Frame, stack: Stack, duty: Duty, names: tuple[str, ...]) -> None:
    """Kill one or two at once, and wait until they answer and alerts come again."""
    what = "kill -9 " + " and ".join(names)
    records = await killing.log_records(stack.settings)
    began = frame.clock.now_us()
    pids = {name: killing.strike(stack, name, frame.verdict) for name in names}
    fault = duty.fault(what, since=began)
    back = [await killing.returned(name, pid, stack, frame.clock) for name, pid in pids.items()]
    fault.told.update(back_s=round(sum(back), 1), log_records_at_kill=records)
    after = await duty.recovered(fault)
    alert = "no alert" if after is None else f"next right alert after {after:.1f} s"
    frame.tell(f"{what}: answers again after {sum(back):.1f} s, {alert}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("kill", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of whom to kill when")
    parser.add_argument("--patients", type=int, default=200, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
