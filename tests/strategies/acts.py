"""What happens in a generated ward: readings at a device's pace, and everything that devices and links do wrong."""

from __future__ import annotations

from random import Random

from tests.strategies.hearts import Hearts
from tests.strategies.people import MMOLS, PATIENT, RATES, SLIDES, SPEEDS, STRIDES, SUGARS, WATCHFUL
from tests.strategies.wards import Patient, Plan
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import INVALID_SHIFT, Flag, Invalid

ODD_TIMES = (0, -20 * SECOND_US, -MINUTE_US, -4 * MINUTE_US, -14 * MINUTE_US, -40 * MINUTE_US, -240 * MINUTE_US,
             30 * SECOND_US, 90 * SECOND_US)  # fmt: skip
HOUR_US = 60 * MINUTE_US
CLOCK_FAULTS = (HOUR_US, -HOUR_US, -90 * SECOND_US, 3 * MINUTE_US, 2 * MINUTE_US, -12 * MINUTE_US)
"""A device's clock ahead of (behind) the true time; the hour is also that of daylight saving."""
FLAGS = (0, 0, 0, Flag.LATE, Flag.CENSORED_LOW, Flag.CENSORED_HIGH, Flag.WARM_UP, Flag.CONTROL_SOLUTION,
         Flag.CONTACT_LOST, Flag.ARTEFACT, Invalid.SENSOR_ERROR << INVALID_SHIFT,
         Invalid.CONTACT_LOST << INVALID_SHIFT, Flag.CLOCK_SUSPECT)  # fmt: skip


