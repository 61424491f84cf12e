"""Logs that are drained: heart rates of so many patients at 1 Hz, one or more in a record, in twelve partitions.

A *plain* log holds readings only, for the job that every engine can do; it ends with one more reading of each patient,
an hour on, that closes every window before it whether an engine counts time by patient or by partition. A *whole* log
is what the processor reads in service: control records first, the site's ticks twice a second among the readings, a
tick far enough behind them at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.kafka import Out, Producer
from runtime.settings import Settings
from vitals.control import PatientControl, SiteControl, WornDevice
from vitals.devices import DEVICE_TYPES, Binding, DeviceType
from vitals.metrics import HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.readings import READING, Flag, Rows, tick_rows
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY, device_id, partition_of, patient_id

PARTITIONS = 12
START_US = 1_700_000_100_000_000
"""A whole minute."""
END_AFTER_US = 3_600 * SECOND_US
"""The last reading of a plain log is so far behind the others."""
SITE = 1
HALF_US = SECOND_US // 2
MONITOR = DeviceType(name="bench", streams=(DEVICE_TYPES["ward"].streams[0],))
"""A heart rate each second, and nothing else."""
AT_ONCE = 20_000
"""Records of one write."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``patients`` send a heart rate each second for ``seconds``, ``per_record`` of them in a record."""

    patients: int
    per_record: int
    seconds: int

    @property
    def readings(self) -> int:
        """All of them."""
        return self.patients * self.seconds

    @property
    def name(self) -> str:
        """For people and for topics."""
        return f"{self.patients}-patients-{self.per_record}-a-record-{self.seconds}-s"


def patient(number: int) -> str:
    """The pseudonym of a patient."""
    return f"p{number}"


def members(shape: Shape, partition: int) -> list[int]:
    """The numbers of the patients of a partition."""
    return [
        number
        for number in range(shape.patients)
        if partition_of(patient_id(patient(number)).bytes, PARTITIONS) == partition
    ]


def readings(shape: Shape, numbers: list[int], partition: int, phases: NDArray[np.int64] | int = 0) -> Rows:
    """All rows of some patients, shape (patients, seconds); a row's time is half a second past a whole one.

    ``received_at`` is when its record was complete; what is too old by then is late, as the bridge has it. ``phases``
    are the seconds by which each patient is behind.
    """
    rows = np.zeros((len(numbers), shape.seconds), READING)
    names = [patient(number) for number in numbers]
    for column, ids in (("patient", map(patient_id, names)), ("device", map(device_id, names))):
        rows[column] = np.frombuffer(b"".join(each.bytes for each in ids), "V16")[:, None]
    second = np.arange(shape.seconds)
    since = START_US + np.reshape(phases, (-1, 1)) * SECOND_US
    rows["observed_at"] = since + second * SECOND_US + SECOND_US // 2
    rows["received_at"] = since + (second // shape.per_record + 1) * shape.per_record * SECOND_US
    random = np.random.default_rng(partition)
    rows["value"] = random.integers(600, 1000, rows.shape) / 10
    rows["site"], rows["metric"], rows["unit"] = SITE, HEART_RATE.code, HEART_RATE.unit
    age = rows["received_at"] - rows["observed_at"]
    rows["flags"] = np.where(age > HEART_RATE.late_after_us(SECOND_US), int(Flag.LATE), 0)
    return rows


def records(shape: Shape, rows: Rows) -> list[list[bytes]]:
    """The values of each patient's records, in order."""
    size = READING.itemsize * shape.per_record
    return [[data[at : at + size] for at in range(0, len(data), size)] for data in (row.tobytes() for row in rows)]


def endings(rows: Rows) -> Rows:
    """The reading of each patient that ends a plain log, shape (patients,)."""
    last = rows[:, -1].copy()
    last["observed_at"] += END_AFTER_US
    last["received_at"] += END_AFTER_US
    return last


def plain(topic: str, shape: Shape, partition: int) -> Iterator[Out]:
    """Records of one partition of a plain log: patient by patient, again and again."""
    numbers = members(shape, partition)
    keys = [patient_id(patient(number)).bytes for number in numbers]
    rows = readings(shape, numbers, partition)
    for lot in zip(*records(shape, rows), strict=True):
        yield from (Out(topic, partition, key, value) for key, value in zip(keys, lot, strict=True))
    yield from (Out(topic, partition, key, row.tobytes()) for key, row in zip(keys, endings(rows), strict=True))


def whole(shape: Shape, partition: int) -> Iterator[Out]:
    """Records of one partition of a log of the processor, devices that send sixty readings a minute in turn."""
    numbers = members(shape, partition)
    phases = np.array(numbers) % shape.per_record
    values = records(shape, readings(shape, numbers, partition, phases))
    keys = [patient_id(patient(number)).bytes for number in numbers]
    in_phase = [np.flatnonzero(phases == phase).tolist() for phase in range(shape.per_record)]
    yield from controls(numbers, partition)
    for second in range(shape.per_record):  # while the first records fill
        yield from (_tick(partition, START_US + second * SECOND_US + half) for half in (0, HALF_US))
    for second in range(shape.seconds):
        block, phase = divmod(second, shape.per_record)
        yield from (Out(READINGS, partition, keys[at], values[at][block]) for at in in_phase[phase])
        clock = START_US + (second + shape.per_record) * SECOND_US
        yield from (_tick(partition, clock + half) for half in (0, HALF_US))
    yield _tick(partition, START_US + (shape.seconds + shape.per_record) * SECOND_US + MINUTE_US)


def _tick(partition: int, at: int) -> Out:
    return Out(READINGS, partition, TICK_KEY, tick_rows([SITE], at).tobytes())


def controls(numbers: list[int], partition: int) -> Iterator[Out]:
    """Control records of a partition: the site, then its patients with a monitor each."""
    header = ((CONTROL_HEADER, b"1"),)
    yield Out(READINGS, partition, b"site:1", SiteControl(number=SITE, name="bench").encode(), header)
    for number in numbers:
        name, who = patient(number), patient_id(patient(number))
        binding = Binding(patient=who, label=name, since=START_US - MINUTE_US)
        worn = WornDevice(device=device_id(name), name=name, type=MONITOR, binding=binding)
        control = PatientControl(patient=who, label=name, site=SITE, version=1, worn=(worn,), policy=DEFAULT)
        yield Out(READINGS, partition, who.bytes, control.encode(), header)


async def write(settings: Settings, records: Iterator[Out]) -> int:
    """Write records to Kafka; how many."""
    count = 0
    async with Producer(settings, "bench-log") as producer:
        part: list[Out] = []
        for record in records:
            part.append(record)
            if len(part) == AT_ONCE:
                await producer.send(part)
                count, part = count + len(part), []
        await producer.send(part)
    return count + len(part)
