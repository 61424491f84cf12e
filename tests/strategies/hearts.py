"""What hearts do in a generated ward, for rules that ask for more than a median: rest, artefact, glucose, nights."""

from __future__ import annotations

from datetime import datetime

from tests.oracle_nights import zone_of
from tests.strategies.people import BOTH, COUNTING, RATES, RESTING, SHAKIER, SHAKY, SWEET, above_usual
from tests.strategies.wards import Patient, Ward
from vitals.metrics import MINUTE_US, SECOND_US
from vitals.readings import Flag


def clock_of(zone: str, at: int) -> str:
    """What a zone's clock shows at an instant (µs UTC)."""
    known = zone_of(zone)
    assert known is not None, "a zone of the package"
    return datetime.fromtimestamp(at // SECOND_US, known).strftime("%H:%M")


class Hearts(Ward):
    """A ward of people who sit, walk, shake and sleep."""

    def stroll(self) -> None:
        """Somebody who sits and walks by turns: heart rate and steps together, and rules that ask for rest."""
        patient = self.who("steps") or self.who("heart_rate")
        if patient is None:
            return
        if not patient.sends("steps"):
            patient.wear(f"counts-{patient.name}", self.random.choice(COUNTING), self.now)
            self.tell(patient)
        if patient.policy is not RESTING and self.random.random() < 0.5:
            patient.policy = RESTING
            self.tell(patient)
        beat, stride = max(5 * SECOND_US, patient.interval("heart_rate")), patient.interval("steps")
        rows: list[bytes] = []
        for phase in range(self.random.choice((1, 2, 4, 4))):
            rate = self.random.choice(RATES if phase else RATES[-7:])
            most = self.random.choice((0, 0, 5, 5.001, 70)) if phase else 0
            known, end = self.random.random() < 0.8, self.now + self.random.choice((60, 130, 200, 200)) * SECOND_US
            while self.now < end:
                self.now += beat
                rows.append(patient.wearer.row("heart_rate", rate, self.now, self.now))
                if known and self.now // stride > (self.now - beat) // stride:
                    rows.append(patient.wearer.row("steps", self.random.choice((0, 0, most)), self.now, self.now))
                if self.now // (10 * SECOND_US) > (self.now - beat) // (10 * SECOND_US):
                    self.readings(patient, rows)
                    self.meanwhile(patient)
                    self.tick(self.now + self.random.choice((0, 2)) * SECOND_US)
        self.readings(patient, rows)

    def shake(self) -> None:
        """A band that takes motion for a pulse: readings that the device doubts, or that jump, at each second."""
        patient = self.who("heart_rate")
        if patient is None:
            return
        if patient.policy is not SHAKY and self.random.random() < 0.7:
            patient.policy = SHAKY
            self.tell(patient)
        interval = min(patient.interval("heart_rate"), 5 * SECOND_US)
        rate: float = self.random.choice((36, 61, 140, 140))
        jump, doubt = self.random.choice(((0, 0.9), (0, 0.5), (40.001, 0), (41, 0.2), (40, 0.1), (0, 0)))
        end = self.now + self.random.choice((60, 90, 130, 200)) * SECOND_US
        rows: list[bytes] = []
        while self.now < end:
            self.now += interval
            if self.random.random() < 0.05:
                doubt = self.random.choice((0, 0, 0.9))
            if self.random.random() < 0.02:
                rate = self.random.choice(RATES)
            flags = int(Flag.ARTEFACT) if self.random.random() < doubt else 0
            value = rate + jump * (self.now // interval % 2)
            rows.append(patient.wearer.row("heart_rate", value, self.now, self.now, flags=flags))
            if self.now // (10 * SECOND_US) > (self.now - interval) // (10 * SECOND_US):
                self.readings(patient, rows)
                self.meanwhile(patient)
                if self.random.random() < 0.1:
                    self.policy(patient, SHAKIER if patient.policy.windows is SHAKY.windows else SHAKY)
                self.tick(self.now + self.random.choice((0, 2)) * SECOND_US)
        self.readings(patient, rows)
        if self.random.random() < 0.5:
            self.now += self.random.choice((10, 40, 70)) * SECOND_US
            self.tick()

    def sink(self) -> None:
        """Somebody whose glucose falls while the heart is fast, or does not, or is not known."""
        patient = next((each for each in self.patients if each.sends("glucose") and each.sends("heart_rate")), None)
        if patient is None:
            patient = self.random.choice(self.patients)
            patient.wear(f"both-{patient.name}", BOTH, self.now)
            self.tell(patient)
        if patient.policy is not SWEET and self.random.random() < 0.7:
            patient.policy = SWEET
            self.tell(patient)
        value, known = self.random.choice((90.0, 81.0, 80.0)), self.random.random() < 0.8
        rate, rows = self.random.choice((59, 61, 61.5, 128)), list[bytes]()
        for minute in range(self.random.choice((1, 3, 6))):
            value += self.random.choice((-6, -3, -1, -0.4, 0, 3))
            if known or minute == 0:
                low = int(Flag.CENSORED_LOW) if self.random.random() < 0.05 else 0
                rows.append(patient.wearer.row("glucose", value, self.now, self.now, flags=low))
            if self.random.random() < 0.1:
                self.now += self.random.choice((5, 11, 12)) * MINUTE_US
            for beat in range(1, 13):
                self.now += 5 * SECOND_US
                rows.append(patient.wearer.row("heart_rate", rate, self.now, self.now))
                if beat % 2 == 0:
                    self.readings(patient, rows)
                    self.tick(self.now + 2 * SECOND_US)
            self.meanwhile(patient)
            rate = self.random.choice((rate, rate, rate, 59, 60))
        self.readings(patient, rows)

    def nap(self) -> None:
        """Somebody whose night is a few minutes long, once or on two days, and whose heart is faster behind it."""
        patient = self.who("heart_rate")
        if patient is None:
            return
        zone, nights = self.random.choice(("Etc/UTC", "Asia/Kathmandu", "Europe/Berlin")), self.random.choice((1, 1, 2))
        begins, ends = (clock_of(zone, self.now + after * MINUTE_US) for after in (1, 4))
        patient.policy = above_usual(zone, begins, ends, nights=nights)
        self.tell(patient)
        for day in range(nights):
            if day:
                self.now += (24 * 60 - 6) * MINUTE_US
                self.tick()
            self.beats(patient, self.random.choice((60.0, 61.4, 61.5)), 5 * MINUTE_US)
        for _ in range(self.random.choice((1, 2, 3))):
            rate = self.random.choice((57.9, 58.5, 59, 61, 62.4, 62.5, 62.6, 80))
            self.beats(patient, rate, self.random.choice((1, 2)) * MINUTE_US)

    def beats(self, patient: Patient, rate: float, span: int) -> None:
        """A heart rate for a while, with a tick after each ten seconds."""
        interval, rows = patient.interval("heart_rate"), list[bytes]()
        interval, end = max(interval, 5 * SECOND_US), self.now + span
        while self.now < end:
            self.now += interval
            rows.append(patient.wearer.row("heart_rate", rate, self.now, self.now))
            if self.now // (10 * SECOND_US) > (self.now - interval) // (10 * SECOND_US):
                self.readings(patient, rows)
                self.tick(self.now + 2 * SECOND_US)
        self.meanwhile(patient)
