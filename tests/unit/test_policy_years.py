"""A ward whose policies are edited for years: it keeps what its policies ask for, and nothing of what they asked."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import NamedTuple

import pytest

from stream.processor import Processor
from tests import oracle_bytes
from tests.logs import T0, Log, episodes, row, worn
from tests.oracle import Oracle
from vitals.codecs.state import decode, encode
from vitals.control import WornDevice
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.policies import DEFAULT, Policy
from vitals.policy_edits import edited
from vitals.readings import Rows
from vitals.steps import Output

EDITS = 1020
ROUND = 12
"""So many edits, and the same rules are there again, with other numbers."""
PIECE = 5 * ROUND
"""So many edits between two looks at what is kept."""


def wrist(patient: str) -> WornDevice:
    """A band that sends each ten seconds."""
    item = worn(patient, f"{patient}-wrist", "wrist", T0)
    stream = item.type.streams[0].model_copy(update={"interval_us": 10 * SECOND_US})
    return item.model_copy(update={"type": item.type.model_copy(update={"streams": (stream,)})})


def policy(edit: int) -> Policy:
    """The rules after an edit: of every kind some come, some change and some go."""
    limit, night = edit % 19, ("zone=Etc/UTC", f"night=2{edit % 4}:00-0{edit % 7}:00")
    changes: list[tuple[str, ...]] = [
        (f"low.1.limit={65 + limit % 10}",),
        ("high_sustained=on", f"high_sustained.limit={181 + limit}"),
        (f"heart_rate_high.above={121 + limit}",),
        ("glucose_falling=on", f"high.1.limit={240 + limit}"),
        ("heart_rate_rest=on", f"heart_rate_low.at_most={40 + limit % 10}"),
        (*night, f"night.low.1.limit={62 + limit % 8}"),
        ("low_soon=on", "low_sustained=on", f"low_sustained.limit={60 + limit % 10}"),
        ("heart_rate_high=off", "glucose_rising=on"),
        (*night, "low_soon=on", f"night.heart_rate_high.above={111 + limit}"),
        ("heart_rate_usual=on", "high=off"),
        (),
        ("heart_rate_low=off", "low_sustained=on", f"heart_rate_extreme.above={150 + limit}"),
    ]
    rules = edited(DEFAULT, changes[edit % ROUND])
    if edit % 5 == 0:  # no command makes rules with such names and widths, but a log may hold them
        named = {"name": f"rule {edit}", "width_us": (2 + edit % 7) * MINUTE_US}
        more = DEFAULT.windows[0].model_copy(update=named)
        rules = rules.model_copy(update={"windows": (*rules.windows, more)})
    return rules.model_copy(update={"version": edit + 2})


class Lived(NamedTuple):
    """A log, and what a processor made of it piece by piece: the outputs, the snapshot after, and all that it holds."""

    log: Log
    ends: list[int]
    outputs: list[list[Output]]
    kept: list[bytes]
    sizes: list[int]


def log_of(names: str = "ab") -> tuple[Log, list[int]]:
    """Two people, an edit of one of them every 20 seconds; the log, and where each piece of it ends."""
    log, ends = Log(), list[int]()
    devices = {name: (worn(name, f"{name}-cgm", "t1d-uom-5min", T0 - 600 * MINUTE_US), wrist(name)) for name in names}
    log.site(1)
    for name, mine in devices.items():
        log.patient(name, *mine)
    log.tick(T0)
    for edit in range(EDITS):
        name, at = names[edit // ROUND % 2], T0 + edit * 20 * SECOND_US
        log.patient(name, *devices[name], version=edit + 2, policy=policy(edit))
        for number, each in enumerate(devices):
            beats = (78.0, 142.0, 38.0)[(edit // 75 + number) % 3]
            log.readings(*(beat(each, beats, at + second * SECOND_US) for second in (10, 20)))
            if edit % 15 == 0:
                sugar = (110.0, 58.0, 85.0, 290.0)[(edit // 90 + 2 * number) % 4] - edit % 3
                log.readings(row(each, sugar, at, device=f"{each}-cgm"))
        log.tick(at + 22 * SECOND_US)
        if (edit + 1) % PIECE == 0:
            ends.append(len(log.keys))
    return log, ends


def beat(name: str, value: float, at: int) -> Rows:
    return row(name, value, at, metric="heart_rate", device=f"{name}-wrist")


def snapshot(step: Processor) -> bytes:
    return b"".join(encode(step.state()))


@pytest.fixture(scope="module")
def lived() -> Lived:
    log, ends = log_of()
    found, step = Lived(log, ends, [], [], []), Processor(0, 1)
    for first, last in pairwise([0, *ends]):
        found.outputs.append(log.run(step, first=first, last=last))
        found.kept.append(snapshot(step))
        found.sizes.append(len(pickle.dumps(step)))
    return found


def test_a_thousand_edits_leave_no_more_than_the_first_sixty(lived: Lived) -> None:
    """Rules, names, widths, policies and their nights: what nobody has any more is gone, and its room is used again.

    Everything that the processor holds is counted, whatever it is called.
    """
    assert len(lived.sizes) == 17
    assert max(lived.sizes) < 1.02 * lived.sizes[0]
    assert max(map(len, lived.kept)) < 1.05 * len(lived.kept[0])


def test_the_alerts_are_those_of_the_plain_program_whatever_was_taken_and_freed(lived: Lived) -> None:
    """A column or a number that is used again must carry nothing over to whoever has it next."""
    whole = [each for outputs in lived.outputs for each in outputs]
    told = oracle_bytes.outputs(Oracle().read(lived.log.records()))
    assert [(each.key, each.value) for each in whole] == [(each.key, each.value) for each in told]
    rules = {each.rule for each in episodes(whole)}
    assert rules >= {"low", "high", "heart_rate_high", "heart_rate_low"}
    assert any(name.startswith("rule ") for name in rules)


def test_a_snapshot_after_any_edits_goes_on_as_if_nothing_had_been(lived: Lived) -> None:
    """It holds what is there and in an order of its own: the next one is the same, byte for byte, after a restore."""
    for number in range(1, len(lived.ends)):
        step = Processor(0, 1)
        step.restore(decode(lived.kept[number - 1]))
        assert snapshot(step) == lived.kept[number - 1]
        first, last = lived.ends[number - 1 : number + 1]
        assert lived.log.run(step, first=first, last=last) == lived.outputs[number]
        assert snapshot(step) == lived.kept[number]


def test_who_came_first_is_nowhere_in_a_snapshot() -> None:
    """Rules are numbered as their patients stand, by key: a restored processor numbers them likewise."""
    found = []
    for names in ("abc", "cba", "bca"):
        log = Log()
        log.site(1)
        for name in names:
            rules = edited(
                DEFAULT, [f"heart_rate_high.above={110 + ord(name) % 7}", f"low.1.limit={60 + ord(name) % 5}"]
            )
            log.patient(name, wrist(name), worn(name, f"{name}-cgm", "t1d-uom-5min", T0), policy=rules)
        log.tick(T0)
        step = Processor(0, 1)
        log.run(step)
        found.append(b"".join(encode(step.state())))
    assert found[0] == found[1] == found[2]
