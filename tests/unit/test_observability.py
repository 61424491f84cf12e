"""Prometheus rules and Grafana dashboards, held against the metrics that the services register."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from compose import folder
from tests.metrics import TARGET_LABELS, VALUES, of_the_process, registered

OBSERVABILITY = Path(__file__).parents[2] / "compose" / "observability"
PROMETHEUS, GRAFANA = OBSERVABILITY / "prometheus", OBSERVABILITY / "grafana"
EXAMPLE = OBSERVABILITY / "alertmanager" / "example.yaml"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
METRICS = registered()
SERIES = {series: metric for metric in METRICS.values() for series in metric.series}
OTHERS = {"up", *of_the_process()}
"""Series that Prometheus makes itself, and those of the client library; their labels are the target's."""
PANELS = {"row", "stat", "timeseries"}
SEVERITIES = {"page", "ticket", "always"}
"""Of an alarm; one that always rings is what a silence is known by."""
ALWAYS = "VigilWatchdog"
LEGEND = re.compile(r"\{\{ *(\w+) *\}\}")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    found = loaded(PROMETHEUS / "rules.yaml")
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels(board: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(board.read_text(encoding="utf-8"))["panels"]
    return found


def targets() -> Iterator[tuple[str, str, str]]:
    """(where, expression, legend) of every query of every dashboard."""
    for board in BOARDS:
        for panel in panels(board):
            for target in panel.get("targets", ()):
                yield f"{board.stem}: {panel['title']}", target["expr"], target["legendFormat"]


def expressions() -> list[tuple[str, str]]:
    """(where, expression) of every rule and every query."""
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    return [*found, *((where, expression) for where, expression, _ in targets())]


def faults(expression: str) -> list[str]:
    """What is wrong with the names and labels of an expression; raises ValueError where it is no PromQL."""
    found: list[str] = []
    labels: set[str] = set(TARGET_LABELS)
    grouped: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            name = node.name or ""
            metric = SERIES.get(name)
            if metric is None and name not in OTHERS:
                found.append(f"no service has the metric {name!r}")
            own = {*TARGET_LABELS, *(metric.labels if metric else ())}
            labels.update(own)
            found.extend(_matchers(name, own, node.matchers.matchers))
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            grouped.update(node.modifier.matching.labels)

    promql.walk(promql.parse(expression), visit)
    return found + [f"grouped by {name!r}, which none of its metrics has" for name in sorted(grouped - labels)]


def _matchers(name: str, own: set[str], matchers: list[promql.Matcher]) -> Iterator[str]:
    for matcher in matchers:
        if matcher.name not in own:
            yield f"{name} has no label {matcher.name!r}"
        known = VALUES.get(name)
        if known is not None and matcher.op == promql.MatchOp.Equal and matcher.value not in known:
            yield f"{matcher.name} of {name} is never {matcher.value!r}"


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_every_expression_asks_for_what_is_exported(where: str, expression: str) -> None:
    """An alarm on a metric or a label that no process exports never rings, and nobody notices."""
    assert faults(expression) == [], where


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("vigil_nothing > 1", "no service has the metric 'vigil_nothing'"),
        ("sum by (size) (vigil_ready)", "grouped by 'size', which none of its metrics has"),
        ('vigil_ready{color="red"}', "vigil_ready has no label 'color'"),
        ('rate(vigil_sink_rows_total{outcome="lost"}[5m])', "outcome of vigil_sink_rows_total is never 'lost'"),
        ("vigil_bridge_messages", "no service has the metric 'vigil_bridge_messages'"),
    ],
)
def test_an_expression_that_asks_for_something_else_is_found(expression: str, fault: str) -> None:
    """The test above would pass as well if it looked at nothing."""
    assert faults(expression) == [fault]


def test_what_is_no_promql_is_refused() -> None:
    """Prometheus would refuse the whole file at its start."""
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        faults("sum(vigil_ready")


