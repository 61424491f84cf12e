"""The data folder: whose clock it lives by, what it keeps secret, how tools find a stack."""

from __future__ import annotations

import json
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.settings import load_principals
from compose import folder, ports
from compose.folder import Facts, Ready
from runtime.settings import Settings
from vitals.errors import InputError, StateError
from vitals.people import find

REAL = Facts("real", 4)
READY = Ready(
    feed="ws://127.0.0.1:1/feed",
    mqtt="127.0.0.1:2",
    kafka="127.0.0.1:3",
    database="postgresql://vigil:secret@127.0.0.1:4/vigil",
    token="t",
    seconds=1.0,
    clock="simulated",
    partitions=4,
    health={"sink": 5},
    api="http://127.0.0.1:6",
    tokens={"clinician": "t", "ops": "o", "wall": "w"},
)


def test_prometheus_finds_every_service_of_a_stack_and_misses_it_afterwards(tmp_path: Path):
    """A second processor needs no edit of a file; and a stack that gave up must be down, not forgotten."""
    folder.write_ready(tmp_path, replace(READY, health={"sink": 5, "process": 7, "process-1": 8}))
    wanted = [
        {"targets": ["127.0.0.1:7"], "labels": {"service": "process"}},
        {"targets": ["127.0.0.1:8"], "labels": {"service": "process-1"}},
        {"targets": ["127.0.0.1:5"], "labels": {"service": "sink"}},
    ]
    path = tmp_path / "run" / folder.TARGETS
    assert json.loads(path.read_text()) == wanted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder.forget_ready(tmp_path)
    assert json.loads(path.read_text()) == wanted


def test_a_folder_refuses_another_clock(tmp_path: Path):
    """Simulated and real readings in one log would be judged by one time, and one of them wrongly."""
    folder.remember(tmp_path, REAL)
    folder.check(tmp_path, clock="real", partitions=4)
    with pytest.raises(StateError, match="lives by the real clock, not the simulated one"):
        folder.check(tmp_path, clock="simulated", partitions=4)


def test_a_folder_refuses_another_number_of_partitions(tmp_path: Path):
    """A patient's key would lead to another partition, and the log's order would be lost."""
    folder.remember(tmp_path, REAL)
    with pytest.raises(StateError, match="has 4 partitions, not 12"):
        folder.check(tmp_path, clock="real", partitions=12)
    assert folder.check(tmp_path, clock="real", partitions=None) == REAL, "who asks for no number gets the folder's"


def test_a_start_that_only_looked_has_decided_nothing(tmp_path: Path):
    """A first start that fails must not fix the clock of an empty folder."""
    folder.check(tmp_path, clock="real", partitions=4)
    folder.check(tmp_path, clock="simulated", partitions=12)
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_for_this_user_only(tmp_path: Path):
    """Anyone on the machine could otherwise read a token, or the database's password."""
    tokens, people = folder.principals(tmp_path)
    folder.write_ready(tmp_path, READY)
    secret = [people.with_name(name) for name in ("token", "token-ops", "token-wall")]
    for path in (people, *secret, tmp_path / "run" / "ready.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(token in people.read_text(encoding="utf-8") for token in tokens.values())
    assert folder.principals(tmp_path)[0] == tokens, "a second start would lock out whoever has a token"


def test_each_token_is_a_role_of_its_own(tmp_path: Path):
    """A screen on the wall must not be able to acknowledge, nor a technician."""
    tokens, people = folder.principals(tmp_path)
    known = load_principals(people)
    found = {role: person for role, token in tokens.items() if (person := find(known, token))}
    assert {role: (person.role, person.name, person.lead) for role, person in found.items()} == {
        "clinician": ("clinician", "developer", True),
        "ops": ("ops", "ops", False),
        "wall": ("wall", "wall", False),
    }


def test_a_token_stands_in_the_fragment_only():
    """Whatever comes before the fragment is sent to servers, and written into their logs."""
    assert READY.link("clinician") == "http://127.0.0.1:6/#token=t"
    assert READY.link("wall") == "http://127.0.0.1:6/#/wall?token=w"
    for role in READY.tokens:
        assert "token" not in READY.link(role).partition("#")[0]


def test_a_folder_in_the_midst_of_its_history_says_so(tmp_path: Path):
    """It is on its way to the real clock; taken for a replay's it would be real and simulated by turns."""
    folder.remember(tmp_path, replace(REAL, clock="simulated", crossing=True, began_at=5))
    found = folder.check(tmp_path, clock="real", partitions=4)
    assert found == Facts("simulated", 4, crossing=True, began_at=5)
    with pytest.raises(StateError, match="lives by the real clock, not the simulated one"):
        folder.check(tmp_path, clock="simulated", partitions=4)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 2, "clock": "real", "x": 1}'])
def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path, text: str):
    """A traceback over a file that somebody edited helps nobody."""
    (tmp_path / "vigil.json").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match="cannot be read"):
        folder.check(tmp_path, clock="real", partitions=4)


@pytest.mark.parametrize(("other", "age"), [(1, "an earlier"), (3, "a newer")])
def test_a_folder_of_another_vigil_is_refused(tmp_path: Path, other: int, age: str):
    """An earlier one's log has no roster of patients: the page would be empty, and look calm."""
    facts = {"clock": "real", "partitions": 4, "format": other}
    (tmp_path / "vigil.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(StateError, match=f"{age} Vigil made the data folder"):
        folder.check(tmp_path, clock="real", partitions=4)


def test_ports_stay_the_same_where_they_are_free(tmp_path: Path):
    """An open page finds its way back after a restart only to the address that it knows."""
    first = ports.choose(tmp_path, ("page", "feed", "live"), {})
    assert len(set(first.values())) == 3
    assert ports.choose(tmp_path, ("page", "feed", "live"), {}) == first
    wished = ports.choose(tmp_path, ("page", "feed"), {"page": first["feed"]})
    assert wished["page"] == first["feed"] != wished["feed"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(InputError, match=f"the port is busy: {taken}"):
            ports.check(taken)
        (tmp_path / "run" / ports.FILE).write_text(json.dumps({"page": taken}), encoding="utf-8")
        assert ports.choose(tmp_path, ("page",), {})["page"] != taken


def test_tools_find_the_stack_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nobody should have to copy addresses; what is set in the environment wins."""
    with pytest.raises(InputError, match="no Vigil runs on this folder"):
        folder.tool_settings(tmp_path, Settings)
    folder.write_ready(tmp_path, READY)
    found = folder.tool_settings(tmp_path, Settings)
    assert (found.kafka, found.clock, found.partitions) == ("127.0.0.1:3", "simulated", 4)
    monkeypatch.setenv("VIGIL_KAFKA", "127.0.0.1:9")
    assert folder.tool_settings(tmp_path, Settings).kafka == "127.0.0.1:9"
    folder.forget_ready(tmp_path)
    assert folder.health_ports(tmp_path) == {}


@pytest.mark.parametrize("place", ["/proc/vigil-cannot-be-here", __file__, f"{__file__}/below"])
def test_a_folder_that_cannot_be_is_one_line(place: str):
    """A hundred lines of traceback hide the one word that says what to do: --data."""
    with pytest.raises(InputError, match="--data") as caught:
        folder.prepare(Path(place))
    assert "\n" not in str(caught.value)
