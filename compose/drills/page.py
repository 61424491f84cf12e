"""The page drill: from a reading's publish to the change on the page, what the page costs, and a burst of alerts.

    python -m compose.drills.page [--patients 200] [--seconds 60] [--cycle 10] [--burst 500] [--json]
    python -m compose.drills.page --patients 50 --seconds 20

A stack of its own, 200 patients at 1 Hz, each low once every ten seconds, real Chromium on the real page. The burst
comes twice: once while browser and servers share the machine, for what arrives and when; and once as a clinician's
computer has it, where no server runs: the gateway's own frames, gathered by a proxy and let go within a second while
every server stands still. The worst frame is judged by the second. Prints a JSON verdict; exit code 0 when every target
is met. Progress goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Page

from compose import signals
from compose.drills import browser
from compose.drills.bedside import Bedside, bedside
from compose.drills.dam import Dam
from compose.drills.frame import PARTITIONS, Frame, Verdict, command_line, conduct, percentiles
from compose.servers import probes
from compose.stack import Options, Stack
from runtime.clock import SystemClock

SETTLE_S = 15.0
QUIET_S = 30.0
P99_MS_MAX = 300.0
CPU_SHARE_MAX = 0.10
FRAME_MS_MAX = 100.0
ALERTS_MIN = 1000
IDLE_S, IDLE_SHARE = 0.2, 0.2
"""Servers that take less than this share of a core, over so long, have nothing left to do."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``keep`` leaves the data folder where it is."""

    patients: int = 200
    seconds: float = 60.0
    cycle: float = 10.0
    burst: int = 500
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when every target is met.

    Raises:
        InputError: there is no Chromium.
    """
    browser.chromium()
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda found: _drill(found, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    clock, tell, verdict = frame.clock, frame.tell, frame.verdict
    feed_port = probes.free_port()
    async with (
        Dam(probes.HOST, feed_port) as dam,
        frame.stack(
            Options(root=frame.root, feed_port=feed_port, feed_url=f"ws://{probes.HOST}:{dam.port}/feed")
        ) as stack,
        bedside(stack.settings, clock, max(options.patients, options.burst)) as ward,
        browser.browser() as chromium,
    ):
        ward.active = options.patients
        page = await browser.open_page(chromium, stack.ready.page, watch=True)
        await ward.beat(SETTLE_S)
        tell(f"{options.patients} patients at 1 Hz; the page's cost without an alert")
        verdict.figures["quiet"] = await _cost(ward, clock, QUIET_S)
        tell(f"each patient low once every {options.cycle:g} s")
        before = _cpu(stack)
        verdict.figures["latency_ms"] = await _latency(ward, page, options)
        after = _cpu(stack)
        verdict.figures["cpu_seconds"] = {name: round(after[name] - before.get(name, 0.0), 1) for name in after}
        tell(f"{options.burst} alerts in a second")
        verdict.figures["burst"] = await _burst(ward, page, clock, options.burst)
        tell(f"{options.burst} alerts in a second, the browser alone on the machine")
        verdict.figures["burst_alone"] = await _burst_alone(stack, dam, ward, page, options.burst)
    _judge(verdict)


def _cpu(stack: Stack) -> dict[str, float]:
    """CPU seconds so far of each process of the stack, and of this one."""
    processes = {name: psutil.Process(process.pid) for name, process in stack.supervisor.processes.items()}
    times = {name: process.cpu_times() for name, process in (processes | {"drill": psutil.Process()}).items()}
    return {name: each.user + each.system for name, each in times.items()}


async def _cost(ward: Bedside, clock: SystemClock, seconds: float) -> dict[str, float]:
    """The share of one core that the browser takes while only values change."""
    me = psutil.Process(os.getpid())
    began, before = clock.monotonic(), browser.cpu_seconds(me)
    await ward.beat(seconds)
    share = (browser.cpu_seconds(me) - before) / (clock.monotonic() - began)
    return {"browser_share_of_a_core": round(share, 3), "seconds": round(seconds, 1)}


async def _latency(ward: Bedside, page: Page, options: DrillOptions) -> dict[str, Any]:
    """Publish to document for every low; an alert that never stood there is missing."""
    clock, me = SystemClock(), psutil.Process(os.getpid())
    await browser.taken(page)
    ward.lows.clear()
    ward.late_s = 0.0
    began, before = clock.monotonic(), browser.cpu_seconds(me)
    await ward.beat(options.seconds, cycle_s=options.cycle)
    share = (browser.cpu_seconds(me) - before) / (clock.monotonic() - began)
    seen = await _all_seen(ward, page, clock)
    delays = np.array([(seen[alert] - at) / 1000 for alert, at in ward.lows.items() if alert in seen])
    return {
        "alerts": len(ward.lows),
        "missing": len(ward.lows) - len(delays),
        **percentiles(delays),
        "drill_itself_late": round(ward.late_s * 1000, 1),
        "browser_share_of_a_core": round(share, 3),
    }


async def _burst(ward: Bedside, page: Page, clock: SystemClock, burst: int) -> dict[str, Any]:
    """So many patients low within a second: when the last one stood on the page, and the worst frame."""
    await _all_well(ward, page, clock, burst)
    await browser.begin_frames(page)
    sending = await _lows(ward, clock, burst)
    seen = await _all_seen(ward, page, clock)
    frames = await browser.end_frames(page)
    delays = np.array([(seen[alert] - at) / 1000 for alert, at in ward.lows.items() if alert in seen])
    return {
        "alerts": burst,
        "sent_within_s": round(sending, 2),
        "missing": len(ward.lows) - len(delays),
        **percentiles(delays),
        "worst_frame_ms": round(frames.worst_ms, 1),
        "frames": len(frames.frames),
    }


async def _burst_alone(stack: Stack, dam: Dam, ward: Bedside, page: Page, burst: int) -> dict[str, Any]:
    """The same burst as the gateway told it, within a second, while every server is stopped (SIGSTOP)."""
    clock = SystemClock()
    await _all_well(ward, page, clock, burst)
    dam.close_gate()
    await _lows(ward, clock, burst)
    await _nothing_more(stack, clock)
    told = dam.gathered_bytes
    with _standing_still(stack):
        await browser.begin_frames(page)
        began = clock.monotonic()
        await dam.release(1.0)
        released = clock.monotonic() - began
        seen = await _all_seen(ward, page, clock)
        frames = await browser.end_frames(page)
    moments = [seen[alert] for alert in ward.lows if alert in seen]
    return {
        "alerts": burst,
        "missing": burst - len(moments),
        "told_kb": round(told / 1000),
        "told_within_s": round(released, 2),
        "stood_within_s": round((max(moments) - min(moments)) / 1e6, 2) if moments else None,
        "worst_frame_ms": round(frames.worst_ms, 1),
        "frames": len(frames.frames),
    }


async def _all_well(ward: Bedside, page: Page, clock: SystemClock, burst: int) -> None:
    for index in range(burst):
        ward.normal(index)
    await clock.sleep(SETTLE_S)
    await browser.taken(page)
    ward.lows.clear()


async def _lows(ward: Bedside, clock: SystemClock, burst: int) -> float:
    """So many patients low within a second; how long it took, s."""
    began = clock.now_us()
    for index in range(burst):
        ward.low(index)
        if index % 25 == 24:
            await clock.sleep(0.025)
    return (clock.now_us() - began) / 1e6


async def _nothing_more(stack: Stack, clock: SystemClock) -> None:
    """Wait until the servers have nothing left to do; at most three seconds, for then the page misses heartbeats."""
    deadline = clock.monotonic() + 3.0
    while clock.monotonic() < deadline:
        before = sum(_cpu(stack).values())
        await clock.sleep(IDLE_S)
        if sum(_cpu(stack).values()) - before < IDLE_S * IDLE_SHARE:
            return


@contextmanager
def _standing_still(stack: Stack) -> Iterator[None]:
    held = [process.pid for process in stack.supervisor.processes.values()]
    try:
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in held:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def _all_seen(ward: Bedside, page: Page, clock: SystemClock) -> dict[str, float]:
    seen: dict[str, float] = {}
    deadline = clock.monotonic() + SETTLE_S
    while True:
        for alert, at in (await browser.taken(page)).items():
            seen.setdefault(alert, at)
        if seen.keys() >= ward.lows.keys() or clock.monotonic() > deadline:
            return seen
        await clock.sleep(0.2)


def _judge(verdict: Verdict) -> None:
    latency, quiet, burst, alone = (verdict.figures[name] for name in ("latency_ms", "quiet", "burst", "burst_alone"))
    missing = latency["missing"] + burst["missing"] + alone["missing"]
    verdict.expect("alerts that never stood on the page", missing, 0)
    for what, found, most in (
        ("p99 from publish to page, ms", latency.get("p99", float("inf")), P99_MS_MAX),
        ("the browser's share of a core at 1 Hz", quiet["browser_share_of_a_core"], CPU_SHARE_MAX),
        ("worst frame in the burst, ms", alone["worst_frame_ms"], FRAME_MS_MAX),
    ):
        verdict.expect_at_most(what, found, most)
    verdict.expect_at_least("alerts", latency["alerts"], ALERTS_MIN)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("page", __doc__)
    parser.add_argument("--patients", type=int, default=200, help="patients with heart rates at 1 Hz")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long latency is measured")
    parser.add_argument("--cycle", type=float, default=10.0, help="each patient is low once in so many seconds")
    parser.add_argument("--burst", type=int, default=500, help="alerts in one second")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
