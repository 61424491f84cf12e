"""Drills that a machine cannot do say so, in a line and by an exit code of its own."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from compose.drills import broker, browser, disk, engine, killing
from compose.drills.frame import SKIPPED, Frame, Skip, conduct
from vitals.errors import InputError, StateError


@pytest.fixture(autouse=True)
def _partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill sets the partitions of its process where nobody has; they must not be those of later tests."""
    monkeypatch.setenv("VIGIL_PARTITIONS", "2")


def programs(folder: Path, **scripts: str) -> str:
    """A folder for PATH with some programs, and nothing else."""
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("scripts", "why"),
    [
        ({}, "mount cannot be started: No such file or directory"),
        ({"mount": "echo 'mount: only root can do that.' >&2; exit 1"}, "mount: only root can do that."),
        ({"mount": "exit 32"}, "no reason given"),
    ],
)
async def test_the_disk_drill_is_skipped_where_nothing_can_be_mounted(
    scripts: dict[str, str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Neither a traceback nor a red word: nothing was tried, and one line says what to do."""
    monkeypatch.setenv("PATH", programs(tmp_path, **scripts))
    assert await disk.run(disk.DrillOptions(as_json=True)) == SKIPPED == 77
    printed = capsys.readouterr()
    verdict = json.loads(printed.out)
    assert verdict["pass"] is None
    assert verdict["differences"] == []
    assert verdict["skipped"].startswith("needs root")
    assert why in verdict["skipped"]
    assert verdict["skipped"].endswith("(sudo make drill-disk)")
    assert "Traceback" not in printed.err


async def test_a_small_filesystem_goes_with_the_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What stays mounted after a drill fills this machine's memory."""
    note = tmp_path / "note"
    line = f'echo "$(basename $0) $*" >> {note}'
    monkeypatch.setenv("PATH", programs(tmp_path, mount=line, umount=line) + ":/usr/bin:/bin")
    with pytest.raises(ZeroDivisionError):
        async with disk._small(tmp_path / "small", 12):
            raise ZeroDivisionError
    small = tmp_path / "small"
    assert note.read_text().splitlines() == [
        f"mount -t tmpfs -o size=12m,mode=0711 tmpfs {small}",
        f"umount --lazy {small}",
    ]


def test_what_fills_a_folder_goes_on_until_there_is_no_room(tmp_path: Path):
    """A disk that has a page left is not full: PostgreSQL writes by pages."""
    (tmp_path / disk.FILLER).symlink_to("/dev/full")
    assert disk.fill(tmp_path) == tmp_path / disk.FILLER


async def test_the_broker_drill_is_skipped_without_mosquitto(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It used to pass where it had tried nothing."""
    monkeypatch.setattr("compose.servers.mosquitto.find", lambda: None)
    assert await broker.run(broker.DrillOptions(as_json=True)) == SKIPPED
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["pass"] is None
    assert "mosquitto is not installed" in verdict["skipped"]


async def test_a_drill_that_is_skipped_leaves_no_folder(capsys: pytest.CaptureFixture[str]):
    """Nothing is in it that anybody could look at."""
    roots: list[Path] = []

    async def drill(frame: Frame) -> None:
        roots.append(frame.root)
        raise Skip("needs a moon")

    assert await conduct(drill, as_json=True, keep=False) == SKIPPED
    assert not roots[0].exists()
    assert "SKIPPED  needs a moon" in capsys.readouterr().err


def test_a_browser_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A path that is wrong by a letter is the usual mistake; Playwright's answer to it is a page."""
    monkeypatch.setenv("VIGIL_TEST_CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(InputError, match="VIGIL_TEST_CHROMIUM names no program"):
        browser.chromium()
    monkeypatch.delenv("VIGIL_TEST_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no Chromium is installed.*apt-get install chromium"):
        browser.chromium()


async def test_a_browser_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A library that it misses is told by the loader in the middle of Playwright's page."""
    programs(tmp_path, chromium="echo 'libnss3.so: cannot open' >&2; exit 127")
    monkeypatch.setenv("VIGIL_TEST_CHROMIUM", str(tmp_path / "chromium"))
    with pytest.raises(InputError, match="Chromium does not start") as caught:
        async with browser.browser():
            pass
    assert "\n" not in str(caught.value)


def test_a_port_that_somebody_else_has_is_one_line():
    """Between a server's end and the drill's hold any program may take its port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StateError, match=rf"cannot be held while it is away: {port}: Address already in use"):
            killing.occupied(port)
    with killing.occupied(port), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_the_engine_drill_is_skipped_without_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An installed Vigil has no oracle, and a drill without a judge would pass whatever happens."""
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    assert await engine.run(engine.DrillOptions(as_json=True)) == SKIPPED
    assert json.loads(capsys.readouterr().out)["skipped"].startswith("the oracle is part of the tests")
