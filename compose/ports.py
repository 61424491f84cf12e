"""Ports that stay the same from one start to the next where they are free, so that an open page finds its way back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from compose.servers import probes
from vitals.errors import InputError

FILE = "service-ports.json"


def check(port: int) -> None:
    """Raise `InputError` when a port that somebody asked for is busy; 0 is none."""
    if port and not probes.is_free(port):
        raise InputError("the port is busy", str(port), "choose another, or 0 for any free one")


def choose(root: Path, names: Iterable[str], wished: dict[str, int]) -> dict[str, int]:
    """A free loopback port for each name: the wished one, else that of the last start, else any; remembered.

    Raises:
        InputError: a wished port is busy.
    """
    path = root / "run" / FILE
    try:
        known: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    chosen: dict[str, int] = {}
    for name in names:
        port = wished.get(name, 0)
        check(port)
        port = port or known.get(name, 0)
        while not _usable(name, port, chosen, wished):
            port = probes.free_port()
        chosen[name] = port
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(chosen), encoding="utf-8")
    return chosen


def _usable(name: str, port: int, chosen: dict[str, int], wished: dict[str, int]) -> bool:
    taken = {*chosen.values(), *(each for other, each in wished.items() if other != name)}
    return port > 0 and port not in taken and probes.is_free(port)
