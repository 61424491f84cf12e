"""The replay drill: a real person's month through a stack of its own, checked row by row and change by change.

    python -m compose.drills.replay [--kill] [--file FILE] [--seed K] [--json]
    python -m compose.drills.replay --kill --seed 2

With ``--kill`` each service in turn is killed with ``kill -9`` at a seeded moment, and the same is expected.
Prints a JSON verdict; exit code 0 when it passed. Progress goes to stderr.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compose import signals
from compose.drills import killing, verdict, watching
from compose.drills.frame import Frame, Tell, Verdict, command_line, conduct
from compose.drills.verdict import Announcement
from compose.stack import Options, Stack
from compose.wiring import RegistryClient
from ingest.settings import BridgeSettings
from runtime.clock import SystemClock
from runtime.database import connect
from runtime.settings import load
from simulators import replay
from simulators.exports import Export
from vitals.errors import InputError, VigilError

SECONDS_MAX = 300.0
"""Most for the whole replay, start of the servers excluded."""
SHARED = Path(os.environ.get("VIGIL_SHARED", Path(__file__).resolve().parents[3] / "shared"))
DEFAULT_FILE = SHARED / "data" / "t1d-uom" / "glucose-2307.csv"


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``keep`` leaves the data folder where it is."""

    file: Path = DEFAULT_FILE
    kill: bool = False
    seed: int = 1
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed.

    Raises:
        InputError: the file, or its expected results, cannot be read.
    """
    export = replay.read([_present(options.file)])[0]
    expected = _expected(export)

    async def drill(frame: Frame) -> None:
        async with frame.stack(Options(root=frame.root, clock="simulated")) as stack:
            frame.verdict = await Drill(stack, export, options, frame.tell).run(expected)

    return await conduct(drill, as_json=options.as_json, keep=options.keep)


class Drill:
    """One run on a stack that stands."""

    def __init__(self, stack: Stack, export: Export, options: DrillOptions, tell: Tell) -> None:
        self._stack, self._export, self._options, self._tell = stack, export, options, tell
        self._settings = stack.settings
        self._clock = SystemClock()
        self._share = 0.0
        self._struck = Verdict()

    async def run(self, expected: list[Announcement] | None) -> Verdict:
        """Replay, record, kill; wait until everything has arrived everywhere; judge."""
        kills = killing.plan(self._options.seed) if self._options.kill else []
        recorder = watching.Recorder(self._stack.ready.feed, self._stack.ready.token, self._clock)
        began = self._clock.monotonic()
        async with recorder.recording(), await connect(self._settings.database_url, autocommit=True) as database:
            report = await self._replay(kills)
            self._tell(f"replayed {report.readings} readings and {report.ticks} ticks in {report.seconds:.1f} s")
            assert report.clock is not None
            changes = await watching.feed_changes(self._settings, report.clock, self._clock)
            self._tell(f"the feed has {len(changes)} changes and the last tick")
            await watching.stored(self._settings, database, self._clock)
            self._tell("the sink has stored everything")
            await self._heard(recorder, changes)
            seconds = self._clock.monotonic() - began
            stored = await verdict.stored_of(database, self._export)
        receive_maximum = load(BridgeSettings).receive_maximum
        found = verdict.judge(
            self._export,
            report,
            stored,
            recorder,
            expected=expected,
            kills=kills,
            repeats_max=receive_maximum if self._options.kill else 0,
        )
        found.figures = {"seconds": round(seconds, 1), "start_seconds": self._stack.ready.seconds} | found.figures
        found.differences += self._struck.differences
        if seconds > SECONDS_MAX:
            found.expect("seconds", round(seconds, 1), f"at most {SECONDS_MAX:g}")
        return found

    async def _replay(self, kills: list[killing.Kill]) -> replay.Report:
        samples = sorted(sample.at for sample in self._export.samples)
        first, span = samples[0], samples[-1] - samples[0]
        told = 0

        def progress(report: replay.Report) -> None:
            nonlocal told
            self._share = max(0.0, ((report.clock or first) - first) / span) if span else 1.0
            if self._share >= (told + 1) / 10:
                told = int(self._share * 10)
                self._tell(f"{min(self._share, 1.0):4.0%} of the replay, {report.repeats_in_log} repeats in the log")

        try:
            async with asyncio.TaskGroup() as tasks:
                playing = tasks.create_task(self._play(progress), name="replay")
                kill = killing.carry_out(kills, self._stack, lambda: self._share, self._clock, self._tell, self._struck)
                tasks.create_task(kill, name="kills")
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return playing.result()

    async def _play(self, progress: Callable[[replay.Report], None]) -> replay.Report:
        registry = RegistryClient(self._settings)
        chosen = replay.Options(report_s=0.3)
        report = await replay.run(
            self._settings, [self._export], chosen, registry=registry, clock=self._clock, progress=progress
        )
        self._share = 1.0
        return report

    async def _heard(self, recorder: watching.Recorder, changes: set[watching.Key]) -> None:
        """Wait for the client; what it misses in the end is a difference, not an error."""
        try:
            await watching.until(
                lambda: changes <= {watching.key_of(alert) for alert in recorder.changes},
                "the client does not have every change",
                self._clock,
                watching.CONNECT_S,
            )
        except VigilError as error:
            self._tell(str(error))


def _present(file: Path) -> Path:
    if not file.exists():
        remedy = "the drill needs the T1D-UOM files; set VIGIL_SHARED to their folder, or give --file"
        raise InputError("no such export", str(file), remedy)
    return file


def _expected(export: Export) -> list[Announcement] | None:
    person = export.device.partition("-")[2]
    path = SHARED / "expected" / f"low-{person}.csv"
    return verdict.expected_of(path) if export.metric == "glucose" and path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("replay", __doc__)
    parser.add_argument("--kill", action="store_true", help="kill every service once, and expect the same")
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE, help="a T1D-UOM export")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments of the kills")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
