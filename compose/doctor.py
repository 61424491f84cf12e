"""``vigil doctor``: what was found, what is missing, and what to do; looking changes nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from compose import offers, page
from compose.offers import Offer
from compose.servers import cache, java, kafka, mosquitto, postgres, timescale, tools
from vitals.errors import VigilError

PACKAGES = ("vitals", "runtime", "ingest", "stream", "alerts", "dashboards", "simulators", "compose")
DISK_BYTES_MIN = 2 * 1024**3
DISTRIBUTION = "vigil-ward"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAMS = {
    "kcat": "make bench compares the bridge with it",
    "mosquitto_sub": "make bench compares the bridge with it and kcat",
    "psql": "make bench compares the sink with its copy",
}
"""Program -> what of ours needs it."""
CHECKERS = {"promtool": "tries the alarm rules", "amtool": "reads the Alertmanager's example"}
"""Program of `tools` -> what it does in the tests."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``remedy`` says what to do unless it is well, ``offer`` is a command that does it."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    remedy: str = ""
    offer: Offer | None = None

    def as_dict(self) -> dict[str, object]:
        """For ``--json``; the offer's command is a list of words, its place in words."""
        offer = self.offer and {
            "command": list(self.offer.command),
            "writes": self.offer.writes,
            "inside_project": self.offer.inside,
            "possible": not self.offer.possible,
        }
        return {"name": self.name, "state": self.state, "found": self.found, "remedy": self.remedy, "offer": offer}


def examine(root: Path) -> list[Finding]:
    """Look at everything that ``vigil up`` needs on this machine, with ``root`` as its data folder."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _packages, _java, _kafka, _mqtt, _database, _page, _browser, _timescale, _programs, _checkers,
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
        yield Finding(
            "mqtt", "note", "the wheel iotcore: its sessions live in memory", remedy, offers.package("mosquitto")
        )
    else:
        yield Finding(
            "mqtt", "missing", "no broker", "install mosquitto, or run make install", offers.package("mosquitto")
        )


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
        remedy = "make page builds it"
        yield Finding("page", "note", f"not built, or older than its sources; {builder}", remedy, offers.built_page())
    else:
        remedy = f"make page installs a Node of its own, about {page.DOWNLOAD}"
        yield Finding("page", "note", f"not built, or older than its sources; {builder}", remedy, offers.node())


def _browser() -> Iterator[Finding]:
    """For drills and tests of the page only."""
    named = os.environ.get("VIGIL_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        yield Finding("browser", "ok", found)
    else:
        remedy = "install Chromium to run the page's drills and tests; Vigil itself needs none"
        yield Finding("browser", "note", "no Chromium", remedy, offers.package("chromium"))


def _timescale() -> Iterator[Finding]:
    """For tests on TimescaleDB only."""
    name = "tests on TimescaleDB"
    if os.environ.get("VIGIL_TEST_TIMESCALE"):
        yield Finding(name, "ok", "VIGIL_TEST_TIMESCALE names one of yours")
    elif (cache.folder() / timescale.NAME).is_dir():
        yield Finding(name, "ok", f"a Debian of their own in {cache.folder()}")
    elif reason := timescale.unavailable(cache.folder()):
        yield Finding(name, "note", "not on this machine", reason)
    elif shutil.which("debootstrap", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin"):
        yield Finding(name, "note", "not installed yet", f"make test makes a Debian for it, about {timescale.DOWNLOAD}")
    else:
        remedy = "make test installs debootstrap, and a Debian with it, once"
        yield Finding(name, "note", "no debootstrap", remedy, offers.package("debootstrap"))


def _programs() -> Iterator[Finding]:
    """What single commands of ours compare with; Vigil itself needs none."""
    for program, purpose in PROGRAMS.items():
        if found := shutil.which(program):
            yield Finding(program, "ok", found)
        else:
            yield Finding(program, "note", "not installed", f"{purpose}, where it is there", offers.package(program))


def _checkers() -> Iterator[Finding]:
    """What the tests check files with. Nobody is offered their packages: those would start a Prometheus here."""
    for program, purpose in CHECKERS.items():
        if found := tools.find(program, cache.folder()):
            yield Finding(program, "ok", str(found))
        elif reason := tools.unavailable(program, cache.folder()):
            yield Finding(program, "note", "not on this machine", f"make test leaves out what {purpose}: {reason}")
        else:
            package = tools.PACKAGES[program]
            remedy = f"{purpose}; make test takes it out of Debian's package {package} into {cache.folder()}"
            yield Finding(program, "note", "not here yet", remedy)


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


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """The findings for a terminal."""
    for finding in findings:
        yield f"{finding.state:8}{finding.name:21}{finding.found}"
        if finding.remedy:
            yield f"{'':29}-> {finding.remedy}"
