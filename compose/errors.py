"""Errors of running servers and services on one machine; each is one line for a person.

ServerError
├── ProcessExited   a process ended before it was ready
├── ProcessNotReady a process runs but did not answer within its deadline
└── GaveUp          a process failed too often in a row; the supervisor stops everything
StateError
└── FolderInUse     another Vigil already runs on this data folder
"""

from __future__ import annotations

from pathlib import Path

from vitals.errors import ServerError, StateError


def last_line(log: Path, limit_bytes: int = 8192) -> str:
    """Return the last non-empty line of a log file, shortened to 300 characters, or ''."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def ending(returncode: int) -> str:
    """Say how a process ended: ``exit code 1`` or ``signal 9``."""
    return f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"


class ProcessExited(ServerError):
    """A process ended before it was ready, or a one-off command failed."""

    def __init__(self, name: str, returncode: int, log: Path) -> None:
        said = last_line(log)
        subject = f"{ending(returncode)}: {said}" if said else ending(returncode)
        super().__init__(f"{name} stopped", subject, f"see {log}")


class ProcessNotReady(ServerError):
    """A process is alive but did not answer its readiness check in time."""

    def __init__(self, name: str, seconds: float, log: Path) -> None:
        super().__init__(f"{name} did not answer within {seconds:g} s", last_line(log), f"see {log}")


class GaveUp(ServerError):
    """A process failed so often in a row that starting it again is pointless."""

    def __init__(self, name: str, failures: int, seconds: float, log: Path) -> None:
        super().__init__(
            f"{name} failed {failures} times within {seconds:g} s, giving up", last_line(log), f"see {log}"
        )


class FolderInUse(StateError):
    """Another Vigil holds the lock of this data folder."""

    def __init__(self, root: Path, owner: str) -> None:
        holder = f"process {owner}" if owner else "another process"
        super().__init__("the data folder is in use", f"{root} by {holder}", "stop it, or choose another with --data")
