"""What operators see: logs, metrics, health."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runtime.observe import HealthServer, Metrics, Readiness, configure_logging
from runtime.settings import Settings


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    target = io.StringIO()
    configure_logging(Settings(instance="7"), "bridge", target)
    yield target
    root.handlers = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_and_says_who_wrote_it(stream: io.StringIO) -> None:
    """Ten processes share one screen; and a machine must be able to count."""
    structlog.get_logger("vigil.test").info("took", messages=3)
    (line,) = lines(stream)
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {"event": "took", "messages": 3, "level": "info", "service": "bridge", "instance": "7"}


def test_secrets_are_masked_wherever_they_stand(stream: io.StringIO) -> None:
    """One careless line must not give away the ward's database."""
    log = structlog.get_logger("vigil.test")
    log.info("a", password="hunter2", nested={"api_token": "hunter2"}, ok="postgresql://nurse:hunter2@db/vigil")
    log.info("failed at postgresql://nurse:hunter2@db/vigil")
    logging.getLogger("psycopg").warning("cannot reach %s", "postgresql://nurse:hunter2@db/vigil")
    assert "hunter2" not in stream.getvalue()
    assert "nurse" in stream.getvalue()
    assert len(lines(stream)) == 3


def test_a_traceback_is_one_line(stream: io.StringIO) -> None:
    """A log that breaks a fault over forty lines cannot be searched."""
    try:
        raise ValueError("broken at postgresql://nurse:hunter2@db/vigil")  # noqa: TRY301
    except ValueError:
        structlog.get_logger("vigil.test").exception("fault")
    (line,) = lines(stream)
    assert "ValueError: broken" in line["exception"]
    assert "hunter2" not in stream.getvalue()


def test_libraries_speak_only_when_something_is_wrong(stream: io.StringIO) -> None:
    """The first join of a new Kafka is always refused once; a newcomer would take the red line for a fault."""
    log = logging.getLogger("aiokafka.consumer.group_coordinator")
    log.error("Group Coordinator Request failed: %s", "[Error 15] GroupCoordinatorNotAvailableError")
    log.warning("Heartbeat failed for group %s because it is rebalancing", "g")
    log.info("Joined group")
    logging.getLogger("vigil.x").error("GroupCoordinatorNotAvailable is our own word here")
    log.error("Unexpected error in coordinator routine")
    assert [line["event"] for line in lines(stream)] == [
        "GroupCoordinatorNotAvailable is our own word here",
        "Unexpected error in coordinator routine",
    ]


def test_a_library_says_the_same_once_in_a_while(stream: io.StringIO) -> None:
    """While Kafka is away each of its clients complains ten times a second; that would bury everything else."""
    log = logging.getLogger("aiokafka.consumer.fetcher")
    now = 1_700_000_000.0

    def say(text: str, at: float) -> None:
        record = log.makeRecord(log.name, logging.ERROR, "", 0, text, (1,), None)
        record.created = at
        log.handle(record)

    for tenth in range(25):
        say("Failed fetch from %s", now + tenth / 10)
    say("Something else of %s", now + 3)
    say("Failed fetch from %s", now + 11)
    for tenth in range(3):
        structlog.get_logger("vigil.test").warning("ours", tenth=tenth)
    assert [line["event"] for line in lines(stream)] == [
        "Failed fetch from 1",
        "Something else of 1",
        "Failed fetch from 1 (and 24 more like it)",
        *["ours"] * 3,
    ]


def test_a_metric_is_made_once_and_carries_the_prefix() -> None:
    """Two parts of one process may count the same thing."""
    metrics = Metrics()
    counter = metrics.counter("rejected_total", "Rejected payloads.", ["reason"])
    assert metrics.counter("rejected_total", "Rejected payloads.", ["reason"]) is counter
    counter.labels(reason="malformed").inc(2)
    metrics.gauge("age_seconds", "Age.").set(1.5)
    metrics.histogram("step_seconds", "Step.", buckets=[0.1, 1]).observe(0.5)
    text = metrics.text().decode()
    assert 'vigil_rejected_total{reason="malformed"} 2.0' in text
    assert "vigil_age_seconds 1.5" in text
    assert 'vigil_step_seconds_bucket{le="1.0"} 1.0' in text


def test_a_service_is_ready_when_nothing_speaks_against_it() -> None:
    """Who waits for readiness must learn what is missing, not only that something is."""
    readiness = Readiness("kafka", "mqtt")
    assert not readiness.ok
    readiness.set("kafka", ok=True)
    readiness.set("mqtt", ok=False, reason="no broker answers")
    assert readiness.reasons == {"mqtt": "no broker answers"}
    readiness.set("mqtt", ok=True)
    assert readiness.ok


async def ask(port: int, request: bytes) -> tuple[int, str]:
    """The status and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


async def test_health_answers_over_http() -> None:
    """The supervisor, `vigil doctor` and any orchestrator ask the same three questions."""
    readiness, metrics = Readiness("kafka"), Metrics()
    metrics.gauge("lag", "Lag.").set(4)
    async with HealthServer(0, readiness, metrics) as health:
        assert (await ask(health.port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200
        status, body = await ask(health.port, b"GET /readyz HTTP/1.1\r\n\r\n")
        assert status == 503
        assert json.loads(body)["reasons"] == {"kafka": "starting"}
        readiness.set("kafka", ok=True)
        assert (await ask(health.port, b"GET /readyz?x HTTP/1.1\r\n\r\n"))[0] == 200
        assert "vigil_lag 4.0" in (await ask(health.port, b"GET /metrics HTTP/1.1\r\n\r\n"))[1]
        assert (await ask(health.port, b"GET /secret HTTP/1.1\r\n\r\n"))[0] == 404
        assert (await ask(health.port, b"POST /healthz HTTP/1.1\r\n\r\n"))[0] == 405


async def test_health_is_off_without_a_port() -> None:
    """A test or a tool opens no port that nobody asked for."""
    async with HealthServer(None, Readiness(), Metrics()) as health:
        assert health.port == 0


async def test_readiness_is_a_metric_too() -> None:
    """An alarm system that asks only for metrics must see what is not well, condition by condition."""
    readiness, metrics = Readiness("kafka"), Metrics()
    async with HealthServer(None, readiness, metrics):
        assert "vigil_ready 0.0" in metrics.text().decode()
        assert 'vigil_check_ok{check="kafka"} 0.0' in metrics.text().decode()
        readiness.set("kafka", ok=True)
        assert "vigil_ready 1.0" in metrics.text().decode()
        assert "process_cpu_seconds_total" in metrics.text().decode()


def test_a_process_that_was_told_of_its_end_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screens and balancers turn away before the connection breaks, and learn why."""
    monkeypatch.setattr(Readiness, "_doomed", "")
    readiness = Readiness("kafka")
    readiness.set("kafka", ok=True)
    Readiness.doom("gave up")
    assert not readiness.ok
    assert readiness.reasons == {"supervisor": "gave up"}
    assert readiness.as_dict()["checks"] == {"kafka": True, "supervisor": False}


async def test_health_can_be_asked_from_a_shell(capfd: pytest.CaptureFixture[str]) -> None:
    """A container's health check has no curl."""
    async with HealthServer(0, Readiness("kafka"), Metrics()) as health:
        for path, code in (("/healthz", 0), ("/readyz", 1)):
            child = await asyncio.create_subprocess_exec(sys.executable, "-m", "runtime.health", str(health.port), path)
            assert await child.wait() == code
        port = str(health.port)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "runtime.health", port)
    assert await child.wait() == 1
    said = capfd.readouterr()
    assert '"alive": true' in said.out
    assert port in said.err
