"""The folder of downloaded servers, outside the clone: safe with two installs at once and with an interrupted one.

An entry is built under a temporary name and renamed when it is whole; a lock file beside it lets one build at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from vitals.errors import StateError

LOCK_POLL_SECONDS = 0.2


def folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return ``VIGIL_CACHE``, else ``~/.cache/vigil``."""
    environ = os.environ if environ is None else environ
    wished = environ.get("VIGIL_CACHE", "")
    return Path(wished).expanduser().resolve() if wished else Path.home() / ".cache" / "vigil"


@contextlib.asynccontextmanager
async def locked(path: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock file without blocking the event loop; calls ``waiting`` once when somebody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    told = False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not told:
                waiting()
                told = True
        await asyncio.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _remove(part: Path) -> None:
    """Remove what an interrupted build left; refuses while anything is mounted in it."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mounted = Path(line.split()[4])
        if mounted.is_relative_to(part):
            raise StateError("an interrupted install is still mounted", str(mounted), "unmount it")
    shutil.rmtree(part, ignore_errors=True)


async def ensure(
    cache: Path, name: str, build: Callable[[Path], Awaitable[None]], progress: Callable[[str], None]
) -> Path:
    """Return ``cache/name``, having it built first when it is missing.

    ``build`` fills the folder that it is given, which exists and is empty; when it fails or is cancelled,
    nothing of it stays under the final name.
    """
    entry = cache / name
    if entry.is_dir():
        return entry
    async with locked(cache / f"{name}.lock", lambda: progress(f"{name}: waiting for another install of it")):
        if not entry.is_dir():
            part = cache / f"{name}.part"
            _remove(part)
            part.mkdir(parents=True)
            await build(part)
            part.rename(entry)
    return entry
