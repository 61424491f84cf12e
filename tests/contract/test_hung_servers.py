"""A server that hangs is found out and started again: real ones, stopped by SIGSTOP as by a dead disk or a debugger.

Each runs on data of its own, with a shorter patience than in life.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from compose import servers
from compose.servers import cache, probes
from compose.supervisor import Event, Kind, Supervisor
from runtime.testing.waiting import until

pytestmark = [pytest.mark.serial, pytest.mark.timeout(240)]
NAMES = ("mosquitto", "iotcore", "postgres", "kafka")
QUIET_ASKS = 20


async def prepared(root: Path, name: str) -> servers.Server:
    """The server on new data below a folder, as ``vigil up`` starts it but for what must last a power cut."""
    place = servers.Place(root, cache.folder(), print, durable=False)
    (root / "run").mkdir()
    return (await servers.prepare(place, [name]))[name]


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_that_hangs_is_killed_and_comes_back(tmp_path: Path, name: str) -> None:
    """It keeps its port and takes connections, so that only a question in its own protocol shows it."""
    heard: deque[Event] = deque()
    spec = (await prepared(tmp_path, name)).spec
    assert spec.alive is not None
    assert spec.alive_seconds == 30.0
    async with Supervisor(heard.append) as supervisor:
        await supervisor.start(replace(spec, alive_seconds=5.0, alive_poll_seconds=0.1))
        first = supervisor.processes[spec.name].pid
        os.kill(first, signal.SIGSTOP)

        def again() -> bool:
            kinds = [event.kind for event in heard]
            return Kind.HUNG in kinds and kinds[-1] is Kind.READY

        await until(again, seconds=120)
        assert supervisor.processes[spec.name].pid != first
        assert supervisor.restarts == {spec.name: 1}
        await spec.alive()


@pytest.mark.parametrize("name", NAMES)
async def test_being_asked_leaves_no_trace_in_a_servers_log(tmp_path: Path, name: str) -> None:
    """It happens twelve times a minute, for years."""
    server = await prepared(tmp_path, name)
    async with Supervisor(lambda _: None) as supervisor:
        await supervisor.start(replace(server.spec, alive=None))
        before = server.spec.log.read_bytes()
        assert server.spec.alive is not None
        for _ in range(QUIET_ASKS):
            await server.spec.alive()
        assert server.spec.log.read_bytes() == before


async def test_a_port_that_speaks_something_else_is_no_server_that_lives(tmp_path: Path) -> None:
    """Another program on the port of a server that fell would hide that it fell."""
    server = await prepared(tmp_path, "mosquitto")
    port = int(server.address.rpartition(":")[2])
    async with Supervisor(lambda _: None) as supervisor:
        await supervisor.start(server.spec)
        for asked in (probes.kafka_lives, probes.postgres_lives):
            with pytest.raises((OSError, EOFError)):
                await asked(port)
