"""How Vigil's JSON messages are read and written: frozen pydantic models, one compact line of UTF-8."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME_CHARACTERS_MAX = 64
"""Of a name, as `vitals.topics.NAME` has it; whoever takes a longer one could not write it again in a message."""
Name = Annotated[str, Field(max_length=NAME_CHARACTERS_MAX)]


class Message(BaseModel):
    """Base of every JSON message in Kafka and on the feed. Unknown fields are ignored, so a reader survives
    a newer writer; times are µs UTC as integers; an absent value is ``null``, never 0.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    def encode(self) -> bytes:
        """The message as compact JSON."""
        return self.model_dump_json().encode()
