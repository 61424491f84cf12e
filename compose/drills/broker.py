"""The broker drill: mosquitto stopped by SIGTERM under load, with sessions and queues that must survive.

    python -m compose.drills.broker [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.broker --seconds 10 --seed 2

Three times: restarted at once; restarted while the bridge is stopped, so that what it has acknowledged to devices
lies in the bridge's queue and nowhere else; away for some seconds, so that devices keep what they cannot send. No
acknowledged reading may be lost, a device's order stays, and the next right alert comes within 5 s of the broker's
return (of the bridge's, where that was stopped). The log may hold repeats: what the bridge had not acknowledged
(receive_maximum per connection of it), and what devices had sent without having its PUBACK. Where only iotcore is
there the drill says so and does nothing, since its sessions live in memory. Prints a JSON verdict; exit code 0 when
it passed, 77 when it was skipped.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from dataclasses import dataclass

from compose import signals
from compose.drills import killing
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, Skip, command_line, conduct
from compose.servers import mosquitto
from compose.stack import Options, Stack
from ingest.settings import BridgeSettings
from runtime.settings import load

SERVER = "mosquitto"
QUIET_S = 5.0
QUEUE_S = 4.0
"""How long the bridge is stopped before the broker is: its queue grows by the load of so many seconds."""
RESTARTS = 3


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long the broker is away the third time."""

    seed: int = 1
    seconds: float = 15.0
    patients: int = 200
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed, 77 when it was skipped."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    asked = {"drill": "broker", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= asked
    if mosquitto.find() is None:
        raise Skip("mosquitto is not installed, and iotcore keeps its sessions in memory (install mosquitto)")
    async with frame.stack(Options(root=frame.root)) as stack:
        ward = Load(patients=options.patients, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            await duty.run(QUIET_S)
            unsent = await _restart(frame, stack, duty)
            await duty.run(chance.uniform(1.0, 4.0))
            unsent += await _restart_with_a_queue(frame, stack, duty)
            await duty.run(chance.uniform(1.0, 4.0))
            unsent += await _away(frame, stack, duty, options.seconds)
            account = await duty.settled()
        restarts = killing.restarts(stack)
        await killing.dismiss(stack)
    frame.verdict.expect("restarts of services", restarts, {})
    present = _sessions(frame)
    frame.verdict.figures["sessions_present"] = present
    frame.verdict.expect("connections of the bridge to a session that survived", present, [False] + [True] * RESTARTS)
    repeats_max = load(BridgeSettings).receive_maximum * RESTARTS + unsent
    conclude(frame, duty, account, repeats_max=repeats_max)


async def _restart(frame: Frame, stack: Stack, duty: Duty) -> int:
    """SIGTERM; the supervisor starts it again. Returns how many readings had no PUBACK at that moment."""
    since = frame.clock.now_us()
    pid, unsent = killing.strike(stack, SERVER, frame.verdict, signal.SIGTERM), duty.unacknowledged
    back = await killing.returned(SERVER, pid, stack, frame.clock)
    fault = duty.fault("broker restarted", since=since)
    fault.told["back_s"] = back
    after = await duty.recovered(fault)
    frame.tell(f"broker restarted: back after {back} s, next right alert after {after or -1:.1f} s")
    return unsent


async def _restart_with_a_queue(frame: Frame, stack: Stack, duty: Duty) -> int:
    """The same while the bridge stands still, so that its queue at the broker holds what devices have a PUBACK for."""
    since = frame.clock.now_us()
    bridge = killing.strike(stack, "bridge", frame.verdict, signal.SIGSTOP)
    await duty.run(QUEUE_S)
    acknowledged = sum(each.acknowledged for device in duty.devices for each in device.sent)
    pid, unsent = killing.strike(stack, SERVER, frame.verdict, signal.SIGTERM), duty.unacknowledged
    back = await killing.returned(SERVER, pid, stack, frame.clock)
    frame.verdict.expect("the process of the bridge", stack.pid_of("bridge"), bridge)
    killing.strike(stack, "bridge", frame.verdict, signal.SIGCONT)
    fault = duty.fault("broker restarted while the bridge stood still", since=since)
    fault.told["back_s"] = back
    after = await duty.recovered(fault)
    frame.tell(
        f"broker restarted with a queue ({acknowledged} acknowledged so far): back after {back} s, "
        f"next right alert after {after or -1:.1f} s"
    )
    return unsent


async def _away(frame: Frame, stack: Stack, duty: Duty, seconds: float) -> int:
    """Stopped for some seconds; devices keep what they cannot send, and send it then."""
    unsent, since = duty.unacknowledged, frame.clock.now_us()
    async with killing.away(stack, frame.root, SERVER):
        frame.tell(f"the broker is away for {seconds:g} s")
        await duty.run(seconds)
        kept = duty.unacknowledged
    after = await duty.recovered(duty.fault(f"broker away for {seconds:g} s", since=since))
    frame.verdict.figures["kept_by_devices"] = kept
    frame.verdict.expect_at_least("readings that devices had to keep", kept, 1)
    frame.tell(f"the broker is back; devices had kept {kept}, next right alert after {after or -1:.1f} s")
    return unsent


def _sessions(frame: Frame) -> list[bool]:
    """Whether the broker knew the bridge's session, at each of its connections, as the bridge's log says."""
    lines = (frame.root / "logs" / "bridge.log").read_text(encoding="utf-8").splitlines()
    return [bool(json.loads(line)["session_present"]) for line in lines if '"session_present"' in line]


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("broker", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the moments")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long the broker is away the third time")
    parser.add_argument("--patients", type=int, default=200, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
