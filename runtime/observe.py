"""What operators see: JSON log lines on stderr, metrics, health and readiness.

`configure_logging` sends everything, the libraries' own loggers included, through one pipeline that masks secrets.
`Metrics` is the process's registry; `Readiness` says with reasons whether the service does its work; `HealthServer`
answers ``/healthz``, ``/readyz`` and ``/metrics``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import platform
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from importlib import metadata
from types import TracebackType
from typing import Any, ClassVar, Self, TextIO, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

from runtime.settings import Settings

SECRET_KEY = re.compile(r"password|passwd|secret|token|authorization|credential|database_url", re.IGNORECASE)
URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@\s]+@")
MASK = "***"

LIBRARY_LEVELS = {"aiokafka": "WARNING", "websockets": "WARNING", "asyncio": "WARNING", "psycopg": "WARNING"}
"""Level of the libraries' own loggers; ours is the setting ``VIGIL_LOG_LEVEL``."""
EXPECTED = (
    "GroupCoordinatorNotAvailable",
    "GroupLoadInProgress",
    "because it is rebalancing",
    "is not available during auto-create initialization",
    "Unable connect to",
    "Unable to update metadata",
)
"""Parts of library messages that belong to every normal start; our own deadlines report it if they do not pass."""

REPEAT_S = 10.0
"""A library says the same thing once in so long: while Kafka is away aiokafka has ten lines a second and client."""
REPEATS_MAX = 500
"""Different messages that are remembered for it."""
REQUEST_BYTES_MAX = 8 * 1024
REQUEST_TIMEOUT_S = 5.0

M = TypeVar("M", bound=MetricWrapperBase)


def configure_logging(settings: Settings, service: str, stream: TextIO | None = None) -> None:
    """One JSON object a line on stderr, with ``service`` and ``instance``; secrets are masked."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_not_expected)
    handler.addFilter(_Sparse().says)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Identity(service, settings.instance),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: ``log.info("what happened", key=value)``; only ``runtime`` imports structlog."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values under secret-looking keys, and passwords inside URLs anywhere."""
    return {key: MASK if SECRET_KEY.search(key) else _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return URL_PASSWORD.sub(rf"\1:{MASK}@", value)
    if isinstance(value, Mapping):
        return mask_secrets(None, "", dict(value))
    return value


def _not_expected(record: logging.LogRecord) -> bool:
    return not (record.name.startswith("aiokafka") and any(part in record.getMessage() for part in EXPECTED))


class _Sparse:
    """Leaves out what a library said a moment ago, and says with the next one how often it was."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def says(self, record: logging.LogRecord) -> bool:
        """Whether to write a record; our own always are. Time is the record's own."""
        if record.name.split(".")[0] not in LIBRARY_LEVELS:
            return True
        key = (record.name, str(record.msg))
        since, left_out = self._said.get(key, (-REPEAT_S, 0))
        if 0 <= record.created - since < REPEAT_S:
            self._said[key] = (since, left_out + 1)
            return False
        if len(self._said) >= REPEATS_MAX:
            self._said.clear()
        self._said[key] = (record.created, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like it)"
        return True


class _Identity:
    def __init__(self, service: str, instance: str) -> None:
        self._fields = {"service": service, "instance": instance}

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**self._fields, **event}


