"""``vigil status`` on a terminal: one picture, and that it goes on until Ctrl-C."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from compose.watch import live, picture
from dashboards.status import PartitionStatus, ServiceStatus, Status
from runtime.testing.clock import ManualClock
from runtime.testing.waiting import until

WELL = Status(
    stored={"readings": 1000, "alerts": 2},
    alerts_open={"medium": 1},
    services=(ServiceStatus(name="bridge", alive=True, ready=True),),
)
ILL = Status(
    stored={"readings": 1500, "alerts": 2},
    rejected={"not_bound": 3},
    partitions=(PartitionStatus(topic="vitals.readings", partition=0, position=1, end=8, lag=7),),
    lag=7,
    services=(
        ServiceStatus(name="bridge", alive=True, ready=False, reasons={"mqtt": "no connection to the MQTT broker"}),
        ServiceStatus(name="sink", alive=False, ready=False, reasons={"health": "refused"}),
    ),
    problems=("Kafka cannot be reached",),
)


def drawn(found: Status, before: Status, seconds: float = 2.0) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(found, before, seconds, 1_700_000_000_000_000))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_picture_of_a_stack_that_is_well() -> None:
    """One word on top: whoever looks over has half a second."""
    text = drawn(WELL, Status())
    assert text.startswith("well  22:13:20 UTC")
    assert "high 0, medium 1, low 0" in text
    assert "readings 1,000, alerts 2" in text


def test_a_picture_of_one_that_is_not_says_who_and_why() -> None:
    """That is all that the person in front of it can act on."""
    text = drawn(ILL, WELL)
    assert text.startswith("NOT WELL")
    assert "mqtt: no connection to the MQTT broker" in text
    assert "gone" in text
    assert "readings 1,500 (+250.0/s), alerts 2" in text
    assert "7 records in 1 partitions" in text
    assert "not_bound 3" in text
    assert "problem: Kafka cannot be reached" in text


async def test_it_is_drawn_again_until_somebody_ends_it() -> None:
    """A status that stands still looks like a pipeline that does."""
    looks = 0
    clock = ManualClock()

    async def look() -> Status:
        nonlocal looks
        looks += 1
        return WELL if looks == 1 else ILL

    output = io.StringIO()
    showing = asyncio.ensure_future(live(look, Console(file=output, force_terminal=True, width=120), clock))
    await until(lambda: looks == 1)
    await clock.advance(2.0)
    await until(lambda: "NOT WELL" in output.getvalue())
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing
    assert looks == 2
