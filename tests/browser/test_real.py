"""The page on its real servers: dashboard, gateway and manager; nothing is faked but the processor and the people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from pydantic import SecretStr

from compose.page import DIST
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.testing.waiting import until
from tests.alerting import episode
from tests.boards import Board, dashboard, measured, worn, write
from tests.browser.pages import Screen, opened
from tests.screens import Ward, free_port, managed
from vitals.journal import Episode, Mark, episode_id
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.protocol import Snapshot
from vitals.topics import patient_id

pytestmark = pytest.mark.timeout(120)
CLOCK = SystemClock()
CARD = f"#card-{patient_id('p1')}"


@dataclass
class Real:
    """Servers at work; ``gateway`` starts one on the port that the page is told."""

    ward: Ward
    board: Board
    port: int

    @property
    def link(self) -> str:
        """The page's address for the nurse."""
        return f"http://127.0.0.1:{self.board.page}/#token=nurse-token"

    def gateway(self) -> Any:
        """A gateway while the body runs."""
        origins = f"http://127.0.0.1:{self.board.page}"
        return self.ward.gateway(feed_port=self.port, feed_origins=origins, clock="real")

    async def low(self, label: str) -> Episode:
        """A very low glucose of a patient, now."""
        now = CLOCK.now_us()
        times = {"at": now, "opened_at": now, "since": now, "value_at": now}
        identity = episode_id(str(patient_id(label)), "glucose", "low", now)
        found = episode(label=label).model_copy(update=times | {"id": identity})
        await self.ward.write(found)
        return found

    async def mark(self) -> None:
        """Time goes on at site 1."""
        await self.ward.write(Mark(sites={1: CLOCK.now_us()}))

    async def held(self) -> dict[Any, Any]:
        """The open alerts as the gateway tells a fresh client."""
        async with self.ward.feed() as screen:
            return {each.id: each for each in (await screen.expect(Snapshot)).alerts}


@pytest_asyncio.fixture(loop_scope="session")
async def real(topics: Settings, tmp_path: Path) -> AsyncIterator[Real]:
    """A manager and a dashboard with two patients; its database is away."""
    now = CLOCK.now_us()
    people, pages = tmp_path / "feed", tmp_path / "page"
    people.mkdir()
    pages.mkdir()
    port = free_port()
    records = [*worn("p1", 1, now - 60 * MINUTE_US), *worn("p2", 1, now - 60 * MINUTE_US)]
    for label, glucose in (("p1", 48.0), ("p2", 120.0)):
        records.append(measured(label, "glucose", glucose, now - 30 * SECOND_US))
        records.append(measured(label, "heart_rate", 72.0, now - 2 * SECOND_US))
    await write(topics, records)
    async with AsyncExitStack() as held:
        ward = await held.enter_async_context(managed(topics, people, clock="real", manager_quiet_seconds=0.5))
        given = {"page_dir": DIST, "feed_url": f"ws://127.0.0.1:{port}/feed", "clock": "real"}
        away = SecretStr("postgresql://127.0.0.1:9/x")
        board = await held.enter_async_context(dashboard(topics, pages, database_url=away, **given))
        yield Real(ward, board, port)


async def agrees(screen: Screen, real: Real) -> None:
    """Wait until the page's list is the gateway's."""

    async def equal() -> bool:
        return await screen.alerts() == set(await real.held())

    await until(equal, 15)


async def test_two_tabs_that_acknowledge_at_once_agree_with_the_manager(browser: Browser, real: Real):
    """Two nurses press in the same second: one of them has it, and neither screen says otherwise."""
    async with real.gateway(), opened(browser, real.link) as one, opened(browser, real.link) as other:
        low = await real.low("p1")
        for screen in (one, other):
            await screen.shows(CARD, "48, below 54", "Acknowledge")
            await screen.page.locator(CARD).focus()
        await asyncio.gather(one.page.keyboard.press("a"), other.page.keyboard.press("g"))
        for screen in (one, other):
            await expect(screen.page.locator("#told")).not_to_contain_text("sending")
            await screen.shows(CARD, "nurse")
        kept = (await real.held())[low.id]
        assert kept.response == "acknowledged"
        words = "nurse is going" if kept.owner else "acknowledged by nurse until"
        for screen in (one, other):
            await screen.shows(CARD, words)
            assert await screen.alerts() == {low.id}


async def test_a_gateway_that_goes_and_comes_back_costs_no_alert(browser: Browser, real: Real):
    """It is updated in the middle of a shift; what fell into the gap stands on the page afterwards, once."""
    async with AsyncExitStack() as pages:
        async with real.gateway():
            screen = await pages.enter_async_context(opened(browser, real.link))
            await real.low("p1")
            await screen.shows(CARD, "48, below 54")
            changes = await screen.changes()
        await screen.shows('[data-feed="reconnecting"]')
        await real.low("p2")
        assert await screen.changes() == changes
        async with real.gateway():
            await screen.shows('[data-feed="open"]', seconds=20)
            await screen.shows(f"#card-{patient_id('p2')}", "48, below 54")
            await agrees(screen, real)
            assert len(await screen.alerts()) == 2
            assert await screen.changes() >= changes + 1
            await screen.says("p2: high priority")


async def test_on_the_real_dashboard_no_screen_hurts_the_content_policy(browser: Browser, real: Real):
    """The policy is what stands between a note with a script in it and everybody's list."""
    index = await real.board.get("/", None)
    assert "script-src 'self'" in index.headers["content-security-policy"]
    assert index.headers["cache-control"] == "no-cache"
    found = [each for each in index.body.decode().split('"') if each.startswith("/assets/")]
    assert found
    for path in found:
        asset = await real.board.get(path, None)
        assert (asset.status, "immutable" in asset.headers["cache-control"]) == (200, True)
    async with real.gateway(), opened(browser, real.link) as screen:
        await real.mark()
        await screen.shows('[data-data="ok"]')
        await real.low("p1")
        await screen.shows(CARD, "48, below 54")
        await screen.shows(f"#tile-{patient_id('p2')}", "120", "72")
        for route, ready, words in (
            (f"#/patient/{patient_id('p1')}", ".patient-chart canvas", ""),
            ("#/feed", ".feed-row", "p1"),
            ("#/help", "main", "Keys"),
            ("#/wall", ".shell.wall #worklist", "p1"),
            ("#/operations", "main table", ""),
        ):
            await screen.go(route)
            await screen.shows(ready, *filter(None, [words]))
        # opened() checks at its end that nothing was thrown and nothing was blocked.
        refused = await screen.page.evaluate(
            "new Promise((done) => { addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));"
            " const s = document.createElement('script'); s.textContent = '1'; document.head.append(s); })"
        )
        assert refused.startswith("script-src")
        await screen.page.evaluate("watched.violations.length = 0")
