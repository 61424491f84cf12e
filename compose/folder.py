"""The data folder of one Vigil on one machine: whose clock it lives by, its secrets, and where its servers answer.

``vigil.json`` says what the folder is; ``secrets/`` is for this user only; ``run/ready.json`` is written anew at each
start, and is how the tools (``vigil feed``, ``vigil status``) find a running stack.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from runtime.settings import Settings, load
from vitals.errors import InputError, StateError
from vitals.people import Principal, Role, digest_of

DEFAULT_FOLDER = Path(".vigil")
FACTS = "vigil.json"
TARGETS = "targets.json"
"""In ``run``: whom a Prometheus on this machine asks (compose/observability/prometheus/one-machine.yaml)."""
FORMAT = 2
"""2: the registry knows whose time the log lives by, and writes the roster of patients."""
NAMES: dict[Role, str] = {"clinician": "developer", "ops": "ops", "wall": "wall"}
"""Who has the development tokens of a folder."""
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a folder is. ``crossing`` while its history is being written on simulated time, before it goes on live;
    ``began_at`` is when its simulated ward began (µs UTC), so that a later start goes on with the same ward.
    """

    clock: Literal["real", "simulated"]
    partitions: int
    format: int = FORMAT
    crossing: bool = False
    began_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a running stack answers. Holds secrets: the tokens, also those in ``page``, and the database's URL."""

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
    page: str = ""
    """The address that signs a clinician in."""
    api: str = ""
    live: str = ""
    """The tiles' websocket."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Role -> token."""

    def link(self, role: str) -> str:
        """The address that signs this role in; a token is in the fragment only, which no browser sends anywhere."""
        return f"{self.api}/#{'/wall?' if role == 'wall' else ''}token={self.tokens[role]}"


def facts(root: Path) -> Facts | None:
    """What is known of a folder; None for a new one.

    Raises:
        StateError: a newer or an earlier Vigil made it, or its file cannot be read.
    """
    path = root / FACTS
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            age = "a newer" if found["format"] > FORMAT else "an earlier"
            raise StateError(f"{age} Vigil made the data folder", str(root), "choose another with --data, or remove it")
        return Facts(**found)
    except (ValueError, TypeError, KeyError):
        raise StateError("what the data folder is cannot be read", str(path), "choose another with --data") from None


def prepare(root: Path) -> None:
    """Make the data folder where there is none.

    Raises:
        InputError: no folder can be there, or nothing can be written into it.
    """
    remedy = "choose another with --data, or change its permissions"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InputError("the data folder cannot be made", f"{root}: {reason}", remedy) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise InputError("the data folder cannot be written", str(root), remedy)


def check(root: Path, *, clock: str, partitions: int | None) -> Facts | None:
    """Check that an old folder is what is asked for; a new one (None) is anything. ``partitions`` None asks for none.

    Raises:
        StateError: the folder lives by another clock, or was made with another number of partitions.
    """
    known = facts(root)
    if known is None:
        return None
    lives_by = "real" if known.crossing else known.clock
    if lives_by != clock:
        raise StateError(
            f"the data folder lives by the {lives_by} clock, not the {clock} one",
            str(root),
            f"start it with --clock {lives_by}, or choose another folder with --data",
        )
    if partitions is not None and known.partitions != partitions:
        raise StateError(
            f"the data folder has {known.partitions} partitions, not {partitions}",
            str(root),
            f"set VIGIL_PARTITIONS={known.partitions}, or choose another folder with --data",
        )
    return known


def remember(root: Path, known: Facts) -> None:
    """Say what a folder is, whole or not at all."""
    write_private(root / FACTS, json.dumps(asdict(known)))


def principals(root: Path) -> tuple[dict[str, str], Path]:
    """The development tokens of this folder by role and the file of principals, all made on first use.

    The one clinician is the lead too: whoever tries Vigil alone sees what escalates.
    """
    tokens: dict[str, str] = {}
    people = []
    for role, name in NAMES.items():
        path = root / "secrets" / ("token" if role == "clinician" else f"token-{role}")
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        tokens[role] = path.read_text(encoding="utf-8").strip()
        people.append(Principal(name=name, role=role, token_sha256=digest_of(tokens[role]), lead=role == "clinician"))
    path = root / "secrets" / "principals.json"
    write_private(path, json.dumps([json.loads(person.model_dump_json()) for person in people]))
    return tokens, path


def write_ready(root: Path, ready: Ready) -> None:
    """Publish where the stack answers, to this user; the services' health ports also as Prometheus' targets."""
    write_private(root / "run" / TARGETS, json.dumps(_targets(ready.health)))
    write_private(root / "run" / "ready.json", json.dumps(asdict(ready)))


def _targets(health: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"targets": [f"127.0.0.1:{port}"], "labels": {"service": name}} for name, port in sorted(health.items())]


def forget_ready(root: Path) -> None:
    """The stack no longer answers. Prometheus' targets stay: without them nobody would be down."""
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
    """Settings of a tool: those of the stack that runs on ``root``, else of the environment (or its secrets) alone.

    Raises:
        InputError: no stack runs there, and the environment names no servers either.
    """
    servers = ("VIGIL_KAFKA", "VIGIL_MQTT", "VIGIL_DATABASE_URL")
    if os.environ.get("VIGIL_SECRETS_DIR") or all(os.environ.get(name) for name in servers):
        return load(cls)
    return settings_of(read_ready(root), cls)


def health_ports(root: Path) -> dict[str, int]:
    """The services' health ports of the stack on ``root``; empty where none runs."""
    try:
        return read_ready(root).health
    except InputError:
        return {}
