"""The processor against the plain program of ``tests/oracle.py``, on logs that no device should send but some will."""

from __future__ import annotations

import random
from uuid import UUID

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.processor import Processor
from tests.logs import LATE, T0, Log, row, worn
from tests.oracle import Oracle, Told
from vitals.journal import Episode, Mark
from vitals.journal import decode as decode_journal
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Flag, Invalid, Rows
from vitals.steps import Output
from vitals.topics import JOURNAL
from vitals.windows import WINDOW

VALUES = (45, 53, 53.4, 53.5, 54, 58, 59, 60, 69, 69.5, 70, 74, 75, 80, 120, 240, 241, 250, 250.5, 251, 389, 390, 400)
PULSES = (38, 60, 61.5, 62, 75, 131, 150)
JUMPS = (SECOND_US // 2, SECOND_US, 9 * SECOND_US, 11 * SECOND_US, MINUTE_US, 5 * MINUTE_US, 12 * MINUTE_US,
         25 * MINUTE_US, 70 * MINUTE_US, 3 * 24 * 60 * MINUTE_US)  # fmt: skip
ODD_TIMES = (0, -20 * SECOND_US, -MINUTE_US, -4 * MINUTE_US, -14 * MINUTE_US, -40 * MINUTE_US, -240 * MINUTE_US,
             30 * SECOND_US, 90 * SECOND_US)  # fmt: skip
FLAGS = (0, 0, 0, LATE, LATE, int(Flag.CENSORED_LOW), int(Flag.CENSORED_HIGH), int(Flag.WARM_UP),
         int(Flag.CONTROL_SOLUTION), int(Flag.CONTACT_LOST), int(Flag.CLOCK_SUSPECT))  # fmt: skip
INVALID = (Invalid.VALID, Invalid.VALID, Invalid.VALID, Invalid.SENSOR_ERROR, Invalid.CONTACT_LOST)
PEOPLE = {
    "ann": ("cgm-1", "t1d-uom-5min", 1, 5 * MINUTE_US),
    "bob": ("cgm-2", "libre", 1, MINUTE_US),
    "cyd": ("ward-3", "ward", 2, MINUTE_US),
}


class Ward:
    """Writes a log from random choices: three people, two sites, everything that can go wrong."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - tests want the same log from the same seed
        self.log = Log()
        self.now = T0
        self.sites = [1, 2] if self.random.random() < 0.7 else [1]
        self.versions = dict.fromkeys(PEOPLE, 1)
        for number in self.sites:
            self.log.site(number)
        self.log.tick(self.now, self.sites)
        for name in PEOPLE:
            self.bind(name, self.now - self.random.choice((0, 30, 90)) * MINUTE_US)

    def bind(self, name: str, since: int, until: int | None = None) -> None:
        device, kind, site, _ = PEOPLE[name]
        item = worn(name, device, kind, since, until)
        self.log.patient(name, item, version=self.versions[name], site=site if site in self.sites else 1)

    def act(self) -> None:
        """One random piece of a ward's life."""
        often, seldom = (self.course, self.odd), (self.lone, self.pulse, self.wait, self.rebind, self.junk)
        self.random.choice(often + often + seldom)()

    def wait(self) -> None:
        self.now += self.random.choice(JUMPS)
        some = self.random.choice((self.sites, self.sites, [self.random.choice(self.sites)], self.sites[::-1]))
        self.log.tick(self.now + self.random.choice((0, 0, -MINUTE_US)), some)

    def lone(self) -> None:
        """One site ticks on while the other may not."""
        number = self.random.choice(self.sites)
        for _ in range(self.random.randint(1, 30)):
            self.now += SECOND_US
            self.log.tick(self.now, [number])

    def course(self) -> None:
        """A person's readings at the pace of the sensor, with a tick between them or in one burst."""
        name = self.random.choice(list(PEOPLE))
        rows = []
        ticking, jitter = self.random.random() < 0.7, self.random.choice((0, 0, 20 * SECOND_US))
        low = self.random.choice((0, 5, 12))
        for _ in range(self.random.randint(1, 9)):
            self.now += PEOPLE[name][3]
            value = self.random.choice(VALUES[low : low + 14])
            rows.append(self.glucose(name, value, self.now - self.random.randint(0, jitter)))
            if ticking:
                self.log.readings(rows.pop())
                self.log.tick(self.now, self.sites)
        if rows:
            self.log.readings(*rows)

    def glucose(self, name: str, value: float, at: int) -> Rows:
        return row(name, value, at, received=self.now, device=PEOPLE[name][0])

    def pulse(self) -> None:
        count = self.random.randint(1, 70)
        rows = []
        for _ in range(count):
            self.now += self.random.choice((SECOND_US,) * 9 + (3 * SECOND_US,))
            value = self.random.choice(PULSES)
            rows.append(row("cyd", value, self.now, metric="heart_rate", device="ward-3", flags=0))
        cut = self.random.randint(0, count)
        for part in (rows[:cut], rows[cut:]):
            if part:
                self.log.readings(*part)
        self.log.tick(self.now, self.sites)

    def odd(self) -> None:
        """Readings out of order, invalid, late, repeated, of nobody."""
        name = self.random.choice([*PEOPLE, "stranger"] if self.random.random() < 0.1 else list(PEOPLE))
        rows = []
        for _ in range(self.random.randint(1, 4)):
            at = self.now + self.random.choice(ODD_TIMES)
            device = PEOPLE.get(name, ("none",))[0]
            value = self.random.choice(VALUES)
            rows.append(
                row(
                    name,
                    value,
                    at,
                    received=self.now,
                    device=device,
                    flags=self.random.choice(FLAGS),
                    invalid=self.random.choice(INVALID),
                )
            )
        if self.random.random() < 0.3:
            rows.append(rows[0])
        self.log.readings(*rows)

    def rebind(self) -> None:
        name = self.random.choice(list(PEOPLE))
        self.versions[name] += self.random.choice((0, 1))
        until = self.now if self.random.random() < 0.5 else None
        self.bind(name, self.now - self.random.choice((0, 60)) * MINUTE_US, until)

    def junk(self) -> None:
        self.log.raw(self.random.choice((b"tick", b"x" * 16, None)), b"z" * self.random.choice((0, 1, 63)))
        self.log.raw(b"p" * 16, b"{}", (("control", b"1"),))


