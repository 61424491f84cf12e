"""Programs that the tests check files with, from Debian's own packages: unpacked into the cache, not installed.

A package of a whole server would start it; what is needed of it is one program that reads a file and ends.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from compose.process import ProcessSpec, run_to_end
from compose.servers import cache as caches

PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}
"""Program -> the Debian package that it is in, as ``/usr/bin/PROGRAM``."""


def find(program: str, cache: Path) -> Path | None:
    """A program from the PATH, else from the cache; None where it is in neither."""
    if found := shutil.which(program):
        return Path(found)
    kept = cache / PACKAGES[program] / program
    return kept if kept.is_file() else None


def unavailable(program: str, cache: Path) -> str:
    """Why a program can neither be found nor had, or '' when it can."""
    if find(program, cache):
        return ""
    package = PACKAGES[program]
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return f"{program} is not on the PATH, and this machine has no apt to take it from (Debian: {package})"
    if os.geteuid() != 0:
        return f"{program} is not on the PATH, and apt needs root (Debian: {package})"
    return ""


async def install(program: str, cache: Path, progress: Callable[[str], None]) -> Path:
    """Have a program, from the machine's own mirror where it is missing; ProcessExited when that fails."""
    if found := find(program, cache):
        return found
    package = PACKAGES[program]

    async def build(part: Path) -> None:
        progress(f"{program}: taking it out of Debian's package {package}, about 20 MB, once")
        spec = ProcessSpec(
            f"download of {program}", ("sh", "-euc", _script(package, program, part)), _log(cache, package)
        )
        async with caches.locked(cache / "apt.lock", lambda: progress("apt: waiting for another install")):
            await run_to_end(spec)

    return await caches.ensure(cache, package, build, progress) / program


def _log(cache: Path, package: str) -> Path:
    return cache / f"{package}.log"


def _script(package: str, program: str, folder: Path) -> str:
    """Fetch a package into ``folder`` and leave one program of it; apt's own user need not see the folder."""
    return f"""\
cd {shlex.quote(str(folder))}
apt-get -q update
apt-get -q -o APT::Sandbox::User=root download {package}
dpkg-deb -x {package}_*.deb unpacked
mv unpacked/usr/bin/{program} .
rm -rf unpacked {package}_*.deb
"""