def test_every_rule_says_what_it_is_how_urgent_and_when() -> None:
    """Who is woken reads one line; who routes alarms needs the urgency in the same place in each."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in SEVERITIES, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        if "for" in rule:
            assert promql.parse_duration(rule["for"]).total_seconds() > 0


def test_a_summary_names_labels_that_its_expression_keeps() -> None:
    """``{{ $labels.site }}`` of a sum over sites is an empty word in the message that wakes somebody."""
    for rule in rules():
        for name in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert name in kept(promql.parse(rule["expr"])), rule["alert"]


def test_a_legend_names_labels_that_its_query_keeps() -> None:
    """A legend without its label shows ten lines of one name."""
    for where, expression, legend in targets():
        for name in LEGEND.findall(legend):
            assert name in kept(promql.parse(expression)), where


def kept(node: promql.Expr) -> set[str]:
    """The labels that the result of an expression has."""
    match node:
        case promql.VectorSelector():
            metric = SERIES.get(node.name or "")
            found = {*TARGET_LABELS, *(metric.labels if metric else ())}
        case promql.MatrixSelector():
            found = kept(node.vector_selector)
        case promql.AggregateExpr():
            found = set(node.modifier.labels) if node.modifier else set()
        case promql.BinaryExpr():
            found = kept(node.lhs) or kept(node.rhs)
        case promql.ParenExpr() | promql.UnaryExpr():
            found = kept(node.expr)
        case promql.Call():
            found = set().union(*(kept(argument) for argument in node.args))
        case _:
            found = set()
    return found


def test_prometheus_reads_the_rules_and_asks_every_service_of_the_composition() -> None:
    """A service that nobody asks is never down."""
    config = loaded(PROMETHEUS / "prometheus.yaml")
    assert config["rule_files"] == ["rules.yaml"]
    (job,) = config["scrape_configs"]
    (group,) = job["static_configs"]
    services = loaded(OBSERVABILITY.parent / "compose.yaml")["services"]
    wanted = {
        f"{name}:{found['environment']['VIGIL_HEALTH_PORT']}"
        for name, found in services.items()
        if "VIGIL_HEALTH_PORT" in found.get("environment", {})
    }
    assert set(group["targets"]) == wanted


def test_prometheus_tells_the_alertmanager_of_the_composition() -> None:
    """Alarms that ring where nobody listens are a page in a browser."""
    (manager,) = loaded(PROMETHEUS / "prometheus.yaml")["alerting"]["alertmanagers"]
    (group,) = manager["static_configs"]
    service = loaded(OBSERVABILITY.parent / "compose.yaml")["services"]["alertmanager"]
    (target,) = group["targets"]
    assert target.partition(":")[0] == "alertmanager"
    assert f"localhost:{target.partition(':')[2]}/" in service["healthcheck"]["test"][-1]
    (secret,) = service["secrets"]
    assert f"--config.file=/run/secrets/{secret['target']}" in service["command"]


def test_on_one_machine_prometheus_asks_whom_the_stack_names() -> None:
    """The same rules, the same pace, and targets from the file that ``vigil up`` writes."""
    ours, theirs = loaded(PROMETHEUS / "one-machine.yaml"), loaded(PROMETHEUS / "prometheus.yaml")
    assert {key: ours[key] for key in ("global", "rule_files")} == {
        key: theirs[key] for key in ("global", "rule_files")
    }
    (job,) = ours["scrape_configs"]
    (source,) = job["file_sd_configs"]
    (path,) = source["files"]
    assert job["job_name"] == "vigil"
    root = OBSERVABILITY.parents[1]
    assert (PROMETHEUS / path).resolve() == root / folder.DEFAULT_FOLDER / "run" / folder.TARGETS


def test_every_urgency_has_somebody_who_is_told() -> None:
    """A route on a word that no rule has wakes nobody."""
    example = loaded(EXAMPLE)
    names = {receiver["name"] for receiver in example["receivers"]}
    routed = {matcher.partition(" = ")[2]: route["receiver"] for route in example["route"]["routes"]
              for matcher in route["matchers"]}  # fmt: skip
    assert {*routed.values(), example["route"]["receiver"]} == names
    assert set(routed) == SEVERITIES - {"ticket"}
    alarms = {rule["alert"] for rule in rules()}
    for rule in example["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            assert matcher.partition(" = ")[2] in alarms


@pytest.mark.parametrize(("severity", "receiver"), [("page", "pages"), ("ticket", "tickets"), ("always", "watchdog")])
def test_alertmanager_itself_takes_the_example_and_tells_the_right_one(severity: str, receiver: str) -> None:
    """Its own tool reads the file and follows the routes."""
    program = tool("amtool")
    ran(EXAMPLE.parent, program, "check-config", EXAMPLE.name)
    words = ("config", "routes", "test", f"--config.file={EXAMPLE.name}", f"severity={severity}", "alertname=x")
    assert ran(EXAMPLE.parent, program, *words).split() == [receiver]


def tool(name: str) -> str:
    """A program of Prometheus' own; skips with the reason that the testbed gives, or with where to have it from."""
    found = os.environ.get(f"VIGIL_TEST_{name.upper()}") or shutil.which(name)
    if found is None:
        pytest.skip(os.environ.get("VIGIL_TEST_ALLOW_SKIP", f"{name} is not on the PATH; make test brings it"))
    return found


