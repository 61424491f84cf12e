"""The feed-lost drill: four ways to stop looking, and whether the page says so in time, in words, and gets over it.

    python -m compose.drills.feedlost [--only gateway --only network ...] [--json]
    python -m compose.drills.feedlost --only gateway

The gateway stopped; the network gone silent (a proxy that passes nothing on); the processor stopped; one of two
processors stopped, so that one partition stalls. While each lasts patients go low; when it is over, every one of those
alerts must stand on the page, and its list must be the gateway's. Prints a JSON verdict; exit code 0 when it passed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from playwright.async_api import Page
from playwright.async_api import TimeoutError as PageTimeout

from alerts.client import FeedClient
from compose import signals
from compose.drills import browser
from compose.drills.bedside import Bedside, bedside
from compose.drills.frame import Frame, Tell, Verdict, command_line, conduct
from compose.drills.watching import until
from compose.ends import cancelled
from compose.servers import probes
from compose.stack import Options, Stack
from runtime.clock import SystemClock
from runtime.testing.proxy import Proxy

PATIENTS = 12
SETTLE_S = 12.0
LASTS_S = 20.0
RECOVER_S = 60.0
LOW_EVERY_S = 2.0
Name = Literal["gateway", "network", "processor", "partition"]


class Look(NamedTuple):
    """What the page must show: a selector, the seconds within which, and patterns of the words beside it."""

    selector: str
    within_s: float
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One outage and how it must look."""

    name: Name
    title: str
    shows: tuple[Look, ...]


