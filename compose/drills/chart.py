"""The chart drill: how long a chart of fourteen days takes, at the API and on the page, beside a ward at 1 Hz.

    python -m compose.drills.chart [--patients 20] [--rounds 5] [--every 5] [--width 1440] [--seed 1] [--json]
    python -m compose.drills.chart --patients 5 --rounds 2

A stack of its own with two weeks of readings of 20 patients, a high and a low of each metric planted in them. Asks the
API for every chart in seeded order, then opens every patient on the real page in real Chromium. Prints a JSON verdict;
exit code 0 when 90 % of the charts are there within 150 ms at the API and 500 ms on the page, and all of them show what
was planted. Progress goes to stderr.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from playwright.async_api import Page

from compose import signals
from compose.drills import asking, browser, drawing, past
from compose.drills.asking import Api
from compose.drills.bedside import Bedside, bedside, device_name
from compose.drills.frame import PARTITIONS, Frame, Verdict, command_line, conduct, percentiles
from compose.drills.past import DAY_US, DAYS, METRICS, Bed, Spike
from compose.stack import Options, Stack
from runtime.database import AsyncConnection, connect
from runtime.database_errors import statements
from vitals.errors import ServerStalled

SETTLE_S = 10.0
KNOWN_S = 30.0
FILL_S_MAX = 900.0
API_P90_MS_MAX = 150.0
PAGE_P90_MS_MAX = 500.0
FULL_MIN = 0.9
"""The least part of the chart's time that must hold points, and of its width that must hold a line."""
BEATS_MIN = 0.9
"""The least part of the heart rates at 1 Hz that must have been sent while charts were measured."""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``every`` is the history's interval of heart rates in seconds; ``width``
    is the page's in CSS pixels, from which follows how many points it asks for.
    """

    patients: int = 20
    rounds: int = 5
    every: int = 5
    width: int = 1440
    seed: int = 1
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when every target is met.

    Raises:
        InputError: there is no Chromium.
    """
    browser.chromium()
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    clock, figures = frame.clock, frame.verdict.figures
    async with (
        frame.stack(Options(root=frame.root)) as stack,
        bedside(stack.settings, clock, options.patients) as ward,
        browser.browser() as chromium,
    ):
        api = Api(stack.ready.api, stack.ready.token, clock)
        beds = await _beds(api, ward)
        planted = await _filled(frame, stack, beds, options)
        page = await browser.open_page(chromium, stack.ready.page, width=options.width)
        async with ward.beating():
            await clock.sleep(SETTLE_S)
            began, sent = clock.monotonic(), ward.sent
            figures["points"] = await drawing.points(page, beds[0].patient, beds[0].label)
            frame.tell(f"{options.rounds} rounds of charts at the API, {figures['points']} points each")
            figures["api_ms"] = await _asked(api, planted, options, figures["points"])
            frame.tell("every patient's chart on the page")
            figures["page"] = await _drawn(page, planted, options.seed)
            seconds = clock.monotonic() - began
            figures["heart_rates_per_s"] = round((ward.sent - sent) / seconds, 1)
            figures["drill_itself_late_ms"] = round(ward.late_s * 1000, 1)
            figures["machine"] = {"cores": os.cpu_count(), "load_1_min": round(os.getloadavg()[0], 2)}
        async with _database(stack) as connection:
            figures["stored"] = await past.counts(connection, beds)
    _judge(frame.verdict, options)


@asynccontextmanager
async def _database(stack: Stack) -> AsyncIterator[AsyncConnection]:
    url = stack.settings.database_url
    async with await connect(url, autocommit=True) as connection:
        with statements(url, connection, seconds_max=FILL_S_MAX):
            yield connection


async def _beds(api: Api, ward: Bedside) -> list[Bed]:
    """The ward's patients, once the dashboard knows them all."""
    deadline = api.clock.monotonic() + KNOWN_S
    while True:
        found = (await api.get("/api/patients")).parsed()["patients"]
        beds = {
            each["label"]: Bed(UUID(each["id"]), each["label"], device_name(each["label"]), each["site"])
            for each in found
        }
        if beds.keys() >= set(ward.patients):
            return [beds[name] for name in ward.patients]
        if api.clock.monotonic() > deadline:
            raise ServerStalled("the dashboard does not know the ward", f"{len(beds)} patients", "see its log")
        await api.clock.sleep(0.2)


