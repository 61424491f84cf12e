"""``vigil doctor``: what was found, what is missing, and what to do; changes nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from compose import page
from compose.servers import cache, java, kafka, mosquitto, postgres
from vitals.errors import VigilError

PACKAGES = ("vitals", "runtime", "ingest", "stream", "alerts", "dashboards", "simulators", "compose")
DISK_BYTES_MIN = 2 * 1024**3
DISTRIBUTION = "vigil-ward"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``remedy`` says what to do unless it is well."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Look at everything that ``vigil up`` needs on this machine, with ``root`` as its data folder."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _packages, _java, _kafka, _mqtt, _database, _page,
    )  # fmt: skip
    return [*(finding for check in checks for finding in check()), *_disk(root), *_folder(root)]


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = (3, 11) <= sys.version_info[:2] < (3, 15)
    remedy = "" if good else "use Python 3.11 to 3.14"
    yield Finding("python", "ok" if good else "missing", f"{version} in {sys.prefix}", remedy)


def _packages() -> Iterator[Finding]:
    """Our packages are flat: another distribution's ``stream`` or ``compose`` would shadow them."""
    try:
        distribution(DISTRIBUTION)
    except PackageNotFoundError:
        yield Finding("packages", "missing", f"{DISTRIBUTION} is not installed here", "run make install")
        return
    own = Path(__file__).resolve().parents[1]
    foreign = [name for name in PACKAGES if not _lies_in(name, own)]
    if foreign:
        remedy = "use an environment of Vigil's own (make install)"
        yield Finding("packages", "missing", f"foreign packages in the way: {', '.join(foreign)}", remedy)
    else:
        yield Finding("packages", "ok", f"{DISTRIBUTION} from {own}")


def _lies_in(name: str, own: Path) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and own in Path(spec.origin).resolve().parents


def _java() -> Iterator[Finding]:
    try:
        found = java.find()
    except VigilError as error:
        yield Finding("java", "missing", str(error), error.remedy)
    else:
        yield Finding("java", "ok", f"{found.major} at {found.path} ({found.source})")


def _kafka() -> Iterator[Finding]:
    if os.environ.get("VIGIL_KAFKA"):
        yield Finding("kafka", "ok", "VIGIL_KAFKA names one of yours")
    elif (cache.folder() / f"kafka-{kafka.VERSION}").is_dir():
        yield Finding("kafka", "ok", f"Apache Kafka {kafka.VERSION} in {cache.folder()}")
    else:
        yield Finding("kafka", "note", f"not downloaded yet ({kafka.DOWNLOAD})", "vigil up downloads it once")


def _mqtt() -> Iterator[Finding]:
    if os.environ.get("VIGIL_MQTT"):
        yield Finding("mqtt", "ok", "VIGIL_MQTT names one of yours")
    elif (program := mosquitto.find()) is not None:
        yield Finding("mqtt", "ok", f"mosquitto at {program}")
    elif importlib.util.find_spec("iotcore"):
        remedy = "install mosquitto where sessions must survive a broker's restart"
        yield Finding("mqtt", "note", "the wheel iotcore: its sessions live in memory", remedy)
    else:
        yield Finding("mqtt", "missing", "no broker", "install mosquitto, or run make install")


def _database() -> Iterator[Finding]:
    if os.environ.get("VIGIL_DATABASE_URL"):
        yield Finding("database", "ok", "VIGIL_DATABASE_URL names one of yours")
        return
    try:
        found = postgres.find()
    except VigilError as error:
        yield Finding("database", "missing", str(error), error.remedy)
        return
    if found.timescale:
        yield Finding("database", "ok", found.source)
    else:
        remedy = "install TimescaleDB for hypertables; all else works without"
        yield Finding("database", "note", f"{found.source}, without TimescaleDB", remedy)


def _page() -> Iterator[Finding]:
    node = page.find()
    builder = f"Node {node.version} at {node.path} ({node.source})" if node else "no Node"
    if not page.stale():
        yield Finding("page", "ok", f"built; {builder}")
    elif node:
        yield Finding("page", "note", f"not built, or older than its sources; {builder}", "make page builds it")
    else:
        remedy = f"make page installs a Node of its own, about {page.DOWNLOAD}"
        yield Finding("page", "note", f"not built, or older than its sources; {builder}", remedy)


def _disk(root: Path) -> Iterator[Finding]:
    place = next(path for path in (root.resolve(), *root.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    state: Literal["ok", "missing"] = "ok" if free >= DISK_BYTES_MIN else "missing"
    remedy = "" if state == "ok" else "free at least 2 GiB, or choose another folder with --data"
    yield Finding("disk", state, f"{free / 1024**3:.1f} GiB free at {place}", remedy)


def _folder(root: Path) -> Iterator[Finding]:
    if not root.exists():
        yield Finding("data folder", "ok", f"{root} does not exist yet", "")
    elif not os.access(root, os.W_OK):
        yield Finding("data folder", "missing", f"{root} cannot be written", "choose another with --data")
    elif (root / "run" / "ready.json").exists():
        yield Finding("data folder", "ok", f"a Vigil runs on {root}")
    else:
        yield Finding("data folder", "ok", f"{root}, no Vigil runs on it")
