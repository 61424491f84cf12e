"""``mosquitto_sub | kcat``: the bridge that two C programs and a pipe make. It decodes nothing, attributes nothing,
and acknowledges a message before Kafka has it.

``main`` takes ``HOST:PORT TOPIC_FILTER KAFKA TOPIC`` and becomes a shell that runs the two.
"""

from __future__ import annotations

import os
import shlex
import sys

PROGRAMS = {"mosquitto_sub": "mosquitto-clients", "kcat": "kcat"}
"""Program -> the Debian package that brings it."""
SUBSCRIBE = "mosquitto_sub -h {host} -p {port} -V mqttv5 -D connect receive-maximum 500 -q 1 -t {topic}"
PRODUCE = "kcat -P -q -b {kafka} -t {to} -X acks=all -X enable.idempotence=true -X compression.codec=lz4 -X linger.ms=5"


def main() -> None:
    """Run the pipe until killed."""
    address, topic, kafka, to = sys.argv[1:]
    host, _, port = address.rpartition(":")
    values = {"host": host, "port": port, "topic": topic, "kafka": kafka, "to": to}
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    os.execvp("sh", ["sh", "-c", f"{SUBSCRIBE} | {PRODUCE}".format(**quoted)])  # noqa: S606  it is the shell
