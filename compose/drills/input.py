"""The input drill: 10^5 generated and mutated payloads through the real broker and bridge; nothing may vanish or stop.

    python -m compose.drills.input [--seed K] [--count N] [--json] [--keep]
    python -m compose.drills.input --count 20000 --seed 2

Among them are valid readings, single and in batches, changed bytes, cut ends, wrong types, topics, devices, clocks and
numbers, deep and huge ones, repeats and conflicts. Beside them a small ward goes on, whose alerts have to be on time.
What was sent must be what was stored, repeated, in conflict and rejected, per topic and in the whole; what is valid is
stored with its value, and whatever was rejected is found with its digest and its bytes; no payload or pseudonym stands
in a log file; no service ended. What is beyond the broker's own limit is counted apart. Prints a JSON verdict; exit
code 0 when it passed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from compose import signals
from compose.drills import killing, ledger, shots
from compose.drills.duty import Duty, Load, conclude, on_duty
from compose.drills.frame import PARTITIONS, Frame, command_line, conduct
from compose.drills.outcome import Outcome, Place, Rejected, Value, judge
from compose.drills.shots import Gun, Shot
from compose.servers.mosquitto import HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX
from compose.stack import Options, Stack
from compose.wiring import RegistryClient
from runtime.clock import Clock
from runtime.database import connect
from runtime.kafka import Reader, Records
from runtime.mqtt import Connection
from runtime.settings import Settings
from simulators.registry import Wearer, enrol
from vitals.devices import DEVICE_TYPES
from vitals.errors import ServerStalled
from vitals.metrics import MINUTE_US
from vitals.readings import decode
from vitals.topics import CONTROL_HEADER, READINGS, REJECTED, device_id, partition_of, readings_topic

RATE_HZ = 1500.0
"""Payloads a second: seven times what a ward of 200 sends."""
PROBE_P99_MS = 5000.0
"""As long as the next right alert may take after the kill of a service."""
CONNECTIONS = 10
UNACKNOWLEDGED_MAX = 4000
SLOWER_MAX = 4.0
"""Publishing may take so many times what it takes at the rate, and `ANSWER_S` for the last PUBACKs."""
ANSWER_S = 60.0
OVERSIZED = 3
REFUSED_S = 20.0
QUIET_S = 3.0
TURN_S = 0.02
TURN_SHOTS = 20
READ_S = 60.0
POLL_S = 0.2
STORED = """
SELECT device, metric, (extract(epoch FROM observed_at) * 1000000)::bigint, value, unit FROM vigil.readings
WHERE device = ANY(%s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What the drill can be asked; ``count`` is how many payloads."""

    seed: int = 1
    count: int = 100_000
    as_json: bool = False
    keep: bool = False


async def run(options: DrillOptions) -> int:
    """Run the drill, print the verdict; 0 when it passed."""
    os.environ.setdefault("VIGIL_PARTITIONS", PARTITIONS)
    return await conduct(lambda frame: _drill(frame, options), as_json=options.as_json, keep=options.keep)


async def _drill(frame: Frame, options: DrillOptions) -> None:
    frame.verdict.figures |= {"drill": "input", "seed": options.seed, "count": options.count}
    async with frame.stack(Options(root=frame.root)) as stack:
        settings, now = stack.settings, frame.clock.now_us()
        await _register(settings, now)
        gun = Gun(options.seed, now, settings.namespace)
        fired = await asyncio.to_thread(lambda: list(gun.shots(options.count)))
        async with on_duty(
            stack, frame.clock, frame.tell, Load(patients=20, cycle_s=8.0, spare=0, seed=options.seed)
        ) as duty:
            await duty.run(QUIET_S)
            began = frame.clock.monotonic()
            await _fire(frame, settings, fired, duty)
            frame.verdict.figures["sent_s"] = round(frame.clock.monotonic() - began, 1)
            refused = await _oversized(frame, settings)
            # the ward's last readings stand behind all of this in the broker's queue
            account = await duty.settled()
            topics = {device.topic for device in duty.devices}
        outcome = await _outcome(stack, fired, refused)
        restarts = killing.restarts(stack)
    outcome.leaks = await asyncio.to_thread(_leaks, frame.root / "logs")
    account.rejected = sum(each.topic in topics for each in outcome.rejected)
    found = judge(outcome)
    frame.verdict.figures |= {"restarts": restarts, **found.figures}
    frame.verdict.differences += found.differences
    frame.verdict.expect("services started again", restarts, {})
    conclude(frame, duty, account, repeats_max=0)
    p99 = frame.verdict.figures["delay_ms"].get("p99", float("inf"))
    frame.verdict.expect_at_most("p99 of the ward's alerts, ms", p99, PROBE_P99_MS)


async def _register(settings: Settings, now: int) -> None:
    """The devices that are shot at; their patients' pseudonyms may be in no log."""
    kind = DEVICE_TYPES["ward"]
    wearers = [
        Wearer(shots.device_name(number), kind, shots.patient_name(number), now - 120 * MINUTE_US)
        for number in range(shots.DEVICES)
    ]
    await enrol(RegistryClient(settings), shots.SITE, wearers)


class _Battery:
    """Connections that fire, and what has no PUBACK yet; ``duty`` is the ward beside them."""

    def __init__(self, connections: list[Connection], duty: Duty, clock: Clock, limit_s: float) -> None:
        self._connections = connections
        self._duty = duty
        self._clock = clock
        self._limit_s = limit_s
        self._began = clock.monotonic()
        self._failed: list[BaseException] = []
        self.waiting: set[asyncio.Future[None]] = set()

    @property
    def elapsed_s(self) -> float:
        """How long it has been firing."""
        return self._clock.monotonic() - self._began

    def fire(self, shot: Shot) -> None:
        """Publish a shot; all of a topic go over one connection, in order."""
        connection = self._connections[partition_of(shot.topic.encode(), len(self._connections))]
        future = connection.publish_nowait(shot.topic, shot.payload)
        self.waiting.add(future)
        future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[None]) -> None:
        self.waiting.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed.append(error)

    async def turn(self, seconds: float) -> None:
        """Let the ward go on: what ends it ends the drill too, and so does a PUBACK that is lost or does not come.

        Raises:
            ServerStalled: the broker does not acknowledge in time what it was given.
        """
        if self._failed:
            raise self._failed[0]
        if self.elapsed_s > self._limit_s:
            missing = f"{len(self.waiting)} payloads without PUBACK after {self._limit_s:.0f} s"
            raise ServerStalled("the broker does not acknowledge", missing, "see the logs of mosquitto and bridge")
        await self._duty.run(seconds)


