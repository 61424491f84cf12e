"""What the screens tell beside alerts: who was set aside, within which limits, what of the pipeline is unknown."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import history, look
from tests.browser.fake import Fake
from tests.browser.fixtures import patient_id
from tests.browser.pages import opened
from vitals.alerts import Service
from vitals.metrics import MINUTE_US


@pytest_asyncio.fixture(loop_scope="session")
async def busy(fake: Fake) -> Fake:
    """A ward with alerts, and history."""
    await look.fill(fake, "ward", 20)
    history.remember(fake)
    return fake


async def test_out_of_service_is_a_line_in_the_feed_and_in_the_patients_history(browser: Browser, busy: Fake):
    """Whoever asks why nobody was called reads it where the calls stand."""
    now = busy.now()
    out = Service(
        version=(busy.next_version(), 0), patient=patient_id(9), label="scanned", site=1, since=now,
        until=now + 60 * MINUTE_US, by="Mia", reason="scan",
    )  # fmt: skip
    async with opened(browser, busy.url()) as screen:
        await screen.go("#/feed")
        await screen.shows(".feed-row")
        await busy.serve_out(out)
        line = screen.page.locator(".feed-row", has_text="out of service by Mia")
        await expect(line).to_contain_text("scanned")
        await expect(line).to_contain_text("SERVICE")
        back = {"version": (busy.next_version(), 0), "until": now + MINUTE_US, "ended": True}
        await busy.serve_out(out.model_copy(update=back))
        await expect(screen.page.locator(".feed-row", has_text="back in service")).to_have_count(1)
        await screen.go(f"#/patient/{patient_id(9)}")
        await expect(screen.page.locator(".history .change", has_text="out of service by Mia")).to_have_count(1)


async def test_a_chart_says_when_its_limits_changed(browser: Browser, busy: Fake):
    """A line across the whole chart would judge yesterday's values by today's limits."""
    answer = busy.api["/api/patients/"]

    def changed(path: str, query: str) -> Any:
        status, body = answer(path, query)
        if path.endswith("/series") and "glucose" in query:
            begin, limits = body["limits"][0]
            middle = (begin + body["to"]) // 2
            body = body | {"limits": [[begin, limits], [middle, limits | {"low1": 80}]]}
        return status, body

    busy.api["/api/patients/"] = changed
    async with opened(browser, busy.url()) as screen:
        await screen.go(f"#/patient/{patient_id(9)}")
        await screen.shows(".patient-chart canvas")
        await expect(screen.page.locator(".chart figcaption")).to_contain_text("Its limits changed at")


async def test_operations_says_why_a_number_is_not_there(browser: Browser, busy: Fake):
    """An empty cell is read as a zero by one and as a fault by the next."""
    async with opened(browser, busy.url("ops-token")) as screen:
        await screen.go("#/operations")
        row = screen.page.locator("main tr", has_text="Broker")
        await expect(row).to_contain_text("n/a: MQTT does not tell")
        await expect(row).to_contain_text("80 ms")
