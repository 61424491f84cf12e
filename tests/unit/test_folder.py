"""The data folder: whose clock it lives by, what it keeps secret, how tools find a stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from compose import folder
from compose.folder import Ready
from runtime.settings import Settings
from vitals.errors import InputError, StateError

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
)


def test_a_folder_refuses_another_clock(tmp_path: Path):
    """Simulated and real readings in one log would be judged by one time, and one of them wrongly."""
    folder.remember(tmp_path, clock="real", partitions=4)
    folder.check(tmp_path, clock="real", partitions=4)
    with pytest.raises(StateError, match="lives by the real clock, not the simulated one"):
        folder.check(tmp_path, clock="simulated", partitions=4)


def test_a_folder_refuses_another_number_of_partitions(tmp_path: Path):
    """A patient's key would lead to another partition, and the log's order would be lost."""
    folder.remember(tmp_path, clock="real", partitions=4)
    with pytest.raises(StateError, match="has 4 partitions, not 12"):
        folder.check(tmp_path, clock="real", partitions=12)


def test_a_start_that_only_looked_has_decided_nothing(tmp_path: Path):
    """A first start that fails must not fix the clock of an empty folder."""
    folder.check(tmp_path, clock="real", partitions=4)
    folder.check(tmp_path, clock="simulated", partitions=12)
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_for_this_user_only(tmp_path: Path):
    """Anyone on the machine could otherwise read a token, or the database's password."""
    token, people = folder.principals(tmp_path)
    folder.write_ready(tmp_path, READY)
    for path in (people, people.with_name("token"), tmp_path / "run" / "ready.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in people.read_text(encoding="utf-8")
    assert folder.principals(tmp_path)[0] == token, "a second start would lock out whoever has the token"


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
