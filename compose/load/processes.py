"""What each process of a stack costs: found by the port on which it listens, sampled while a load test runs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from runtime.settings import Settings
from simulators.load.report import Machine

SERVERS = ("kafka", "broker", "database")
OBSERVER = "observer"
"""This process: it watches log, database and feed."""
WORKERS = "workers"
OTHERS = "others"
"""What else ran on the machine, the kernel's own work included."""


def ports(settings: Settings, health: Mapping[str, int]) -> dict[str, int]:
    """Name -> port of everything that listens: services by their health servers, and the three servers."""
    database = urlsplit(settings.database_url.get_secret_value()).port or 5432
    kafka = settings.kafka.split(",")[0].rpartition(":")[2]
    broker = settings.mqtt.rpartition(":")[2]
    return {**health, "kafka": int(kafka), "broker": int(broker), "database": database}


def listening(wanted: Mapping[str, int]) -> dict[str, psutil.Process]:
    """The process behind each port; those of other users or machines are not seen, and left out."""
    found: dict[int, int] = {}
    for each in psutil.net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN and each.pid is not None and each.laddr:
            found.setdefault(each.laddr.port, each.pid)
    return {name: psutil.Process(found[port]) for name, port in wanted.items() if port in found}


class Sampler:
    """CPU and memory of named processes with all below them; one that ends keeps what it had cost."""

    def __init__(self, known: Mapping[str, Sequence[psutil.Process]]) -> None:
        self._known = known
        self._below: dict[int, psutil.Process] = {}
        self._cpu: dict[int, tuple[str, float]] = {}
        self.pss: dict[str, float] = {}
        """The most memory so far, MiB."""

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each name so far."""
        for name, processes in self._known.items():
            for process in self._family(name, processes):
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                self._cpu[process.pid] = name, times.user + times.system
        totals = dict.fromkeys(self._known, 0.0)
        for name, seconds in self._cpu.values():
            totals[name] += seconds
        return totals

    def memory(self) -> None:
        """Look at the memory of each."""
        for name, processes in self._known.items():
            total = sum(_pss(process.pid) for process in self._family(name, processes))
            if total:
                self.pss[name] = max(self.pss.get(name, 0.0), total / 1024)

    def _family(self, name: str, processes: Sequence[psutil.Process]) -> list[psutil.Process]:
        found = list(processes)
        if name == "database":  # one process per connection
            for process in processes:
                try:
                    found += self._children(process)
                except psutil.Error:
                    continue
        return found

    def _children(self, process: psutil.Process) -> list[psutil.Process]:
        """Processes below one. psutil reads of every process of the machine who its parent is; Linux knows ours."""
        try:
            text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        except OSError:
            return list(process.children(recursive=True))
        pids = [int(each) for each in text.split()]
        for pid in pids:
            if pid not in self._below:
                try:
                    self._below[pid] = psutil.Process(pid)
                except psutil.NoSuchProcess:
                    continue
        return [self._below[pid] for pid in pids if pid in self._below]


class Busy:
    """The share of all cores that were in use since the last look."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float:
        """Since the last call."""
        now, before = psutil.cpu_times(), self._before
        self._before = now
        total = sum(now) - sum(before)
        idle = now.idle - before.idle + getattr(now, "iowait", 0.0) - getattr(before, "iowait", 0.0)
        return 0.0 if total <= 0 else max(0.0, 1.0 - idle / total)


def machine() -> Machine:
    """This machine."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return Machine(
        cpu=model[1].strip() if model else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _pss(pid: int) -> int:
    """Proportional set size, KiB; 0 where it may not be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