def made(seed: int, acts: int) -> Log:
    ward = Ward(seed)
    for _ in range(acts):
        ward.act()
    return ward.log


def as_told(output: Output) -> Told:
    """An output in the oracle's words."""
    if output.topic != JOURNAL:
        rows = np.frombuffer(output.value, WINDOW)
        fields = tuple(
            (
                int(each["window"]),
                int(each["end"]),
                int(each["count"]),
                float(each["mean"]),
                float(each["sd"]),
                float(each["min"]),
                float(each["max"]),
                repr(float(each["slope"])),
                round(float(each["coverage"]), 6),
                int(each["arrow"]),
            )
            for each in rows
        )
        assert all((each["offset"], each["ordinal"]) == output.cause for each in rows)
        return Told(output.cause.offset, subject(output.key), "windows", fields)
    message = decode_journal(output.value)
    if isinstance(message, Mark):
        return Told(output.cause.offset, "", "mark", tuple(message.sites.items()))
    assert isinstance(message, Episode)
    if message.patient is None:
        return Told(output.cause.offset, "", f"site {message.site}", (message.change, message.at, message.opened_at))
    return Told(
        output.cause.offset,
        str(message.patient),
        message.rule,
        (
            message.change,
            message.level,
            message.condition,
            message.priority,
            message.at,
            message.opened_at,
            message.since,
            message.value,
            message.value_at,
            message.limit,
            message.reason,
        ),
    )


def subject(key: bytes | None) -> str:
    return str(UUID(bytes=key)) if key is not None and len(key) == 16 else ""


seeds = st.integers(min_value=0, max_value=1 << 32)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=seeds, acts=st.integers(min_value=1, max_value=60))
def test_the_processor_says_what_the_plain_program_says(seed: int, acts: int) -> None:
    """Arrays, turns and lower bounds on deadlines are only there for speed: a loop over rows is what they mean."""
    log = made(seed, acts)
    found = [as_told(output) for output in log.run(Processor(0, 1))]
    expected = Oracle().read(log.records())
    for at, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, at
    assert len(found) == len(expected)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=seeds, acts=st.integers(min_value=1, max_value=40), data=st.data())
def test_outputs_do_not_depend_on_how_records_were_batched(seed: int, acts: int, data: st.DataObject) -> None:
    """Replay is recovery only if the same log gives the same bytes and causes in any polls."""
    log = made(seed, acts)
    whole = log.run(Processor(0, 1))
    cuts = data.draw(st.lists(st.integers(min_value=1, max_value=len(log.keys)), max_size=12))
    assert log.run(Processor(0, 1), cuts) == whole
    assert log.run(Processor(0, 1), range(len(log.keys))) == whole
    causes = [output.cause for output in whole]
    assert causes == sorted(set(causes))
