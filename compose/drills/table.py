"""All drills, each with several seeds, one after another: a table, or JSON.

    python -m compose.drills.table [--seeds 1,2,3] [--only kill,stop] [--out FOLDER] [--json]
    python -m compose.drills.table --only clients --seeds 7

Each drill is a process of its own with a stack of its own. A drill that does not end is ended after 15 minutes, and did
not pass. Each result goes into FOLDER (a new one below /tmp unless given) as soon as it is there, beside what the drill
said; with a FOLDER that has results, only what it has none of is run, so that a run that was broken off goes on.
Exit code 0 when every drill that this machine can do passed, 77 when it can do none of them, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from compose import signals
from compose.drills.frame import SKIPPED, Arguments, teller
from compose.drills.results import Outcome, Results, outcome, summary, table
from compose.ends import terminated
from runtime.clock import SystemClock

SEEDED: tuple[str, ...] = (
    "kill", "stop", "engine", "database", "kafka", "broker", "input", "disk", "storm", "clients", "load",
)  # fmt: skip
"""Drills whose course follows from a seed."""
ONCE: tuple[str, ...] = ("page", "feedlost", "chart")
"""Drills that measure; they are run once."""
REPLAYS: Mapping[str, tuple[str, ...]] = {"replay": ("--kill",)}
"""Drills with a seed that need more to be cruel."""
SECONDS_MAX = 15 * 60.0
END_S = 120.0
"""How long a drill may take to stop its stack: a dozen processes, one after another, most of them at once."""


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


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when all passed that this machine can do, `SKIPPED` where it can do none, else 1."""
    if not outcomes or any(each.failed for each in outcomes):
        return 1
    return 0 if any(each.passed for each in outcomes) else SKIPPED


async def run(only: Sequence[str], seeds: Sequence[int], *, as_json: bool, out: Path | None = None) -> int:
    """Run the drills, print what they came to, also where it is broken off; the exit code."""
    clock = SystemClock()
    tell = teller(clock)
    results = Results(out or Path(tempfile.mkdtemp(prefix="vigil-drills-")))
    planned = runs(only, seeds)
    known = results.read()
    outcomes = [known[drill, seed] for drill, seed, _ in planned if (drill, seed) in known]
    left = [each for each in planned if each[:2] not in known]
    tell(f"{len(planned)} runs of drills, results in {results.folder}")
    if outcomes:
        tell(f"{len(outcomes)} of them have one already, and are not run again")
    try:
        for number, (drill, seed, arguments) in enumerate(left, len(outcomes) + 1):
            tell(f"{number} of {len(planned)}: drill {drill}" + ("" if seed is None else f", seed {seed}"))
            began = clock.monotonic()
            printed, log = results.printed(drill, seed), results.log(drill, seed)
            code = await _drill(drill, arguments, printed, log)
            said = await asyncio.to_thread(printed.read_bytes)
            found = outcome(drill, seed, code, said, clock.monotonic() - began, seconds_max=SECONDS_MAX, log=log)
            outcomes.append(found)
            results.add(found)
            tell(f"  {found.word} after {found.seconds:.0f} s" + (f"; it said: {log}" if found.failed else ""))
            for line in found.differences:
                tell(f"  DIFFERENCE  {line}")
    finally:
        if as_json:
            sys.stdout.write(json.dumps([each.as_json() for each in outcomes]) + "\n")
        else:
            Console().print(table(outcomes))
        tell(summary(outcomes, len(planned), results.folder))
    return exit_code(outcomes)


async def _drill(drill: str, arguments: Sequence[str], printed: Path, log: Path) -> int | None:
    """Exit code of one drill, whose verdict goes into ``printed`` and progress into ``log``; None where it had to be
    ended.
    """
    with printed.open("wb") as out, log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"compose.drills.{drill}", "--json", *arguments, stdout=out, stderr=errors
        )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            await terminated(process, f"drill {drill}", END_S)


def _numbers(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers like 1,2,3") from None


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
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for results; what has one there is not run")
    parser.add_argument("--json", action="store_true", dest="as_json", help="all verdicts as one line")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(found.only, found.seeds, as_json=found.as_json, out=found.out))


if __name__ == "__main__":
    sys.exit(main())
