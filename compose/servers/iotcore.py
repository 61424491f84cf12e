"""The MQTT broker of the wheel ``iotcore`` (rumqttd), in a process of its own: MQTT 5 only, sessions in memory.

``python -m compose.servers.iotcore --config FILE`` runs it until it is killed; rumqttd has no orderly stop.
"""

from __future__ import annotations

import argparse
import logging
import signal
from functools import partial
from pathlib import Path

from compose.process import ProcessSpec, python, python_env
from compose.servers import probes
from compose.servers.mosquitto import HEADER_BYTES_MAX, INFLIGHT_MAX, PAYLOAD_BYTES_MAX

# per subscription filter: what a reader that is away can be given later
SEGMENT_BYTES_MAX = 64 * 1024 * 1024
SEGMENTS_MAX = 8
CONNECTIONS_MAX = 10_000


def configuration(port: int) -> str:
    """Return rumqttd's TOML with one MQTT 5 listener on loopback."""
    return f"""\
id = 0

[router]
id = 0
max_connections = {CONNECTIONS_MAX}
max_outgoing_packet_count = {INFLIGHT_MAX}
max_segment_size = {SEGMENT_BYTES_MAX}
max_segment_count = {SEGMENTS_MAX}

[v5.1]
name = "v5-1"
listen = "{probes.HOST}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {PAYLOAD_BYTES_MAX + HEADER_BYTES_MAX}
max_inflight_count = {INFLIGHT_MAX}
dynamic_filters = true
"""


def prepare(data: Path, log: Path, port: int) -> ProcessSpec:
    """Write the configuration and return the broker's process."""
    data.mkdir(parents=True, exist_ok=True)
    config = data / "rumqttd.toml"
    config.write_text(configuration(port), encoding="utf-8")
    return ProcessSpec(
        name="iotcore",
        argv=python("compose.servers.iotcore", "--config", str(config)),
        env=python_env(),
        log=log,
        ready=partial(probes.mqtt, port),
        alive=partial(probes.mqtt, port),
        alive_poll_seconds=probes.ALIVE_POLL_SECONDS,
        stop_seconds=2.0,
        ready_seconds=15.0,
    )


def main() -> None:
    """Run the broker of ``--config`` in this process."""
    parser = argparse.ArgumentParser(prog="compose.servers.iotcore", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="rumqttd's TOML file")
    config: Path = parser.parse_args().config

    from iotcore.iotcore import IotCoreBroker

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # rumqttd reports each packet as an ERROR span
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    IotCoreBroker(config_path=str(config)).run_forever()


if __name__ == "__main__":
    main()
