"""Every metric that a service registers, read from the code that registers it: name, kind, labels, help."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector

from stream.counters import Counters
from stream.sink_work import Tally
from tests.tidy.tree import PACKAGES, Source, sources
from vitals.codecs import Reason

KINDS = ("counter", "gauge", "histogram")
TARGET_LABELS = frozenset({"job", "instance", "service"})
"""Labels that Prometheus gives to everything that it scrapes (compose/observability/prometheus)."""
VALUES: dict[str, frozenset[str]] = {
    "vigil_bridge_rejected_total": frozenset(get_args(Reason)),
    "vigil_sink_rows_total": frozenset(Tally._fields),
}
"""What the label of a metric can be, where the code knows it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it; of a counter ``name`` ends with ``_total``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> set[str]:
        """The names of its time series."""
        if self.kind == "histogram":
            return {f"{self.name}_{part}" for part in ("bucket", "sum", "count")}
        return {self.name}


def registered() -> dict[str, Metric]:
    """Every metric of ours by name; raises AssertionError for a call that cannot be read."""
    found = {metric.name: metric for source in sources(*PACKAGES) for metric in _of(source)}
    return dict(sorted(found.items()))


def of_the_process() -> set[str]:
    """What the client library says of every process on this kind of machine."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return {sample.name for family in registry.collect() for sample in family.samples}


def _of(source: Source) -> Iterator[Metric]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"metrics", "self"}:
                yield from _called(source, node, node.func.attr)


def _called(source: Source, call: ast.Call, kind: str) -> Iterator[Metric]:
    where = f"{source.path}:{call.lineno}"
    name, told = call.args[0], call.args[1]
    labels = tuple(ast.literal_eval(call.args[2])) if len(call.args) > 2 else ()
    if isinstance(name, ast.JoinedStr):
        assert ast.unparse(name) == "f'processor_{field.name}'", f"{where}: a name that only the running code knows"
        for field in fields(Counters):
            text = f"{field.name} of the owned partitions, from their beginning"
            yield Metric(_exposed(f"processor_{field.name}", kind), kind, labels, text)
        return
    yield Metric(_exposed(ast.literal_eval(name), kind), kind, labels, ast.literal_eval(told))


def _exposed(name: str, kind: str) -> str:
    return f"vigil_{name.removesuffix('_total')}_total" if kind == "counter" else f"vigil_{name}"
