"""What the drills share: progress on stderr, a stack in a folder of its own, a JSON verdict on stdout, an exit code."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from compose.stack import Options, Stack
from runtime.clock import Clock, SystemClock
from runtime.observe import configure_logging
from vitals.errors import VigilError

PARTITIONS = "2"
"""As `make demo` has it: a step's cost is per partition."""
WRONG_ARGUMENTS = 2
SKIPPED = 77
"""Exit code of a drill that this machine cannot do; as automake's tests have it."""
Tell = Callable[[str], None]


class Skip(Exception):
    """This machine cannot do the drill; the text says why and what to do. Raised before anything cruel is done."""


@dataclass(slots=True)
class Verdict:
    """``figures`` as printed, and ``differences``, a line each; without any the drill has passed.

    ``skipped`` is why nothing was tried: then it has neither passed nor failed.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        """Whether something was tried and all was as expected."""
        return self.skipped is None and not self.differences

    def as_json(self) -> dict[str, Any]:
        """The verdict for a program; ``pass`` is null where nothing was tried."""
        if self.skipped is not None:
            return {"pass": None, "skipped": self.skipped, **self.figures, "differences": self.differences}
        return {"pass": self.passed, **self.figures, "differences": self.differences}

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a difference unless they are equal."""
        if found != wanted:
            self.differences.append(f"{what}: {found}, expected {wanted}")

    def expect_at_most(self, what: str, found: float, most: float) -> None:
        """Note a difference where a figure is greater than it may be."""
        if found > most:
            self.differences.append(f"{what}: {found:g}, expected at most {most:g}")

    def expect_at_least(self, what: str, found: float, least: float) -> None:
        """Note a difference where a figure is smaller than it must be."""
        if found < least:
            self.differences.append(f"{what}: {found:g}, expected at least {least:g}")


@dataclass(slots=True)
class Frame:
    """What one run of a drill works with; it fills ``verdict`` as it goes."""

    clock: SystemClock
    root: Path
    tell: Tell
    verdict: Verdict = field(default_factory=Verdict)

    @asynccontextmanager
    async def stack(self, options: Options) -> AsyncIterator[Stack]:
        """A stack that ends with the body; this process logs errors only."""
        async with Stack(options, self.tell) as stack:
            configure_logging(stack.settings.model_copy(update={"log_level": "error"}), "drill")
            yield stack


def teller(clock: Clock) -> Tell:
    """Writes lines to stderr, each with the seconds since now."""
    began = clock.monotonic()

    def tell(line: str) -> None:
        sys.stderr.write(f"{clock.monotonic() - began:6.1f} s  {line}\n")
        sys.stderr.flush()

    return tell


async def conduct(drill: Callable[[Frame], Awaitable[None]], *, as_json: bool, keep: bool) -> int:
    """Run a drill and print its verdict; 0 when it passed, `SKIPPED` where this machine cannot do it, else 1.

    An error of ours is a difference, and what was measured before it is still told. The data folder stays where the
    drill did not pass, and with ``keep``.
    """
    clock = SystemClock()
    frame = Frame(clock, Path(tempfile.mkdtemp(prefix="vigil-drill-")), teller(clock))
    over = False
    try:
        await drill(frame)
        over = frame.verdict.passed
    except Skip as skip:
        frame.tell(f"SKIPPED  {skip}")
        frame.verdict.skipped = str(skip)
        over = True
    except VigilError as error:
        frame.tell("the drill did not get to its end")
        frame.verdict.differences.append(str(error))
    finally:
        if over and not keep:
            shutil.rmtree(frame.root)
        else:
            frame.tell(f"logs and data are in {frame.root}")
    for line in frame.verdict.differences:
        frame.tell(f"DIFFERENCE  {line}")
    sys.stdout.write(json.dumps(frame.verdict.as_json(), indent=None if as_json else 2) + "\n")
    if frame.verdict.skipped is not None:
        return SKIPPED
    return 0 if frame.verdict.passed else 1


class Arguments(argparse.ArgumentParser):
    """The arguments of a module of the drills; what it does not understand is one line on stderr and exit code 2."""

    def __init__(self, name: str, description: str | None) -> None:
        super().__init__(
            prog=f"python -m compose.drills.{name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, without the whole usage."""
        self.exit(WRONG_ARGUMENTS, f"{self.prog}: {message} (--help lists what there is)\n")


def command_line(name: str, description: str | None) -> Arguments:
    """A drill's command line with what every drill can be asked."""
    found = Arguments(name, description)
    found.add_argument("--json", action="store_true", dest="as_json", help="the verdict as one line")
    found.add_argument("--keep", action="store_true", help="leave the data folder")
    return found


def percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    """50, 90, 99 % and the greatest of some figures, to a tenth; nothing of none."""
    if not len(values):
        return {}
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return {"p50": round(p50, 1), "p90": round(p90, 1), "p99": round(p99, 1), "max": round(float(values.max()), 1)}
