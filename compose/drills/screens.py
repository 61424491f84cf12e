"""Pictures of the ward: a demonstration's stack, real Chromium, every screen in every size that somebody looks at.

    python -m compose.drills.screens --out FOLDER [--wait 150]
    python -m compose.drills.screens --readme docs/images/ward.png

With ``--readme`` only the ward at a desk is taken, into that file. Progress goes to stderr.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Browser

from compose import signals
from compose.drills import browser
from compose.drills.browser import Scheme
from compose.drills.frame import Arguments, Tell, teller
from compose.stack import Options, Stack
from runtime.clock import SystemClock

PATIENTS, RATE_HZ, HISTORY_H = 20, 0.2, 24.0
WAIT_S = 150.0
"""From the start of the live ward until its first stories are under way."""
SETTLE_MS = 4000
SCHEMES: tuple[Scheme, ...] = ("dark", "light")


class Shot(NamedTuple):
    """A picture: its name, the route behind the page's address, width and height in CSS pixels."""

    name: str
    route: str
    width: int
    height: int


DESK, WALL, TABLET = (1440, 900), (3840, 2160), (820, 1180)
SHOTS = (
    Shot("ward-desk", "#/", *DESK),
    Shot("ward-tablet", "#/", *TABLET),
    Shot("ward-wall", "#/wall", *WALL),
    Shot("patient-desk", "#/patient/{patient}", *DESK),
    Shot("patient-tablet", "#/patient/{patient}", *TABLET),
    Shot("feed-desk", "#/feed", *DESK),
    Shot("operations-desk", "#/operations", *DESK),
    Shot("help-desk", "#/help", *DESK),
)


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """Where pictures go, and how long the ward lives before them (s)."""

    out: Path | None = None
    readme: Path | None = None
    wait: float = WAIT_S
    history: float = HISTORY_H


async def run(options: ScreenOptions) -> int:
    """Start a demonstration, wait for its stories, take the pictures.

    Raises:
        InputError: there is no Chromium.
        VigilError: the stack does not start.
    """
    clock = SystemClock()
    tell = teller(clock)
    browser.chromium()
    root = Path(tempfile.mkdtemp(prefix="vigil-screens-"))
    try:
        stacking = Options(root=root, patients=PATIENTS, rate=RATE_HZ, history_hours=options.history)
        async with Stack(stacking, tell) as stack, browser.browser() as chromium:
            tell(f"the ward lives for {options.wait:g} s")
            await clock.sleep(options.wait)
            await _take(chromium, stack.ready.page, options, tell)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


async def _take(chromium: Browser, link: str, options: ScreenOptions, tell: Tell) -> None:
    if options.readme is not None:
        options.readme.parent.mkdir(parents=True, exist_ok=True)
        await _shoot(chromium, link, SHOTS[0], "dark", options.readme)
        tell(f"wrote {options.readme}")
    if options.out is None:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        for scheme in SCHEMES:
            path = options.out / f"{shot.name}-{scheme}.png"
            await _shoot(chromium, link, shot, scheme, path)
            tell(f"wrote {path}")


async def _shoot(chromium: Browser, link: str, shot: Shot, scheme: Scheme, path: Path) -> None:
    page = await browser.open_page(chromium, link, width=shot.width, height=shot.height, scheme=scheme)
    await page.wait_for_selector("[data-patient]", timeout=30_000)
    patient = await page.get_attribute("[data-patient]", "data-patient")
    route = shot.route.format(patient=patient)
    await page.evaluate("(route) => { location.hash = route; }", route)
    await page.wait_for_timeout(SETTLE_MS)
    await page.screenshot(path=path)
    await page.context.close()


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = Arguments("screens", __doc__)
    parser.add_argument("--out", type=Path, help="folder for pictures of every screen")
    parser.add_argument("--readme", type=Path, help="file for the ward at a desk")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds for which the ward lives first")
    parser.add_argument("--history", type=float, default=HISTORY_H, help="hours of history before that")
    found = parser.parse_args(arguments)
    if found.out is None and found.readme is None:
        parser.error("give --out, --readme or both")
    return signals.run(lambda: run(ScreenOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
