"""The tree as the tidy tests read it: source files with their syntax trees, and names resolved through imports."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "stream", "alerts", "dashboards", "simulators")
PACKAGES = ("vitals", "runtime", *SERVICES, "compose")
SHELL_NAMES = ("settings.py", "service.py", "__main__.py")
"""Ends of the names of a service's files that are not pure: its settings, its loops, its entry point."""


@dataclass(frozen=True)
class Source:
    """One Python file; ``path`` is relative to the root, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def package(self) -> str:
        """First folder of the path."""
        return self.path.split("/", 1)[0]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Local name -> dotted name, for every absolute import anywhere in the file."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    found[name.asname or name.name.split(".")[0]] = (
                        name.name if name.asname else name.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in node.names:
                    found[name.asname or name.name] = f"{node.module}.{name.name}"
        return found

    def dotted(self, node: ast.expr) -> str | None:
        """What ``time.monotonic`` or ``now`` stand for, resolved through the imports; None for other expressions."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            left = self.dotted(node.value)
            return f"{left}.{node.attr}" if left else None
        return None

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every imported module; ``from a import b`` gives ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    yield node.lineno, name.name
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in node.names:
                    yield node.lineno, f"{node.module}.{name.name}"


@cache
def files() -> tuple[str, ...]:
    """Every file that git tracks or would track, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(sorted(path for path in listing.splitlines() if (ROOT / path).is_file()))


@cache
def source(path: str) -> Source:
    """One Python file, parsed once however many tests look at it."""
    return Source(path, read(path))


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    """Python files of some top-level folders, of all of them without arguments."""
    wanted = packages or (*PACKAGES, "tests", "benchmarks")
    return tuple(source(path) for path in files() if path.endswith(".py") and path.split("/", 1)[0] in wanted)


def documents() -> tuple[str, ...]:
    """Every Markdown file."""
    return tuple(path for path in files() if path.endswith(".md"))


def read(path: str) -> str:
    """The text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


def prose_and_code(text: str) -> tuple[str, str]:
    """A Markdown text without its fenced blocks, and the blocks."""
    fence = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
    return fence.sub("", text), "\n".join(match.group(0) for match in fence.finditer(text))


def covered(path: str, places: tuple[str, ...]) -> bool:
    """Whether a path is one of some places; a place that ends with ``/`` is a folder and all below it."""
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def report(violations: list[str], rule: str) -> None:
    """Fail with every violation and the rule they break."""
    assert not violations, f"{rule}\n  " + "\n  ".join(sorted(violations))
