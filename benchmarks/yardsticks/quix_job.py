"""Count, mean, least and greatest per patient in windows of ten seconds by Quix Streams, as its documentation has it.

Runs in its own environment: ``quix_job.py KAFKA FROM TO GROUP FOLDER``. It runs until killed.
"""

from __future__ import annotations

import struct
import sys
from datetime import timedelta
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Min

OBSERVED_AND_VALUE = struct.Struct("<32xq8xd8x")
RESULT = struct.Struct("<qqddd")


def observed_ms(value: bytes, *_: object) -> int:
    """The event time of a record of one reading, in ms."""
    observed: int = OBSERVED_AND_VALUE.unpack(value)[0]
    return observed // 1000


def written(window: dict[str, Any]) -> bytes:
    """A closed window as it is written."""
    return RESULT.pack(window["start"] * 1000, window["count"], window["mean"], window["min"], window["max"])


def run(kafka: str, source: str, sink: str, group: str, folder: str) -> None:
    """Run until killed."""
    app = Application(
        broker_address=kafka,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "lz4"},
    )
    readings = app.topic(source, key_deserializer="bytes", value_deserializer="bytes", timestamp_extractor=observed_ms)
    closed = app.topic(sink, key_serializer="bytes", value_serializer="bytes")
    values = app.dataframe(readings).apply(lambda value: OBSERVED_AND_VALUE.unpack(value)[1])
    windows = values.tumbling_window(timedelta(seconds=10), grace_ms=timedelta(minutes=1)).agg(
        count=Count(), mean=Mean(), min=Min(), max=Max()
    )
    windows.final().apply(written).to_topic(closed)
    app.run()


if __name__ == "__main__":
    run(*sys.argv[1:])
