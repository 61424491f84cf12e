"""A browser for all tests of a worker, the page as built from its sources now, and fake servers for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from compose import page as builder
from compose.drills import browser as machine
from tests.browser import fixtures
from tests.browser.fake import Fake, run


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, on the page of today's sources."""
    await builder.build(lambda _line: None)
    async with machine.browser() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def fake() -> AsyncIterator[Fake]:
    """A calm ward of twelve patients; what happens on it is the test's."""
    ward = Fake()
    now = ward.now()
    ward.tiles = {tile.patient: tile for tile in (fixtures.tile(number, now, 12) for number in range(1, 13))}
    async with run(ward):
        yield ward


@pytest.fixture
def large(fake: Fake) -> Fake:
    """Two hundred calm patients."""
    now = fake.now()
    tiles = (fixtures.tile(number, now, fixtures.PATIENTS) for number in range(1, fixtures.PATIENTS + 1))
    fake.tiles = {each.patient: each for each in tiles}
    return fake


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests here share the browser, and with it one event loop."""
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
