"""What runs of drills came to: passed, failed or skipped; kept in a folder, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from compose.drills.frame import SKIPPED
from vitals.errors import StateError

SHOWN_MAX = 3
FILE = "results.jsonl"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a drill came to; ``seed`` None where it takes none, ``log`` is what it said."""

    drill: str
    seed: int | None
    passed: bool
    seconds: float
    verdict: Mapping[str, Any]
    log: Path | None = None

    @property
    def differences(self) -> list[str]:
        """What was not as expected, a line each."""
        return list(self.verdict.get("differences", []))

    @property
    def skipped(self) -> str | None:
        """Why nothing was tried."""
        return None if self.passed else self.verdict.get("skipped")

    @property
    def failed(self) -> bool:
        """Whether something was tried, and not all was as expected."""
        return not self.passed and self.skipped is None

    @property
    def word(self) -> str:
        """The outcome for a person."""
        return "passed" if self.passed else "MISSED" if self.skipped is None else f"skipped: {self.skipped}"

    def as_json(self) -> dict[str, Any]:
        """The outcome for a program."""
        rest = {"drill": self.drill, "seed": self.seed, "seconds": self.seconds}
        passed = self.passed if self.skipped is None else None
        log = None if self.log is None else str(self.log)
        return rest | {"pass": passed} | {"log": log} | {"verdict": dict(self.verdict)}


def outcome(
    drill: str,
    seed: int | None,
    code: int | None,
    printed: bytes,
    seconds: float,
    *,
    seconds_max: float = 0.0,
    log: Path | None = None,
) -> Outcome:
    """The outcome of a process that ended with ``code`` (None: not within ``seconds_max``) and printed a verdict, or
    none.

    Passed, or skipped, is only what says so twice, by its exit code and in its verdict.
    """
    try:
        verdict = json.loads(printed)
    except ValueError:
        verdict = None
    if code is None:
        verdict = {"differences": [f"did not end within {seconds_max:g} s"]}
    elif not isinstance(verdict, dict):
        verdict = {"differences": [f"no verdict; ended with {code}"]}
    elif ("skipped" in verdict) != (code == SKIPPED):
        skipped = verdict.pop("skipped", "not skipped")
        verdict["differences"] = [*verdict.get("differences", []), f"says {skipped!r}, but ended with {code}"]
    passed = code == 0 and verdict.get("pass") is True and "skipped" not in verdict
    if verdict.get("pass") is True and not passed and not verdict.get("differences"):
        verdict["differences"] = [f"says that it passed, but ended with {code}"]
    return Outcome(drill, seed, passed, round(seconds, 1), verdict, log)


class Results:
    """A folder with a line for each run that has ended, and what each said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError("no folder for the results", f"{folder}: {error.strerror}", "give another") from None

    def printed(self, drill: str, seed: int | None) -> Path:
        """Where the verdict of a run goes."""
        return self.folder / f"{_name(drill, seed)}.json"

    def log(self, drill: str, seed: int | None) -> Path:
        """Where the progress of a run goes."""
        return self.folder / f"{_name(drill, seed)}.log"

    def add(self, found: Outcome) -> None:
        """Keep a result before the next drill begins."""
        with (self.folder / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(found.as_json()) + "\n")

    def read(self) -> dict[tuple[str, int | None], Outcome]:
        """The results so far, by drill and seed; a line that was broken off is none."""
        found: dict[tuple[str, int | None], Outcome] = {}
        with suppress(FileNotFoundError):
            for line in (self.folder / FILE).read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):
                    told = json.loads(line)
                    log = None if told["log"] is None else Path(told["log"])
                    passed = told["pass"] is True
                    each = Outcome(told["drill"], told["seed"], passed, told["seconds"], told["verdict"], log)
                    found[each.drill, each.seed] = each
        return found


def table(outcomes: Sequence[Outcome]) -> Table:
    """The outcomes as a person reads them."""
    found = Table("drill", "seed", "verdict", "seconds", "what was not as expected", title="drills")
    for each in outcomes:
        lines = each.differences
        more = [f"and {len(lines) - SHOWN_MAX} more"] if len(lines) > SHOWN_MAX else []
        log = [f"it said: {each.log}"] if each.failed and each.log is not None else []
        seed = "" if each.seed is None else str(each.seed)
        word = "[bold red]MISSED[/]" if each.failed else escape(each.word)
        # what a drill says may look like markup
        shown = escape("\n".join([*lines[:SHOWN_MAX], *more, *log]))
        found.add_row(each.drill, seed, word, f"{each.seconds:.0f}", shown)
    return found


def summary(outcomes: Sequence[Outcome], planned: int, folder: Path) -> str:
    """One line: how many passed, failed, were skipped, and are still to do."""
    passed = sum(each.passed for each in outcomes)
    failed = sum(each.failed for each in outcomes)
    skipped = len(outcomes) - passed - failed
    left = planned - len(outcomes)
    parts = [f"{passed} of {planned} passed", f"{failed} missed", f"{skipped} skipped"]
    parts += [f"{left} not run: go on with --out {folder}"] if left else [f"results in {folder}"]
    return ", ".join(parts)


def _name(drill: str, seed: int | None) -> str:
    return drill if seed is None else f"{drill}-{seed}"
