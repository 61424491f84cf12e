"""When the page is built, and with what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose import page


def made(folder: Path, *names: str, at: int) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
        os.utime(path, (at, at))


@pytest.mark.parametrize("newer", ["page/src/main.tsx", "page/index.html", "schemas/feed-server.json"])
def test_a_page_older_than_any_source_is_stale(tmp_path: Path, newer: str):
    """A page of yesterday's message types would show what it understands, and nothing of the rest."""
    site, schemas = tmp_path / "page", tmp_path / "schemas"
    made(tmp_path, "page/src/main.tsx", "page/index.html", "schemas/feed-server.json", at=100)
    assert page.stale(site, schemas)
    made(tmp_path, "page/dist/index.html", at=200)
    assert not page.stale(site, schemas)
    made(tmp_path, "page/node_modules/preact/index.js", "page/dist/assets/a.js", at=300)
    assert not page.stale(site, schemas)
    made(tmp_path, newer, at=300)
    assert page.stale(site, schemas)


@pytest.mark.parametrize(("said", "expected"), [("v20.1.0", "20.1.0"), ("v18.20.4", None), ("", None), ("v30", None)])
def test_a_node_that_is_too_old_is_none(tmp_path: Path, said: str, expected: str | None):
    """It would fail half way through the build, with a page of messages."""
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {said}\n", encoding="utf-8")
    node.chmod(0o755)
    assert page.version_of(node) == expected


def test_a_node_without_npm_is_no_node(tmp_path: Path):
    """Npm is what builds; some systems package it apart."""
    node, npm = tmp_path / "node", tmp_path / "npm"
    node.write_text("#!/bin/sh\necho v22.0.0\n", encoding="utf-8")
    node.chmod(0o755)
    found = page.find({"PATH": str(tmp_path)})
    assert found is None or found.source != "PATH"
    npm.write_text("#!/bin/sh\n", encoding="utf-8")
    npm.chmod(0o755)
    found = page.find({"PATH": str(tmp_path)})
    assert found is not None
    assert (found.version, found.npm, found.source) == ("22.0.0", (str(npm),), "PATH")
