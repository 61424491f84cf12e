"""What the page says of the rules is what the engine does."""

from __future__ import annotations

import re
from pathlib import Path

from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US

RULES = Path(__file__).parents[2] / "dashboards" / "page" / "src" / "screens" / "patient" / "rules.ts"


def test_the_page_names_the_silence_that_calls():
    """A nurse who reads 20 min waits so long; if the engine calls after another time, she distrusts both."""
    source = RULES.read_text(encoding="utf-8")
    found = re.search(
        r"SILENT: Record<Metric, number> = \{ glucose: (\d+) \* MINUTE, heart_rate: (\d+) \* MINUTE \}", source
    )
    assert found is not None
    minutes = tuple(metric.silent_us // MINUTE_US for metric in (GLUCOSE, HEART_RATE))
    assert tuple(map(int, found.groups())) == minutes
