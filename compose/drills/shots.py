"""What the input drill sends: payloads of every kind, with what may become of each. Pure.

An *element* is a reading of a batch, or a whole payload where that is no batch. `elements` counts with Python's own
parser, so that nothing of Vigil's codec says how many there were; `compose.drills.outcome` judges what became of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from vitals.metrics import MINUTE_US, SECOND_US
from vitals.topics import mqtt_root, presence_topic, readings_topic, ticks_topic

SITE = "ward-x"
DEVICES = 40
PAYLOAD_BYTES_MAX, READINGS_MAX, KEPT_BYTES_MAX = 1024 * 1024, 4096, 64 * 1024
"""As docs/wire-format.md has them."""
CANARY = "canary"
"""Stands in values, names and pseudonyms, and in no log file."""
HUGE_EVERY, BROAD_EVERY = 2000, 1000
"""One payload in so many is longer than a MiB; one has more readings than a batch may have."""
Fate = Literal["stored", "rejected", "either", "silent", "unheard"]
"""*silent*: a tick of somebody else, of which nothing is kept; *unheard*: nobody subscribes to the topic."""
METRICS = ("glucose", "heart_rate", "battery")
FIELDS = ("metric", "value", "unit", "observed_at", "seq", "device", "contact", "backfill", "artefact", "readings")


class Shot(NamedTuple):
    """One publish; ``kind`` is how it was made."""

    topic: str
    payload: bytes
    kind: str
    fate: Fate


def device_name(number: int) -> str:
    """The device ``number`` (from 0) whose topic is shot at."""
    return f"target-{number:02}"


def patient_name(number: int) -> str:
    """Who wears it: a pseudonym that no log may hold."""
    return f"{CANARY}-patient-{number:02}"


def elements(payload: bytes) -> int:
    """How many elements a payload has, at least one."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return 1
    try:
        data = json.loads(payload.decode("utf-8-sig"), parse_int=lambda _: 0)
    except (ValueError, RecursionError):
        return 1
    batch = data["readings"] if isinstance(data, dict) and "readings" in data else data
    return len(batch) if isinstance(batch, list) and 0 < len(batch) <= READINGS_MAX else 1


