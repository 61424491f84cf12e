"""The processor against the oracle on many generated logs: ``make property``.

Each log goes through the processor in random polls, through a crash at a random place and a second processor that takes
over. What then stands in the topics must be what the oracle says, byte for byte. Exit code 1 where it is not, or where
there were too few logs of a class.

  python -m tests.strategies --seed 7 --count 20000 --workers 2
  python -m tests.strategies --log 117440512:0,3,4      one log again, as a failure names it
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from pathlib import Path

from tests.strategies.facts import REQUIRED
from tests.strategies.many import LEAST_SHARE, Tally, run, shrunk, wrong
from tests.strategies.wards import Plan

EVERY_SECONDS = 10


def named(text: str) -> Plan:
    """The plan that a failure names as SEED:ACTS."""
    seed, _, acts = text.partition(":")
    return Plan(int(seed), tuple(map(int, acts.split(","))) if acts else ())


def positive(text: str) -> int:
    """A number of one or more."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


class Progress:
    """Tells on stderr, every few seconds, how far a run is."""

    def __init__(self, count: int) -> None:
        self.count, self.began = count, time.monotonic()
        self.told, self.named = self.began, 0

    def __call__(self, tally: Tally) -> None:
        """After a block; what is wrong is named at once."""
        now = time.monotonic()
        for failure in tally.failures[self.named :]:
            sys.stderr.write(f"--log {failure.plan} is wrong\n")
        self.named = len(tally.failures)
        if now < self.told + EVERY_SECONDS and tally.logs < self.count:
            return
        self.told = now
        left = (now - self.began) / tally.logs * (self.count - tally.logs)
        sys.stderr.write(
            f"{tally.logs:,} of {self.count:,} logs, {tally.seconds / tally.logs * 1e3:.1f} ms of CPU each, "
            f"{left / 60:.1f} min to go, {len(tally.failures)} wrong\n"
        )


def table(tally: Tally) -> str:
    """What a run met, the required classes first."""
    others = sorted(set(tally.facts) - set(REQUIRED), key=lambda fact: (-tally.facts[fact], fact))
    lines = [f"{tally.logs:>9,}  logs equal to the oracle's but for {len(tally.failures)}"]
    lines += [f"{tally.facts[fact]:>9,}  with {fact} (at least {tally.least:,})" for fact in REQUIRED]
    lines += [f"{tally.facts[fact]:>9,}  with {fact}" for fact in others]
    lines.append(f"{tally.records:>9,}  records, {tally.outputs:,} outputs, {tally.seconds:,.0f} s of CPU")
    return "\n".join(lines)


def figures(seed: int, tally: Tally) -> dict[str, object]:
    """What a run came to, for scripts."""
    return {
        "seed": seed,
        "logs": tally.logs,
        "wrong": [str(each.plan) for each in tally.failures],
        "least": tally.least,
        "facts": dict(tally.facts),
        "records": tally.records,
        "outputs": tally.outputs,
        "cpu_seconds": round(tally.seconds, 1),
    }


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(tally: Tally) -> int:
    """Print a run's table and its failures, each shrunk; the exit code."""
    say(table(tally))
    for failure in tally.failures:
        least = shrunk(failure.plan, lambda plan: wrong(plan) is not None)
        say(f"\n--log {failure.plan}\n  differs, and still does as --log {least}\n{wrong(least)}")
    for fact in tally.short():
        say(f"too few logs with {fact}: {tally.facts[fact]}, not {tally.least}")
    return 1 if tally.failures or tally.short() else 0


def main() -> int:
    """Run many logs, or one."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.strategies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=None, help="of the whole run (default: by chance, and printed)")
    parser.add_argument("--count", type=positive, default=20_000, help="how many logs (default 20000)")
    parser.add_argument("--workers", type=positive, default=1, help="processes (default 1)")
    parser.add_argument("--log", type=named, default=None, metavar="SEED:ACTS", help="try this one only")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the counts there too")
    options = parser.parse_args()
    if options.log is not None:
        found = wrong(options.log)
        say("equal" if found is None else found)
        return 0 if found is None else 1
    seed = secrets.randbits(32) if options.seed is None else options.seed
    say(f"seed {seed}, {options.count:,} logs; of each class at least one in {LEAST_SHARE}")
    began = time.monotonic()
    tally = run(seed, options.count, options.workers, Progress(options.count))
    code = tell(tally)
    say(f"{(time.monotonic() - began) / 60:.1f} min with {options.workers} at a time")
    if options.json is not None:
        options.json.write_text(json.dumps(figures(seed, tally), indent=2) + "\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
