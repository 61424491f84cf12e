"""How Vigil's JSON messages are read and written: frozen pydantic models, one compact line of UTF-8."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """Base of every JSON message in Kafka and on the feed. Unknown fields are ignored, so a reader survives
    a newer writer; times are µs UTC as integers; an absent value is ``null``, never 0.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    def encode(self) -> bytes:
        """The message as compact JSON."""
        return self.model_dump_json().encode()
