"""``vigil policy`` on a real registry and a real Kafka: what it shows, asks, changes and remembers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from ingest import commands
from ingest.directory import REMEDY, Directory
from runtime.kafka import Out, Producer
from runtime.settings import Settings
from stream.processor import Processor
from tests.integration.test_registry import everything, registry
from tests.logs import T0, episodes, row
from vitals import control
from vitals.control import PatientControl
from vitals.devices import DEVICE_TYPES
from vitals.metrics import MINUTE_US
from vitals.policies import DEFAULT
from vitals.readings import tick_rows
from vitals.registry import DeviceAdd, DeviceBind, PolicySet, SiteAdd
from vitals.topics import BINDINGS, COMMANDS, READINGS, TICK_KEY, partition_of, patient_id

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def ward(topics: Settings) -> AsyncIterator[Settings]:
    """A registry that runs, and one patient who wears a sensor."""
    async with registry(topics):
        answers = await commands.execute_all(
            topics,
            [
                SiteAdd(id=uuid4(), name="ward-a"),
                DeviceAdd(id=uuid4(), name="cgm-1", site="ward-a", type=DEVICE_TYPES["t1d-uom-5min"]),
                DeviceBind(id=uuid4(), device="cgm-1", patient="p-1", since=T0 - MINUTE_US),
            ],
        )
        assert {answer.outcome for answer in answers} == {"accepted"}
        yield topics


async def vigil(settings: Settings, *arguments: str) -> tuple[int, str]:
    """Run ``vigil policy``: exit code and everything it said."""
    return await run(settings, "policy", *arguments)


async def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    """Run ``vigil``: exit code and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from compose.entry import main; main()", *arguments),
        env=os.environ
        | {
            "VIGIL_KAFKA": settings.kafka,
            "VIGIL_MQTT": "127.0.0.1:1",
            "VIGIL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "VIGIL_NAMESPACE": settings.namespace,
            "VIGIL_PARTITIONS": str(settings.partitions),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert b"Traceback" not in said
    return process.returncode or 0, said.decode()


async def log_of_patient(settings: Settings) -> list[PatientControl]:
    """The control records of patients in ``vitals.readings``, in order."""
    found = []
    for records in await everything(settings, READINGS, settings.partitions):
        for value, headers in zip(records.values, records.headers, strict=True):
            message = control.decode(value) if headers else None
            if isinstance(message, PatientControl):
                found.append(message)
    return found


async def test_a_clinician_changes_a_limit_sees_what_changes_and_finds_it_in_the_history(
    ward: Settings, tmp_path: Path
):
    """The whole life of a patient's own rules at a prompt, and in the processors' log what the answer promised."""
    asked, refused = await vigil(ward, "set", "p-1", "--low", "65")
    assert asked == 1
    assert "limit         < 70 mg/dL -> < 65 mg/dL" in refused
    assert refused.splitlines()[-1].startswith("vigil: nobody is there to ask")
    assert (await log_of_patient(ward))[-1].policy == DEFAULT, "who did not say yes has changed nothing"
    code, said = await vigil(ward, "set", "p-1", "--low", "65", "--rule", "high=off", "--by", "dr-a", "--yes")
    assert (code, said.splitlines()[0], said.splitlines()[-1]) == (
        0,
        "policy of p-1, version 1 -> 2",
        "accepted: version 2",
    )
    newest = (await log_of_patient(ward))[-1]
    assert [rule.name for rule in newest.policy.thresholds] == ["low"]
    assert (newest.policy.version, newest.policy.thresholds[0].levels[0].limit) == (2, 65)
    assert (await vigil(ward, "set", "p-1", "--low", "65", "--yes"))[
        1
    ] == "nothing changes: version 2 says so already\n"

    code, shown = await vigil(ward, "show", "p-1", "--json")
    mine = json.loads(shown)
    mine["windows"] = []
    (tmp_path / "mine.json").write_text(json.dumps(mine))
    code, said = await vigil(ward, "set", "p-1", "--file", str(tmp_path / "mine.json"), "--yes", "--json")
    told = json.loads(said)
    assert (code, told["outcome"], told["version"]) == (0, "accepted", 3)
    assert [change["after"] for change in told["changes"]] == ["off"] * len(DEFAULT.windows)
    assert (await vigil(ward, "set", "p-1", "--file", str(tmp_path / "mine.json"), "--yes"))[1] == (
        "nothing changes: version 3 says so already\n"
    )
    table = (await vigil(ward, "show", "p-1"))[1].splitlines()
    assert table[0] == "policy of p-1, version 3"
    assert [line[2:8] for line in table if line.startswith("*")][:3] == ["low 1 ", "high 1", "high 2"]

    code, said = await vigil(ward, "history", "p-1", "--json")
    versions = json.loads(said)
    assert [(each["version"], each["by"], len(each["changes"])) for each in versions] == [
        (1, "", 0),
        (2, "dr-a", 4),
        (3, "", 3),
    ]
    assert versions[1]["changes"][0] == {
        "where": "low 1",
        "what": "limit",
        "before": "< 70 mg/dL",
        "after": "< 65 mg/dL",
    }


async def test_what_nobody_may_set_is_refused_in_one_line(ward: Settings):
    """At the prompt with the bound, in the registry again for whoever writes the command another way."""
    for arguments, told in (
        (("p-1", "--urgent-low", "40"), "beyond the bounds of a policy: low 2 limit is 40: give 50 to 70 mg/dL"),
        (("p-9", "--low", "65"), "no such patient: p-9 (who wears something has a policy: vigil device list)"),
    ):
        code, said = await vigil(ward, "set", *arguments, "--yes")
        assert (code, len(said.splitlines())) == (1, 1), said
        assert said.startswith("vigil: ")
        assert told in said
    answer = await commands.execute(
        ward, PolicySet(id=uuid4(), patient="p-1", policy=DEFAULT.model_copy(update={"thresholds": ()}))
    )
    assert (answer.outcome, answer.reason) == ("refused", "rule low is missing: high priority has no off switch")
    stale = PolicySet(id=uuid4(), patient="p-1", policy=DEFAULT.model_copy(update={"windows": ()}), base=7)
    assert (await commands.execute(ward, stale)).reason.startswith("the policy of p-1 is at version 1, not 7")
    assert [each.version for each in await log_of_patient(ward)] == [1]


async def test_a_policy_changed_inside_an_open_episode_judges_the_next_reading(ward: Settings):
    """The change lies between two readings in the patient's own partition, and holds from there on, for any replay."""
    home = partition_of(patient_id("p-1").bytes, ward.partitions)
    key = patient_id("p-1").bytes

    async def reads(*values: tuple[int, float]) -> None:
        records = []
        for at, value in values:
            time = T0 + at * MINUTE_US
            records.append(Out(READINGS, home, key, row("p-1", value, time).tobytes()))
            records.append(Out(READINGS, home, TICK_KEY, tick_rows([1], time).tobytes()))
        async with Producer(ward, "bridge") as producer:
            await producer.send(records)

    await reads((0, 66), (5, 66), (10, 66), (15, 66))
    assert (await vigil(ward, "set", "p-1", "--low", "60", "--yes"))[0] == 0
    await reads((20, 66), (25, 59))
    step = Processor(home, ward.partitions)
    outputs = [
        output
        for records in await everything(ward, READINGS, ward.partitions)
        if records.partition == home
        for output in step.step(records)
    ]
    assert [((each.at - T0) // MINUTE_US, each.change, each.limit, each.policy) for each in episodes(outputs)] == [
        (5, "open", 70, 1),
        (20, "clear", 60, 2),
    ]


async def test_a_night_is_set_shown_and_judged_by(ward: Settings):
    """From the prompt to the episode: by night, in the patient's zone, the night's number holds, and is named."""
    hours = ("--night", "22:00-07:00", "--zone", "Europe/Berlin", "--rule", "night.low.1.limit=80")
    code, said = await vigil(ward, "set", "p-1", *hours, "--yes")
    assert (code, said.splitlines()[-1]) == (0, "accepted: version 2")
    assert "  night low 1         limit         as by day -> < 80 mg/dL" in said.splitlines()
    shown = (await vigil(ward, "show", "p-1"))[1].splitlines()
    assert "* night               hours 22:00 to 07:00, zone Europe/Berlin" in shown
    assert shown[-1].split(":")[0] == "in force by this machine's clock"
    for wrong, told in (
        (("--zone", "Mars/Base"), "no time zone: zone=Mars/Base"),
        (("--rule", "night.low.2.limit=40"), "by night: low 2 limit is 40: give 50 to 70 mg/dL"),
    ):
        code, said = await vigil(ward, "set", "p-1", *wrong, "--yes")
        assert (code, len(said.splitlines())) == (1, 1), said
        assert told in said
    unknown = (await log_of_patient(ward))[-1].policy
    assert unknown.night is not None
    elsewhere = unknown.model_copy(update={"night": unknown.night.model_copy(update={"zone": "Mars/Base"})})
    answer = await commands.execute(ward, PolicySet(id=uuid4(), patient="p-1", policy=elsewhere))
    assert (answer.outcome, answer.reason) == (
        "refused", "by night: zone 'Mars/Base' is unknown: give an IANA name, as Europe/Berlin",
    )  # fmt: skip

    home, key = partition_of(patient_id("p-1").bytes, ward.partitions), patient_id("p-1").bytes
    evening = datetime.fromtimestamp(T0 / 1e6, UTC).replace(hour=20, minute=50, second=0, microsecond=0)
    ten = int(evening.timestamp()) * 1_000_000 + 10 * MINUTE_US
    async with Producer(ward, "bridge") as producer:
        for minute in (-10, -5, 0, 5):
            at = ten + minute * MINUTE_US
            await producer.send(
                [
                    Out(READINGS, home, TICK_KEY, tick_rows([1], at).tobytes()),
                    Out(READINGS, home, key, row("p-1", 75, at).tobytes()),
                ]
            )
    step = Processor(home, ward.partitions)
    outputs = [
        output
        for records in await everything(ward, READINGS, ward.partitions)
        if records.partition == home
        for output in step.step(records)
    ]
    (opened,) = episodes(outputs, "low")
    assert ((opened.at - ten) // MINUTE_US, opened.limit, opened.policy) == (0, 80, 2)
    assert opened.evidence is not None
    assert opened.evidence.night


async def test_two_people_at_once_do_not_undo_each_other(ward: Settings):
    """Both saw version 1; the second is told to look again, and its change is not lost in the first one's."""
    first, second = await asyncio.gather(
        vigil(ward, "set", "p-1", "--low", "65", "--yes"), vigil(ward, "set", "p-1", "--high", "300", "--yes")
    )
    outcomes = sorted(code for code, _ in (first, second))
    (records,) = await everything(ward, COMMANDS, 1)
    versions = [each.policy.version for each in await log_of_patient(ward)]
    if outcomes == [0, 1]:  # they overlapped
        loser = first if first[0] else second
        assert "the policy of p-1 is at version 2, not 1; look at it again" in loser[1]
        assert versions == [1, 2]
    else:  # one began when the other had ended: then it was made from what that one left
        assert (outcomes, versions) == ([0, 0], [1, 2, 3])
    assert sum(b'"policy_set"' in value for value in records.values) == 2


async def test_records_of_the_registry_that_nobody_can_read_are_told_beside_the_rest(ward: Settings):
    """Whoever may write to the topic could otherwise take the command line from those who must look; and what a bridge
    cannot use is not listed as if it were well.
    """
    (worn,) = (await commands.devices(ward)).found
    newer = worn.model_copy(update={"name": "new"}).encode().replace(b'"glucose"', b'"lactate"')
    async with Producer(ward, "foreign") as producer:
        keys = [b"device:odd", b"device:\xff", b"device:new", b"patient:p-2"]
        values = [b"noise", b'{"kind":"device"}', newer, b'{"version":1e400}']
        first, _, _, patient = await producer.send([Out(BINDINGS, 0, *each) for each in zip(keys, values, strict=True)])
    code, said = await run(ward, "device", "list")
    assert (code, "cgm-1 " in said) == (0, True)
    assert "new " not in said
    assert f"3 of the registry's records cannot be read: the first is b'device:odd' at {BINDINGS} " in said
    assert f"partition 0 offset {first}; {REMEDY}\n" in said
    directory = Directory(ward.partitions)
    for records in await everything(ward, BINDINGS, 1):
        directory.take(records.offsets, records.keys, records.values)
    assert directory.unreadable == (await commands.devices(ward)).unreadable
    code, said = await run(ward, "device", "list", "--json")
    devices = json.loads(said[said.index("[\n") : said.rindex("]") + 1])
    assert [(each["kind"], each.get("offset")) for each in devices] == [
        ("device", None), ("unreadable", first), ("unreadable", first + 1), ("unreadable", first + 2),
    ]  # fmt: skip
    code, said = await vigil(ward, "show", "p-1")
    assert (code, "policy of p-1, version 1" in said, f"offset {patient};" in said) == (0, True, True)
    code, said = await vigil(ward, "show", "p-2")
    assert (code, f"the patient's record cannot be read: p-2, {BINDINGS} partition 0 offset {patient}" in said) == (
        1, True,
    )  # fmt: skip
    code, said = await vigil(ward, "history", "p-1")
    assert code == 0
    assert re.fullmatch(r"version 1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  the default\n", said)
