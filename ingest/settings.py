"""Settings of the bridge and of the registry."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Settings


class BridgeSettings(Settings):
    """What a bridge needs beside what every service shares."""

    receive_maximum: int = Field(default=500, ge=1, le=65535)
    """MQTT messages that may be on their way to Kafka at once: the most that a killed bridge brings twice."""
    bridge_linger_seconds: float = Field(default=0.01, ge=0, le=1)
    """The pause after a small turn, so that messages share one write, fetch and step; a message alone still leaves at
    once."""


class RegistrySettings(Settings):
    """The registry needs nothing beside what every service shares."""
