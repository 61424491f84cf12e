"""Records of every stored topic, for the tests of storage; times in µs, ids small numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import numpy as np

from runtime.clock import SystemClock
from runtime.database import connect
from runtime.kafka import GroupConsumer, Out, Producer, Reader, cluster_id, describe
from runtime.observe import Metrics, Readiness
from runtime.settings import Settings
from stream.sink_service import Sink
from stream.sink_settings import SinkSettings
from stream.sink_work import SOURCES
from tests.boards import write
from vitals.alerts import Alert
from vitals.causes import Cause
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.readings import Reading, to_rows
from vitals.topics import BINDINGS, FEED, READINGS, WINDOWS, device_id, patient_id
from vitals.windows import ARROW_UNKNOWN, WINDOW

T0 = 1_700_000_000_000_000
MINUTE = 60_000_000
PATIENT = patient_id("p-1")
DEVICE = device_id("cgm-1")


def reading(minute: int, value: float, **changed: Any) -> Reading:
    """A glucose reading of the one device, ``minute`` minutes after T0."""
    at = T0 + minute * MINUTE
    given: dict[str, Any] = {"patient": PATIENT, "device": DEVICE, "metric": "glucose", "value": value}
    given |= {"unit": "mmol/L", "observed_at": at, "received_at": at + 1_000_000, "site": 1}
    return Reading(**(given | changed))


def readings_out(readings: Sequence[Reading], partition: int = 0) -> Out:
    """One record of readings."""
    return Out(READINGS, partition, PATIENT.bytes, to_rows(list(readings)).tobytes())


def alert(version: tuple[int, int], **changed: Any) -> Alert:
    """An open low alert at a version."""
    given: dict[str, Any] = {
        "id": UUID(int=7), "version": version, "change": "open", "at": T0, "announced": True, "patient": PATIENT,
        "label": "p-1", "site": 1, "device": "cgm-1", "metric": "glucose", "rule": "low", "category": "physiological",
        "level": 1, "priority": "medium", "condition": "active", "value": 65.0, "value_at": T0, "unit": "mg/dL",
        "limit": 70.0, "censored": None, "reason": "", "since": T0, "opened_at": T0, "policy": 1, "risen": version,
        "announced_at": T0, "announcements": 1, "response": "unacknowledged",
    }  # fmt: skip
    return Alert(**(given | changed))


def alert_out(message: Alert, partition: int = 0) -> Out:
    """The record of an alert's change."""
    return Out(FEED, partition, message.id.bytes, message.encode(), (("cause", Cause(*message.version).pack()),))


def window(end_minute: int, offset: int, mean: float, slope: float = float("nan")) -> np.ndarray[Any, Any]:
    """One glucose window of the one patient at version (offset, 0), shape (1,)."""
    row = np.zeros(1, WINDOW)
    row["patient"] = np.void(PATIENT.bytes)
    row["end"] = (T0 // MINUTE + end_minute) // 5 * 5 * MINUTE
    row["start"] = row["end"] - 15 * MINUTE
    row["offset"], row["count"], row["coverage"], row["mean"], row["slope"] = offset, 3, 0.2, mean, slope
    row["metric"], row["window"], row["arrow"] = 2, 2, ARROW_UNKNOWN
    row["median"] = row["theil_sen"] = np.nan
    return row


def window_out(rows: np.ndarray[Any, Any], partition: int = 0) -> Out:
    """One record of windows."""
    return Out(WINDOWS, partition, PATIENT.bytes, rows.tobytes())


def bindings_out(label: str = "p-1") -> list[Out]:
    """A site and a device that is bound."""
    binding = Binding(patient=patient_id(label), label=label, since=T0)
    device = Device(
        name="cgm-1", id=DEVICE, type=DEVICE_TYPES["dexcom"], site=1, site_name="ward-a", bindings=(binding,)
    )
    site = Site(name="ward-a", number=1)
    return [Out(BINDINGS, 0, b"site:ward-a", site.encode()), Out(BINDINGS, 0, b"device:cgm-1", device.encode())]


def sink_settings(settings: Settings, **changed: Any) -> SinkSettings:
    """The same settings as a sink's, without pauses."""
    return SinkSettings(**(settings.model_dump() | {"sink_linger_seconds": 0.0} | changed))


@asynccontextmanager
async def running_sink(settings: SinkSettings, readiness: Readiness | None = None) -> AsyncIterator[None]:
    """A sink at work beside the body."""
    async with (
        Producer(settings, "sink") as producer,
        GroupConsumer(settings, SOURCES, "sink", settings.instance) as consumer,
    ):
        sink = Sink(
            settings,
            consumer,
            producer,
            cluster=await cluster_id(settings),
            clock=SystemClock(),
            readiness=readiness or Readiness("kafka", "database"),
            metrics=Metrics(),
        )
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(sink.run(), name="sink"), tasks.create_task(sink.watch(), name="sink's watch")]
            yield
            for task in beside:
                task.cancel()


async def send(settings: Settings, records: Sequence[Out]) -> list[int]:
    """Write records to Kafka."""
    async with Producer(settings, "test") as producer:
        return await producer.send(records)


async def stored_to_the_end(settings: Settings) -> None:
    """Wait until the sink's positions are the log's ends, those of the sink's own rejections included."""
    topics = await describe(settings)
    wanted = [(topic, number) for topic in SOURCES for number in range(topics[topic])]
    async with Reader(settings, wanted) as reader:
        while True:
            ends = await reader.end_offsets()
            found = await rows(settings, "SELECT topic, partition, position FROM vigil.sink_positions, pg_sleep(0.05)")
            if {key: end for key, end in ends.items() if end} == {(a, b): c for a, b, c in found if c}:
                return


async def rows(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    async with await connect(settings.database_url) as connection:
        return await (await connection.execute(statement.encode())).fetchall()


async def stored(settings: Settings, records: list[Out]) -> None:
    """Write records, and wait until a sink has stored them."""
    await write(settings, records)
    async with running_sink(sink_settings(settings)):
        await stored_to_the_end(settings)
