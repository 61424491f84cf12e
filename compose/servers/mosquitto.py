"""The MQTT broker ``mosquitto``, where it is installed: loopback, persistent sessions, finite queues."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path

from compose.process import ProcessSpec
from compose.servers import probes

PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
HEADER_BYTES_MAX = 70 * 1024  # the longest topic, and a few properties
INFLIGHT_MAX = 2000
# the longest outage of a reader that loses nothing: an hour at 500 messages a second, or half a GiB
QUEUED_MESSAGES_MAX = 1_800_000
QUEUED_BYTES_MAX = 512 * 1024 * 1024
SESSION_DAYS = 14


def find() -> Path | None:
    """Return the program, also from /usr/sbin, where a user's PATH does not look; None when it is missing."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("mosquitto", path=path)
    return Path(found) if found else None


def configuration(data: Path, port: int) -> str:
    """Return the broker's configuration file."""
    lines = [
        f"listener {port} {probes.HOST}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {data}/",
        "autosave_interval 10",
        f"persistent_client_expiration {SESSION_DAYS}d",
        f"max_packet_size {PAYLOAD_BYTES_MAX + HEADER_BYTES_MAX}",
        f"max_inflight_messages {INFLIGHT_MAX}",
        f"max_queued_messages {QUEUED_MESSAGES_MAX}",
        f"max_queued_bytes {QUEUED_BYTES_MAX}",
        "set_tcp_nodelay true",
        "sys_interval 5",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "connection_messages false",
    ]
    if os.geteuid() == 0:
        # otherwise it changes to a user of its own, who may not enter the data folder
        lines.append("user root")
    return "\n".join(lines) + "\n"


def prepare(program: Path, data: Path, log: Path, port: int) -> ProcessSpec:
    """Write the configuration and return the broker's process; its sessions survive a stop and a restart."""
    data.mkdir(parents=True, exist_ok=True)
    config = data / "mosquitto.conf"
    config.write_text(configuration(data, port), encoding="utf-8")
    return ProcessSpec(
        name="mosquitto",
        argv=(str(program), "-c", str(config)),
        log=log,
        ready=partial(probes.mqtt, port),
        alive=partial(probes.mqtt, port),
        alive_poll_seconds=probes.ALIVE_POLL_SECONDS,
        death_signal=signal.SIGTERM,
        ready_seconds=15.0,
    )
