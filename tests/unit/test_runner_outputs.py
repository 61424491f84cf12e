"""Which outputs of a step the runner sends, and as what; the rest of the runner is tested on a real Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import pytest
from structlog.testing import capture_logs

from runtime.kafka import Out
from runtime.observe import Metrics
from runtime.runner import Runner, RunnerSpec, _Owned
from vitals.causes import HEADER, NONE, Cause, unpack
from vitals.codecs.state import State
from vitals.snapshots import Format
from vitals.steps import Output, Records

FIRST = 10


class Replaying:
    """A step that causes an output for each tail and for a topic that is none, of each record; the last one later."""

    FORMAT: ClassVar[Format] = Format("replaying", 1)

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing."""

    def step(self, records: Records) -> list[Output]:
        """Two outputs of stage 0 and one of stage 1 a record."""
        return [
            Output(topic, 0, b"key", topic.encode(), Cause(offset, ordinal), int(topic == "other"), (("own", b"1"),))
            for offset in records.offsets
            for ordinal, topic in enumerate(("journal", "windows", "other"))
        ]


class Sends:
    """A producer that keeps what it is given, by call."""

    def __init__(self) -> None:
        self.calls: list[list[Out]] = []

    async def send(self, records: Sequence[Out]) -> list[int]:
        """Take records."""
        self.calls.append(list(records))
        return []


@pytest.mark.parametrize(
    ("journal", "windows", "expected"),
    [
        (NONE, NONE, ["journal 10", "windows 10", "journal 11", "windows 11", "other 10", "other 11"]),
        (Cause(9, 5), Cause(9, 5), ["journal 10", "windows 10", "journal 11", "windows 11", "other 10", "other 11"]),
        (Cause(9, 0), Cause(11, 1), ["journal 10", "journal 11", "other 10", "other 11"]),
        (Cause(10, 0), Cause(9, 0), ["windows 10", "journal 11", "windows 11", "other 10", "other 11"]),
        (Cause(10, 2), Cause(10, 1), ["journal 11", "windows 11", "other 11"]),
        (Cause(11, 2), Cause(11, 2), []),
    ],
)
async def test_only_what_is_later_than_the_last_of_its_tail_is_sent(
    journal: Cause, windows: Cause, expected: list[str]
):
    """After a crash each topic may stand elsewhere: an output too many doubles an alert, one too few loses it."""
    spec = RunnerSpec("readings", "group", lambda _: Replaying(), ("journal", "windows"), "snapshots")
    runner, sends = Runner(cast("Any", None), spec, monotonic=lambda: 0.0), Sends()
    written = {"journal": journal, "windows": windows}
    runner._owned[0] = _Owned(Replaying(), written, recovered_at=0, position=FIRST)
    records = Records("readings", 0, [FIRST, FIRST + 1], [b"", b""], [b"", b""], [(), ()])
    await runner._advance(cast("Any", sends), [records])
    sent = [f"{out.topic} {unpack(dict(out.headers)[HEADER]).offset}" for call in sends.calls for out in call]
    assert sent == expected
    assert all(
        out.headers[0] == ("own", b"1") and out.value == out.topic.encode() for call in sends.calls for out in call
    )
    assert [{out.topic == "other" for out in call} for call in sends.calls] == ([{False}, {True}] if expected else [])
    assert runner.positions == {0: FIRST + 2}


@pytest.mark.parametrize(
    ("journal", "windows", "told"),
    [
        (NONE, Cause(FIRST - 1, 7), []),
        (Cause(FIRST, 0), Cause(FIRST + 1, 1), []),
        (Cause(FIRST, 7), Cause(FIRST, 1), [("journal", FIRST, 7)]),
        (Cause(FIRST + 1, 1), Cause(FIRST + 1, 0), [("journal", FIRST + 1, 1), ("windows", FIRST + 1, 0)]),
        (Cause(FIRST + 2, 7), Cause(FIRST, 1), []),
    ],
)
async def test_what_another_version_may_have_left_half_written_is_told(
    journal: Cause, windows: Cause, told: list[tuple[str, int, int]]
):
    """It counts the outputs of a record otherwise: what is missing is taken for written, and nobody would know."""
    spec = RunnerSpec("readings", "group", lambda _: Replaying(), ("journal", "windows"), "snapshots")
    metrics = Metrics()
    runner = Runner(cast("Any", None), spec, monotonic=lambda: 0.0, metrics=metrics)
    runner._owned[0] = _Owned(Replaying(), {"journal": journal, "windows": windows}, recovered_at=0, position=FIRST)
    records = Records("readings", 0, [FIRST, FIRST + 1], [b"", b""], [b"", b""], [(), ()])
    with capture_logs() as logs:
        await runner._advance(cast("Any", Sends()), [records])
    assert [(each["topic"], each["input_offset"], each["ordinal"]) for each in logs] == told
    assert {each["log_level"] for each in logs} <= {"error"}
    assert metrics.registry.get_sample_value("vigil_replay_differences_total") == len(told)
