"""All servers that the tests talk to, started once outside pytest, with their addresses in the environment.

    python -m compose.testbed run -- pytest ...     start, run the command, stop, end with its exit code
    python -m compose.testbed up                    start, print the addresses as shell lines, stay until SIGTERM

A server that is missing and could be installed is a failure; one that cannot be (no root) is left out with its
reason in VIGIL_TEST_ALLOW_SKIP. An address already in the environment is used as it is and nothing is started for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from compose import servers, signals
from compose.servers import cache as caches
from compose.servers import mosquitto, timescale, tools
from vitals.errors import InputError

BROWSER = "chromium"
"""No server: a program, whose path is its address; as are those of `tools`."""
NAMES = ("kafka", "mosquitto", "iotcore", "postgres", "timescale", BROWSER, *tools.PACKAGES)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PREFIX = "VIGIL_TEST_"


def variable(name: str) -> str:
    """Return the environment variable that holds a server's address."""
    return PREFIX + name.upper()


def tell(line: str) -> None:
    """Write one line of progress to stderr, so that stdout holds only addresses or the command's output."""
    sys.stderr.write(f"testbed: {line}\n")
    sys.stderr.flush()


def chromium() -> Path | None:
    """The browser of the tests, None where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return Path(found) if found else None


def left_out(names: list[str], cache: Path) -> dict[str, str]:
    """Return the servers that this machine cannot have, each with its reason."""
    reasons = {
        "timescale": timescale.unavailable(cache),
        "mosquitto": "" if mosquitto.find() else "mosquitto is not installed, and apt needs root",
        BROWSER: "" if chromium() else "chromium is not installed, and apt needs root",
        **{name: tools.unavailable(name, cache) for name in tools.PACKAGES if name in names},
    }
    return {name: reasons[name] for name in names if reasons.get(name)}


@asynccontextmanager
async def started(root: Path, names: tuple[str, ...]) -> AsyncIterator[dict[str, str]]:
    """Start the named servers that have no address yet; yields the environment variables of all."""
    cache = caches.folder()
    environment = {variable(name): os.environ[variable(name)] for name in names if os.environ.get(variable(name))}
    missing = [name for name in names if variable(name) not in environment]
    if os.geteuid() == 0:
        if "mosquitto" in missing and mosquitto.find() is None:
            await timescale.apt_install("mosquitto", "mosquitto", cache, tell)
        if BROWSER in missing and chromium() is None:
            await timescale.apt_install("chromium", "chromium", cache, tell)
    for name, reason in left_out(missing, cache).items():
        tell(f"{name}: left out: {reason}")
        missing.remove(name)
        environment["VIGIL_TEST_ALLOW_SKIP"] = reason
    if BROWSER in missing:
        missing.remove(BROWSER)
        environment[variable(BROWSER)] = str(chromium())
    for name in sorted(tools.PACKAGES.keys() & set(missing)):
        missing.remove(name)
        environment[variable(name)] = str(await tools.install(name, cache, tell))
    async with servers.start(root, cache, progress=tell, want=missing, durable=False) as running:
        yield environment | {variable(name): address for name, address in running.addresses.items()}


async def run(root: Path, names: tuple[str, ...], command: list[str]) -> int:
    """Start the servers, run the command with their addresses, stop all; returns the command's exit code."""
    async with started(root, names) as environment:
        child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
        try:
            return await child.wait()
        finally:
            if child.returncode is None:
                child.terminate()
                await child.wait()


async def up(root: Path, names: tuple[str, ...]) -> int:
    """Start the servers, print their addresses as lines for a shell, and stay until a signal."""
    async with started(root, names) as environment:
        for key, value in environment.items():
            sys.stdout.write(f"export {key}={shlex.quote(value)}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m compose.testbed", description=__doc__)
    parser.add_argument("--data", type=Path, help="data folder (default: a new one, removed at the end)")
    parser.add_argument("--only", default=",".join(NAMES), help="servers, separated by commas (default: all)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start, print addresses, stay")
    verbs.add_parser("run", help="start, run a command, stop").add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    names = tuple(options.only.split(","))
    if unknown := set(names) - set(NAMES):
        raise InputError("unknown server", ", ".join(sorted(unknown)), f"choose from {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="vigil-testbed-", ignore_cleanup_errors=True) as temporary:
        root: Path = options.data or Path(temporary)
        if options.verb == "up":
            return signals.run(lambda: up(root, names))
        command = options.command[1:] if options.command[:1] == ["--"] else options.command
        return signals.run(lambda: run(root, names, command))


if __name__ == "__main__":
    sys.exit(main())
