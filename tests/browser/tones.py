"""What a page has sounded, by pitch, as tests hear it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import expect

from tests.browser.pages import Screen

HIGH_HZ, MEDIUM_HZ, LOW_HZ = 880, 660, 440


async def enable(screen: Screen) -> None:
    await screen.page.locator("#sound").click()
    await expect(screen.page.locator("#sound")).to_contain_text("sound on")


async def pulses(screen: Screen, hertz: int) -> int:
    """How many pulses of this pitch have been set off. Harmonics of one pitch may be another's: none is here."""
    return sum(found == hertz for found, _ in await screen.tones())


def have_sounded(screen: Screen, hertz: int, count: int) -> Callable[[], Awaitable[bool]]:
    async def sounded() -> bool:
        return await pulses(screen, hertz) >= count

    return sounded
