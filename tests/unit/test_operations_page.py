"""docs/operations.md, held against the metrics, the alarms and the numbers of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from compose.errors import EXIT_GAVE_UP, TAIL_LINES
from compose.process import LOG_BYTES_MAX, ProcessSpec
from compose.servers import probes
from compose.supervisor import ALIVE_ASKS_MIN, Backoff
from runtime import service
from runtime.settings import load
from stream.settings import ProcessSettings
from tests.metrics import VALUES, of_the_process, registered

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE
)
ALARM = re.compile(r"^\| `(Vigil\w+)` \| ([^|]+) \| (page|ticket|always) \| ([^|]+) \|$", re.MULTILINE)


def alarms() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((ROOT / "compose" / "observability" / "prometheus" / "rules.yaml").read_text())
    return {rule["alert"]: rule for group in found["groups"] for rule in group["rules"]}


def words() -> str:
    """The page as one line."""
    return " ".join(PAGE.split())


def test_the_page_lists_every_metric_once_with_its_kind_and_labels():
    """A number without a meaning is decoration; a meaning without its number is looked for in vain."""
    rows = ROW.findall(PAGE)
    names = [name for name, *_ in rows]
    assert len(set(names)) == len(names)
    found = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, *_ in rows}
    ours = {metric.name: (metric.kind, metric.labels) for metric in registered().values()}
    assert {name: each for name, each in found.items() if name.startswith("vigil_")} == ours
    assert {name for name in found if name.startswith("process_")} == of_the_process()


def test_what_a_label_can_be_is_on_the_page_where_it_is_few():
    """Who writes an alarm of their own needs the words."""
    for outcome in VALUES["vigil_sink_rows_total"]:
        assert f"`{outcome}`" in PAGE


def test_the_page_lists_every_alarm_with_its_urgency():
    """Who is woken looks the name up here, half asleep."""
    rows = {name: urgency for name, _, urgency, _ in ALARM.findall(PAGE)}
    assert rows == {name: rule["labels"]["severity"] for name, rule in alarms().items()}


def test_the_thresholds_on_the_page_are_those_of_the_rules():
    """Each number of an expression and its duration stands in the alarm's line, in the words of a person."""
    said = {name: f"{when} {remedy}" for name, when, _, remedy in ALARM.findall(PAGE)}
    for name, rule in alarms().items():
        numbers = [each for each in re.findall(r"[><]=? ?([\d.e]+)", rule["expr"]) if float(each) > 0]
        for number in numbers:
            value = float(number)
            forms = {f"{value:g}", f"{value:,.0f}", f"{value * 100:g} %", f"{value / 1e9:g} GB"}
            assert any(form in said[name] for form in forms), f"{name}: {number}"


def test_the_numbers_of_the_supervisor_on_the_page_are_the_codes():
    """Somebody waits for a restart by them."""
    policy, text = Backoff(), words()
    assert f"after {policy.delay(1):g} s, then {policy.delay(2):g}, {policy.delay(3):g}" in text
    assert f"up to {policy.cap_seconds:g} s" in text
    assert (policy.failures_max, ALIVE_ASKS_MIN, TAIL_LINES) == (6, 4, 10)
    assert f"Six failures of one process within {policy.failures_seconds:g} s" in text
    assert f"`gave up` for {policy.farewell_seconds:g} s" in text
    fields = ProcessSpec.__dataclass_fields__
    assert f"asked every {fields['alive_poll_seconds'].default:g} s" in text
    assert f"every {probes.ALIVE_POLL_SECONDS:g} s, each in its own protocol" in text
    assert f"not answered for {fields['alive_seconds'].default:g} s" in text
    assert f"exit code {EXIT_GAVE_UP}" in text
    assert f"could not end within {service.SHUTDOWN_S_MAX:g} s" in text
    assert f"moved aside at {LOG_BYTES_MAX // 2**20} MiB" in text
    for code in (service.EXIT_OK, service.EXIT_ERROR, service.EXIT_SETTINGS, service.EXIT_FAULT, service.EXIT_HUNG):
        assert f"\n| {code} | " in PAGE


def test_the_example_of_a_second_processor_is_one_that_runs():
    """Who copies it at night must not find out that it names a port, a service or a setting that is none."""
    ((block,),) = [re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    more = yaml.safe_load(block)["services"]
    services = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text())["services"]
    wider = yaml.safe_load((ROOT / "compose" / "observability" / "prometheus" / "prometheus.yaml").read_text())
    (name,) = set(more) - set(services)
    extends = more[name]["extends"]
    assert (extends["file"], services[extends["service"]]["command"]) == ("compose.yaml", ["process"])
    assert set(more[name]["environment"]) == {"VIGIL_INSTANCE"}
    load(ProcessSettings, instance=more[name]["environment"]["VIGIL_INSTANCE"])
    told = json.loads(more["dashboard"]["environment"]["VIGIL_HEALTH_PORTS"])
    known = json.loads(services["dashboard"]["environment"]["VIGIL_HEALTH_PORTS"])
    port = services["process"]["environment"]["VIGIL_HEALTH_PORT"]
    assert told == known | {name: f"{name}:{port}"}
    assert f"`{name}:{port}` to the targets" in PAGE
    assert f"{extends['service']}:{port}" in wider["scrape_configs"][0]["static_configs"][0]["targets"]
    assert f"`VIGIL_PARTITIONS` ({services['process']['environment']['VIGIL_PARTITIONS']} here)" in PAGE


def test_every_secret_of_the_composition_is_explained():
    """The first start fails on the first one that is missing, with words of the engine."""
    secrets = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text())["secrets"]
    for secret in secrets.values():
        assert f"`./{Path(secret['file']).name}`" in PAGE
