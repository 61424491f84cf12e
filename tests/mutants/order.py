"""A plugin of pytest for runs over mutants: unit tests before generated logs, since most mutants fall at the first."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Generated logs last; else as collected."""
    items.sort(key=lambda item: "/property/" in item.nodeid)