class Life(Hearts):
    """A ward in which things happen."""

    def act(self, number: int) -> None:
        """The act of a number: the same whatever came before, but for who is there and what they wear."""
        self.random = Random((self.seed << 12) | number)  # noqa: S311 - the same log from the same seed
        often = [self.course, self.course, self.slide, self.heart, self.heart]
        seldom = [self.odd, self.faulty, self.backlog, self.wait, self.lone, self.jump, self.change, self.change,
                  self.change, self.rebind, self.junk, self.stroll, self.shake, self.sink, self.nap]  # fmt: skip
        self.random.choice(often * 2 + seldom)()
        if self.random.random() < 0.15:
            self.crash()

    def change(self) -> None:
        """Other rules, or another device, between courses."""
        patient = self.random.choice(self.patients)
        if self.random.random() < 0.6:
            self.policy(patient)
        else:
            self.swap(patient)

    # ---- as it should be

    def course(self) -> None:
        """Somebody's glucose at the pace of the sensor, with a tick between readings or in one burst."""
        patient = self.who("glucose")
        if patient is None:
            return
        ticking, jitter = self.random.random() < 0.7, self.random.choice((0, 0, 20 * SECOND_US))
        near, stay = self.random.choice((0, 5, 12)), self.random.choice((0.2, 0.8, 0.95))
        interval, value = min(patient.interval("glucose"), 15 * MINUTE_US), 0.0
        rows: list[bytes] = []
        for _ in range(self.random.choice((1, 2, 3, 4, 6, 9, 18))):
            self.now += interval
            if not value or self.random.random() > stay:
                value = self.random.choice(SUGARS[near : near + 14])
            rows.append(patient.wearer.row("glucose", value, self.now - self.random.randint(0, jitter), self.now))
            if ticking:
                self.readings(patient, rows)
                self.meanwhile(patient)
                if interval < 2 * MINUTE_US and self.random.random() < 0.5:
                    continue
                self.tick()
        self.readings(patient, rows)
        for _ in range(4):
            self.meanwhile(patient)

    def slide(self) -> None:
        """Somebody's glucose falls or rises at one speed and then another, or stays where it is for hours."""
        patient = self.who("glucose")
        if patient is None:
            return
        if self.random.random() < 0.7:
            self.policy(patient, self.random.choice((WATCHFUL, PATIENT)))
        interval = min(patient.interval("glucose"), 15 * MINUTE_US)
        value, speed = float(self.random.choice(SLIDES)), self.random.choice(SPEEDS)
        count = self.random.choice((3, 6, 12, 12, 20, 60))
        jitter, lost = self.random.choice((0, 0, 40 * SECOND_US)), self.random.choice((0, 0, 0.1, 0.3))
        ticking = self.random.random() < 0.6
        rows: list[bytes] = []
        for _ in range(count):
            self.now += interval
            if self.random.random() < 0.15:
                speed = self.random.choice(SPEEDS)
            value = min(max(value + speed * interval / MINUTE_US, 38), 410)
            if self.random.random() >= lost:
                at = self.now - self.random.randint(0, jitter)
                rows.append(patient.wearer.row("glucose", round(value, 1), at, self.now))
            if ticking:
                self.readings(patient, rows)
                self.meanwhile(patient)
                self.tick()
        self.readings(patient, rows)

    def heart(self) -> None:
        """Somebody's heart rate at the pace of the device: gaps, late rows, ticks between or after."""
        patient = self.who("heart_rate")
        if patient is None:
            return
        interval = patient.interval("heart_rate")
        rate, other = self.random.choice(RATES), self.random.choice(RATES)
        drop, stale = self.random.choice((0, 0, 0.2, 0.35)), self.random.choice((0, 0, 0.1, 0.9))
        span = self.random.choice((5, 20, 70, 70, 120, 500)) * SECOND_US
        every = self.random.choice((7, 10, 10, 30)) if span <= 120 * SECOND_US else self.random.choice((30, 60))
        each, ticking = max(1, every * SECOND_US // interval), self.random.random() < 0.8
        strides = patient.interval("steps") // interval if patient.sends("steps") else 1 << 30
        known, still = self.random.choice((0.3, 1, 1)), self.random.choice((0.5, 0.9, 1))
        rows: list[bytes] = []
        for number in range(max(2, span // interval)):
            self.now += interval
            if self.random.random() >= drop:
                value = rate if self.random.random() < 0.7 else other
                late = self.random.random() < stale
                at = self.now - (self.random.choice((20, 40, 70)) * SECOND_US if late else 0)
                rows.append(patient.wearer.row("heart_rate", value, at, self.now))
            if number % strides == strides - 1 and self.random.random() < known:
                stride = self.random.choice(STRIDES) if self.random.random() > still else 0
                rows.append(patient.wearer.row("steps", stride, self.now, self.now))
            if number % each == each - 1 and ticking:
                self.readings(patient, rows)
                self.meanwhile(patient)
                self.tick()
        self.readings(patient, rows)
        if self.random.random() < 0.5:
            self.tick(self.now + 2 * SECOND_US)

    # ---- as it is

    def somebody(self) -> tuple[Patient, str]:
        """Somebody, and a metric of theirs."""
        patient = self.random.choice(self.patients)
        return patient, self.random.choice([s.metric for s in patient.wearer.kind.streams if s.metric != "battery"])

    def value(self, metric: str) -> float:
        """A value near a limit; seldom one that no body has."""
        if self.random.random() < 0.05:
            return self.random.choice((0, -3, 0.1, 1001, 15, 19.9, 301, float("nan")))
        return self.random.choice({"glucose": SUGARS, "steps": STRIDES}.get(metric, RATES))

    def odd(self) -> None:
        """Readings out of order, invalid, in the other unit, repeated, and others under the same identity."""
        patient, metric = self.somebody()
        rows = []
        for _ in range(self.random.randint(1, 4)):
            at, flags = self.now + self.random.choice(ODD_TIMES), int(self.random.choice(FLAGS))
            if metric == "glucose" and self.random.random() < 0.3:
                rows.append(patient.wearer.row(metric, self.random.choice(MMOLS), at, self.now, flags=flags, mmol=True))
            else:
                rows.append(patient.wearer.row(metric, self.value(metric), at, self.now, flags=flags))
            if self.random.random() < 0.3:
                rows.append(patient.wearer.row(metric, self.value(metric), at, self.now))
        if self.random.random() < 0.3:
            rows.append(rows[0])
        again = list(rows)
        self.readings(patient, rows)
        if self.random.random() < 0.3:
            self.tick()
            self.readings(patient, again)

    def faulty(self) -> None:
        """A device whose clock is an hour fast, an hour slow, steps, or changes to daylight saving on the way."""
        patient, metric = self.somebody()
        interval = min(patient.interval(metric), 5 * MINUTE_US)
        ahead, other = self.random.choice(CLOCK_FAULTS), self.random.choice((0, 0, *CLOCK_FAULTS))
        changes = self.random.randint(1, 8)
        rows: list[bytes] = []
        sent: list[tuple[float, int]] = []
        value = self.value(metric)
        for number in range(self.random.randint(2, 8)):
            self.now += interval
            value = value if self.random.random() < 0.7 else self.value(metric)
            at = self.now + (ahead if number < changes else other)
            sent.append((value, at))
            rows.append(patient.wearer.row(metric, value, at, self.now))
            if self.random.random() < 0.7:
                self.readings(patient, rows)
                self.tick()
            if self.random.random() < 0.2:
                self.again(patient, metric, sent[-self.random.randint(1, 4) :])
        self.readings(patient, rows)

    def again(self, patient: Patient, metric: str, sent: list[tuple[float, int]]) -> None:
        """What was sent comes once more, as after a bridge's death before its acknowledgement: it arrives later."""
        self.now += self.random.choice((SECOND_US, 20 * SECOND_US, MINUTE_US))
        self.readings(patient, [patient.wearer.row(metric, value, at, self.now) for value, at in sent])

    def backlog(self) -> None:
        """No tick and no reading gets through for a while; then all of it comes at once, and ticks with it or after."""
        patient, metric = self.somebody()
        interval = min(max(patient.interval(metric), MINUTE_US), 15 * MINUTE_US)
        count = self.random.choice((2, 4, 10))
        begin, value = self.now, self.value(metric)
        self.now += count * interval
        rows: list[bytes] = []
        if self.random.random() < 0.3:
            self.tick()
        for number in range(1, count + 1):
            value = value if self.random.random() < 0.7 else self.value(metric)
            at = begin + number * interval
            flags = Flag.BACKFILL if number < count else 0
            rows.append(patient.wearer.row(metric, value, at, self.now, flags=flags))
            if self.random.random() < 0.2:
                self.readings(patient, rows)
                self.tick(at)
        if self.random.random() < 0.2:
            self.random.shuffle(rows)
        self.readings(patient, rows)
        if self.random.random() < 0.6:
            self.tick()


def lived(plan: Plan) -> Life:
    """The ward of a plan after its acts."""
    ward = Life(plan.seed)
    for number in plan.acts:
        ward.act(number)
    return ward
