"""Records of ``vitals.rejected``: the bytes as they came, and in the headers why they are here.

Written by bridges for what the edge cannot use and by the sink for conflicts; key and partition: the device.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from vitals.codecs import Reason

KEPT_BYTES_MAX = 64 * 1024
"""What is kept of a payload; its whole length and digest stand in the headers."""


class Rejection(NamedTuple):
    """Why a payload, or ``readings`` of it, was not taken.

    ``topic`` is the MQTT topic (empty where none), ``device`` the name in it, ``received_at`` µs UTC, ``detail``
    one line for a person. ``source`` is, for a conflict, "topic/partition/offset/row" of the row.
    """

    topic: str
    device: str
    reason: Reason
    detail: str
    received_at: int
    payload: bytes
    readings: int = 1
    source: str = ""

    @property
    def key(self) -> bytes:
        """The record's key: the device's name."""
        return self.device.encode("utf-8", "replace")

    @property
    def value(self) -> bytes:
        """The record's value: the first 64 KiB of the payload."""
        return self.payload[:KEPT_BYTES_MAX]

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """The record's headers, all text in UTF-8."""
        pairs = {
            "topic": self.topic,
            "reason": self.reason,
            "detail": self.detail,
            "received_at": str(self.received_at),
            "length": str(len(self.payload)),
            "digest": hashlib.sha256(self.payload).hexdigest(),
            "readings": str(self.readings),
        }
        if self.source:
            pairs["source"] = self.source
        return tuple((name, text.encode("utf-8", "replace")) for name, text in pairs.items())
