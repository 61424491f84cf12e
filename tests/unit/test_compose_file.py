"""compose.yaml and the Dockerfile, held against their schema and against the code: no container engine runs here."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from alerts.settings import GatewaySettings, ManageSettings, ProveSettings
from compose import cli, services
from compose.servers import kafka, mosquitto, timescale
from dashboards.settings import DashboardSettings
from ingest.settings import BridgeSettings, RegistrySettings
from runtime.service import SHUTDOWN_S_MAX
from runtime.settings import Settings, load
from stream.settings import ProcessSettings
from stream.sink_settings import SinkSettings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
FILE = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
CLASSES: dict[str, type[Settings]] = {
    "migrate": Settings,
    "registry": RegistrySettings,
    "bridge": BridgeSettings,
    "sink": SinkSettings,
    "process": ProcessSettings,
    "manage": ManageSettings,
    "gateway": GatewaySettings,
    "dashboard": DashboardSettings,
    "prove": ProveSettings,
}
"""Service of ours -> the class that reads its settings."""
REQUIRED: dict[str, set[str]] = {
    "migrate": {"database_url", "replication"},
    "bridge": {"mqtt", "mqtt_username", "mqtt_password"},
    "sink": {"database_url"},
    "gateway": {"tokens_file", "feed_host", "feed_origins"},
    "dashboard": {"tokens_file", "page_host", "feed_url", "live_url", "page_origins", "database_url", "health_ports"},
    "prove": {"mqtt", "mqtt_username", "mqtt_password", "feed_url", "prover_token"},
}
"""What a service cannot do its work without, beside Kafka."""


def given(name: str) -> dict[str, str]:
    """The settings of a service by field, those from secrets as the file's name; defaults of ``${...}`` filled in."""
    service = SERVICES[name]
    environment = {key: _filled(value) for key, value in service["environment"].items()}
    found = {
        key.removeprefix("VIGIL_").lower(): value for key, value in environment.items() if key != "VIGIL_SECRETS_DIR"
    }
    for secret in service.get("secrets", ()):
        target = secret["target"] if isinstance(secret, dict) else secret
        if target.startswith("vigil_"):
            found[target.removeprefix("vigil_")] = target
    return found