class Metrics:
    """Prometheus metrics in a registry of their own; asking twice for a name gives the same metric.

    Names get the prefix ``vigil_``; units are part of the name (``_seconds``, ``_bytes``, ``_total`` by itself).
    What the kernel says of the process (CPU, memory, files) is there as ``process_...``.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made: dict[str, MetricWrapperBase] = {}
        self._refreshing: list[Callable[[], None]] = []
        ProcessCollector(registry=self.registry)

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """Something that only grows."""
        return self._make(Counter, name, help_text, labels)

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """Something that goes up and down."""
        return self._make(Gauge, name, help_text, labels)

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
    ) -> Histogram:
        """Something with a distribution; ``buckets`` are upper bounds in the unit of the name."""
        return self._make(Histogram, name, help_text, labels, buckets=tuple(buckets))

    def _make(self, kind: type[M], name: str, help_text: str, labels: Sequence[str], **options: Any) -> M:
        made = self._made.get(name)
        if made is None:
            made = kind(f"vigil_{name}", help_text, tuple(labels), registry=self.registry, **options)
            self._made[name] = made
        assert isinstance(made, kind), f"{name} is another kind of metric"
        return made

    def follow(self, readiness: Readiness) -> None:
        """Show a readiness and its conditions, and which program it is."""
        built = self.gauge("build_info", "1; the labels say which Vigil on which Python", ["version", "python"])
        built.labels(_version(), platform.python_version()).set(1)
        self.gauge("ready", "1 while every condition of the service holds").set_function(lambda: readiness.ok)
        checks = self.gauge("check_ok", "1 while this condition of the service holds", ["check"])

        def refresh() -> None:
            checks.clear()
            for name, ok in readiness.checks.items():
                checks.labels(name).set(ok)

        self._refreshing.append(refresh)

    def text(self) -> bytes:
        """The present values in Prometheus' text format."""
        for refresh in self._refreshing:
            refresh()
        return generate_latest(self.registry)


def _version() -> str:
    try:
        return metadata.version("vigil-ward")
    except metadata.PackageNotFoundError:
        return "0"


class Readiness:
    """Named conditions, each with a reason while it does not hold; ready when all hold.

    A process that was told of its end (`doom`) is ready in nothing any more.
    """

    _doomed: ClassVar[str] = ""

    @classmethod
    def doom(cls, reason: str) -> None:
        """State that the whole process is about to be stopped by whoever supervises it."""
        cls._doomed = reason

    def __init__(self, *names: str) -> None:
        self._states: dict[str, tuple[bool, str]] = dict.fromkeys(names, (False, "starting"))

    def set(self, name: str, ok: bool, reason: str = "") -> None:
        """State a condition: ``readiness.set("kafka", False, "no broker answers")``."""
        self._states[name] = (ok, reason)

    @property
    def ok(self) -> bool:
        """Whether every condition holds."""
        return all(self.checks.values())

    @property
    def checks(self) -> dict[str, bool]:
        """Whether it holds, by condition."""
        doomed = {"supervisor": False} if self._doomed else {}
        return {name: ok for name, (ok, _) in self._states.items()} | doomed

    @property
    def reasons(self) -> dict[str, str]:
        """Why not, by condition; empty when ready."""
        doomed = {"supervisor": self._doomed} if self._doomed else {}
        return {name: reason or "not ready" for name, (ok, reason) in self._states.items() if not ok} | doomed

    def as_dict(self) -> dict[str, Any]:
        """As ``/readyz`` shows it."""
        return {
            "ready": self.ok,
            "reasons": self.reasons,
            "checks": self.checks,
        }


class HealthServer:
    """A small HTTP server: ``async with HealthServer(port, readiness, metrics) as health``; on loopback unless told.

    ``port`` None is off; 0 takes a free one, which `port` tells. ``VIGIL_HEALTH_PORT=0`` means off: pass
    ``settings.health_port or None``.
    """

    def __init__(self, port: int | None, readiness: Readiness, metrics: Metrics, host: str = "127.0.0.1") -> None:
        metrics.follow(readiness)
        self._host = host
        self._wanted = port
        self._readiness = readiness
        self._metrics = metrics
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use; 0 when off."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def __aenter__(self) -> Self:
        if self._wanted is not None:
            self._server = await asyncio.start_server(
                self._serve, self._host, self._wanted, limit=REQUEST_BYTES_MAX, reuse_address=True
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked went away or does not speak HTTP
        finally:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.decode("latin-1").partition(" ")
        path = rest.split(" ", 1)[0].split("?", 1)[0]
        if method not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "GET only"})
        if path == "/healthz":
            return _response(HTTPStatus.OK, {"alive": True})
        if path == "/readyz":
            status = HTTPStatus.OK if self._readiness.ok else HTTPStatus.SERVICE_UNAVAILABLE
            return _response(status, self._readiness.as_dict())
        if path == "/metrics":
            return _response(HTTPStatus.OK, self._metrics.text(), CONTENT_TYPE_LATEST)
        return _response(HTTPStatus.NOT_FOUND, {"error": "try /healthz, /readyz or /metrics"})


def _response(status: HTTPStatus, body: bytes | dict[str, Any], kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
