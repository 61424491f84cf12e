"""How a service starts and ends: one line for a person, the right code for a supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Iterator

import pytest

from runtime import service
from runtime.collector import OBJECTS_MAX, OUTPUTS_MAX
from runtime.kafka import KafkaUnavailable
from runtime.observe import Readiness
from runtime.service import EXIT_ERROR, EXIT_FAULT, EXIT_OK, EXIT_SETTINGS, run, run_code
from runtime.settings import Settings
from runtime.testing.waiting import until
from vitals.errors import ServerUnavailable


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, thresholds = logging.getLogger(), gc.get_threshold()
    handlers, level = root.handlers, root.level
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    root.handlers = handlers
    root.setLevel(level)


async def done(_settings: Settings) -> None:
    """Nothing to do."""


async def unreachable(_settings: Settings) -> None:
    """Fail in a task, as services do."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_fail(ServerUnavailable("Kafka cannot be reached", "host:1", "start it")), name="failing")


async def faulty(_settings: Settings) -> None:
    """A fault of ours."""
    await _fail(ZeroDivisionError("ours"))


async def _fail(error: Exception) -> None:
    raise error


def test_a_service_looks_for_cycles_rarely_but_does() -> None:
    """Each record of a poll is an object: with Python's own number they would be looked through again and again."""
    assert run_code(done, Settings, "migrate") == EXIT_OK
    assert gc.isenabled()
    assert gc.get_threshold()[0] == OBJECTS_MAX
    assert gc.get_freeze_count() > 0
    assert run_code(done, Settings, "process", OUTPUTS_MAX) == EXIT_OK
    assert gc.get_threshold()[0] == OUTPUTS_MAX > OBJECTS_MAX


def test_work_that_ends_ends_well() -> None:
    """`vigil migrate` is a service that ends by itself."""
    with pytest.raises(SystemExit) as caught:
        run(done, Settings, "migrate")
    assert caught.value.code == EXIT_OK


def test_an_error_of_ours_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer without Kafka gets a sentence, not a traceback."""
    assert run_code(unreachable, Settings, "bridge") == EXIT_ERROR
    assert capsys.readouterr().err == "bridge: Kafka cannot be reached: host:1 (start it)\n"


def test_a_service_waits_for_kafka_at_its_start() -> None:
    """Ending at once, six times in a minute, it would be given up by its supervisor for somebody else's outage."""
    starts = []

    async def begin(_settings: Settings) -> None:
        starts.append(True)
        if len(starts) < 3:
            await _fail(KafkaUnavailable("Kafka cannot be reached", "host:1", "start it"))

    assert run_code(begin, Settings, "bridge") == EXIT_OK
    assert len(starts) == 3


def test_a_service_does_not_wait_for_kafka_for_ever(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever mistyped its address is told so in one line."""
    monkeypatch.setattr(service, "KAFKA_PATIENCE_S", 0.0)

    async def begin(_settings: Settings) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_fail(KafkaUnavailable("Kafka cannot be reached", "host:1", "start it")), name="reader")

    assert run_code(begin, Settings, "bridge") == EXIT_ERROR
    assert capsys.readouterr().err.endswith("bridge: Kafka cannot be reached: host:1 (start it)\n")


def test_a_bad_setting_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the environment."""
    monkeypatch.setenv("VIGIL_PARTITIONS", "many")
    assert run_code(done, Settings, "bridge") == EXIT_SETTINGS
    err = capsys.readouterr().err
    assert err.startswith("bridge: bad setting: VIGIL_PARTITIONS")
    assert err.count("\n") == 1


def test_the_supervisors_word_of_the_end_makes_a_service_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on working until it is stopped, and whoever asks it learns that it soon will be."""
    monkeypatch.setattr(Readiness, "_doomed", "")
    readiness = Readiness("work")
    readiness.set("work", ok=True)

    async def told(_settings: Settings) -> None:
        assert readiness.ok
        os.kill(os.getpid(), service.DOOM_SIGNAL)
        await until(lambda: not readiness.ok)

    assert run_code(told, Settings, "x") == EXIT_OK
    assert readiness.reasons == {"supervisor": "gave up: everything is about to stop"}


def test_a_fault_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """What we did not expect must be found afterwards; the supervisor restarts the process."""
    assert run_code(faulty, Settings, "bridge") == EXIT_FAULT
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_cleanly_and_twice_is_the_same(signum: signal.Signals) -> None:
    """Closing blocks run, so sessions and positions are left as they should be."""
    closed = []

    async def serve(_settings: Settings) -> None:
        try:
            os.kill(os.getpid(), signum)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signum)
            for _ in range(100):
                await asyncio.sleep(0)
            closed.append(True)

    assert run_code(serve, Settings, "gateway") == EXIT_OK
    assert closed == [True]
