"""Real Apache Kafka in KRaft mode on one node, from its Maven jars (``jgo``), on loopback.

Run as a program (``python -m compose.servers.kafka FOLDER``) it downloads the jars into FOLDER: a process of its
own, so that a stopped start stops the download too.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compose.process import ProcessSpec, python, python_env, run_to_end
from compose.servers import cache as caches
from compose.servers import probes
from compose.servers.java import Java

VERSION = "4.4.0"
KAFKA = f"org.apache.kafka:kafka_2.13:{VERSION}"
# Kafka speaks to SLF4J 1.7 and brings log4j 2.25 without the bridge between the two. Resolved apart, since
# together the versions that log4j manages for its own tests would replace Kafka's own libraries.
BRIDGE = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
DOWNLOAD = "45 MB"
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
NODE = 1

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def properties(data: Path, port: int, controller_port: int) -> str:
    """Return the broker's configuration: one node, loopback, topics only where asked for, small on a laptop."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE,
        "log.dirs": data,
        "listeners": f"PLAINTEXT://{probes.HOST}:{port},CONTROLLER://{probes.HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{probes.HOST}:{port},CONTROLLER://{probes.HOST}:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{probes.HOST}:{controller_port}",
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        # a killed broker that starts again waits until the registration of the one before has expired
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": MESSAGE_BYTES_MAX + 64 * 1024,
        "replica.fetch.max.bytes": MESSAGE_BYTES_MAX + 64 * 1024,
        # the index is mapped and allocated whole per partition; 2 MiB is what a full 1 GiB segment needs
        "log.index.size.max.bytes": 2 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def cluster_id() -> str:
    """Return a new cluster id in Kafka's form: 16 random bytes in URL-safe base64 without padding."""
    random = uuid.uuid4().bytes
    # one that began with a dash would be read as an option
    return urlsafe_b64encode(bytes((random[0] & 0x7F, *random[1:]))).decode().rstrip("=")


def _download(target: Path) -> None:
    """Resolve and download the jars into ``target/{jars,modules}``; blocks, for a process of its own."""
    import jgo

    work = target / "work"
    os.environ["M2_REPO"] = str(work / "repository")
    for coordinates, wanted in ((KAFKA, "*.jar"), (BRIDGE, "log4j-slf4j-impl-*.jar")):
        built = Path(jgo.build(coordinates, cache_dir=work / "envs").path)
        for part in ("jars", "modules"):
            (target / part).mkdir(exist_ok=True)
            for jar in (built / part).glob(wanted):
                shutil.move(jar, target / part / jar.name)
    shutil.rmtree(work)


async def install(cache: Path, progress: Callable[[str], None]) -> Path:
    """Return the cached folder of jars, downloading them first when it is missing; ProcessExited on failure."""

    async def build(part: Path) -> None:
        progress(f"kafka: downloading Apache Kafka {VERSION}, about {DOWNLOAD}, once")
        argv, log = python("compose.servers.kafka", str(part)), cache / f"kafka-{VERSION}.log"
        await run_to_end(ProcessSpec("download of Kafka", argv, log, env=python_env(), stop_seconds=0.5))

    return await caches.ensure(cache, f"kafka-{VERSION}", build, progress)


def class_path(jars: Path) -> str:
    """Return the class path of an installed Kafka: jgo sorts jars into two folders, and both are needed."""
    return f"{jars / 'jars'}/*:{jars / 'modules'}/*"


@dataclass(frozen=True, slots=True)
class Node:
    """Where the one node lives: its data folder, its log file, its port for clients and for its own controller."""

    data: Path
    log: Path
    port: int
    controller_port: int

    @property
    def storage(self) -> Path:
        """The folder that Kafka formats; it exists when it is whole."""
        return self.data / "log"

    @property
    def logging(self) -> Path:
        """The configuration of the node's own log."""
        return self.data / "log4j2.properties"

    def write(self, storage: Path) -> Path:
        """Write the configuration of a node that keeps its data in ``storage``; returns its file."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.logging.write_text(LOGGING, encoding="utf-8")
        config = self.data / "server.properties"
        config.write_text(properties(storage, self.port, self.controller_port), encoding="utf-8")
        return config


async def prepare(node: Node, jars: Path, java: Java) -> ProcessSpec:
    """Format the data folder once, write the configuration, and return the broker's process.

    The data survives restarts; the ports may differ from those of the last run. The machine code is compiled fast
    instead of well: the optimising compiler takes more of a laptop's core than it ever gives back.
    """
    run = partial(_command, java, class_path(jars), node.logging)
    quick = ("-XX:TieredStopAtLevel=1",)
    if not node.storage.is_dir():
        # under another name until it is whole: Kafka refuses a folder that a stopped format left behind
        part = node.data / "log.part"
        shutil.rmtree(part, ignore_errors=True)
        arguments = ("format", "--standalone", "-t", cluster_id(), "-c", str(node.write(part)))
        argv = run(("-Xmx256m", *quick), "kafka.tools.StorageTool", *arguments)
        await run_to_end(ProcessSpec("formatting of Kafka's storage", argv, node.log, stop_seconds=0.5))
        part.rename(node.storage)
    config = node.write(node.storage)
    return ProcessSpec(
        name="kafka",
        argv=run(("-Xmx512m", *quick), "kafka.Kafka", str(config)),
        log=node.log,
        ready=partial(probes.kafka, node.port),
        alive=partial(probes.kafka_lives, node.port),
        alive_poll_seconds=probes.ALIVE_POLL_SECONDS,
        stop_signal=signal.SIGTERM,
        stop_seconds=20.0,
        ready_seconds=180.0,
    )


def _command(java: Java, classes: str, logging: Path, options: tuple[str, ...], *arguments: str) -> tuple[str, ...]:
    return (
        str(java.path),
        *options,
        "-Xms64m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        classes,
        *arguments,
    )


def main() -> None:
    """Download the jars into the folder that the first argument names."""
    _download(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
