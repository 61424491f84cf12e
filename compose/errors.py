"""Errors of running servers and services on one machine; each is one line for a person, the last with a report.

ServerError
├── ProcessExited   a process ended before it was ready
├── ProcessNotReady a process runs but did not answer within its deadline
└── GaveUp          a process failed too often in a row; the supervisor stops everything
StateError
└── FolderInUse     another Vigil already runs on this data folder
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from vitals.errors import ServerError, StateError, VigilError, shown

EXIT_GAVE_UP = 69
"""What ``vigil up`` ends with when a process cannot be kept running (EX_UNAVAILABLE of sysexits.h)."""
TAIL_LINES = 10
ENDINGS = {
    1: "its last line names the server or the state that stops it: mend that",
    2: "a setting is wrong: its last line names the variable (docs/settings.md)",
    70: "a fault of Vigil's own: keep the log and report it with its traceback",
    75: "it could not end in time: see which server it waited for, in its log",
    -signal.SIGKILL: "it was killed: it did not answer for too long, or the kernel was out of memory (dmesg)",
}
"""Return code -> what to do; 1, 2, 70 and 75 are those of our services (runtime/service.py)."""


LINE_CHARACTERS_MAX = 300


def last_lines(log: Path, count: int, limit_bytes: int = 8192) -> list[str]:
    """Return the last non-empty lines of a log file, oldest first, each cut at 300 characters; none without a file."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.strip()[:LINE_CHARACTERS_MAX] for line in lines if line.strip()][-count:]


def last_line(log: Path) -> str:
    """Return the last non-empty line of a log file, shortened to 300 characters, or ''."""
    return next(iter(last_lines(log, 1)), "")


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
    """A process failed so often in a row that starting it again is pointless.

    ``returncode`` is that of its last end; ``tail`` the last lines of its log at that moment.
    """

    def __init__(self, name: str, failures: int, seconds: float, log: Path, returncode: int) -> None:
        super().__init__(
            f"{name} failed {failures} times within {seconds:g} s, giving up", last_line(log), f"see {log}"
        )
        self.name = name
        self.log = log
        self.returncode = returncode
        self.tail = tuple(last_lines(log, TAIL_LINES))

    def report(self) -> str:
        """All that a person needs, over several lines: how it ended, what it said last, and what to do.

        What the process wrote commands no terminal: only the ends of the report's own lines are not escaped.
        """
        said = [f"    | {line}" for line in self.tail] or ["    | (nothing)"]
        lines = [
            self.what,
            f"  it ended with {ending(self.returncode)}; the last lines of {self.log}:",
            *said,
            f"  what to do: {advice(self.returncode, self.tail)}",
            "  everything is stopped, and what was stored is kept: mend it, then start again",
        ]
        return "\n".join(map(shown, lines))


def advice(returncode: int, tail: Sequence[str]) -> str:
    """What to do about a process that keeps ending like this; ``tail`` is what it said last."""
    said = " ".join(tail).lower()
    hints = (
        ("no space left", "the disk is full: free some, see vigil doctor"),
        ("address already in use", "another program holds its port: stop that one"),
        ("permission denied", "it may not use a file or a folder: look at who owns the data folder"),
        ("out of memory", "it has no memory left: give the machine more, or Vigil fewer patients"),
        ("outofmemory", "it has no memory left: give the machine more, or Vigil fewer patients"),
    )
    for sign, remedy in hints:
        if sign in said:
            return remedy
    return ENDINGS.get(returncode, "read its log from where it first failed")


def told(error: VigilError) -> str:
    """What the command line says of an error: one line, and all of it where everything was given up."""
    return error.report() if isinstance(error, GaveUp) else str(error)


def exit_code(error: VigilError) -> int:
    """The exit code of a command that ends with this error: 1, and `EXIT_GAVE_UP` where everything was given up."""
    return EXIT_GAVE_UP if isinstance(error, GaveUp) else 1


class FolderInUse(StateError):
    """Another Vigil holds the lock of this data folder."""

    def __init__(self, root: Path, owner: str) -> None:
        holder = f"process {owner}" if owner else "another process"
        super().__init__("the data folder is in use", f"{root} by {holder}", "stop it, or choose another with --data")