async def _fire(frame: Frame, settings: Settings, fired: list[Shot], duty: Duty) -> None:
    """Publish all of it at the rate and wait for the last PUBACK."""
    async with AsyncExitStack() as held:
        connections = [
            await held.enter_async_context(Connection(settings, f"hostile-{number}", forget=True))
            for number in range(CONNECTIONS)
        ]
        battery = _Battery(connections, duty, frame.clock, len(fired) / RATE_HZ * SLOWER_MAX + ANSWER_S)
        for number, shot in enumerate(fired):
            while number > battery.elapsed_s * RATE_HZ or len(battery.waiting) > UNACKNOWLEDGED_MAX:
                await battery.turn(TURN_S)
            battery.fire(shot)
            if number % TURN_SHOTS == 0:  # this process also watches over the stack
                await battery.turn(0)
            if number % 20_000 == 0:
                frame.tell(f"{number} of {len(fired)} payloads sent")
        while battery.waiting:
            await battery.turn(TURN_S)
        await battery.turn(0)


async def _oversized(frame: Frame, settings: Settings) -> int:
    """Publish more than the broker takes; how many of these connections it ended."""
    payload = bytes(PAYLOAD_BYTES_MAX + 2 * HEADER_BYTES_MAX)
    topic = readings_topic(settings.namespace, shots.SITE, shots.device_name(0))
    ended = 0
    for number in range(OVERSIZED):
        async with Connection(settings, f"oversized-{number}", forget=True) as connection:
            refused = connection.publish_nowait(topic, payload)
            refused.add_done_callback(lambda future: future.cancelled() or future.exception())
            counters = connection.counters
            await ledger.within(REFUSED_S, lambda counters=counters: counters.disconnects > 0, frame.clock)  # type: ignore[misc]
            ended += counters.disconnects > 0 and not refused.done()
    return ended


