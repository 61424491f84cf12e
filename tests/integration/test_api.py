"""The HTTP API on real servers: who may read what, charts, history, and what it says while a server is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from pydantic import SecretStr

from runtime.clock import SystemClock
from runtime.kafka import Out
from runtime.settings import Settings
from runtime.testing.proxy import Proxy
from runtime.testing.waiting import until
from tests.boards import HOUR, MINUTE, Board, dashboard, frame, knowing, measured, request, worn, write
from tests.integration.storage_data import stored
from vitals.control import PatientControl, WornDevice
from vitals.devices import DEVICE_TYPES, Binding
from vitals.policies import DEFAULT
from vitals.proof import device_name, patient_name
from vitals.topics import BINDINGS, device_id, patient_id

pytestmark = pytest.mark.timeout(90)
P1, P2 = patient_id("p-1"), patient_id("p-2")
NOW = SystemClock().now_us() // MINUTE * MINUTE
DAY = 24 * HOUR


@pytest.fixture
async def board(topics: Settings, tmp_path: Path) -> AsyncIterator[Board]:
    """A dashboard with one patient at each of two sites; its database is away."""
    await write(topics, [*worn("p-1", 1, NOW - 20 * DAY), *worn("p-2", 2, NOW - 20 * DAY)])
    async with dashboard(topics, tmp_path, database_url=SecretStr("postgresql://127.0.0.1:9/x")) as board:
        await knowing(board, "wall", 2)
        yield board


async def test_without_a_known_token_nothing_is_told(board: Board):
    """Pseudonyms and glucose of a ward are nobody else's business, on a laptop too."""
    for path in ("/api/session", "/api/patients", f"/api/patients/{P1}", "/api/alerts", "/api/system"):
        for who in (None, "guess", "x" * 600):
            found = await board.get(path, who)
            assert (found.status, found.json["error"]) == (401, "unauthorized")
            assert set(found.json) == {"error", "what", "do"}
    assert (await request(board.page, "/api/session", {"Authorization": "Basic nurse-token"})).status == 401


async def test_a_session_says_who_one_is_and_where_the_sockets_are(board: Board):
    """The page knows nothing but its token; everything else is told."""
    found = (await board.get("/api/session")).json
    assert (found["name"], found["role"], found["lead"], found["sites"]) == ("nurse", "clinician", True, [1])
    assert found["simulated_patients"] is False
    assert found["live_url"] == f"ws://127.0.0.1:{board.live}/live"
    assert (await board.get("/api/session", "wall")).json["sites"] is None


async def test_a_patient_of_another_site_is_not_found(board: Board):
    """A 403 would say that there is one."""
    assert [each["label"] for each in (await board.get("/api/patients")).json["patients"]] == ["p-1"]
    assert [each["label"] for each in (await board.get("/api/patients", "other")).json["patients"]] == ["p-2"]
    span: dict[str, Any] = {"from_": NOW - HOUR, "to": NOW}
    questions: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        ("/series", {"metric": "glucose", **span}),
        ("/alerts", span),
    )
    for path, query in questions:
        foreign = await board.get(f"/api/patients/{P2}{path}", "nurse", **query)
        nobody = await board.get(f"/api/patients/{UUID(int=1)}{path}", "nurse", **query)
        assert (foreign.status, nobody.status) == (404, 404)
        assert foreign.body == nobody.body


async def test_a_wall_shows_the_ward_and_no_history(board: Board):
    """Its link is on a screen in a corridor: whoever has it sees what the screen shows, and no more."""
    assert (await board.get("/api/patients", "wall")).status == 200
    for path in (f"/api/patients/{P1}", "/api/alerts", "/api/system"):
        found = await board.get(path, "wall")
        assert (found.status, found.json["error"]) == (403, "forbidden")
    assert (await board.get("/api/system", "ops")).status == 200


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"metric": "mood", "from_": 0, "to": 1},
        {"metric": "glucose", "from_": "yesterday", "to": 1},
        {"metric": "glucose", "from_": 10, "to": 10},
        {"metric": "glucose", "from_": -5, "to": 10},
        {"metric": "glucose", "from_": 0, "to": 10**30},
        {"metric": "glucose", "from_": NOW - 32 * DAY, "to": NOW},
        {"metric": "glucose", "from_": NOW - DAY, "to": NOW, "points": 9},
        {"metric": "glucose", "from_": NOW - DAY, "to": NOW, "points": 5001},
    ],
)
async def test_parameters_that_cannot_be_are_refused_in_one_sentence(board: Board, query: dict[str, Any]):
    """An unbounded question is how one tab stops the charts of everybody."""
    found = await board.get(f"/api/patients/{P1}/series", **query)
    assert (found.status, found.json["error"]) == (422, "bad_input")
    assert found.json["what"]
    assert "\n" not in found.json["what"]


