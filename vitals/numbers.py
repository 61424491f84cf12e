"""Numbers of messages, each with the span that it can have; a record with another one cannot be read.

JSON knows no greatest number, arrays and databases do: whoever takes a record must be able to add to what stands in
it. Times are µs UTC.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vitals.metrics import MINUTE_US
from vitals.readings import OBSERVED_MAX_US, OBSERVED_MIN_US

SPAN_MAX_US = 366 * 24 * 60 * MINUTE_US
"""A year: nothing that a policy or a person asks for lasts longer."""
INSTANT_MAX_US = 1 << 62
"""Any spans may be added to it, and 64 bits hold the sum."""
COUNT_MAX = (1 << 63) - 1
"""What 64 bits hold."""
QUANTITY_MAX = 1_000_000
"""Its thousandths fit into 32 bits, as in a pane; nothing that Vigil measures comes near."""

Time = Annotated[int, Field(ge=OBSERVED_MIN_US, le=OBSERVED_MAX_US)]
"""A time of the calendar."""
Instant = Annotated[int, Field(ge=-INSTANT_MAX_US, le=INSTANT_MAX_US)]
"""A time of an episode, a command or a clock: the last days of the calendar have deadlines behind its end."""
Reckoned = Annotated[int, Field(ge=-COUNT_MAX - 1, le=COUNT_MAX)]
"""A time of an alert, which was made from an `Instant` and spans."""
Span = Annotated[int, Field(ge=0, le=SPAN_MAX_US)]
"""How long something lasts, µs."""
Width = Annotated[int, Field(ge=0, le=60 * MINUTE_US)]
"""How much of the past a rule's window holds, µs: every evaluation looks at all of it."""
Ahead = Annotated[int, Field(ge=5 * MINUTE_US, le=24 * 60 * MINUTE_US)]
"""How far ahead a forecast looks, µs: one step of it at least, and no more of them than a reading can wait for."""
Quantity = Annotated[float, Field(ge=-QUANTITY_MAX, le=QUANTITY_MAX, allow_inf_nan=False)]
"""A limit, in the canonical unit of what it is a limit of."""
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
"""How many, or a version."""
Small = Annotated[int, Field(ge=0, le=(1 << 31) - 1)]
"""A level, or how often somebody was called."""
SiteNumber = Annotated[int, Field(ge=0, le=0xFFFF)]
"""As a row holds it; 0 is no site."""
Offset = Annotated[int, Field(ge=-1, le=COUNT_MAX)]
"""A place in a log; -1 lies before its first record."""
Ordinal = Annotated[int, Field(ge=-1, le=(1 << 31) - 1)]
"""Which output of a record."""
