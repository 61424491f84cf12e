"""Where a benchmark runs: Kafka, broker and database (the test servers' where their addresses are in the environment,
else its own), topics in a namespace of its own that go at the end, and a folder for logs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compose import services, testbed
from compose.process import ProcessSpec, python, python_env
from compose.servers import probes
from runtime.kafka import Out, Producer, Reader, delete_topics, ensure_topics
from runtime.settings import Settings, load
from vitals.devices import DEVICE_TYPES, Binding, Device, Site
from vitals.metrics import MINUTE_US
from vitals.topics import BINDINGS, TOPICS, device_id, patient_id

PARTITIONS = 2
"""As `make demo` has it."""
SITE = "bench"


@dataclass(frozen=True, slots=True)
class Place:
    """Running servers and the settings that reach them; ``root`` holds logs and goes at the end."""

    root: Path
    settings: Settings

    def service(self, name: str, **more: str) -> ProcessSpec:
        """The process of one of our services on these servers."""
        port = probes.free_port()
        settings = self.settings
        environment = {
            "VIGIL_KAFKA": settings.kafka,
            "VIGIL_MQTT": settings.mqtt,
            "VIGIL_NAMESPACE": settings.namespace,
            "VIGIL_PARTITIONS": str(settings.partitions),
            "VIGIL_LOG_LEVEL": "warning",
        }
        return services.service(name, self.root, {**environment, **more}, port)

    def yardstick(self, module: str, *arguments: str, port: int | None = None) -> ProcessSpec:
        """A program of ``benchmarks/yardsticks``, ready once its port is open."""
        return ProcessSpec(
            name=module,
            argv=python(f"benchmarks.yardsticks.{module}", *arguments),
            log=self.root / f"{module}.log",
            env=python_env(),
            ready=None if port is None else partial(_open, port),
            stop_seconds=3.0,
        )


@asynccontextmanager
async def place(name: str, wanted: Sequence[str], partitions: int = PARTITIONS) -> AsyncIterator[Place]:
    """Servers and topics while the body runs; ``wanted`` are names of `compose.testbed`."""
    with tempfile.TemporaryDirectory(prefix="vigil-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        async with testbed.started(root / "servers", tuple(wanted)) as addresses:
            settings = load(
                Settings,
                kafka=addresses["VIGIL_TEST_KAFKA"],
                mqtt=addresses.get("VIGIL_TEST_MOSQUITTO", "127.0.0.1:1883"),
                namespace=f"bench-{name}-{os.getpid()}",
                partitions=partitions,
            )
            await ensure_topics(settings, TOPICS)
            try:
                yield Place(root, settings)
            finally:
                await delete_topics(settings, [spec.name for spec in TOPICS])


async def register(settings: Settings, devices: Sequence[str], since: int) -> None:
    """Write a site and bound devices as the registry would; ``since`` in µs UTC."""
    records = [Out(BINDINGS, 0, f"site:{SITE}".encode(), Site(name=SITE, number=1).encode())]
    for name in devices:
        binding = Binding(patient=patient_id(name), label=name, since=since - MINUTE_US)
        device = Device(
            name=name,
            id=device_id(name),
            type=DEVICE_TYPES["ward"],
            site=1,
            site_name=SITE,
            bindings=(binding,),
        )
        records.append(Out(BINDINGS, 0, f"device:{name}".encode(), device.encode()))
    async with Producer(settings, "bench-registry") as producer:
        await producer.send(records)


async def total(reader: Reader) -> int:
    """Records in all partitions of a reader."""
    return sum((await reader.end_offsets()).values())


async def _open(port: int) -> None:
    async with probes.connected(port):
        return
