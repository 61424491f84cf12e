"""Messages between the gateway and its clients over the websocket; ``docs/feed.md`` tells how they follow each other.

``ClientMessage`` is what a client may send, ``ServerMessage`` what it can get; each frame is one JSON object whose
``type`` says which. Clients ignore fields and types that they do not know. The cursor is opaque to clients;
`Cursor` is what a gateway reads in it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from vitals.alerts import Alert, Refusal, Service, Shelf, Version
from vitals.messages import Message
from vitals.numbers import Small
from vitals.people import Role

PROTOCOL_VERSION = 1
HELLO_SECONDS_MAX = 5.0
HEARTBEAT_SECONDS = 2.0
CLIENT_MESSAGE_BYTES_MAX = 16 * 1024
SERVER_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
SNAPSHOT_ALERTS_MAX = 200
"""Alerts in one ``snapshot`` message; more follow in further ones."""
CURSOR_CHARS_MAX = 12 * 1024
SHELF_MINUTES_MAX = 240
SHELF_MINUTES_HIGH_MAX = 15
SERVICE_MINUTES_MAX = 720
UNDO_SECONDS_MAX = 10
UNWATCHED_MAX = 100
"""Patients of a silent site whom a heartbeat names."""
RECEIPTS_MAX = 200
"""Announcements in one ``delivered`` message."""
WHERE_MAX = 16
"""Places named in one heartbeat."""

CLOSE_GOING_AWAY = 1001
CLOSE_ABORTED = 1006
CLOSE_RESTART = 1012
CLOSE_TRY_LATER = 1013
CLOSE_BAD_MESSAGE = 4400
CLOSE_BAD_TOKEN = 4401
CLOSE_HELLO_LATE = 4408
CLOSE_PROTOCOL = 4426
CLOSE_MEANING: dict[int, str] = {
    CLOSE_GOING_AWAY: "the gateway stops: come back with your cursor",
    CLOSE_RESTART: "the gateway stops: come back with your cursor",
    CLOSE_TRY_LATER: "the gateway is full or not ready: come back later",
    CLOSE_BAD_MESSAGE: "a message that is not in the protocol: do not come back without a change",
    CLOSE_BAD_TOKEN: "the token is not known: do not come back with it",
    CLOSE_HELLO_LATE: "no hello in time: come back and send it first",
    CLOSE_PROTOCOL: "your protocol version is not spoken here: do not come back without an update",
    CLOSE_ABORTED: "the connection broke, or you read too slowly: come back with your cursor",
}
FINAL_CLOSES = frozenset({CLOSE_BAD_MESSAGE, CLOSE_BAD_TOKEN, CLOSE_PROTOCOL})
"""Close codes after which a client must not try again by itself."""


class Hello(Message):
    """The first message of a client, within 5 s. ``cursor`` is the last one it got, null for a fresh start."""

    type: Literal["hello"] = "hello"
    token: str = Field(min_length=1, max_length=512)
    cursor: str | None = Field(default=None, max_length=CURSOR_CHARS_MAX)
    protocol: int = PROTOCOL_VERSION


class Acknowledge(Message):
    """A clinician acknowledges one alert as shown: its ``level`` and ``version``. The same ``id`` is done once."""

    type: Literal["acknowledge"] = "acknowledge"
    id: UUID
    alert: UUID
    level: int = Field(ge=0, le=9)
    version: Version
    reason: str = Field(default="", max_length=200)


class Shelve(Message):
    """Put the rule of an alert aside for some minutes, as shown: at most 15 for high priority, 240 for others."""

    type: Literal["shelve"] = "shelve"
    id: UUID
    alert: UUID
    level: int = Field(ge=0, le=9)
    version: Version
    minutes: int = Field(ge=1, le=SHELF_MINUTES_MAX)
    reason: str = Field(default="", max_length=200)


class Unshelve(Message):
    """End a shelf."""

    type: Literal["unshelve"] = "unshelve"
    id: UUID
    shelf: UUID


class NoteAdd(Message):
    """Write a note to an alert."""

    type: Literal["note"] = "note"
    id: UUID
    alert: UUID
    text: str = Field(min_length=1, max_length=500)


class Assign(Message):
    """Say who has an alert: ``going`` acknowledges and names the sender, ``treated`` does too and asks for a recheck
    after ``minutes``, ``release`` gives it back.
    """

    type: Literal["assign"] = "assign"
    id: UUID
    alert: UUID
    level: int = Field(ge=0, le=9)
    version: Version
    what: Literal["going", "treated", "release"]
    minutes: int = Field(default=15, ge=1, le=60)


class Undo(Message):
    """Take back one's own acknowledge, shelve, going or treated, at most 10 s later and while nothing else happened."""

    type: Literal["undo"] = "undo"
    id: UUID
    alert: UUID
    command: UUID


class Seen(Message):
    """A person looked at an alert: one that is over and was never answered goes."""

    type: Literal["seen"] = "seen"
    id: UUID
    alert: UUID


class Delivered(Message):
    """These announcements (alert, how many of it) are on this screen. Not answered."""

    type: Literal["delivered"] = "delivered"
    announcements: tuple[tuple[UUID, Small], ...] = Field(max_length=RECEIPTS_MAX)


class OutOfService(Message):
    """Take a patient out of service for some minutes: nothing but a high physiological alert calls."""

    type: Literal["out_of_service"] = "out_of_service"
    id: UUID
    patient: UUID
    minutes: int = Field(ge=1, le=SERVICE_MINUTES_MAX)
    reason: str = Field(default="", max_length=200)


