"""The feed's messages and their published schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import ValidationError

from tests.alerting import Journal, episode, unknown_id
from vitals.alerts import AlertChange, Refusal, Service, Shelf
from vitals.protocol import (
    CLOSE_MEANING,
    Acknowledge,
    Assign,
    Change,
    ClientCommand,
    CommandAnswer,
    Cursor,
    Delivered,
    Heartbeat,
    Hello,
    InService,
    NoteAdd,
    OutOfService,
    Place,
    Proof,
    Seen,
    ServerEvent,
    ServiceChange,
    ShelfChange,
    Shelve,
    Snapshot,
    Undo,
    Unshelve,
    Welcome,
    decode_client,
    decode_server,
    schemas,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
ALERT = Journal().alert(episode())
SHELF = Shelf(
    id=unknown_id(),
    version=(3, 0),
    patient=ALERT.patient,
    label="p1",
    site=1,
    metric="glucose",
    rule="low",
    level=1,
    since=1,
    until=2,
    by="nurse",
    reason="",
)
SERVICE = Service(version=(3, 0), patient=unknown_id(), label="p1", site=1, since=1, until=2, by="nurse", reason="bath")
SHOWN: dict[str, Any] = {"id": unknown_id(), "alert": unknown_id(), "level": 2, "version": (3, 0)}
SERVER = [
    Welcome(
        protocol=1,
        server="vigil-gateway 0.1.0",
        name="nurse",
        role="clinician",
        sites=(1, 2),
        recovered=False,
        cursor=None,
        heartbeat_seconds=2.0,
        clock="real",
    ),
    Snapshot(cursor="c", more=False, alerts=(ALERT,), shelves=(SHELF,), services=(SERVICE,)),
    Change(cursor="c", alert=ALERT),
    CommandAnswer(id=unknown_id(), alert=unknown_id(), outcome="refused", reason="worsened", by="nurse", at=1),
    ShelfChange(cursor="c", shelf=SHELF),
    ServiceChange(cursor="c", service=SERVICE),
    Heartbeat(cursor="c", at=1, state="ok", age_ms=12, where=(Place(partition=0, site=1, age_ms=12),)),
    Heartbeat(
        cursor="c",
        at=1,
        state="ok",
        age_ms=12,
        where=(),
        clock_at=5,
        proofs=(
            Proof(site=1, proved_at=1, age_ms=4, took_ms=3),
            Proof(site=2, proved_at=None, age_ms=None, took_ms=None),
        ),
    ),
]
CLIENT = [
    Hello(token="t"),
    Hello(token="t", cursor="c"),
    Acknowledge(**SHOWN),
    Shelve(**SHOWN, minutes=15, reason="sensor error"),
    Unshelve(id=unknown_id(), shelf=unknown_id()),
    NoteAdd(id=unknown_id(), alert=unknown_id(), text="juice"),
    Assign(**SHOWN, what="treated", minutes=20),
    Undo(id=unknown_id(), alert=unknown_id(), command=unknown_id()),
    Seen(id=unknown_id(), alert=unknown_id()),
    Delivered(announcements=((unknown_id(), 2),)),
    OutOfService(id=unknown_id(), patient=unknown_id(), minutes=60),
    InService(id=unknown_id(), patient=unknown_id()),
]


def test_the_published_schemas_are_those_of_the_models():
    """The page's types and other people's clients are generated from these files.

    When this fails: ``python -m alerts schemas docs/schemas``.
    """
    published = {path.name: json.loads(path.read_text()) for path in (DOCS / "schemas").glob("feed-*.json")}
    assert published == schemas()


@pytest.mark.parametrize("message", SERVER, ids=lambda message: message.type)
def test_what_the_gateway_sends_fits_the_schema(message: ServerEvent):
    """A schema that refuses real messages is worse than none."""
    jsonschema.validate(json.loads(message.encode()), schemas()["feed-server.json"])
    assert decode_server(message.encode()) == message


@pytest.mark.parametrize("message", CLIENT, ids=lambda message: message.type)
def test_what_a_client_sends_fits_the_schema(message: Hello | ClientCommand):
    """Both directions are published."""
    jsonschema.validate(json.loads(message.encode()), schemas()["feed-client.json"])
    assert decode_client(message.encode()) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[]",
        '{"type":"hello"}',
        '{"type":"hello","token":""}',
        '{"type":"shelve","token":"t"}',
        '{"type":"note","text":""}',
    ],
)
def test_what_is_no_message_is_refused(text: str):
    """The gateway closes such a connection; it must not guess."""
    with pytest.raises(ValidationError):
        decode_client(text)


def test_unknown_fields_are_ignored():
    """A newer gateway must not break an older page."""
    assert decode_client('{"type":"hello","token":"t","shiny":1}') == Hello(token="t")


def test_a_cursor_comes_back_as_it_was():
    """It travels through clients as text that is safe in URLs."""
    cursor = Cursor(feed="cluster/ns", scope="*", read={0: (12, 3), 3: (0, 0)})
    assert Cursor.parse(cursor.text()) == cursor
    assert cursor.text().replace("-", "").replace("_", "").isalnum()
    assert Cursor.parse("é") is None


def test_the_documentation_names_every_message_and_close_code():
    """Whoever writes a client reads docs/feed.md and nothing else."""
    text = (DOCS / "feed.md").read_text()
    types = {json.loads(message.encode())["type"] for message in (*SERVER, *CLIENT)}
    missing = [name for name in (*sorted(types), *get_args(AlertChange)) if f"`{name}`" not in text]
    reasons = {*get_args(Refusal), "not_allowed", "too_many"} - {""}
    missing += [reason for reason in sorted(reasons) if f"| `{reason}` |" not in text]
    missing += [str(code) for code in CLOSE_MEANING if f"| {code} |" not in text]
    assert missing == []


def test_the_example_session_is_made_of_real_messages():
    """An example with a misspelt field costs its reader an afternoon."""
    found = re.findall(r"^([<>]) (.*)$", (DOCS / "feed.md").read_text(), re.MULTILINE)
    assert len(found) > 10
    for side, line in found:
        text = line.replace("{...}", ALERT.encode().decode())
        assert (decode_client if side == ">" else decode_server)(text).type in line
