"""CPU time of the processor's step per reading, and its memory per patient: ``python -m benchmarks.processor``.

Shapes: 1,000 patients with one reading a record, 1,000 records of 60 heart-rate rows, and the same with glucose of
which a tenth is beyond a limit; heart rates also with every heart beyond the limits of the ten-minute rules, and with
a tenth of the readings there.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc

import numpy as np

from stream.processor import Processor
from vitals.control import PatientControl, WornDevice
from vitals.devices import DEVICE_TYPES, Binding
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US, Metric
from vitals.policies import DEFAULT
from vitals.readings import READING, tick_rows
from vitals.steps import Headers, Records
from vitals.topics import CONTROL_HEADER, READINGS, TICK_KEY, device_id, patient_id

START_US = 1_700_000_100_000_000
KEYS = [patient_id(f"p{number}").bytes for number in range(1000)]


def control(number: int) -> bytes:
    """A patient with the combined wearable."""
    name = f"p{number}"
    binding = Binding(patient=patient_id(name), label=name, since=START_US - MINUTE_US)
    worn = WornDevice(device=device_id(name), name=f"d{number}", type=DEVICE_TYPES["ward"], binding=binding)
    patient = patient_id(name)
    return PatientControl(patient=patient, label=name, site=1, version=1, worn=(worn,), policy=DEFAULT).encode()


def rows(key: bytes, metric: Metric, values: np.ndarray, first: int, step: int) -> bytes:
    """One patient's rows, a ``step`` (µs) apart."""
    block = np.zeros(len(values), READING)
    block["patient"] = np.void(key)
    block["observed_at"] = block["received_at"] = first + step * np.arange(len(values))
    block["value"], block["site"], block["metric"], block["unit"] = values, 1, metric.code, metric.unit
    return block.tobytes()


def poll(keys: list[bytes | None], values: list[bytes], headers: Headers = ()) -> Records:
    """Records in one poll."""
    return Records(READINGS, 0, list(range(len(keys))), keys, values, [headers] * len(keys))


def fresh() -> Processor:
    """A processor with 1,000 patients whose clock runs."""
    step = Processor(0, 1)
    step.step(poll(list(KEYS), [control(number) for number in range(1000)], ((CONTROL_HEADER, b"1"),)))
    step.step(poll([TICK_KEY], [tick_rows([1], START_US).tobytes()]))
    return step


def measure(metric: Metric, per_record: int, records: int, *, beyond: float, value: float = 60.0) -> float:
    """µs of CPU per reading, with two ticks after each record of all patients; a share ``beyond`` is at ``value``."""
    random = np.random.default_rng(1)
    step = fresh()
    interval = SECOND_US if metric is HEART_RATE else MINUTE_US
    polls = []
    at = START_US
    for _ in range(records):
        values = np.where(random.random((1000, per_record)) < beyond, value, 100.0)
        blocks = [rows(key, metric, values[number], at + interval, interval) for number, key in enumerate(KEYS)]
        at += per_record * interval
        ticks = [tick_rows([1], at).tobytes()] * 2
        polls.append(poll([*KEYS, TICK_KEY, TICK_KEY], blocks + ticks))
    fresh().step(polls[0])  # numpy imports parts of itself at their first use
    begun = time.process_time()
    for each in polls:
        step.step(each)
    return (time.process_time() - begun) * 1e6 / (1000 * per_record * records)


def memory() -> float:
    """Bytes per patient of a processor whose rings are full."""
    tracemalloc.start()
    step = fresh()
    for _ in range(1):
        for metric, interval in ((HEART_RATE, SECOND_US), (GLUCOSE, MINUTE_US)):
            values = np.full(metric.panes, 100.0)
            for key in KEYS:
                step.step(poll([key], [rows(key, metric, values, START_US, interval)]))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / 1000


def main() -> None:
    """Print one JSON line."""
    result = {
        "heart rate, 1 reading a record, µs": measure(HEART_RATE, 1, 60, beyond=0),
        "heart rate, 60 a record, µs": measure(HEART_RATE, 60, 4, beyond=0),
        "heart rate, 60 a record, 12 min, none beyond, µs": measure(HEART_RATE, 60, 12, beyond=0),
        "heart rate, 60 a record, 12 min, 10 % beyond, µs": measure(HEART_RATE, 60, 12, beyond=0.1, value=140),
        "heart rate, 60 a record, 12 min, all beyond, µs": measure(HEART_RATE, 60, 12, beyond=1, value=140),
        "glucose, 1 a record, 10 % low, µs": measure(GLUCOSE, 1, 40, beyond=0.1),
        "glucose, 60 a record, none low, µs": measure(GLUCOSE, 60, 2, beyond=0),
        "glucose, 60 a record, 10 % low, µs": measure(GLUCOSE, 60, 2, beyond=0.1),
        "memory, bytes per patient": memory(),
    }
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