async def _filled(frame: Frame, stack: Stack, beds: Sequence[Bed], options: DrillOptions) -> list[Spike]:
    """Two weeks in the database."""
    clock, tell, figures = frame.clock, frame.tell, frame.verdict.figures
    began = clock.monotonic()
    async with _database(stack) as connection:
        figures["database"] = await past.kind(connection)
        planted = await past.write(connection, beds, clock.now_us(), heart_rate_every_s=options.every, tell=tell)
        found = await past.counts(connection, beds)
    figures["history"] = {
        "patients": len(beds),
        "days": DAYS,
        "heart_rate_every_s": options.every,
        "glucose_every_s": past.GLUCOSE_EVERY_S,
        "readings": found["readings"],
        "roll_ups": found["roll_ups"],
        "fill_seconds": round(clock.monotonic() - began, 1),
    }
    tell(f"{found['readings']:,} readings and {found['roll_ups']:,} roll-ups")
    return planted


async def _asked(api: Api, planted: Sequence[Spike], options: DrillOptions, points: int) -> dict[str, Any]:
    """Each patient's two charts of fourteen days up to now, in every round in another order."""
    chance = random.Random(options.seed)  # noqa: S311 - a drill that can be repeated, no secret
    spikes: dict[tuple[UUID, str], list[Spike]] = {}
    for spike in planted:
        spikes.setdefault((spike.bed.patient, spike.metric.name), []).append(spike)
    charts = list(spikes)
    took: dict[str, list[float]] = {metric.name: [] for metric in METRICS}
    fullest, missing, sizes = [], 0, []
    for _ in range(options.rounds):
        chance.shuffle(charts)
        for patient, metric in charts:
            now = api.clock.now_us()
            query = {"metric": metric, "from": now - DAYS * DAY_US, "to": now, "points": points}
            answer = await api.get(f"/api/patients/{patient}/series", query)
            took[metric].append(answer.ms)
            series = answer.parsed()
            fullest.append(len(series["t"]) * series["bucket_us"] / (DAYS * DAY_US))
            sizes.append(len(answer.body))
            missing += asking.lost(series, spikes[patient, metric])
    every = np.array([each for found in took.values() for each in found])
    return {
        "requests": len(every),
        **percentiles(every),
        **{name: percentiles(np.array(found)) for name, found in took.items()},
        "bytes_max": max(sizes),
        "least_part_with_points": round(min(fullest), 3),
        "planted_missing": missing,
    }


async def _drawn(page: Page, planted: Sequence[Spike], seed: int) -> dict[str, Any]:
    """Each patient's chart of fourteen days on the page, once."""
    by_bed: dict[Bed, list[Spike]] = {}
    for spike in planted:
        by_bed.setdefault(spike.bed, []).append(spike)
    order = list(by_bed)
    random.Random(seed).shuffle(order)  # noqa: S311 - a drill that can be repeated, no secret
    found = [(bed, await drawing.draw(page, bed.patient, bed.label)) for bed in order]
    drawn = [(bed, each) for bed, each in found if each is not None]
    right = [each.pressed == drawing.RANGE and each.extremes == drawing.wanted(by_bed[bed]) for bed, each in drawn]
    return {
        "charts": len(order),
        "missing": len(order) - len(drawn),
        "wrong": right.count(False),
        "chart_ms": percentiles(np.array([each.chart_ms for _, each in drawn])),
        "click_to_paint_ms": percentiles(np.array([each.painted_ms for _, each in drawn])),
        "least_part_with_a_line": round(min((share for _, each in drawn for share in each.shares), default=0.0), 3),
    }


def _judge(verdict: Verdict, options: DrillOptions) -> None:
    api, page, stored = (verdict.figures[name] for name in ("api_ms", "page", "stored"))
    verdict.expect_at_most("90 % of charts at the API, ms", api["p90"], API_P90_MS_MAX)
    verdict.expect_at_most("90 % of charts on the page, ms", page["chart_ms"].get("p90", np.inf), PAGE_P90_MS_MAX)
    verdict.expect("planted extremes missing in the API's answers", api["planted_missing"], 0)
    verdict.expect("charts missing on the page", page["missing"], 0)
    verdict.expect("charts on the page with another range or other extremes", page["wrong"], 0)
    verdict.expect_at_least("the part of a chart's time with points", api["least_part_with_points"], FULL_MIN)
    verdict.expect_at_least("the part of a chart's width with a line", page["least_part_with_a_line"], FULL_MIN)
    beats = verdict.figures["heart_rates_per_s"]
    verdict.expect_at_least("heart rates per second meanwhile", beats, BEATS_MIN * options.patients)
    for width in ("minutes", "five_minutes"):
        verdict.expect(f"readings in the roll-ups of {width}", stored[f"readings_in_{width}"], stored["readings"])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("chart", __doc__)
    parser.add_argument(
        "--patients", type=int, default=20, help="patients with two weeks of history and a heart rate at 1 Hz"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often the API is asked for each chart")
    parser.add_argument("--every", type=int, default=5, help="seconds between two heart rates of the history")
    parser.add_argument("--width", type=int, default=1440, help="width of the page; it asks for about a point a pixel")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
