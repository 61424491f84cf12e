"""The storm drill: 500 devices come back with a day of readings each, while a ward of 200 goes on at 1 Hz.

    python -m compose.drills.storm [--seed K] [--devices N] [--hours H] [--patients N] [--json] [--keep]
    python -m compose.drills.storm --devices 100 --seed 2

Half of the devices send each reading on its own and half in batches, all at once and as fast as the broker takes them.
Every reading has to be stored once. A low of yesterday pages nobody; one of this minute does, also at the end of a
backlog. The bridge takes what devices send in the order in which the broker has it, so the ward's alerts wait behind
the storm: their p99 while it is digested is held to `STORM_P99_MS`. The verdict tells how long the digestion took.
Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

import numpy as np

from compose import signals
from compose.drills import backlog, killing, ledger
from compose.drills.accounts import Finding, Identity
from compose.drills.backlog import Backlog, Opened, Return
from compose.drills.bedside import POLICY
from compose.drills.children import Child, child
from compose.drills.duty import Duty, Load, conclude, delays_ms, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct, percentiles
from compose.drills.watching import stored
from compose.stack import Options, Stack
from compose.wiring import RegistryClient
from ingest.settings import BridgeSettings
from runtime.database import connect
from runtime.settings import load
from simulators.registry import Wearer, enrol
from vitals.alerts import Alert
from vitals.devices import DEVICE_TYPES
from vitals.metrics import MINUTE_US
from vitals.policies import LOW
from vitals.topics import device_id, patient_id

STORM_P99_MS = 5_000.0
"""As after a kill; ticks come through the same queue, and at ten seconds a page calls its data stalled."""
QUIET_S = 15.0
CONNECT_S = 60.0
DIGEST_S = 150.0
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``hours`` is how long the devices were away."""

    seed: int = 1
    devices: int = 500
    hours: float = 24.0
    patients: int = 200
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    asked = {name: getattr(options, name) for name in ("seed", "devices", "hours", "patients")}
    frame.verdict.figures |= {"drill": "storm", **asked, "target_p99_ms": STORM_P99_MS}
    async with frame.stack(Options(root=frame.root)) as stack:
        now = frame.clock.now_us()
        found = backlog.backlogs(options.seed, options.devices, options.hours, now)
        await _register(stack, found, options.hours, now)
        ward = Load(patients=options.patients, cycle_s=20.0, seed=options.seed)
        arguments = (frame.root, options.seed, options.devices, options.hours, now)
        async with (
            child("compose.drills.returning", *arguments) as devices,
            on_duty(stack, frame.clock, frame.tell, ward) as duty,
        ):
            await devices.hear(CONNECT_S)
            frame.tell(f"{options.devices} devices are connected again")
            await duty.run(QUIET_S)
            began = frame.clock.now_us()
            await devices.tell()
            acknowledged = await _digested(frame, duty, stack, found, devices)
            ended = frame.clock.now_us()
            await duty.run(2.0)
            account = await duty.settled()
        verdict = await _returned(frame, stack, duty, found, acknowledged)
        restarts = killing.restarts(stack)
    frame.verdict.figures |= {"restarts": restarts, **verdict.figures}
    frame.verdict.differences += verdict.differences
    frame.verdict.expect("services started again", restarts, {})
    conclude(frame, duty, account, repeats_max=load(BridgeSettings).receive_maximum * len(restarts))
    before, during = (np.array(delays_ms(account, *part)) for part in ((0, began), (began, ended)))
    frame.verdict.figures["delay_ms_before"] = percentiles(before)
    frame.verdict.figures["delay_ms_during"] = told = percentiles(during)
    frame.verdict.expect_at_most("p99 of the ward's alerts in the storm, ms", told.get("p99", np.inf), STORM_P99_MS)


async def _register(stack: Stack, found: list[Backlog], hours: float, now: int) -> None:
    """Devices that were bound before they went away."""
    registry = RegistryClient(stack.settings)
    since = now - round((hours + 1) * 60) * MINUTE_US
    kind = DEVICE_TYPES["t1d-uom-5min"]
    await enrol(registry, backlog.SITE, [Wearer(each.device, kind, each.patient, since) for each in found])
    await asyncio.gather(*(registry.set_policy(each.patient, POLICY) for each in found))


async def _digested(frame: Frame, duty: Duty, stack: Stack, found: list[Backlog], devices: Child) -> int:
    """Go on until every reading is stored; how many had their PUBACK. What is not stored the judge will name."""
    began = frame.clock.monotonic()
    sending = asyncio.create_task(devices.hear(DIGEST_S), name="what the devices say")
    total = sum(len(each.readings) for each in found)
    frame.tell(f"the storm: {total} readings")
    names = [str(device_id(each.device)) for each in found]
    figures = frame.verdict.figures
    async with await connect(stack.settings.database_url, autocommit=True, application="vigil drill") as database:
        while frame.clock.monotonic() - began < DIGEST_S:
            await duty.run(POLL_S)
            after = round(frame.clock.monotonic() - began, 1)
            if sending.done() and "sent_s" not in figures:
                figures["sent_s"] = after
                frame.tell("the broker has all of it")
            cursor = await database.execute(
                b"SELECT count(*) FROM vigil.readings WHERE device = ANY(%s::uuid[])", [names]
            )
            row = await cursor.fetchone()
            if row is not None and row[0] >= total:
                figures["digested_s"] = after
                figures["digested_per_s"] = round(total / after)
                frame.tell("the database has all of it")
                break
    return int(await sending)


async def _returned(frame: Frame, stack: Stack, duty: Duty, found: list[Backlog], acknowledged: int) -> Finding:
    """Take the records of the backlogs and judge them."""
    patients = {patient_id(each.patient) for each in found}
    devices = {device_id(each.device) for each in found}
    wanted = backlog.expected(found).keys()
    await ledger.within(DIGEST_S, lambda: wanted <= {alert.id for alert in duty.recorder.changes}, frame.clock)
    settings = stack.settings
    async with await connect(settings.database_url, autocommit=True, application="vigil drill") as database:
        await stored(settings, database, frame.clock)
        cursor = await database.execute(ledger.STORED.encode(), [[str(device) for device in devices]])
        rows = [Identity(*row) for row in await cursor.fetchall()]
        cursor = await database.execute(ledger.CHANGES.encode(), [[str(patient) for patient in patients]])
        kept = [Alert.model_validate(body) for (body,) in await cursor.fetchall()]
    heard = [alert for _, alert in duty.recorder.everything if alert.patient in patients]
    return backlog.judge(Return(found, acknowledged, rows, _openings(heard), _openings(kept)))


def _openings(alerts: list[Alert]) -> list[Opened]:
    """Of the rule for lows: that a device has said nothing yet was announced before it spoke."""
    return [Opened(alert.id, alert.opened_at) for alert in alerts if alert.change == "open" and alert.rule == LOW.name]


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("storm", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the backlogs")
    parser.add_argument("--devices", type=int, default=500, help="devices that come back")
    parser.add_argument("--hours", type=float, default=24.0, help="how long they were away")
    parser.add_argument("--patients", type=int, default=200, help="patients at 1 Hz meanwhile")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
