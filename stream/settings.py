"""Settings of the processor."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Settings


class ProcessSettings(Settings):
    """The processor's own settings."""

    processor_stalled_seconds: float = Field(default=10.0, gt=0, le=3600)
    """No tick in a partition for so long, by this process's own clock, is reported as "ingest stalled"."""
    keep_readings_days: float = Field(default=0.0, ge=0, le=36_500)
    """Readings of so many days stay in the log, and whatever the snapshots do not reach; 0 keeps everything."""