async def test_while_the_database_is_away_history_says_so_and_the_ward_goes_on(board: Board, topics: Settings):
    """A stopped database never stops what is needed now; and an empty chart would be a calm patient."""
    clock = SystemClock()
    for path in (f"/api/patients/{P1}/series", f"/api/patients/{P1}/alerts", "/api/alerts"):
        began = clock.monotonic()
        found = await board.get(path, metric="glucose", from_=NOW - HOUR, to=NOW)
        assert (found.status, found.json["error"], found.headers["retry-after"]) == (503, "unavailable", "2")
        assert clock.monotonic() - began < 2.5
    detail = await board.get(f"/api/patients/{P1}")
    assert (detail.status, detail.json["known"]) == (200, False)
    assert (await board.get("/api/session")).status == 200
    assert (await request(board.page, "/readyz", {})).status == 200
    async with board.tiles() as screen:
        await frame(screen)
        await write(topics, [measured("p-1", "heart_rate", 66, clock.now_us())])
        found_tiles = await frame(screen)
        while found_tiles.type == "ward" or not found_tiles.tiles:
            found_tiles = await frame(screen)


async def test_every_answer_carries_the_headers_that_keep_foreign_code_out(board: Board):
    """The page shows text from devices and people; none of it may ever run."""
    for path in ("/", "/api/session", "/nothing", "/assets/x.js", "/api/patients/x"):
        found = await board.get(path)
        policy = found.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert f"ws://127.0.0.1:{board.live}" in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in found.headers
        assert "server" not in found.headers
    assert (await request(board.page, "/api/session", {"Origin": "http://evil"}, "OPTIONS")).status == 405