async def _outcome(stack: Stack, fired: list[Shot], refused: int) -> Outcome:
    """What log and database have of it."""
    settings = stack.settings
    names = [shots.device_name(number) for number in range(shots.DEVICES)]
    topics = {device_id(name): readings_topic(settings.namespace, shots.SITE, name) for name in names}
    logged: defaultdict[Place, list[Value]] = defaultdict(list)
    rejected: list[Rejected] = []
    for records in await _read(settings):
        await asyncio.sleep(0)
        if records.topic == REJECTED:
            rejected += _rejections(records)
            continue
        for device, metric, at, value, unit in _rows(records):
            if device in topics:
                logged[Place(topics[device], metric, at)].append(Value(value, unit))
    async with await connect(settings.database_url, autocommit=True, application="vigil drill") as database:
        cursor = await database.execute(STORED.encode(), [[str(device) for device in topics]])
        rows = await cursor.fetchall()
        cursor = await database.execute(b"SELECT sum(duplicates)::bigint FROM vigil.sink_positions")
        ((duplicates,),) = await cursor.fetchall()
        cursor = await database.execute(b"SELECT topic, digest, payload, source IS NOT NULL FROM vigil.rejected")
        kept = await cursor.fetchall()
    stored = [(Place(topics[device], metric, at), Value(value, unit)) for device, metric, at, value, unit in rows]
    conflicts = sum(source for *_, source in kept)
    in_database = Counter((topic, digest) for topic, digest, _, source in kept if not source)
    bytes_of = {(topic, digest): bytes(payload) for topic, digest, payload, source in kept if not source}
    left: list[Rejected] = []
    for each in rejected:
        key = (each.topic, each.digest)
        in_database[key] -= 1
        if in_database[key] >= 0:
            left.append(each._replace(payload=bytes_of[key]))
    return Outcome(fired, logged, stored, duplicates, conflicts, left, refused, OVERSIZED)


async def _read(settings: Settings) -> list[Records]:
    """Everything that readings and rejections hold now."""
    keys = [(topic, partition) for topic in (READINGS, REJECTED) for partition in range(settings.partitions)]
    found: list[Records] = []
    async with Reader(settings, keys) as reader, asyncio.timeout(READ_S):
        behind = {key: end for key, end in (await reader.end_offsets()).items() if end > 0}
        while behind:
            for records in await reader.poll(POLL_S):
                found.append(records)
                key = (records.topic, records.partition)
                if records.offsets[-1] + 1 >= behind.get(key, 0):
                    behind.pop(key, None)
    return found


def _rows(records: Records) -> list[tuple[UUID, int, int, float, int]]:
    values = zip(records.values, records.headers, strict=True)
    rows = decode([value for value, headers in values if all(name != CONTROL_HEADER for name, _ in headers)])
    rows = rows[rows["metric"] > 0]
    devices = [UUID(bytes=device.tobytes()) for device in rows["device"]]
    columns = (rows[name].tolist() for name in ("metric", "observed_at", "value", "unit"))
    return list(zip(devices, *columns, strict=True))


def _rejections(records: Records) -> list[Rejected]:
    """The bridge's; a conflict has a source and is the sink's."""
    found = []
    for value, headers in zip(records.values, records.headers, strict=True):
        said = {name: text.decode() for name, text in headers}
        if "source" not in said:
            found.append(Rejected(said["topic"], said["reason"], said["digest"], value, int(said["readings"])))
    return found


def _leaks(logs: Path) -> list[str]:
    """Lines of log files with something of a payload or a pseudonym in them."""
    found = []
    for path in sorted(logs.iterdir()):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if shots.CANARY.encode() in line:
                found.append(f"{path.name}:{number}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = command_line("input", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the payloads and of the load")
    parser.add_argument("--count", type=int, default=100_000, help="how many payloads")
    found = parser.parse_args(arguments)
    return signals.run(lambda: run(DrillOptions(**vars(found))))


if __name__ == "__main__":
    sys.exit(main())
