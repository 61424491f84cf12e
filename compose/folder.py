"""The data folder of one Vigil on one machine: whose clock it lives by, its secrets, and where its servers answer.

``vigil.json`` is written once; ``secrets/`` is for this user only; ``run/ready.json`` is written anew at each
start, and is how the tools (``vigil feed``, ``vigil status``) find a running stack.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from runtime.settings import Settings, load
from vitals.errors import InputError, StateError
from vitals.people import Principal, digest_of

DEFAULT_FOLDER = Path(".vigil")
FACTS = "vigil.json"
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a running stack answers. Holds secrets: the token and the database's URL."""

    feed: str
    mqtt: str
    kafka: str
    database: str
    token: str
    seconds: float
    clock: str
    partitions: int
    health: dict[str, int]
    """Service -> loopback port of its health server."""


def check(root: Path, *, clock: str, partitions: int) -> None:
    """Check that an old folder is what is asked for; a new one is anything.

    Raises:
        StateError: the folder lives by another clock, or was made with another number of partitions.
    """
    path = root / FACTS
    if not path.exists():
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    if known["clock"] != clock:
        raise StateError(
            f"the data folder lives by the {known['clock']} clock, not the {clock} one",
            str(root),
            f"start it with --clock {known['clock']}, or choose another folder with --data",
        )
    if known["partitions"] != partitions:
        raise StateError(
            f"the data folder has {known['partitions']} partitions, not {partitions}",
            str(root),
            f"set VIGIL_PARTITIONS={known['partitions']}, or choose another folder with --data",
        )


def remember(root: Path, *, clock: str, partitions: int) -> None:
    """Fix clock and partitions of a new folder; an old one has passed `check`."""
    if not (root / FACTS).exists():
        write_private(root / FACTS, json.dumps({"clock": clock, "partitions": partitions, "format": 1}))


def principals(root: Path) -> tuple[str, Path]:
    """The development token of this folder and the file of principals, both made on first use."""
    token_path, people_path = root / "secrets" / "token", root / "secrets" / "principals.json"
    if not token_path.exists():
        write_private(token_path, secrets.token_urlsafe(24))
    token = token_path.read_text(encoding="utf-8").strip()
    person = Principal(name="developer", role="clinician", token_sha256=digest_of(token))
    write_private(people_path, json.dumps([json.loads(person.model_dump_json())]))
    return token, people_path


def write_ready(root: Path, ready: Ready) -> None:
    """Publish where the stack answers, to this user."""
    write_private(root / "run" / "ready.json", json.dumps(asdict(ready)))


def forget_ready(root: Path) -> None:
    """The stack no longer answers."""
    (root / "run" / "ready.json").unlink(missing_ok=True)


def read_ready(root: Path) -> Ready:
    """Where the stack on this folder answers.

    Raises:
        InputError: no stack runs on this folder.
    """
    try:
        found: dict[str, Any] = json.loads((root / "run" / "ready.json").read_text(encoding="utf-8"))
        return Ready(**found)
    except (OSError, ValueError, TypeError):
        raise InputError("no Vigil runs on this folder", str(root), "start one: vigil up") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    part.replace(path)


def settings_of(ready: Ready, cls: type[S]) -> S:
    """Settings that reach a running stack; a variable that is set in the environment wins."""
    found = {
        "kafka": ready.kafka,
        "mqtt": ready.mqtt,
        "database_url": ready.database,
        "clock": ready.clock,
        "partitions": ready.partitions,
    }
    unset = {name: value for name, value in found.items() if f"VIGIL_{name.upper()}" not in os.environ}
    return load(cls, **unset)


def tool_settings(root: Path, cls: type[S]) -> S:
    """Settings of a tool: those of the stack that runs on ``root``, else of the environment alone.

    Raises:
        InputError: no stack runs there, and the environment names no servers either.
    """
    if all(os.environ.get(name) for name in ("VIGIL_KAFKA", "VIGIL_MQTT", "VIGIL_DATABASE_URL")):
        return load(cls)
    return settings_of(read_ready(root), cls)


def health_ports(root: Path) -> dict[str, int]:
    """The services' health ports of the stack on ``root``; empty where none runs."""
    try:
        return read_ready(root).health
    except InputError:
        return {}
