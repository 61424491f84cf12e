"""All drills, each with several seeds, one after another: a table, or JSON.

    python -m compose.drills.table [--seeds 1,2,3] [--only kill,stop] [--json]
    python -m compose.drills.table --only clients --seeds 7

Each drill is a process of its own with a stack of its own. Exit code 0 when all passed. A drill that does not end is
ended after 15 minutes, and did not pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from compose import signals
from compose.drills.frame import Arguments, teller
from runtime.clock import SystemClock

SEEDED: tuple[str, ...] = ("kill", "stop", "database", "kafka", "broker", "input", "disk", "storm", "clients")
"""Drills whose course follows from a seed."""
ONCE: tuple[str, ...] = ("load", "page", "feedlost", "chart")
"""Drills that measure; they are run once."""
REPLAYS: Mapping[str, tuple[str, ...]] = {"replay": ("--kill",)}
"""Drills with a seed that need more to be cruel."""
SECONDS_MAX = 15 * 60.0
SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a drill came to; ``seed`` None where it takes none."""

    drill: str
    seed: int | None
    passed: bool
    seconds: float
    verdict: Mapping[str, Any]

    @property
    def differences(self) -> list[str]:
        """What was not as expected, a line each."""
        return list(self.verdict.get("differences", []))

    def as_json(self) -> dict[str, Any]:
        """The outcome for a program."""
        rest = {"drill": self.drill, "seed": self.seed, "seconds": self.seconds}
        return rest | {"pass": self.passed} | {"verdict": dict(self.verdict)}


def runs(only: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int | None, list[str]]]:
    """Which drill runs with which seed and arguments, in order; ``only`` empty is all of them."""
    found: list[tuple[str, int | None, list[str]]] = []
    for drill in (*REPLAYS, *SEEDED, *ONCE):
        if only and drill not in only:
            continue
        more = list(REPLAYS.get(drill, ()))
        if drill in ONCE:
            found.append((drill, None, more))
        else:
            found += [(drill, seed, [*more, "--seed", str(seed)]) for seed in seeds]
    return found


def outcome(drill: str, seed: int | None, code: int | None, printed: bytes, seconds: float) -> Outcome:
    """The outcome of a process that ended with ``code`` (None: it did not end) and printed a verdict, or none.

    Passed is only what says so twice, by its exit code and in its verdict.
    """
    try:
        verdict = json.loads(printed)
    except ValueError:
        verdict = None
    if code is None:
        verdict = {"differences": [f"did not end within {SECONDS_MAX:g} s"]}
    elif not isinstance(verdict, dict):
        verdict = {"differences": [f"no verdict; ended with {code}"]}
    return Outcome(drill, seed, code == 0 and verdict.get("pass") is True, round(seconds, 1), verdict)


def table(outcomes: Sequence[Outcome]) -> Table:
    """The outcomes as a person reads them."""
    found = Table("drill", "seed", "verdict", "seconds", "what was not as expected", title="drills")
    for each in outcomes:
        lines = each.differences
        more = [f"and {len(lines) - SHOWN_MAX} more"] if len(lines) > SHOWN_MAX else []
        skipped = each.passed and "skipped" in each.verdict
        word = "skipped" if skipped else "pass" if each.passed else "[bold red]MISSED[/]"
        seed = "" if each.seed is None else str(each.seed)
        found.add_row(each.drill, seed, word, f"{each.seconds:.0f}", "\n".join([*lines[:SHOWN_MAX], *more]))
    return found


async def run(only: Sequence[str], seeds: Sequence[int], *, as_json: bool) -> int:
    """Run the drills, print what they came to; 0 when all passed."""
    clock = SystemClock()
    tell = teller(clock)
    outcomes: list[Outcome] = []
    for drill, seed, arguments in runs(only, seeds):
        tell(f"drill {drill}" + ("" if seed is None else f", seed {seed}"))
        began = clock.monotonic()
        code, printed = await _drill(drill, arguments)
        outcomes.append(outcome(drill, seed, code, printed, clock.monotonic() - began))
        for line in outcomes[-1].differences:
            tell(f"  DIFFERENCE  {line}")
    if as_json:
        sys.stdout.write(json.dumps([each.as_json() for each in outcomes]) + "\n")
    else:
        Console().print(table(outcomes))
    return 0 if outcomes and all(each.passed for each in outcomes) else 1


async def _drill(drill: str, arguments: Sequence[str]) -> tuple[int | None, bytes]:
    """Exit code and verdict of one drill; its own progress is not shown. None where it had to be ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"compose.drills.{drill}", "--json", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS_MAX):
            printed, _ = await process.communicate()
    except TimeoutError:
        return None, b""
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    return process.returncode, printed


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _names(text: str) -> list[str]:
    known = {*REPLAYS, *SEEDED, *ONCE}
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no drill {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return names


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = Arguments("table", __doc__)
    parser.add_argument("--seeds", type=_numbers, default=[1, 2, 3], help="seeds, with commas between")
    parser.add_argument("--only", type=_names, default=[], help="drills, with commas between")
    parser.add_argument("--json", action="store_true", dest="as_json", help="all verdicts as one line")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(found.only, found.seeds, as_json=found.as_json))


if __name__ == "__main__":
    sys.exit(main())
