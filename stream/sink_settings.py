"""Settings of the sink."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Settings


class SinkSettings(Settings):
    """The sink's own settings."""

    sink_linger_seconds: float = Field(default=0.2, ge=0, le=10)
    """Pause after a small transaction, so that a quiet ward does not cost a commit per record."""
    sink_retry_seconds_max: float = Field(default=10.0, gt=0, le=60)
    """Longest pause between two tries to reach a database that has stopped."""
    sink_transaction_seconds_max: float = Field(default=60.0, gt=0, le=240)
    """A transaction that takes longer is given up, and tried again on a new connection."""
    sink_windows_all: bool = False
    """Whether every window is stored, also heart rate's of 10 s and the overlapping ones of 1 min."""
    sink_transaction_bytes_max: int = Field(default=2 * 1024 * 1024, ge=1)
    """Bytes of records in one transaction, so that catching up after an outage stays far below its time."""