def ran(cwd: Path, *words: str) -> str:
    """What a program says; it must be content."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_itself_takes_the_rules_and_they_ring_when_they_should() -> None:
    """Its own tool runs them over made-up series; the other tests need nothing but a parser."""
    program = tool("promtool")
    for config in ("prometheus.yaml", "one-machine.yaml"):
        ran(PROMETHEUS, program, "check", "config", config)
    ran(PROMETHEUS, program, "test", "rules", "rules.test.yaml")


def test_a_threshold_that_is_typed_wrongly_is_found(tmp_path: Path) -> None:
    """The test above would pass as well if its series said nothing."""
    program = tool("promtool")
    text = (PROMETHEUS / "rules.yaml").read_text(encoding="utf-8")
    assert "> 100000" in text
    (tmp_path / "rules.yaml").write_text(text.replace("> 100000", "> 1000000"), encoding="utf-8")
    shutil.copy(PROMETHEUS / "rules.test.yaml", tmp_path)
    done = subprocess.run(
        [program, "test", "rules", "rules.test.yaml"], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert b"VigilSinkBehind" in done.stdout + done.stderr


def test_every_alarm_is_seen_silent_then_ringing_then_over() -> None:
    """A threshold or a duration that is typed wrongly is valid everywhere; one that never ends wakes for nothing."""
    seen: dict[str, set[str]] = {}
    for test in loaded(PROMETHEUS / "rules.test.yaml")["tests"]:
        by_alarm: dict[str, list[tuple[float, bool]]] = {}
        for each in test["alert_rule_test"]:
            at = promql.parse_duration(each["eval_time"]).total_seconds()
            by_alarm.setdefault(each["alertname"], []).append((at, bool(each["exp_alerts"])))
        for alarm, looks in by_alarm.items():
            rings = [at for at, ringing in looks if ringing]
            quiet = [at for at, ringing in looks if not ringing]
            found = seen.setdefault(alarm, set())
            if rings:
                found |= {"rings"} | {"before" for at in quiet if at < min(rings)}
                found |= {"over" for at in quiet if at > max(rings)}
    wanted = {rule["alert"]: {"before", "rings", "over"} for rule in rules()} | {ALWAYS: {"rings"}}
    assert seen == wanted


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_that_grafana_can_show(path: Path) -> None:
    """It is provisioned from the file: a fault in it is an empty page at the moment when it is needed."""
    board = json.loads(path.read_text(encoding="utf-8"))
    (source,) = loaded(GRAFANA / "provisioning" / "datasources" / "prometheus.yaml")["datasources"]
    assert board["uid"] == f"vigil-{path.stem}"
    assert board["title"].startswith("Vigil: ")
    assert board["schemaVersion"] == 39
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["type"] in PANELS, panel["title"]
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"], panel["title"]
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        assert values[0] is None, panel["title"]
        assert values[1:] == sorted(values[1:]), panel["title"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_no_two_panels_lie_on_each_other(path: Path) -> None:
    """Grafana moves them apart, in an order that nobody chose."""
    taken: set[tuple[int, int]] = set()
    for panel in panels(path):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_metric_is_shown_or_alarmed_on() -> None:
    """One that nobody looks at is not worth its place; one that was forgotten here is looked for in vain."""
    text = " ".join(expression for _, expression in expressions())
    missing = [name for name, metric in METRICS.items() if not any(series in text for series in metric.series)]
    assert missing == []
