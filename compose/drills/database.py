"""The database drill: PostgreSQL away for a minute under load, then killed in the middle of the sink's transactions.

    python -m compose.drills.database [--seed K] [--seconds S] [--patients N] [--json] [--keep]
    python -m compose.drills.database --seconds 20 --seed 2

No alert may come later than in the undisturbed part of the same run by more than 100 ms at p99; acknowledgements
work while the database is away; no service restarts; once it is back it has everything, once. It is killed with
``kill -9``, all of its processes at once, while the sink's transaction is open, which a lock makes certain. Prints a
JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass

import numpy as np

from compose import signals
from compose.drills import killing
from compose.drills.duty import Account, Duty, Load, conclude, delays_ms, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct, percentiles
from compose.drills.ledger import within
from compose.stack import Options, Stack
from runtime.database import connect
from vitals.errors import ServerStalled

SERVER = "database"
QUIET_S = 40.0
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


@dataclass(frozen=True, slots=True)
class Spans:
    """When it was undisturbed and when the database was away (µs UTC)."""

    quiet: tuple[int, int]
    away: tuple[int, int]


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    asked = {"drill": "database", "seed": options.seed, "seconds": options.seconds, "patients": options.patients}
    frame.verdict.figures |= asked
    async with frame.stack(Options(root=frame.root)) as stack:
        ward = Load(patients=options.patients, cycle_s=10.0, seed=options.seed)
        async with on_duty(stack, frame.clock, frame.tell, ward) as duty:
            spans = await _away(frame, stack, duty, options.seconds)
            for number in range(KILLS):
                await duty.run(chance.uniform(1.0, 5.0))
                await _kill(frame, stack, duty, number + 1)
            account = await duty.settled()
        restarts = killing.restarts(stack)
        await killing.dismiss(stack)
    frame.verdict.expect("restarts of services", restarts, {})
    conclude(frame, duty, account, repeats_max=0)
    _compare(frame, account, spans)


async def _away(frame: Frame, stack: Stack, duty: Duty, seconds: float) -> Spans:
    """Undisturbed for a while, then without the database, then with it again."""
    await duty.run(3.0)  # connections and caches are warm
    frame.tell(f"undisturbed for {QUIET_S:g} s")
    begun = frame.clock.now_us()
    await duty.run(QUIET_S)
    ended = frame.clock.now_us()
    asked = confirmed = 0
    async with killing.away(stack, frame.root, SERVER):
        frame.tell(f"the database is away for {seconds:g} s")
        went = frame.clock.now_us()
        duty.fault("database stopped")
        deadline = frame.clock.monotonic() + seconds
        while (left := deadline - frame.clock.monotonic()) > 0:
            if left > CONFIRMED_S:
                confirmed += await _acknowledge(frame, duty, duty.spares[asked % len(duty.spares)])
                asked += 1
            await duty.run(min(ACKNOWLEDGE_EVERY_S, max(0.0, deadline - frame.clock.monotonic())))
        came = frame.clock.now_us()
    duty.fault("database back")
    frame.tell(f"the database is back; {confirmed} of {asked} acknowledgements were confirmed meanwhile")
    frame.verdict.figures["acknowledged_while_away"] = confirmed
    frame.verdict.expect("acknowledgements confirmed while it was away", confirmed, asked)
    frame.verdict.expect_at_least("acknowledgements tried", asked, 1)
    return Spans((begun, ended), (went, came))


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


async def _kill(frame: Frame, stack: Stack, duty: Duty, number: int) -> None:
    """``kill -9`` the whole server while the sink waits in its transaction, and wait until it serves again.

    Raises:
        ServerStalled: the sink did not come to a transaction.
    """
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
        pid = killing.strike_all(stack, SERVER)
        fault = duty.fault(what)
    finally:
        await blocker.close()
        await watcher.close()
    back = await killing.returned(SERVER, pid, stack, frame.clock)
    after = await duty.recovered(fault)
    frame.tell(f"{what}: back after {back} s, next right alert after {after or -1:.1f} s")


def _compare(frame: Frame, account: Account, spans: Spans) -> None:
    """The delays while the database was away beside those of the undisturbed part."""
    quiet, away = (np.array(delays_ms(account, *span)) for span in (spans.quiet, spans.away))
    frame.verdict.figures["delay_undisturbed_ms"] = {"alerts": len(quiet), **percentiles(quiet)}
    frame.verdict.figures["delay_away_ms"] = {"alerts": len(away), **percentiles(away)}
    frame.verdict.expect_at_least("alerts in the undisturbed part", len(quiet), 100)
    frame.verdict.expect_at_least("alerts while it was away", len(away), 100)
    if len(quiet) and len(away):
        later = float(np.percentile(away, 99) - np.percentile(quiet, 99))
        frame.verdict.figures["later_at_p99_ms"] = round(later, 1)
        frame.verdict.expect_at_most("later at p99 while the database was away, in ms", later, LATER_MS_MAX)


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