class InService(Message):
    """End a patient's time out of service."""

    type: Literal["in_service"] = "in_service"
    id: UUID
    patient: UUID


class Welcome(Message):
    """The hello was accepted. ``recovered``: what was missed since the cursor follows as changes;
    otherwise snapshots follow, which replace everything the client knew.
    """

    type: Literal["welcome"] = "welcome"
    protocol: int
    server: str
    name: str
    role: Role
    sites: tuple[int, ...] | None
    """The sites in scope, null for every site."""
    recovered: bool
    cursor: str | None
    """Where the client stands now: its own cursor again, or null until the last snapshot."""
    heartbeat_seconds: float
    clock: Literal["real", "simulated"]


class Snapshot(Message):
    """Open alerts, shelves and patients out of service in scope. ``more``: further snapshots follow, and together they
    are the whole; only the last has a cursor. Shelves and services stand in the last, unless there are too many.
    """

    type: Literal["snapshot"] = "snapshot"
    cursor: str | None
    more: bool
    alerts: tuple[Alert, ...]
    shelves: tuple[Shelf, ...] = ()
    services: tuple[Service, ...] = ()


class Change(Message):
    """One alert after one change; ``cursor`` is where the client stands with it."""

    type: Literal["change"] = "change"
    cursor: str
    alert: Alert


class ShelfChange(Message):
    """A shelf began, changed or ended."""

    type: Literal["shelf"] = "shelf"
    cursor: str
    shelf: Shelf


class ServiceChange(Message):
    """A patient went out of service, or came back."""

    type: Literal["service"] = "service"
    cursor: str
    service: Service


CommandReason = Literal[Refusal, "not_allowed", "too_many"]


class CommandAnswer(Message):
    """What became of a command of this connection. None within 5 s means *not confirmed*: send it again, same id."""

    type: Literal["answer"] = "answer"
    id: UUID
    alert: UUID | None = None
    outcome: Literal["accepted", "refused"]
    reason: CommandReason = ""
    by: str
    at: int


FeedState = Literal["waiting for the first tick", "ok", "stalled"]


class Place(Message):
    """A site in a partition whose clock is so old; ``site`` null: nothing at all comes from the partition."""

    partition: int
    site: int | None
    age_ms: int


class Proof(Message):
    """A site's proof of life: when its synthetic alarm last came through (``proved_at`` µs UTC of the gateway's clock,
    null: never since the gateway's start), how old that is, and how long it took from the reading on.
    """

    site: int
    proved_at: int | None
    age_ms: int | None
    took_ms: int | None


class Unwatched(Message):
    """A site whose silence is an open alert, and who lies there with a device on: of them nothing is known.

    ``count`` patients, of whom ``patients`` are the first hundred by label, each with id and label.
    """

    site: int
    alert: UUID
    since: int
    """From when on no tick came, µs UTC of the other sites' clock."""
    count: int
    patients: tuple[tuple[UUID, str], ...]


class Heartbeat(Message):
    """Every 2 s: the head cursor in scope, the age of the oldest data, and where it is that old."""

    type: Literal["heartbeat"] = "heartbeat"
    cursor: str
    at: int
    """The gateway's wall clock, µs UTC."""
    state: FeedState
    age_ms: int | None
    """Worst age of all places; null before the first tick."""
    where: tuple[Place, ...]
    """The places that are stalled, worst first, at most 16; while ``ok`` the worst one."""
    clock_at: int | None = None
    """The newest site clock in scope (µs UTC): on simulated time, what time it is there."""
    proofs: tuple[Proof, ...] = ()
    """Sites in scope that have a prover; empty on simulated time."""
    unwatched: tuple[Unwatched, ...] = ()
    """The silent sites in scope with their patients, by number."""


ClientCommand = Acknowledge | Shelve | Unshelve | NoteAdd | Assign | Undo | Seen | Delivered | OutOfService | InService
ClientMessage = Annotated[Hello | ClientCommand, Field(discriminator="type")]
ServerEvent = Welcome | Snapshot | Change | ShelfChange | ServiceChange | CommandAnswer | Heartbeat
ServerMessage = Annotated[ServerEvent, Field(discriminator="type")]
_CLIENT: TypeAdapter[Hello | ClientCommand] = TypeAdapter(ClientMessage)
_SERVER: TypeAdapter[ServerEvent] = TypeAdapter(ServerMessage)


def decode_client(data: bytes | str) -> Hello | ClientCommand:
    """A client's frame as a message. Raises pydantic's ``ValidationError`` for anything else."""
    return _CLIENT.validate_json(data)


def decode_server(data: bytes | str) -> ServerEvent:
    """A gateway's frame as a message. Raises pydantic's ``ValidationError`` for anything else."""
    return _SERVER.validate_json(data)


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by file name (``docs/schemas``): what a client may send, and what it can get."""
    found = {"feed-client": _CLIENT.json_schema(mode="validation"), "feed-server": _SERVER.json_schema()}
    titles = {"feed-client": "What a client sends", "feed-server": "What a gateway sends"}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {f"{name}.json": {"$schema": draft, "title": titles[name]} | schema for name, schema in found.items()}


class Cursor(Message):
    """Which feed, in which scope, and the version up to which each partition was read."""

    feed: str
    scope: str
    read: dict[int, tuple[int, int]]

    def text(self) -> str:
        """The cursor as clients carry it: base64url of its JSON, without padding."""
        return base64.urlsafe_b64encode(self.encode()).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor in a client's text, or None where it is none of ours."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return cls.model_validate_json(data)
        except (binascii.Error, ValueError, ValidationError):
            return None
