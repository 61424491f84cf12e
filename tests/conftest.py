"""Fixtures for every test that talks to a server: addresses by environment, isolation by namespace and database.

``python -m compose.testbed run -- pytest`` starts the servers. Without an address the test fails, unless
``VIGIL_TEST_ALLOW_SKIP`` holds the reason why the server cannot be had on this machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
import structlog
from pydantic import SecretStr

from runtime.database import connect, migrate
from runtime.kafka import delete_topics, describe, ensure_topics
from runtime.settings import Settings
from vitals.topics import TOPICS

MIGRATIONS = Path(__file__).parents[1] / "runtime" / "migrations"
TEMPLATE_LOCK = 0x74_65_6D_70
"""Advisory lock under which one worker makes the template database."""

_templates: dict[str, str] = {}

# A run that decides about a landing must not depend on chance; what chance finds is looked for at the desk.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


def address(name: str) -> str:
    """The address of a test server; fails, or skips with the reason that the environment gives."""
    variable = f"VIGIL_TEST_{name.upper()}"
    if value := os.environ.get(variable):
        return value
    if reason := os.environ.get("VIGIL_TEST_ALLOW_SKIP"):
        pytest.skip(f"{name}: {reason}")
    return pytest.fail(f"{variable} is not set: run the tests with make test", pytrace=False)


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Every test begins and ends with structlog's defaults, whatever it configured."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def namespace() -> str:
    """A prefix that no other test uses."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def kafka() -> str:
    """Kafka's address, ``host:port``."""
    return address("kafka")


@pytest.fixture(params=["mosquitto", "iotcore"])
def mqtt(request: pytest.FixtureRequest) -> str:
    """An MQTT broker's address, ``host:port``; each test runs once on each broker."""
    return address(request.param)


@pytest.fixture(params=["postgres", "timescale"])
async def database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A migrated database of its own; each test runs once on plain PostgreSQL and once on TimescaleDB."""
    admin = address(request.param)
    template = await _template(admin)
    name = f"vigil_test_{uuid4().hex[:12]}"
    await _execute(admin, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_database(admin, name)
    await _execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["postgres", "timescale"])
async def empty_database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A database of its own without anything in it, for tests of migrations."""
    admin = address(request.param)
    name = f"vigil_test_{uuid4().hex[:12]}"
    await _execute(admin, f"CREATE DATABASE {name}")
    yield with_database(admin, name)
    await _execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(request: pytest.FixtureRequest, namespace: str) -> Settings:
    """Settings with the namespace, and with the servers whose fixtures the test asks for."""
    wanted = set(request.fixturenames)
    values: dict[str, object] = {"namespace": namespace}
    for name in wanted & {"kafka", "mqtt"}:
        values[name] = request.getfixturevalue(name)
    for name in wanted & {"database_url", "empty_database_url"}:
        values["database_url"] = SecretStr(request.getfixturevalue(name))
    return Settings.model_validate(values)


@pytest.fixture
async def topics(kafka: str, settings: Settings) -> AsyncIterator[Settings]:
    """Settings in whose namespace all of Vigil's topics exist; they are removed at the end."""
    assert kafka == settings.kafka
    await ensure_topics(settings, TOPICS)
    yield settings
    await delete_topics(settings, list(await describe(settings)))


def with_database(url: str, name: str) -> str:
    """The same server's URL with another database."""
    head, _, tail = url.rpartition("/")
    query = tail.partition("?")[2]
    return f"{head}/{name}" + (f"?{query}" if query else "")


async def _template(admin: str) -> str:
    """The migrated template of a server, made once for each state of the migrations."""
    if admin in _templates:
        return _templates[admin]
    files = b"".join(path.read_bytes() for path in sorted(MIGRATIONS.glob("*.sql")))
    name = f"vigil_template_{hashlib.sha256(files).hexdigest()[:12]}"
    async with await connect(admin, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        cursor = await connection.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", [name])
        found = await cursor.fetchone()
        if found is None or not found[0]:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            await connection.execute(f"CREATE DATABASE {name}".encode())
            await migrate(with_database(admin, name), MIGRATIONS)
            # TimescaleDB's scheduler would sit in the template and forbid copies of it.
            await connection.execute(f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false".encode())
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
    _templates[admin] = name
    return name


async def _execute(admin: str, sql: str) -> None:
    async with await connect(admin, autocommit=True) as connection:
        await connection.execute(sql.encode())
