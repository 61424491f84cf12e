"""The Kafka drill: the log away for a minute under load, and killed with ``kill -9``; nothing may be lost.

    python -m compose.drills.kafka [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.kafka --seconds 20 --seed 2

Without Kafka the broker keeps what devices send; services end, are started again and wait for it, which must not make
the supervisor give up. Once Kafka serves again, everything is written, once per identity
in the database and in each device's order in the log, and the next right alert is on the socket within 5 s, in
every partition. Whoever went low meanwhile waits at the broker, for longer than any rule allows, and no longer than
until 5 s after Kafka serves again: the verdict has these apart. Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass

from compose import signals
from compose.drills import killing
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct
from compose.stack import Options
from ingest.settings import BridgeSettings
from runtime.settings import load

SERVER = "kafka"
QUIET_S = 5.0
WITHIN_S = 5.0
"""The next right alert, from when Kafka serves again."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long Kafka is away."""

    seed: int = 1
    seconds: float = 60.0
    patients: int = 200
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    asked = {"drill": "kafka", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= asked
    async with frame.stack(Options(root=frame.root)) as stack:
        ward = Load(patients=options.patients, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            await duty.run(QUIET_S)
            began = frame.clock.now_us()
            async with killing.away(stack, frame.root, SERVER):
                frame.tell(f"Kafka is away for {options.seconds:g} s")
                await duty.run(options.seconds)
                over = frame.clock.monotonic()
            back = round(frame.clock.monotonic() - over, 1)
            await _back(frame, duty, f"Kafka away for {options.seconds:g} s", began, back)
            await duty.run(chance.uniform(2.0, 8.0))
            began = frame.clock.now_us()
            pid = killing.strike_all(stack, SERVER, frame.verdict)
            frame.tell("kill -9 Kafka")
            back = await killing.returned(SERVER, pid, stack, frame.clock)
            await _back(frame, duty, "kill -9 Kafka", began, back)
            await duty.run(QUIET_S)
            account = await duty.settled()
        restarts = killing.restarts(stack)
        await killing.dismiss(stack)
    frame.verdict.figures["restarts"] = restarts
    # a bridge that ends brings again what it had not acknowledged
    repeats_max = load(BridgeSettings).receive_maximum * restarts.get("bridge", 0)
    conclude(frame, duty, account, repeats_max=repeats_max)


async def _back(frame: Frame, duty: Duty, what: str, since: int, back_s: float) -> None:
    """Kafka, away ``since`` (µs UTC), serves again, so many seconds after it could be started: wait for alerts."""
    fault = duty.fault(what, WITHIN_S, since=since)
    fault.told["back_s"] = back_s
    after = await duty.recovered(fault)
    alert = "never" if after is None else f"{after:.1f} s"
    frame.tell(f"{what}: served again after {back_s} s, next right alert {alert} after that")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("kafka", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the moment of the kill")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long Kafka is away")
    parser.add_argument("--patients", type=int, default=200, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
