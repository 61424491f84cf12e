"""``vigil alerts`` on a real feed: what it sends, what it says, and its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.alerting import episode, minute
from tests.logs import worn
from tests.screens import NURSE, Ward, managed
from vitals.alerts import SITE_SILENT
from vitals.control import PatientControl
from vitals.evidence import Evidence
from vitals.policies import DEFAULT
from vitals.protocol import Change
from vitals.topics import patient_id

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def ward(topics: Settings, tmp_path: Path) -> AsyncIterator[Ward]:
    """A manager that runs, and people with tokens."""
    async with managed(topics, tmp_path) as ward:
        yield ward


async def vigil(ward: Ward, *arguments: str, token: str = NURSE) -> tuple[int, str]:
    """Run ``vigil alerts``: exit code and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from compose.entry import main; main()", "alerts", *arguments, "--url", ward.url),
        env=os.environ | {"VIGIL_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_person_at_a_prompt_can_do_what_the_page_can(ward: Ward):
    """When the page is broken, the ward still has to answer its alarms."""
    await ward.register(
        PatientControl(patient=patient_id("p1"), label="p1", site=1, version=1, worn=(), policy=DEFAULT)
    )
    async with ward.gateway(), ward.feed() as nurse:
        await ward.write(episode())
        alert = str((await nurse.expect(Change)).alert.id)
        assert await vigil(ward, "note", alert, "juice given") == (0, "accepted\n")
        assert await vigil(ward, "treated", alert, "--minutes", "20") == (0, "accepted\n")
        assert await vigil(ward, "shelve", alert, "--minutes", "60") == (1, "refused: that is longer than allowed\n")
        assert await vigil(ward, "shelve", alert, "--reason", "sensor") == (0, "accepted\n")
        assert await vigil(ward, "out-of-service", "p1", "--reason", "bath") == (0, "accepted\n")
        code, said = await vigil(ward, "list")
        assert code == 0
        assert "p1  glucose low  shelved by nurse until" in said
        assert "p1  out of service by nurse until" in said
        assert await vigil(ward, "unshelve", alert) == (0, "accepted\n")
        assert await vigil(ward, "in-service", "p1") == (0, "accepted\n")
        refused = await vigil(ward, "acknowledge", alert, token="wall-token")
        assert refused == (1, "refused: your role does not do that\n")


async def test_a_person_at_a_prompt_sees_why_and_who_is_not_watched(ward: Ward):
    """The readings behind a call, and the list behind "site silent", also where no page and no database is."""
    beds = [worn(label, f"cgm-{label}", "libre", 0) for label in ("p2", "p3")]
    await ward.register(
        *(
            PatientControl(
                patient=patient_id(each.binding.label), label=each.binding.label, site=2, version=1, worn=(each,),
                policy=DEFAULT,
            )
            for each in beds
        )
    )  # fmt: skip
    readings = ((minute(-5), 52_000), (minute(0), 49_000))
    why = Evidence(policy=3, night=True, level=2, limit=54, count=2, readings=readings)
    silent = {
        "patient": None, "label": "ward-b", "site": 2, "device": None, "metric": None, "rule": SITE_SILENT, "level": 3,
        "category": "technical", "value": None, "value_at": None, "limit": None, "unit": "", "reason": "silent",
    }  # fmt: skip
    async with ward.gateway(), ward.feed() as nurse:
        await ward.write(episode(evidence=why), episode("open", 0, **silent))
        first = [await nurse.expect(Change) for _ in range(2)]
        low, site = sorted((each.alert for each in first), key=lambda alert: alert.patient is None)
        code, said = await vigil(ward, "show", str(low.id))
        assert code == 0
        assert "why: below 54: 52 at " in said
        assert said.endswith("; rule low level 2, policy version 3, by night\n")
        code, said = await vigil(ward, "show", str(site.id))
        assert (code, said.splitlines()[1:]) == (0, ["2 patients not watched", "  p2, p3"])
        assert "(2 patients not watched)" in (await vigil(ward, "list"))[1]
        code, said = await vigil(ward, "show", str(patient_id("nobody")))
        assert (code, len(said.splitlines())) == (1, 1), said
        assert "no such open alert" in said