LOST = (
    Look('[data-feed="reconnecting"], [data-feed="lost"]', 7.5),
    Look(
        '[data-feed="lost"]',
        12.5,
        (r"FEED LOST", r"for 1\d s", r"Look at the patients", r"The list below is as it was"),
    ),
)
NOT_JUDGED = r"Nothing from (ward-\w+|any site) has been judged for 1\d s"
STALLED = (
    Look('[data-data="stalled"]', 14.0, (r"DATA STALLED", NOT_JUDGED, r"no alert can come", r"Look at the patients")),
)
WELL = '[data-feed="open"][data-data="ok"]'
SCENARIOS = (
    Scenario("gateway", "the gateway stopped", LOST),
    Scenario("network", "the network silent", LOST),
    Scenario("processor", "the processors stopped", STALLED),
    Scenario("partition", "one partition stalled", STALLED),
)


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``only`` empty is all scenarios, ``keep`` leaves the data folder."""

    only: tuple[Name, ...] = ()
    as_json: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario acts on."""

    stack: Stack
    proxies: tuple[Proxy, Proxy]
    ward: Bedside
    page: Page
    verdict: Verdict
    clock: SystemClock
    tell: Tell


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed.

    Raises:
        InputError: there is no Chromium.
    """
    browser.chromium()
    return await conduct(lambda found: _drill(found, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    async with _setting(frame) as setting:
        for scenario in SCENARIOS:
            if not options.only or scenario.name in options.only:
                await _play(setting, scenario)


@asynccontextmanager
async def _setting(frame: Frame) -> AsyncIterator[Setting]:
    """A stack with two processors and two partitions, its sockets behind proxies, a ward, and the page open."""
    os.environ.setdefault("VIGIL_PARTITIONS", "2")
    feed_port, live_port = probes.free_port(), probes.free_port()
    async with AsyncExitStack() as held:
        feed = await held.enter_async_context(Proxy(probes.HOST, feed_port))
        live = await held.enter_async_context(Proxy(probes.HOST, live_port))
        options = Options(
            root=frame.root,
            feed_port=feed_port,
            live_port=live_port,
            feed_url=f"ws://{probes.HOST}:{feed.port}/feed",
            live_url=f"ws://{probes.HOST}:{live.port}/live",
            processors=2,
        )
        stack = await held.enter_async_context(frame.stack(options))
        ward = await held.enter_async_context(bedside(stack.settings, frame.clock, PATIENTS))
        chromium = await held.enter_async_context(browser.browser())
        page = await browser.open_page(chromium, stack.ready.page, watch=True)
        yield Setting(stack, (feed, live), ward, page, frame.verdict, frame.clock, frame.tell)


async def _play(setting: Setting, scenario: Scenario) -> None:
    """Settle, break, look, mend, look again."""
    setting.tell(f"{scenario.title}: settling first")
    await setting.ward.beat(SETTLE_S)
    for index in range(PATIENTS):
        setting.ward.normal(index)
    await setting.page.wait_for_selector(WELL, timeout=30_000)
    await browser.taken(setting.page)
    setting.ward.lows.clear()
    figures: dict[str, Any] = {}
    setting.verdict.figures[scenario.name] = figures
    began = setting.clock.monotonic()
    setting.tell(f"{scenario.title}: now")
    _break(setting, scenario.name, broken=True)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(setting.ward.beat(LASTS_S), name="heart rates")
            tasks.create_task(_go_low(setting), name="lows")
            for look in scenario.shows:
                figures[look.words[0] if look.words else "reconnecting"] = await _shown(setting, scenario, look, began)
    finally:
        _break(setting, scenario.name, broken=False)
    setting.tell(f"{scenario.title}: over")
    mended = setting.clock.monotonic()
    figures["recovered_s"] = await _recovered(setting, scenario, mended)
    figures["lows"] = len(setting.ward.lows)
    figures["missing"] = await _missing(setting)
    setting.verdict.expect(f"{scenario.title}: alerts missing on the page", figures["missing"], 0)
    setting.verdict.expect(f"{scenario.title}: the page's list", await _listed(setting), "the gateway's")
    setting.tell(f"{scenario.title}: {json.dumps(figures)}")


async def _go_low(setting: Setting) -> None:
    for index in range(int(LASTS_S / LOW_EVERY_S) - 1):
        setting.ward.low(index % PATIENTS)
        await setting.clock.sleep(LOW_EVERY_S)


def _break(setting: Setting, name: Name, *, broken: bool) -> None:
    what = signal.SIGSTOP if broken else signal.SIGCONT
    match name:
        case "network":
            for proxy in setting.proxies:
                if broken:
                    proxy.stall()
                else:
                    proxy.mend()
        case "gateway":
            os.kill(setting.stack.pid_of("gateway"), what)
        case "processor":
            for service in ("process", "process-1"):
                os.kill(setting.stack.pid_of(service), what)
        case "partition":
            os.kill(setting.stack.pid_of("process-1"), what)


async def _shown(setting: Setting, scenario: Scenario, look: Look, began: float) -> float | None:
    """Seconds from the outage until the page showed it; its words are checked too."""
    title = f"{scenario.title}: {look.selector}"
    left = look.within_s + 5.0 - (setting.clock.monotonic() - began)
    try:
        await setting.page.wait_for_selector(look.selector, timeout=max(1.0, left) * 1000, state="attached")
    except PageTimeout:
        setting.verdict.expect(title, "not shown", f"within {look.within_s:g} s")
        return None
    after = round(setting.clock.monotonic() - began, 1)
    if after > look.within_s:
        setting.verdict.expect(title, f"after {after:g} s", f"within {look.within_s:g} s")
    if look.words:
        shown = " ".join((await setting.page.inner_text(".banners")).split())
        missing = [words for words in look.words if not re.search(words, shown, re.IGNORECASE)]
        if missing:
            setting.verdict.expect(f"{title}: words {missing}", shown, "among the banners")
    return after


async def _recovered(setting: Setting, scenario: Scenario, mended: float) -> float | None:
    try:
        await setting.page.wait_for_selector(WELL, timeout=RECOVER_S * 1000, state="attached")
    except PageTimeout:
        setting.verdict.expect(f"{scenario.title}: the page", "does not recover", f"within {RECOVER_S:g} s")
        return None
    return round(setting.clock.monotonic() - mended, 1)


async def _missing(setting: Setting) -> int:
    """Alerts opened in the outage that never stood on the page."""
    seen: set[str] = set()
    deadline = setting.clock.monotonic() + RECOVER_S
    while setting.ward.lows.keys() - seen and setting.clock.monotonic() < deadline:
        seen |= (await browser.taken(setting.page)).keys()
        await setting.clock.sleep(0.2)
    return len(setting.ward.lows.keys() - seen)


async def _listed(setting: Setting) -> str:
    """Whether the page's open alerts are those that a fresh client gets from the gateway."""
    client = FeedClient(setting.stack.ready.feed, setting.stack.ready.token, clock=setting.clock)
    task = asyncio.create_task(client.run(lambda _: None), name="feed client")
    try:
        await until(lambda: client.view.heartbeat is not None, "the gateway is silent", setting.clock, 15.0)
        deadline = setting.clock.monotonic() + 10.0
        while True:
            ours = {str(alert) for alert in client.view.alerts}
            theirs = set(await setting.page.evaluate("globalThis.vigil.alerts()"))
            if ours == theirs:
                return "the gateway's"
            if setting.clock.monotonic() > deadline:
                return f"{len(theirs - ours)} too many, {len(ours - theirs)} missing"
            await setting.clock.sleep(0.2)
    finally:
        await cancelled(task)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("feedlost", __doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", action="append", choices=names, default=[], help="one scenario; may be repeated")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(tuple(found.only), found.as_json, found.keep)))


if __name__ == "__main__":
    sys.exit(main())
