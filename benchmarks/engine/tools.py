"""The other engines, each in an environment of its own in the cache folder, at the versions that stand here.

Run as a program (``python -m benchmarks.engine.tools FOLDER``) it downloads the jars of Kafka Streams into FOLDER: a
process of its own, since Maven's repository is set by an environment variable.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from compose.process import ProcessSpec, python, python_env, run_to_end
from compose.servers import cache as caches
from compose.servers import java, kafka
from vitals.errors import ServerMissing

YARDSTICKS = Path(__file__).parents[1] / "yardsticks"
ENVIRONMENT = Path(caches.__file__).parents[1] / "environment.sh"
STREAMS = f"org.apache.kafka:kafka-streams:{kafka.VERSION}"
LOGGER = "org.slf4j:slf4j-nop:1.7.36"
"""Kafka Streams speaks to SLF4J 1.7, and says nothing here."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Python engine: its name and version, what is installed beside it, and about how much that downloads."""

    name: str
    version: str
    beside: tuple[str, ...]
    download: str

    @property
    def told(self) -> str:
        """Name and version for a table."""
        return f"{self.name} {self.version}"


BYTEWAX = Package("bytewax", "0.21.1", ("confluent-kafka==2.16.1",), "15 MB")
FAUST = Package("faust-streaming", "0.15.3", ("aiokafka==0.14.0", "cramjam==2.14.0", "setuptools==80.9.0"), "20 MB")
QUIX = Package("quixstreams", "3.28.1", (), "40 MB")


async def environment(engine: Package, progress: Callable[[str], None]) -> Path:
    """The Python program of an engine's environment, made first where it is missing.

    Raises:
        ProcessExited: it could not be installed.
    """
    cache = caches.folder()
    name = f"bench-{engine.name}-{engine.version}"

    async def build(part: Path) -> None:
        progress(f"{engine.told}: installing it into {cache / name}, about {engine.download}, once")
        log = cache / f"{name}.log"
        made = ProcessSpec("environment", ("bash", str(ENVIRONMENT), sys.executable, str(part)), log)
        await run_to_end(made)
        pip = (str(part / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
        wanted = (f"{engine.name}=={engine.version}", *engine.beside)
        await run_to_end(ProcessSpec(f"installation of {engine.told}", (*pip, *wanted), log, env={"PYTHONPATH": ""}))

    return await caches.ensure(cache, name, build, progress) / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Streams:
    """Kafka Streams with the job, compiled: a Java and a class path."""

    java: Path
    class_path: str


async def streams(progress: Callable[[str], None]) -> Streams:
    """Kafka Streams' jars, downloaded first where they are missing, and our job compiled against them.

    Raises:
        ServerMissing: there is no Java, or none with a compiler.
        ProcessExited: the jars could not be had, or the source does not compile.
    """
    found, cache = java.find(), caches.folder()
    compiler = shutil.which("javac") or ""
    if not compiler:
        raise ServerMissing(
            "no Java compiler found", "", "install a JDK (Debian: apt-get install default-jdk-headless)"
        )
    name = f"bench-kafka-streams-{kafka.VERSION}"

    async def download(part: Path) -> None:
        progress(f"Kafka Streams {kafka.VERSION}: downloading it into {cache / name}, about 90 MB, once")
        argv = python("benchmarks.engine.tools", str(part))
        await run_to_end(ProcessSpec("download of Kafka Streams", argv, cache / f"{name}.log", env=python_env()))

    jars = kafka.class_path(await caches.ensure(cache, name, download, progress))
    source = YARDSTICKS / "TumblingJob.java"
    digest = sha256(source.read_bytes() + kafka.VERSION.encode()).hexdigest()[:12]

    async def compile_job(part: Path) -> None:
        argv = (compiler, "-nowarn", "-cp", jars, "-d", str(part), str(source))
        await run_to_end(ProcessSpec("compilation of the job for Kafka Streams", argv, cache / f"{name}.log"))

    classes = await caches.ensure(cache, f"bench-job-{digest}", compile_job, progress)
    return Streams(found.path, f"{classes}:{jars}")


def _download(target: Path) -> None:
    """Resolve and download the jars into ``target/{jars,modules}``; blocks, for a process of its own."""
    import jgo  # noqa: PLC0415  only this process needs it

    work = target / "work"
    os.environ["M2_REPO"] = str(work / "repository")
    for coordinates in (STREAMS, LOGGER):
        built = Path(jgo.build(coordinates, cache_dir=work / "envs").path)
        for part in ("jars", "modules"):
            (target / part).mkdir(exist_ok=True)
            for jar in (built / part).glob("*.jar"):
                shutil.move(jar, target / part / jar.name)
    shutil.rmtree(work)


def main() -> None:
    """Download the jars into the folder that the first argument names."""
    _download(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