def _filled(value: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def version(image: str) -> str:
    return str(SERVICES[image]["image"]).partition(":")[2]


def test_the_file_is_one_of_the_compose_specification() -> None:
    """A word that the engine does not know is refused by it, or worse, ignored."""
    schema = json.loads((ROOT / "tests" / "schemas" / "compose-spec.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(FILE)] == []


def test_the_schema_would_find_a_wrong_word() -> None:
    """The test above would pass as well with a schema that allows everything."""
    schema = json.loads((ROOT / "tests" / "schemas" / "compose-spec.json").read_text(encoding="utf-8"))
    wrong = {"services": {"a": {"image": "a:1", "read-only": True}}}
    assert not Draft202012Validator(schema).is_valid(wrong)


def test_every_service_of_ours_is_there_and_nothing_that_is_none() -> None:
    """A ward without its prover or its sink looks well until somebody needs them."""
    ours = {name for name, service in SERVICES.items() if service["image"].startswith("vigil:")}
    assert ours == {*services.SERVICES, services.PROVER, "migrate"} == set(CLASSES)
    commands = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    for name in ours:
        assert SERVICES[name]["command"] == [name]
        assert name in commands


@pytest.mark.parametrize("name", CLASSES)
def test_every_setting_is_one_that_the_service_reads(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A misspelt variable is silently the default, and a service on loopback inside a container serves nobody."""
    cls, found = CLASSES[name], given(name)
    known = set(cls.model_fields)
    assert not set(found) - known
    assert not {"kafka", "partitions"} - set(found)
    assert not REQUIRED.get(name, set()) - set(found)
    for field, value in found.items():
        if field in {"mqtt_password", "prover_token", "database_url"}:
            (tmp_path / f"vigil_{field}").write_text("postgresql://vigil:x@timescaledb:5432/vigil")
        else:
            monkeypatch.setenv(f"VIGIL_{field}".upper(), value)
    monkeypatch.setenv("VIGIL_SECRETS_DIR", str(tmp_path))
    settings = load(cls)
    assert settings.replication == len(BROKERS)
    if name != "migrate":
        assert settings.health_host == "0.0.0.0"
        health = SERVICES[name]["healthcheck"]["test"]
        assert health == ["CMD", "python", "-m", "runtime.health", str(settings.health_port), "/healthz"]


def test_the_dashboard_asks_every_service_where_it_answers() -> None:
    """Whoever is not asked is missing on the page of operations."""
    ports = json.loads(given("dashboard")["health_ports"])
    assert ports == {name: f"{name}:{given(name)['health_port']}" for name in CLASSES if name != "migrate"}


def test_ports_that_are_published_are_those_that_are_served() -> None:
    """Browsers find the feed and the tiles under what the page is told."""
    for name, fields in {"gateway": ["feed_port"], "dashboard": ["page_port", "live_port"]}.items():
        settings = {field: int(given(name)[field]) for field in fields}
        assert {int(port.rpartition(":")[2]) for port in SERVICES[name]["ports"]} == set(settings.values())
    told = given("dashboard")
    assert told["feed_url"].endswith(f":{given('gateway')['feed_port']}/feed")
    assert told["live_url"].endswith(f":{told['live_port']}/live")
    assert told["page_origins"] == given("gateway")["feed_origins"]
    assert given("prove")["feed_url"] == f"ws://gateway:{given('gateway')['feed_port']}/feed"


def test_what_is_published_is_bound_to_this_machine_unless_somebody_says_otherwise() -> None:
    """None of them speaks TLS: that belongs to the proxy before them."""
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("${BIND:-127.0.0.1}:"), name


def test_versions_are_those_that_the_tests_run_on() -> None:
    """Another Kafka or TimescaleDB than the tested one is another product."""
    for broker in BROKERS:
        assert version(broker) == kafka.VERSION
    assert version("timescaledb") == f"{timescale.TESTED}-pg{timescale.MAJOR}-oss"
    assert version("migrate") == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("migrate") == importlib.metadata.version("vigil-ward")


def test_every_image_has_a_version_and_no_registry() -> None:
    """``latest`` is another program tomorrow."""
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)?:v?\d+\.\d+\.\d+(-[a-z0-9-]+)?", service["image"]), name


def test_kafka_is_configured_as_the_tested_one_but_for_its_three_brokers() -> None:
    """A smaller message limit would refuse what the bridge has acknowledged elsewhere."""
    lines = kafka.properties(Path("/data"), 1, 2).splitlines()
    tested = {
        f"KAFKA_{key.upper().replace('.', '_')}": value for key, _, value in (line.partition("=") for line in lines)
    }
    ids = set()
    for broker in BROKERS:
        found = SERVICES[broker]["environment"]
        ids.add(found["KAFKA_NODE_ID"])
        for key in ("KAFKA_MESSAGE_MAX_BYTES", "KAFKA_REPLICA_FETCH_MAX_BYTES", "KAFKA_AUTO_CREATE_TOPICS_ENABLE",
                    "KAFKA_PROCESS_ROLES", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "KAFKA_BROKER_SESSION_TIMEOUT_MS",
                    "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS"):  # fmt: skip
            assert found[key] == tested[key], key
        replicated = {key: value for key, value in found.items() if key.endswith("REPLICATION_FACTOR")}
        assert set(replicated.values()) == {str(len(BROKERS))}
        assert {key for key in tested if key.endswith("REPLICATION_FACTOR")} == set(replicated)
        assert found["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{broker}:9092"
        assert f"{found['KAFKA_NODE_ID']}@{broker}:9093" in found["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")
        assert SERVICES[broker]["volumes"] == [f"{broker}:{found['KAFKA_LOG_DIRS']}"]
    assert ids == {"1", "2", "3"}
    assert given("bridge")["kafka"] == ",".join(f"{broker}:9092" for broker in BROKERS)


def test_mosquitto_has_the_limits_of_the_tested_one() -> None:
    """A shorter queue would lose the readings of an outage that the tests survive."""
    tested = dict(line.partition(" ")[::2] for line in mosquitto.configuration(Path("/data"), 1883).splitlines())
    text = (COMPOSE / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    found = dict(line.partition(" ")[::2] for line in text.splitlines() if line and line[0] != "#")
    same = set(tested) - {"listener", "allow_anonymous", "persistence_location", "user"}
    assert {key: found[key] for key in same} == {key: tested[key] for key in same}
    assert found["allow_anonymous"] == "false"
    assert found["listener"] == SERVICES["mosquitto"]["ports"][0].rpartition(":")[2]
    assert found["password_file"] == "/run/secrets/mqtt_passwords"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_as_root_or_may_change_itself(name: str) -> None:
    """What breaks into one container finds nothing to write to, no capability, and no bound on what it may use."""
    service = SERVICES[name]
    user = str(service["user"])
    assert user.partition(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert service["networks"]


@pytest.mark.parametrize("name", SERVICES)
def test_who_waits_for_a_service_learns_when_it_is_well(name: str) -> None:
    """A dependency on a service without a check is satisfied while it still starts."""
    service = SERVICES[name]
    check = service["healthcheck"]
    assert check == {"disable": True} if name == "migrate" else set(check) >= {"test", "interval", "timeout", "retries"}
    for other, condition in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
        assert condition == {"condition": wanted}


def test_no_secret_stands_in_the_environment() -> None:
    """Whoever may look at a container sees its environment; and every secret is a file that somebody uses."""
    used = set()
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            hidden = re.search(r"PASSWORD|SECRET|TOKEN|DATABASE_URL", key) and not key.endswith(
                ("_FILE", "__FILE", "_DIR")
            )
            assert not hidden, f"{name}: {key}={value}"
        used |= {each["source"] if isinstance(each, dict) else each for each in service.get("secrets", ())}
    assert used == set(FILE["secrets"])
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for name, secret in FILE["secrets"].items():
        assert Path(secret["file"]).parent == Path("secrets"), name
    assert "compose/secrets/" in ignored


def test_only_those_with_business_at_the_edge_are_on_it() -> None:
    """Kafka and the database ask nobody who they are: no device's network leads to them."""
    assert FILE["networks"]["data"]["internal"] is True
    edge = {name for name, service in SERVICES.items() if "edge" in service["networks"]}
    assert edge == {"mosquitto", "bridge", "prove", "gateway", "dashboard", "alertmanager", "grafana"}
    assert set(SERVICES["mosquitto"]["networks"]) == {"edge"}
    data_only = {*BROKERS, "timescaledb", "prometheus"}
    assert all(SERVICES[name]["networks"] == ["data"] for name in data_only)


def test_a_service_has_the_time_to_end_in_peace() -> None:
    """The engine kills what is slower; a service ends itself before that, and says so."""
    for name in CLASSES:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > SHUTDOWN_S_MAX


def test_every_volume_is_declared_and_used_once() -> None:
    """Two servers on one folder corrupt it; an undeclared one is gone with its container."""
    used = [
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    ]
    assert sorted(used) == sorted(FILE["volumes"])
    bound = [volume for service in SERVICES.values() for volume in service.get("volumes", ()) if volume.startswith(".")]
    for volume in bound:
        source, _, rest = volume.partition(":")
        assert (COMPOSE / source).is_dir(), volume
        assert rest.endswith(":ro"), volume


def instructions() -> list[tuple[str, str]]:
    """(instruction, words) of the Dockerfile, continued lines joined."""
    text = (COMPOSE / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [line.partition(" ") for line in lines]
    return [(word, rest.strip()) for word, _, rest in found]


def test_the_image_is_built_from_what_is_there_and_from_locks() -> None:
    """A path that does not exist ends the build; a package without a hash is whatever the registry has today."""
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for path in rest.split()[:-1]:
                assert (ROOT / path).exists(), path
        if word == "RUN" and "pip install" in rest:
            assert "--require-hashes" in rest or "--no-deps" in rest, rest
    copied = {path for word, rest in instructions() if word == "COPY" for path in rest.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= copied


def test_the_image_runs_as_the_user_of_the_composition() -> None:
    """Outside compose.yaml too nobody starts it as root by accident."""
    words = dict(instructions())
    assert words["USER"] == SERVICES["bridge"]["user"]
    assert json.loads(words["ENTRYPOINT"]) == ["vigil"]
    bases = {rest.partition(":")[2].split()[0] for word, rest in instructions() if word == "FROM"}
    assert bases == {"${PYTHON}"}
    argument = words["ARG"].partition("=")[2]
    assert re.fullmatch(r"3\.11\.\d+-slim-[a-z]+", argument)


def test_nothing_private_is_sent_to_the_build() -> None:
    """What lies in the context lies in the image's history."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and line[0] != "#"]
    assert rules[0] == "*"
    assert {"compose/secrets", "**/.vigil"} <= set(rules)
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        path
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for path in rest.split()[:-1]
    }
    assert all(any(path == each or path.startswith(f"{each}/") for each in allowed) for path in copied)
