"""How often the gateway cut clients, and why: the metric that operators and the drill read."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from alerts.gateway import _counting
from compose.drills.clients import CUT
from runtime.observe import Metrics
from runtime.web import Cut

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_reason_has_a_count_from_the_start():
    """A series that begins with its first step has no step that an alarm could see; the drill reads it as it is."""
    metrics = Metrics()
    on_cut = _counting(metrics)
    assert dict(CUT.findall(metrics.text().decode())) == {"bytes": "0.0", "patience": "0.0"}
    on_cut("bytes")
    on_cut("bytes")
    on_cut("patience")
    assert dict(CUT.findall(metrics.text().decode())) == {"bytes": "2.0", "patience": "1.0"}


def test_the_reasons_stand_on_the_page():
    """Who is asked why screens come and go needs the words."""
    row = next(line for line in PAGE.splitlines() if line.startswith("| `vigil_feed_cut_total`"))
    assert all(f"`{reason}`" in row for reason in get_args(Cut))
