"""The database drill: PostgreSQL away for a minute under load, then killed in the middle of the sink's transactions.

    python -m compose.drills.database [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.database --seconds 20 --seed 2

No alert may come later than in the undisturbed part of the same run, which is as long as the outage, by more than
100 ms at p99: neither from the stop to the end of the outage, nor from then until the database has everything again,
nor from each kill until then. Acknowledgements work while the database is away; no service restarts; once it is back
it has everything, once. It is killed with ``kill -9``, all of its processes at once, while the sink's transaction is
open, which a lock makes certain. Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compose import signals
from compose.drills import killing
from compose.drills.duty import Account, Duty, Finding, Load, conclude, delays_ms, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct, percentiles
from compose.drills.ledger import within
from compose.drills.watching import stored
from compose.stack import Options, Stack
from runtime.database import connect
from vitals.errors import ServerStalled
from vitals.metrics import SECOND_US

SERVER = "database"
CYCLE_S = 5.0
"""Each patient's lows: dense enough that the few seconds of a return hold the alerts for a percentile."""
ALERTS_MIN = 100
"""Alerts of each span; the 99th percentile of fewer is their greatest, or less."""
SPARE_SHARE = 1.2
"""A span lasts for so many times the alerts that it has to have, since their phases are drawn, and for a cycle at
least, in which each patient has one.
"""
ACKNOWLEDGE_EVERY_S = 6.0
CONFIRMED_S = 5.0
LATER_MS_MAX = 100.0
KILLS = 2
IN_TRANSACTION_S = 20.0
LOCK = "LOCK TABLE vigil.readings IN SHARE ROW EXCLUSIVE MODE"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND xact_start IS NOT NULL AND datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``seconds`` is how long the database is away."""

    seed: int = 1
    seconds: float = 60.0
    patients: int = 100
    as_json: bool = False
    keep: bool = False


Span = tuple[int, int]
"""From and until (µs UTC)."""
QUIET = "undisturbed"


@dataclass(slots=True)
class Scene:
    """What the parts of the drill share; ``spans`` are those whose alerts are compared, by name."""

    frame: Frame
    stack: Stack
    duty: Duty
    least_s: float
    spans: dict[str, Span]


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    asked = {"drill": "database", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= asked
    async with frame.stack(Options(root=frame.root)) as stack:
        ward = Load(patients=options.patients, cycle_s=CYCLE_S, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            scene = Scene(frame, stack, duty, least_s(ward), {})
            await _away(scene, options.seconds)
            for number in range(KILLS):
                await duty.run(chance.uniform(1.0, 5.0))
                await _kill(scene, number + 1)
            account = await duty.settled()
        restarts = killing.restarts(stack)
        await killing.dismiss(stack)
    frame.verdict.expect("restarts of services", restarts, {})
    conclude(frame, duty, account, repeats_max=0)
    found = later(account, scene.spans)
    frame.verdict.figures |= found.figures
    frame.verdict.differences += found.differences


def least_s(load: Load) -> float:
    """How long a span has to last for `ALERTS_MIN` alerts: each patient but the spare ones has one in a cycle."""
    return max(1.0, SPARE_SHARE * ALERTS_MIN / max(1, load.patients - load.spare)) * load.cycle_s


async def _away(scene: Scene, seconds: float) -> None:
    """Undisturbed for a while, then for as long without the database, then with it again until it has everything."""
    frame, duty = scene.frame, scene.duty
    await duty.run(3.0)  # connections and caches are warm
    frame.tell(f"undisturbed for {seconds:g} s")
    begun = frame.clock.now_us()
    await duty.run(seconds)
    frame.tell(f"the database goes, for {seconds:g} s")
    went = duty.fault("database stopped").at  # before the stop: its last checkpoint is part of the outage
    scene.spans[QUIET] = (begun, went)
    asked = confirmed = 0
    async with killing.away(scene.stack, frame.root, SERVER):
        deadline = frame.clock.monotonic() + seconds
        while (left := deadline - frame.clock.monotonic()) > 0:
            if left > CONFIRMED_S:
                confirmed += await _acknowledge(frame, duty, duty.spares[asked % len(duty.spares)])
                asked += 1
            await duty.run(min(ACKNOWLEDGE_EVERY_S, max(0.0, deadline - frame.clock.monotonic())))
        came = frame.clock.now_us()
    scene.spans["away"] = (went, came)
    duty.fault("database back")
    frame.tell(f"the database is back; {confirmed} of {asked} acknowledgements were confirmed meanwhile")
    frame.verdict.figures["acknowledged_while_away"] = confirmed
    frame.verdict.expect("acknowledgements confirmed while it was away", confirmed, asked)
    frame.verdict.expect_at_least("acknowledgements tried", asked, 1)
    await _caught_up(scene, "returned", came)


async def _caught_up(scene: Scene, name: str, since: int) -> None:
    """Go on until the database has what the log held, and for as long as a span lasts that is compared.

    Raises:
        ServerStalled: the sink does not catch up.
    """
    frame = scene.frame
    async with await connect(scene.stack.settings.database_url, autocommit=True, application="vigil drill") as database:
        await stored(scene.stack.settings, database, frame.clock)
    took = (frame.clock.now_us() - since) / SECOND_US
    frame.verdict.figures.setdefault("database_has_everything_after_s", {})[name] = round(took, 1)
    frame.tell(f"{name}: the database has everything {took:.1f} s after that")
    await scene.duty.run(max(0.0, scene.least_s - took))
    scene.spans[name] = (since, frame.clock.now_us())


async def _acknowledge(frame: Frame, duty: Duty, patient: int) -> bool:
    """Let a patient go low, acknowledge the alert over the feed, and see the answer and the change on the socket."""
    alert = duty.low(patient)
    found = await within(CONFIRMED_S, lambda: alert in duty.recorder.open, frame.clock)
    answer = await duty.recorder.acknowledge(duty.recorder.open[alert]) if found else None
    changed = answer is not None and await within(
        CONFIRMED_S,
        lambda: any(each.id == alert and each.change == "acknowledge" for each in duty.recorder.changes[-1000:]),
        frame.clock,
    )
    duty.normal(patient)
    accepted = answer is not None and answer.outcome == "accepted"
    if not (accepted and changed):
        frame.tell(f"alert {alert}: shown {found}, accepted {accepted}, change on the socket {changed}")
    return accepted and changed


async def _kill(scene: Scene, number: int) -> None:
    """``kill -9`` the whole server while the sink waits in its transaction, and wait until it has everything again.

    Raises:
        ServerStalled: the sink did not come to a transaction, or does not catch up.
    """
    frame, stack, duty = scene.frame, scene.stack, scene.duty
    what = f"database killed in mid-transaction, {number}"
    blocker = await connect(stack.settings.database_url, application="vigil drill")
    watcher = await connect(stack.settings.database_url, autocommit=True, application="vigil drill")
    try:
        await blocker.execute(LOCK)
        began = frame.clock.monotonic()
        while True:
            row = await (await watcher.execute(WAITING)).fetchone()
            if row is not None and row[0]:
                break
            if frame.clock.monotonic() - began > IN_TRANSACTION_S:
                raise ServerStalled("the sink does not write", f"for {IN_TRANSACTION_S:g} s", "see its log")
            await duty.run(0.02)
        pid = killing.strike_all(stack, SERVER, frame.verdict)
        fault = duty.fault(what)
    finally:
        await blocker.close()
        await watcher.close()
    back = await killing.returned(SERVER, pid, stack, frame.clock)
    after = await duty.recovered(fault)
    frame.tell(f"{what}: back after {back} s, next right alert after {after or -1:.1f} s")
    await _caught_up(scene, f"killed, {number}", fault.at)


def later(account: Account, spans: Mapping[str, Span]) -> Finding:
    """How much later than in the undisturbed span alerts came in each of the others; pure.

    Each by itself: in all of them together a bad return would be lost among the alerts of a minute's outage.
    """
    finding = Finding()
    delays = {name: np.array(delays_ms(account, *span)) for name, span in spans.items()}
    finding.figures["delay_by_span_ms"] = {
        name: {
            "seconds": round((spans[name][1] - spans[name][0]) / SECOND_US, 1),
            "alerts": len(each),
            **percentiles(each),
        }
        for name, each in delays.items()
    }
    few = [f"{name} {len(each)}" for name, each in delays.items() if len(each) < ALERTS_MIN]
    finding.none_of(f"spans with fewer than the {ALERTS_MIN} alerts of a 99th percentile", few)
    quiet = delays.pop(QUIET)
    if not len(quiet):
        return finding
    usual = float(np.percentile(quiet, 99))
    more = {name: float(np.percentile(each, 99)) - usual for name, each in delays.items() if len(each)}
    finding.figures["later_at_p99_ms"] = {name: round(each, 1) for name, each in more.items()}
    late = [f"{name} {each:.1f} ms" for name, each in more.items() if each > LATER_MS_MAX]
    finding.none_of(f"later at p99 than undisturbed by more than {LATER_MS_MAX:g} ms", late)
    return finding


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("database", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the load and of the moments of the kills")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the database is away")
    parser.add_argument("--patients", type=int, default=100, help="patients at 1 Hz")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
