"""Change the processor's pure modules in every small way, and see whether a test notices: ``make mutants``.

A mutant that no test notices is either a hole in the tests or no change of what the program does. Those of the second
kind are listed with the reason in ``tests/mutants/survivors.md``. Exit code 1 where fewer than 95 % of the mutants of a
module were noticed, or where a survivor is not listed.

  python -m tests.mutants                       every module; seven minutes of two idle cores
  python -m tests.mutants trends windows        these only
  python -m tests.mutants trends --again        of these only what no test has noticed so far
  python -m tests.mutants --report              no run: what the last ones found
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from mutmut.configuration import config
from mutmut.stats import status_by_exit_code

from tests.mutants.findings import FOLDER, NOTICED, Module, found, kept, listed

LEAST = 0.95
SURVIVORS = Path(__file__).parent / "survivors.md"


def modules() -> list[str]:
    """The modules that mutmut may change, as pyproject.toml lists them."""
    return sorted(Path(each).stem for each in config().only_mutate)


def unnoticed(name: str) -> list[str]:
    """The mutants of a module that no test has noticed so far; all of them where no run has been since it was changed.

    One that ran out of time is among them: a machine that stood still looks the same.
    """
    results = FOLDER / "stream" / f"{name}.py.meta"
    if not results.exists() or results.stat().st_mtime < (Path("stream") / f"{name}.py").stat().st_mtime:
        return [f"stream.{name}.*"]
    ends = json.loads(results.read_text())["exit_code_by_key"]
    return [key for key, code in ends.items() if status_by_exit_code[code] not in NOTICED - {"timeout"}]


def whole(all_found: list[Module]) -> Module:
    """All modules as one."""
    together = Module("all")
    for each in all_found:
        together.ends.update(each.ends)
        together.survivors += each.survivors
    return together


def table(all_found: list[Module]) -> str:
    """How many mutants of each module were noticed."""
    lines = ["| module | mutants | noticed | survived | not looked at | share |", "|---|---|---|---|---|---|"]
    for each in [*all_found, whole(all_found)]:
        share = f"{each.share:.1%}" if each.total > each.unchecked else "-"
        lines.append(
            f"| {each.name} | {each.total} | {each.noticed} | {len(each.survivors)} | {each.unchecked} | {share} |"
        )
    return "\n".join(lines)


def judge(all_found: list[Module], reasons: str) -> list[str]:
    """What is not as it should be, a line each."""
    known = listed(reasons)
    wrong = [f"{each.name}: {each.share:.1%} noticed, not {LEAST:.0%}" for each in all_found if each.share < LEAST]
    function = ""
    for each in all_found:
        for change in each.survivors:
            if change not in known:
                heading = f"### {change.function}\n" if change.function != function else ""
                wrong.append(f"{heading}{change}no reason is listed")
                function = change.function
    return wrong


def main() -> int:
    """Run mutmut, tell what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(modules()))
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--again", action="store_true", help="only what no test has noticed in the last run")
    parser.add_argument("--report", action="store_true", help="tell what the last runs found")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(modules()):
        parser.error(f"no such module: {', '.join(sorted(unknown))}; there are {', '.join(modules())}")
    chosen = options.modules or modules()
    for name in [] if options.report else chosen:
        names = unnoticed(name) if options.again else [f"stream.{name}.*"]
        command = [sys.executable, "-m", "tests.mutants.forks", name, str(options.workers), *names]
        if names and (code := subprocess.run(command, check=False, stdout=sys.stderr).returncode):
            return code
        found(name)
    all_found = [kept(name) for name in chosen]
    wrong = judge(all_found, SURVIVORS.read_text() if SURVIVORS.exists() else "")
    sys.stdout.write("\n".join([table(all_found), *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
