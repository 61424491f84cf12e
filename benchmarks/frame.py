"""What the benchmarks share: turns that alternate, the cost of processes, the machine, a result file and its tables."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from benchmarks.compare import Target, Turn, ratio, side, table
from compose.load.processes import machine
from compose.process import Process, ProcessSpec
from runtime.clock import SystemClock

RESULTS = Path(__file__).parent / "results"
LIBRARIES = (
    "aiokafka", "numpy", "paho-mqtt", "psycopg", "pydantic", "msgspec", "uvloop", "websockets",
)  # fmt: skip
CLOCK = SystemClock()
POLL_S = 0.02
Turns = Callable[[], Awaitable[Turn]]


@dataclass(slots=True)
class Result:
    """One benchmark's figures as they are told and kept; ``work`` names the unit of its turns."""

    name: str
    what: str
    work: str
    command: str
    sides: dict[str, list[Turn]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Yardsticks that this machine has not, and how to get each."""
    figures: dict[str, Any] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    """What a figure may be at most, by its name."""
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    @property
    def missed(self) -> bool:
        """Whether a target is missed, or cannot be judged since something is absent."""
        known = self.as_json()
        return bool(self.absent) or any(each["met"] is False for each in (*known["ratios"], *known["limits"]))

    def as_json(self) -> dict[str, Any]:
        """The result for its file."""
        found = (ratio(self.sides, target) for target in self.targets)
        return {
            "benchmark": self.name,
            "what": self.what,
            "work": self.work,
            "command": self.command,
            "machine": described(),
            "load_average": {"before": _rounded(self.load_before), "after": _rounded(os.getloadavg())},
            "sides": {name: side(turns) for name, turns in self.sides.items() if turns},
            "absent": self.absent,
            "ratios": [each for each in found if each],
            "limits": [
                {"figure": name, "value": value, "most": most, "met": value is not None and value <= most}
                for name, most in self.most.items()
                for value in (self.figures.get(name),)
            ],
            "figures": self.figures,
        }

    def tell(self, *, keep: bool = True) -> None:
        """Print the tables, and write the file where it is to be kept."""
        known = self.as_json()
        lines = [f"\n{self.name}: {self.what}"]
        if known["sides"]:
            rows = [
                [name, each["per_cpu_second"], each["per_second"], each["us_of_cpu_each"], each["turns"]]
                for name, each in known["sides"].items()
            ]
            columns = ("side", f"{self.work} / CPU-s", f"{self.work} / s", "µs of CPU each", "turns")
            lines.append(table(rows, columns))
        if known["ratios"]:
            keys = ("ours", "yardstick", "per", "ratio", "target", "met")
            lines.append(table([[each[key] for key in keys] for each in known["ratios"]], keys))
        if known["limits"]:
            heads = ("figure", "value", "most", "met")
            lines.append(table([[each[head] for head in heads] for each in known["limits"]], heads))
        if self.figures:
            lines.append(table([[name, value] for name, value in self.figures.items()], ("figure", "value")))
        lines += [f"ABSENT  {name}: {how}" for name, how in self.absent.items()]
        load = known["load_average"]
        lines.append(f"load average {load['before'][0]} before, {load['after'][0]} after")
        sys.stdout.write("\n".join(lines) + "\n")
        if not keep:
            return
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(known, ensure_ascii=False, indent=1) + "\n"
        (RESULTS / f"{self.name}.json").write_text(text, encoding="utf-8")


def progress(line: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def alternate(result: Result, sides: Mapping[str, Turns], turns: int) -> None:
    """Run each side once unmeasured (imports, caches, connections), then ``turns`` times in rotation."""
    for name, run in sides.items():
        progress(f"{result.name:<8} warming {name}")
        await run()
    for number in range(turns):
        for name, run in sides.items():
            turn = await run()
            result.sides.setdefault(name, []).append(turn)
            rates = f"{turn.rate('cpu'):10,.0f} per CPU-s  {turn.rate('wall'):10,.0f} per s"
            progress(f"{result.name:<8} turn {number + 1}  {name:<32} {rates}")


def described() -> dict[str, Any]:
    """The machine and the libraries; nothing that names it."""
    return {
        **machine().model_dump(mode="json"),
        "kernel": platform.release(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


# Costs


def cpu_of(*pids: int) -> float:
    """CPU seconds so far of processes, of all below them, and of those below them that have ended."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            try:
                times = each.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def own_cpu() -> float:
    """CPU seconds so far of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def children_cpu() -> float:
    """CPU seconds of this process's children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pss_kib(pid: int) -> int:
    """Proportional set size of a process in KiB: its own pages, and its share of those it shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def in_new_process(function: Callable[..., float], *said: object) -> float:
    """What a function says in a process of its own, whose heap has no holes of earlier work that hide what it takes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *said).result()


# Processes


@asynccontextmanager
async def child(spec: ProcessSpec) -> AsyncIterator[Process]:
    """A process that runs, and answers, while the body does."""
    process = await Process.start(spec)
    try:
        await process.wait_ready()
        yield process
    finally:
        await process.stop()


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 120.0) -> None:
    """Poll until a condition holds. Raises TimeoutError that says what did not happen."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await CLOCK.sleep(POLL_S)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {seconds:g} s") from None


def _rounded(loads: Sequence[float]) -> list[float]:
    return [round(each, 2) for each in loads]