class Gun:
    """Makes shots, the same ones for a seed and an instant (µs UTC); ``namespace`` is the stack's."""

    def __init__(self, seed: int, now: int, namespace: str = "", publisher: str = "bridge-0") -> None:
        self._chance = random.Random(f"shots {seed}")  # noqa: S311 - a drill that can be repeated, no secret
        self._now = now
        self._namespace = namespace
        self._publisher = publisher
        self._count = 0
        self._sent: list[Shot] = []
        self._makers = (
            *((self._valid, 22), (self._batch, 8), (self._mutated, 22), (self._truncated, 8), (self._typed, 10)),
            *((self._elsewhere, 6), (self._unknown, 5), (self._number, 6), (self._text, 4), (self._clock, 4)),
            *((self._again, 6), (self._conflict, 3), (self._special, 4), (self._deep, 1)),
        )

    def shots(self, count: int) -> Iterator[Shot]:
        """So many of them."""
        makers, weights = zip(*self._makers, strict=True)
        for number in range(count):
            if number % HUGE_EVERY == HUGE_EVERY // 2:
                yield self._huge()
            elif number % BROAD_EVERY == BROAD_EVERY // 4:
                yield self._broad()
            else:
                yield self._chance.choices(makers, weights)[0]()

    # ---- what is right

    def _reading(self) -> dict[str, Any]:
        """A valid one; no two have the same metric and time."""
        self._count += 1
        chance = self._chance
        at = self._now - 60 * MINUTE_US + self._count * 10_000 + chance.randrange(1000)
        return {
            "metric": chance.choice(METRICS),
            "value": chance.randrange(60, 99),
            "observed_at": at,
            "seq": self._count,
        }

    def _topic(self, number: int | None = None) -> str:
        chosen = self._chance.randrange(DEVICES) if number is None else number
        return readings_topic(self._namespace, SITE, device_name(chosen))

    def _shot(self, kind: str, data: Any, fate: Fate, topic: str | None = None) -> Shot:
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        return Shot(topic or self._topic(), payload, kind, fate)

    def _valid(self) -> Shot:
        shot = self._shot("valid", self._reading(), "stored")
        if len(self._sent) < 5000:
            self._sent.append(shot)
        return shot

    def _batch(self) -> Shot:
        """Some of it bad: its neighbours are stored."""
        batch = [self._reading() for _ in range(self._chance.randrange(1, 12))]
        for each in batch:
            if self._chance.random() < 0.3:
                each[self._chance.choice(("metric", "value", "observed_at"))] = self._scalar()
        return self._shot("batch", {"readings": batch} if self._chance.random() < 0.5 else batch, "either")

    # ---- what is wrong

    def _scalar(self) -> Any:
        chance = self._chance
        words = ("LOW", "HIGH", "", f"{CANARY}-{self._count}", "\u2028\U0001f600é", "2023-13-45T99:00:00Z", "\x00")
        return chance.choice(
            (None, True, False, -1, 2**70, -(2**63), 1e308, -0.0, 0, chance.choice(words), [], {}, [1])
        )

    def _mutated(self) -> Shot:
        """A valid payload with some bytes changed, taken out or put in."""
        unit = {"unit": CANARY} if self._chance.random() < 0.1 else {}
        payload = bytearray(json.dumps(self._reading() | unit).encode())
        for _ in range(self._chance.randrange(1, 6)):
            place = self._chance.randrange(len(payload))
            match self._chance.randrange(3):
                case 0:
                    payload[place] = self._chance.randrange(256)
                case 1:
                    del payload[place]
                case _:
                    payload.insert(place, self._chance.randrange(256))
        return self._shot("mutated", bytes(payload), "either")

    def _truncated(self) -> Shot:
        payload = json.dumps(self._reading()).encode()
        return self._shot("truncated", payload[: self._chance.randrange(len(payload))], "rejected")

    def _typed(self) -> Shot:
        """Our fields with values of every wrong type."""
        found = self._reading()
        for name in self._chance.sample(FIELDS, self._chance.randrange(1, 4)):
            found[name] = self._scalar()
        return self._shot("typed", found, "either")

    def _number(self) -> Shot:
        value = self._chance.choice(("NaN", "Infinity", "-Infinity", "1e999", "-1e400", "9" * 400, '"NaN"', "true"))
        text = json.dumps(self._reading() | {"value": 0}).replace('"value": 0', f'"value": {value}')
        return self._shot("number", text.encode(), "rejected")

    def _text(self) -> Shot:
        name = self._chance.choice(
            ("é" * 30, "\ud800", "\u202e" + CANARY, "\x00\x01", "a" * 5000, f"{CANARY}-{self._count}")
        )
        return self._shot("text", self._reading() | {"metric": name}, "rejected")

    def _clock(self) -> Shot:
        """Clocks in every year: stored as suspect, or nobody wore it then."""
        at = self._chance.choice((0, 1, -1, 2**62, 253_402_300_799_999_999, self._now + 400 * 86_400 * SECOND_US))
        return self._shot("clock", self._reading() | {"observed_at": at + self._chance.randrange(10**9)}, "either")

    def _deep(self) -> Shot:
        depth = self._chance.choice((100, 5000, 100_000))
        opening = self._chance.choice((b"[", b'{"a":', b'{"readings":['))
        return self._shot("deep", opening * depth, "rejected")

    def _huge(self) -> Shot:
        size = PAYLOAD_BYTES_MAX + self._chance.randrange(1, PAYLOAD_BYTES_MAX)
        return self._shot("huge", b'{"metric":"' + CANARY.encode() * (size // len(CANARY)), "rejected")

    def _broad(self) -> Shot:
        return self._shot("broad", b"[" + b"{}," * READINGS_MAX + b"{}]", "rejected")

    # ---- where it does not belong

    def _elsewhere(self) -> Shot:
        """Topics that are none, and other devices' names and sites."""
        root, chance = mqtt_root(self._namespace), self._chance
        deep = f"{root}/{SITE}/{device_name(0)}/readings/more"
        unheard = (deep, f"{root}/{SITE}", "somewhere/else", f"{root}x/{SITE}/{device_name(0)}/readings")
        heard = (
            f"{root}/{SITE}/{device_name(0)}/reading",
            f"{root}/WARD É/{device_name(1)}/readings",
            f"{root}/{SITE}/-x/readings",
            f"{root}//{device_name(2)}/readings",
            f"{root}/{SITE}/{'d' * 300}/readings",
            readings_topic(self._namespace, "ward-nowhere", device_name(3)),
        )
        if chance.random() < 0.3:
            return self._shot("elsewhere", self._reading(), "unheard", chance.choice(unheard))
        if chance.random() < 0.3:
            return self._shot("elsewhere", self._reading() | {"device": f"{CANARY}-device"}, "rejected")
        return self._shot("elsewhere", self._reading(), "rejected", chance.choice(heard))

    def _unknown(self) -> Shot:
        topic = readings_topic(self._namespace, SITE, f"nobody-{self._chance.randrange(200)}")
        return self._shot("unknown", self._reading(), "rejected", topic)

    def _special(self) -> Shot:
        """Ticks and presence that are none, and ticks of somebody else."""
        chance = self._chance
        tick = {"tick": self._now + 10**12, "sites": [SITE]}
        match chance.randrange(4):
            case 0:
                return self._shot("tick", tick, "silent", ticks_topic(self._namespace, f"evil-{chance.randrange(9)}"))
            case 1:
                own = ticks_topic(self._namespace, self._publisher)
                return self._shot("tick", chance.choice((tick, {"tick": "x"}, b"\xff", [])), "rejected", own)
            case 2:
                return self._shot("presence", b"{" + CANARY.encode(), "rejected", presence_topic(self._namespace, SITE))
            case _:
                where = presence_topic(self._namespace, "ward-nowhere")
                return self._shot("presence", {"session": "s", "online": False}, "rejected", where)

    # ---- once more

    def _again(self) -> Shot:
        if not self._sent:
            return self._valid()
        return self._chance.choice(self._sent)._replace(kind="again")

    def _conflict(self) -> Shot:
        if not self._sent:
            return self._valid()
        before = self._chance.choice(self._sent)
        data = json.loads(before.payload)
        return self._shot("conflict", data | {"value": data["value"] + 100}, "either", before.topic)
