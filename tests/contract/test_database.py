"""What Vigil needs of its database driver, on plain PostgreSQL and on TimescaleDB."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.database import DatabaseUnavailable, Pool, connect, has_timescale, migrate, select_blocks
from tests.conftest import MIGRATIONS
from vitals.errors import StateError

FIRST = """
-- A comment with a % and a ; in it.
CREATE TABLE ward (id integer PRIMARY KEY, kind text NOT NULL);
-- timescaledb: begin
INSERT INTO ward VALUES (1, 'timescale');
-- timescaledb: end
-- plain: begin
INSERT INTO ward VALUES (1, 'plain');
-- plain: end
"""
SECOND = "ALTER TABLE ward ADD COLUMN beds integer NOT NULL DEFAULT 12;"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A folder of two migrations."""
    (tmp_path / "0001_ward.sql").write_text(FIRST)
    (tmp_path / "0002_beds.sql").write_text(SECOND)
    return tmp_path


async def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    async with await connect(url) as connection:
        cursor = await connection.execute(sql.encode())
        return list(await cursor.fetchall())


async def test_migrations_run_once_and_in_order(empty_database_url: str, migrations: Path) -> None:
    """Every start runs them; a second run must change nothing."""
    assert await migrate(empty_database_url, migrations) == ["0001_ward.sql", "0002_beds.sql"]
    assert await migrate(empty_database_url, migrations) == []
    assert await rows(empty_database_url, "SELECT id, beds FROM ward") == [(1, 12)]


async def test_a_block_runs_only_on_its_kind_of_database(empty_database_url: str, migrations: Path) -> None:
    """The laptop's plain PostgreSQL and the ward's TimescaleDB share one schema but not every statement."""
    await migrate(empty_database_url, migrations)
    async with await connect(empty_database_url) as connection:
        kind = "timescale" if await has_timescale(connection) else "plain"
    assert await rows(empty_database_url, "SELECT kind FROM ward") == [(kind,)]


async def test_two_processes_that_migrate_at_once_do_it_once(empty_database_url: str, migrations: Path) -> None:
    """Two services may start together on an empty database."""
    ran = await asyncio.gather(*(migrate(empty_database_url, migrations) for _ in range(3)))
    assert sorted(map(len, ran)) == [0, 0, 2]


async def test_a_changed_migration_is_refused(empty_database_url: str, migrations: Path) -> None:
    """Otherwise two databases of one version would differ and nobody would know."""
    await migrate(empty_database_url, migrations)
    (migrations / "0001_ward.sql").write_text(FIRST + "-- later thought")
    with pytest.raises(StateError, match=r"0001_ward\.sql"):
        await migrate(empty_database_url, migrations)


async def test_a_database_of_a_newer_vigil_is_refused(empty_database_url: str, migrations: Path) -> None:
    """An old program on a new schema writes what the new one cannot read."""
    await migrate(empty_database_url, migrations)
    (migrations / "0002_beds.sql").unlink()
    with pytest.raises(StateError, match="newer"):
        await migrate(empty_database_url, migrations)


async def test_a_failing_migration_leaves_nothing_and_names_its_line(empty_database_url: str, migrations: Path) -> None:
    """Half a migration cannot be repaired by running it again."""
    (migrations / "0003_bad.sql").write_text("CREATE TABLE half ();\n\nSELECT nonsense FROM ward;\n")
    with pytest.raises(StateError, match=r"0003_bad\.sql:3") as caught:
        await migrate(empty_database_url, migrations)
    assert "\n" not in str(caught.value)
    assert await rows(empty_database_url, "SELECT to_regclass('half')") == [(None,)]
    (migrations / "0003_bad.sql").unlink()
    assert await migrate(empty_database_url, migrations) == []