async def test_the_page_is_served_from_its_folder_and_nothing_beside_it(board: Board):
    """Before it is built the address says how; afterwards files with a digest in their names are kept for ever."""
    assert b"make page" in (await board.get("/")).body
    folder = board.settings.page_dir
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<p>ward</p>")
    (folder / "assets" / "app-1.js").write_text("1")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    assert (await board.get("/")).body == b"<p>ward</p>"
    script = await board.get("/assets/app-1.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    for path in ("/../secret.txt", "/..%2fsecret.txt", "/link.txt", "/assets/..%2f..%2fsecret.txt", "/%00"):
        assert (await board.get(path)).status == 404


async def test_head_is_answered_like_get_and_a_wrong_address_says_what_is_wrong(board: Board):
    """A probe asks with HEAD; and nobody finds a mistyped address in the list of patients."""
    for path in ("/api/session", "/api/patients", "/api/alerts", "/healthz", "/", "/api/nothing", "/nothing"):
        whole, head = await board.get(path), await board.get(path, method="HEAD")
        assert (head.status, head.body) == (whole.status, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]
    assert "/openapi.json" in (await board.get("/api/nothing")).json["do"]
    assert "/api/patients" in (await board.get(f"/api/patients/{P2}")).json["do"]
    assert (await board.get("/api/session", method="POST")).status == 405


async def test_a_database_that_hangs_costs_two_seconds_and_is_used_again_when_it_answers(
    topics: Settings, tmp_path: Path, database_url: str
):
    """A network that swallows packets gives no error; whoever waits for one waits for ever."""
    clock, address = SystemClock(), urlsplit(database_url)
    await write(topics, worn("p-1", 1, NOW - 20 * DAY))
    async with Proxy(address.hostname or "", address.port or 0) as proxy:
        netloc = f"{address.username}:{address.password}@127.0.0.1:{proxy.port}"
        url = SecretStr(urlunsplit(address._replace(netloc=netloc)))
        async with dashboard(topics, tmp_path, database_url=url) as board:
            await knowing(board, "nurse", 1)
            assert (await board.get("/api/alerts")).status == 200
            proxy.stall()
            began = clock.monotonic()
            assert (await board.get("/api/alerts")).status == 503
            assert clock.monotonic() - began < 4
            proxy.cut()
            proxy.mend()

            async def answers() -> bool:
                return (await board.get("/api/alerts")).status == 200

            await until(answers)


async def test_synthetic_patients_are_shown_to_nobody(topics: Settings, tmp_path: Path):
    """A patient of proof is low every ten seconds; on a ward's wall somebody would run."""
    label, device = patient_name("ward-1"), device_name("ward-1")
    binding = Binding(patient=patient_id(label), label=label, since=NOW - DAY)
    worn_device = WornDevice(device=device_id(device), name=device, type=DEVICE_TYPES["proof"], binding=binding)
    control = PatientControl(
        patient=patient_id(label), label=label, site=1, version=1, worn=(worn_device,), policy=DEFAULT
    )
    bed = control.model_copy(update={"patient": P1, "label": "p-1", "bed": "7b", "worn": ()})
    synthetic = [Out(BINDINGS, 0, f"patient:{label}".encode(), control.encode())]
    known = [*worn("p-1", 1, NOW - DAY), Out(BINDINGS, 0, b"patient:p-1", bed.encode())]
    await write(topics, [*worn(label, 1, NOW - DAY, "proof"), *synthetic, *known])
    async with dashboard(topics, tmp_path, database_url=SecretStr("postgresql://127.0.0.1:9/x")) as board:
        await knowing(board, "nurse", 1)
        (found,) = (await board.get("/api/patients")).json["patients"]
        assert (found["label"], found["bed"]) == ("p-1", "7b")
        span: dict[str, Any] = {"from_": NOW - HOUR, "to": NOW}
        assert (await board.get(f"/api/patients/{patient_id(label)}/alerts", **span)).status == 404


async def test_the_system_page_tells_services_rates_and_what_is_stored(
    topics: Settings, tmp_path: Path, database_url: str
):
    """Operators look here first; what cannot be asked is a problem by name, not an empty table."""
    assert topics.database_url.get_secret_value() == database_url
    await stored(topics, [*worn("p-1", 1, NOW - DAY), measured("p-1", "glucose", 100, NOW)])
    async with dashboard(topics, tmp_path, health_ports={"bridge": 9}) as board:

        async def looked() -> bool:
            said = (await board.get("/api/system", "ops")).json
            ages = [each["age_ms"] for each in said["hops"] if each["name"] == "readings"]
            return bool(said["services"]) and ages != [None]

        await until(looked)
        found = (await board.get("/api/system", "ops")).json
        assert [(each["name"], each["alive"]) for each in found["services"]] == [("bridge", False)]
        assert (found["problems"], found["stored"]["rows"]) == ([], 1)
        hops = {each["name"]: each for each in found["hops"]}
        assert (hops["stored"]["lag"], hops["readings"]["age_ms"] >= 0) == (0, True)
        assert found["versions"]["python"]
        assert found["versions"]["schema"] == "0006_marks_of_patients.sql"
        assert found["versions"]["PostgreSQL"][0].isdigit()
        assert [each["name"] for each in found["hops"]][:4] == ["devices", "broker", "readings", "windows"]
        for hop in found["hops"]:
            empty = {name for name, value in hop.items() if value is None}
            assert (set(hop["why"]), all(hop["why"].values())) == (empty, True)
        assert hops["readings"]["p50_ms"] is not None
        metrics = await request(board.page, "/metrics", {})
        assert b"vigil_live_clients" in metrics.body


async def test_the_dashboard_stops_while_clients_are_connected(topics: Settings, tmp_path: Path):
    """A restart that waits for every tab to close is no restart."""
    async with asyncio.timeout(None) as limit, dashboard(topics, tmp_path) as board:
        _, writer = await asyncio.open_connection("127.0.0.1", board.page)
        async with board.tiles() as screen:
            await frame(screen)
        limit.reschedule(asyncio.get_running_loop().time() + 20)
    writer.close()
