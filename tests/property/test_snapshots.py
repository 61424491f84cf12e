"""A step that is restored from a snapshot goes on to the byte as the one that gave it, and gives the same snapshots."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.manager import AlertManager
from ingest.registry import RegistryStep
from stream.processor import Processor
from tests.alerting import command, episode, mark
from tests.logs import T0, Log, row, worn
from tests.property.test_manager import STEPS as STEPS_GIVEN
from tests.property.test_manager import batch, built, placed
from tests.strategies.acts import lived
from tests.strategies.wards import Plan
from vitals.codecs.state import decode, encode
from vitals.devices import DEVICE_TYPES
from vitals.errors import CodecError
from vitals.messages import Message
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, LOW
from vitals.registry import ClockSet, DeviceAdd, DeviceBind, DeviceClose, DeviceUnbind, PolicySet, SiteAdd
from vitals.snapshots import CHUNK_BYTES_MAX, chunks
from vitals.steps import Output, Records, Step
from vitals.topics import COMMANDS

relaxed = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
CUTS = st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=4)
Slice = Callable[[int, int], Records]
PIECE = 1000
"""Bytes of a chunk in these tests, so that columns and head are cut somewhere in their midst."""


def as_bytes(step: Step) -> bytes:
    """The snapshot of a step, as its chunks say it."""
    return b"".join(chunks(encode(step.state()), PIECE))


def uninterrupted(make: Callable[[], Step], read: Slice, bounds: list[int]) -> tuple[list[list[Output]], list[bytes]]:
    """The outputs of one step between the bounds, and its snapshot at each of them but the first."""
    step = make()
    outputs, snapshots = [], []
    for first, last in pairwise(bounds):
        outputs.append(step.step(read(first, last)) if first < last else [])
        snapshots.append(as_bytes(step))
    return outputs, snapshots


def check(make: Callable[[], Step], read: Slice, length: int, cuts: list[int]) -> None:
    """One step is restored at every cut (thousandths of the log); another never stops; a third reads all at once."""
    bounds = [0, *sorted({cut * length // 1000 for cut in cuts}), length]
    whole = make().step(read(0, length))
    outputs, snapshots = uninterrupted(make, read, bounds)
    assert [output for part in outputs for output in part] == whole, "to take snapshots changes nothing"
    for at, (first, last) in enumerate(pairwise(bounds[1:]), 1):
        restored = make()
        restored.restore(decode(snapshots[at - 1]))
        assert as_bytes(restored) == snapshots[at - 1], "a snapshot of a snapshot is the same"
        assert (restored.step(read(first, last)) if first < last else []) == outputs[at]
        assert as_bytes(restored) == snapshots[at], "two owners write the same bytes"
        at_once = make()
        if last:
            at_once.step(read(0, last))
        assert as_bytes(at_once) == snapshots[at], "however the log was polled"


@settings(relaxed, max_examples=12)
@given(seed=st.integers(min_value=0, max_value=1 << 32), acts=st.integers(min_value=8, max_value=24))
def test_a_processor_goes_on_from_a_snapshot_as_if_it_had_never_stopped(seed: int, acts: int) -> None:
    """A snapshot that left one thing out would page wrongly after a restart, and nobody would see why."""
    log = lived(Plan(seed, tuple(range(acts)))).log
    chance = random.Random(seed)  # noqa: S311 - the same cuts from the same seed
    check(lambda: Processor(0, 1), log.records, len(log.keys), [chance.randrange(1000) for _ in range(3)])


def test_a_snapshot_tells_nothing_of_how_the_log_was_polled() -> None:
    """Rows that wait, lower bounds on deadlines, who was a stranger when: two owners poll differently."""
    log = Log()
    log.site(1)
    log.readings(row("bob", 100, T0))
    for name in ("ann", "bob"):
        log.patient(name, worn(name, f"ward-{name}", "ward", T0 - 90 * MINUTE_US))
    log.tick(T0)
    for minute in range(1, 4):
        at = T0 + minute * MINUTE_US
        log.readings(row("bob", 100 + minute, at), row("bob", 70, at, metric="heart_rate"))
        log.readings(row("ann", 70, at, metric="heart_rate"), row("nobody", 70, at, metric="heart_rate"))
        log.tick(T0 + minute * SECOND_US)
    log.readings(row("ann", 99, T0 + 5 * MINUTE_US))
    log.readings(row("ann", 98, T0 + 9 * MINUTE_US), row("ann", 80, T0 + 9 * MINUTE_US, metric="heart_rate"))
    found = set()
    for together in (1, 2, len(log.keys)):
        step = Processor(0, 1)
        log.run(step, range(0, len(log.keys), together))
        found.add(as_bytes(step))
    assert len(found) == 1


long_journals = st.builds(built, st.lists(STEPS_GIVEN, min_size=30, max_size=60), st.sampled_from([0, 0, 10, 30]))


@settings(relaxed, max_examples=150)
@given(messages=long_journals, cuts=CUTS)
def test_a_manager_goes_on_from_a_snapshot_as_if_it_had_never_stopped(messages: list[Message], cuts: list[int]) -> None:
    """Shelves, answers, debts of a call and every timer: what is lost here calls nobody, or everybody again."""
    rows = placed(messages)
    check(lambda: AlertManager(0), lambda first, last: batch(rows[first:last]), len(rows), cuts)


NAMES = st.sampled_from(["a", "b", "not a name"])
TIMES = st.sampled_from([1_699_228_800_000_000, 1_699_228_860_000_000, 5])
KINDS = st.sampled_from([DEVICE_TYPES["dexcom"], DEVICE_TYPES["ward"]])
POLICIES = st.sampled_from([DEFAULT, DEFAULT.model_copy(update={"thresholds": (LOW,)})])
IDS = st.integers(0, 30).map(lambda number: UUID(int=number))
COMMANDS_GIVEN = st.one_of(
    st.builds(SiteAdd, id=IDS, name=NAMES),
    st.builds(DeviceAdd, id=IDS, name=NAMES, site=NAMES, type=KINDS),
    st.builds(DeviceBind, id=IDS, device=NAMES, patient=NAMES, since=TIMES, bed=st.sampled_from(["", "12"])),
    st.builds(DeviceUnbind, id=IDS, device=NAMES, until=TIMES),
    st.builds(DeviceClose, id=IDS, patient=NAMES),
    st.builds(PolicySet, id=IDS, patient=NAMES, policy=POLICIES),
    st.builds(ClockSet, id=IDS, clock=st.sampled_from(["real", "simulated"])),
).map(lambda command: command.encode())
COMMAND_LOGS = st.lists(
    COMMANDS_GIVEN | st.sampled_from([b"{}", b'{"id": "%s"}' % (b"0" * 32)]), min_size=1, max_size=40
)


REGISTERED = [
    each.encode()
    for each in (
        SiteAdd(id=UUID(int=100), name="a"),
        DeviceAdd(id=UUID(int=101), name="a", site="a", type=DEVICE_TYPES["dexcom"]),
        DeviceAdd(id=UUID(int=102), name="b", site="a", type=DEVICE_TYPES["ward"]),
        DeviceBind(id=UUID(int=103), device="a", patient="a", since=1_699_228_800_000_000),
    )
]
"""The beginning of each log: without it nearly everything that follows is refused."""


def commands(values: list[bytes], first: int = 0, last: int | None = None) -> Records:
    """The records of a log of commands from ``first`` to ``last``."""
    part = values[first:last]
    return Records(COMMANDS, 0, list(range(first, first + len(part))), [b"k"] * len(part), part, [()] * len(part))


@settings(relaxed, max_examples=60)
@given(values=COMMAND_LOGS, cuts=CUTS)
def test_a_registry_goes_on_from_a_snapshot_as_if_it_had_never_stopped(values: list[bytes], cuts: list[int]) -> None:
    """A device bound twice, or a command done again, is a reading of the wrong patient."""
    values = REGISTERED + values
    check(lambda: RegistryStep(2), lambda first, last: commands(values, first, last), len(values), cuts)


def spoilt(data: bytes, at: int, new: bytes) -> bytes:
    """Bytes with others in their midst, ``at`` a place that may lie beyond them."""
    at %= len(data)
    return data[:at] + new + data[at + len(new) :]


@settings(relaxed, max_examples=200)
@given(
    which=st.sampled_from(["processor", "manager", "registry"]),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=12)), min_size=1, max_size=3),
)
def test_whatever_the_bytes_are_a_step_takes_them_or_says_so_in_one_line(
    which: str, changes: list[tuple[int, bytes]]
) -> None:
    """Any other error would end the process at each start, and an older snapshot would never be tried."""
    make, data = STEPS[which]
    for at, new in changes:
        data = spoilt(data, at, new)
    told = ""
    try:
        make().restore(decode(data))
    except CodecError as error:
        told = str(error)
    assert "\n" not in told


def _some() -> dict[str, tuple[Callable[[], Step], bytes]]:
    """A step of each kind that has something to remember, and the bytes of its state."""
    log = lived(Plan(1, tuple(range(24)))).log
    steps: dict[str, tuple[Callable[[], Step], Records]] = {
        "processor": (lambda: Processor(0, 1), log.records()),
        "manager": (lambda: AlertManager(0), batch(placed([episode("open", 1), mark(2, 1), command("note", 1)]))),
        "registry": (lambda: RegistryStep(2), commands(REGISTERED)),
    }
    found = {}
    for name, (make, records) in steps.items():
        step = make()
        step.step(records)
        found[name] = (make, as_bytes(step))
    return found


STEPS = _some()


def test_pieces_are_whole_but_the_last() -> None:
    """Their sum is the bytes, and none is larger than a record may be."""
    parts = [memoryview(bytes([number]) * size) for number, size in enumerate((0, 1, CHUNK_BYTES_MAX, 7))]
    found = list(chunks(parts))
    assert b"".join(found) == b"".join(parts)
    assert [len(each) for each in found] == [CHUNK_BYTES_MAX, 8]