async def test_our_own_migrations_make_the_template(database_url: str) -> None:
    """The schema that services get must come from the same files that the user's database gets."""
    applied = await rows(database_url, "SELECT name FROM vigil_migrations ORDER BY number")
    assert applied[0][0].startswith("0001_")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "-- plain: begin\nSELECT 1;",
        "SELECT 1;\n-- plain: end",
        "-- plain: begin\n-- timescaledb: begin\n-- timescaledb: end\n-- plain: end",
        "-- plain: begin\n-- timescaledb: end",
    ],
)
def test_blocks_out_of_place_are_refused(text: str) -> None:
    """A forgotten end would silently drop the rest of the schema on half of the databases."""
    with pytest.raises(StateError):
        select_blocks(text, timescale=True)


def test_lines_keep_their_numbers_when_a_block_is_left_out() -> None:
    """Errors name a line of the file as it is written."""
    text = "a\n-- plain: begin\nb\n-- plain: end\nc"
    assert select_blocks(text, timescale=True) == "a\n\n\n\nc"
    assert select_blocks(text, timescale=False) == "a\n\nb\n\nc"


@pytest.mark.parametrize("name", ["1_short.sql", "0001-dash.sql"])
async def test_a_file_with_another_name_is_refused(tmp_path: Path, name: str) -> None:
    """A migration that is silently not run is found months later."""
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(StateError, match="NNNN_name"):
        await migrate("postgresql://unused", tmp_path)


async def test_numbers_have_no_holes(tmp_path: Path) -> None:
    """Two people who add number 7 at once must notice when they meet."""
    (tmp_path / "0002_second.sql").write_text("SELECT 1;")
    with pytest.raises(StateError, match="0001"):
        await migrate("postgresql://unused", tmp_path)


@pytest.mark.parametrize("password", ["hunter2", "p%40ss"])
async def test_an_absent_database_is_one_line_without_the_password(unused_tcp_port: int, password: str) -> None:
    """Logs are read by many."""
    url = SecretStr(f"postgresql://nurse:{password}@127.0.0.1:{unused_tcp_port}/vigil?connect_timeout=2")
    with pytest.raises(DatabaseUnavailable, match=f"nurse@127.0.0.1:{unused_tcp_port}/vigil") as caught:
        await connect(url)
    text = str(caught.value)
    assert "\n" not in text
    assert "VIGIL_DATABASE_URL" in text
    assert password not in text
    assert "p@ss" not in text


async def test_a_wrong_password_and_a_malformed_url_are_one_line_each(empty_database_url: str) -> None:
    """The two mistakes that everybody makes once."""
    head, _, rest = empty_database_url.rpartition("@")
    user = head.rsplit(":", 1)[0]
    for url in (f"{user}:wrong-secret@{rest}", "postgresql://[nonsense:wrong-secret", "wrong-secret"):
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(url)
        assert "\n" not in str(caught.value)
        assert "wrong-secret" not in str(caught.value)


async def _fail(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO kept VALUES (1)")
        raise ZeroDivisionError


async def test_a_pool_commits_at_the_end_and_rolls_back_on_an_error(database_url: str) -> None:
    """Half a transaction would be half a page."""
    async with Pool(database_url, size_max=2) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE kept (id integer)")
        with pytest.raises(ZeroDivisionError):
            await _fail(pool)
        async with pool.connection() as one, pool.connection() as two:
            assert one is not two
    assert await rows(database_url, "SELECT count(*) FROM kept") == [(0,)]


async def test_a_pool_without_a_database_fails_at_once(unused_tcp_port: int) -> None:
    """A service says at its start what is wrong, not at the first request."""
    with pytest.raises(DatabaseUnavailable):
        await Pool(f"postgresql://127.0.0.1:{unused_tcp_port}/vigil").__aenter__()


async def test_the_real_migrations_run_once_and_are_found_again(empty_database_url: str):
    """A schema of the user's own name comes first on the search path: the ledger must not be looked for there."""
    assert await migrate(empty_database_url, MIGRATIONS)
    assert await migrate(empty_database_url, MIGRATIONS) == []
