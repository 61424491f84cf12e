"""What lies in the tree: locks without addresses, no leftovers, no references that a reader cannot follow."""

from __future__ import annotations

import re
import tomllib

from tests.tidy.tree import ROOT, files, read, report

TEXT = (".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".sh", ".conf", ".json", ".properties", ".xml", ".lock")


def texts() -> list[tuple[str, str]]:
    """Path and text of every text file but this one, which spells out what it looks for."""
    names = [path for path in files() if path.endswith(TEXT) or path in {"Makefile", ".ci/run", "tests/run"}]
    return [(path, read(path)) for path in names if path != "tests/tidy/test_tree.py"]


def named(requirements: list[str]) -> set[str]:
    """The names in a list of requirements, without extras, bounds and markers."""
    return {re.split(r"[\[<>=; ]", each, maxsplit=1)[0] for each in requirements}


def test_no_lock_holds_an_address():
    """Where packages come from is the installer's matter; hashes say what they are."""
    locks = [path for path in files() if path.endswith((".lock", "package-lock.json")) or "requirements" in path]
    report([path for path in locks if "://" in read(path)], "no lock file holds an address")


def test_both_locks_hold_every_dependency_with_hashes():
    """An unlocked dependency is another program next week."""

    def pinned(path: str) -> dict[str, str]:
        entries = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)(?: ;[^\\]*)? \\\n    --hash=", read(path), re.MULTILINE)
        return dict(entries)

    project = tomllib.loads(read("pyproject.toml"))
    run, work = pinned("requirements.lock"), pinned("requirements-dev.lock")
    groups = project["dependency-groups"]
    assert named(project["project"]["dependencies"]) | named(groups["build"]) <= set(run)
    assert named(groups["dev"]) <= set(work)
    assert run.items() <= work.items(), "the lock to work with holds the lock to run with, at the same versions"


def test_every_dependency_has_its_reason():
    """Each one is code that we answer for; one without a reason is there by accident."""
    project = tomllib.loads(read("pyproject.toml"))
    everything = [
        *project["project"]["dependencies"],
        *(one for group in project["dependency-groups"].values() for one in group),
    ]
    cells = re.findall(r"^\| ([a-z0-9, -]+) \|", read("DECISIONS.md").split("## Dependencies")[1], re.MULTILINE)
    explained = {name for cell in cells for name in cell.split(", ")}
    report(sorted(named(everything) - explained), "DECISIONS.md gives each dependency of pyproject.toml its reason")
    gone = explained - named(everything) - {"package", "to work on it"}
    report(sorted(gone), "DECISIONS.md explains no dependency that is gone")


def test_no_text_points_at_what_a_reader_cannot_see():
    """A number of some tracker, or somebody's folder, means nothing to who reads the tree in a year."""
    pattern = re.compile(r"\b(?:issue|ticket|session|task)s? ?#?\d|(?<![\w&])#\d+\b|/work/|\.\./shared", re.IGNORECASE)
    found = [
        f"{path}:{number} {line.strip()[:80]}"
        for path, text in texts()
        if not path.endswith((".lock", ".json"))
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    report(found, "no issue numbers, no paths of somebody's machine")


def test_nothing_is_left_for_later():
    """What is missing is written where it is planned, not in the middle of what works."""
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    report(
        [
            f"{path}:{number} {line.strip()[:80]}"
            for path, text in texts()
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ],
        "no leftovers",
    )


def test_nothing_private_or_large_is_in_the_tree():
    """Secrets and binaries cannot be taken back out of a history."""
    found = [path for path in files() if path.rsplit("/", 1)[-1].startswith(".env") or path.endswith((".pem", ".key"))]
    found += [
        f"{path}: {(ROOT / path).stat().st_size} bytes" for path in files() if (ROOT / path).stat().st_size > 1 << 20
    ]
    report(found, "no secrets and no file above 1 MiB")
