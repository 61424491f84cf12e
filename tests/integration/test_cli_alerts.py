"""``vigil alerts`` on a real feed: what it sends, what it says, and its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.alerting import episode
from tests.screens import NURSE, Ward, managed
from vitals.control import PatientControl
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
