"""Who may what at the broker of compose.yaml: its own configuration and access list, on a real mosquitto."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from alerts import drops
from compose.process import Process
from compose.servers import mosquitto, probes
from runtime.testing.waiting import until
from vitals.topics import presence_topic, readings_topic, ticks_topic

FOLDER = Path(__file__).parents[2] / "compose" / "mosquitto"
USERS = ("vigil-bridge", "vigil-prover", "vigil-health", "cgm-1", "ward-a")
ACCEPTED, NO_SUBSCRIBER, NOT_AUTHORIZED, BAD_PASSWORD = 0, 16, 0x87, 0x86
REFUSED = frozenset({NOT_AUTHORIZED, BAD_PASSWORD})

pytestmark = pytest.mark.asyncio(loop_scope="module")


def hashed(password: str) -> str:
    """A password as mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt = password.encode().ljust(12, b"-")[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


async def lives(port: int) -> None:
    """Return when something listens; who may connect is the test's question."""
    async with probes.connected(port):
        pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port of a mosquitto with our two files, its paths moved to a folder of the test's."""
    program = mosquitto.find()
    if program is None:
        pytest.skip("mosquitto is not installed")
    root, port = tmp_path_factory.mktemp("broker"), probes.free_port()
    (root / "passwords").write_text("".join(f"{user}:{hashed(f'{user} secret')}\n" for user in USERS))
    text = (FOLDER / "mosquitto.conf").read_text()
    for old, new in {
        "listener 1883": f"listener {port} {probes.HOST}",
        "/run/secrets/mqtt_passwords": str(root / "passwords"),
        "/mosquitto/config/": f"{FOLDER}/",
        "/mosquitto/data/": f"{root}/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (root / "mosquitto.conf").write_text(text + "user root\n")
    spec = mosquitto.prepare(program, root / "unused", root / "log", port)
    argv = (str(program), "-c", str(root / "mosquitto.conf"))
    process = await Process.start(replace(spec, argv=argv, ready=partial(lives, port)))
    try:
        await process.wait_ready()
        yield port
    finally:
        await process.stop()


class Client:
    """A client over a plain socket, MQTT 5."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, head: int, body: bytes) -> bytes:
        """Send a packet and return the body of the answer."""
        assert len(body) < 128
        self._writer.write(bytes([head, len(body)]) + body)
        _, length = await self._reader.readexactly(2)
        return await self._reader.readexactly(length)

    async def connect(self, user: str, password: str) -> int:
        """The reason code of the CONNACK."""
        fields = b"".join(text(each) for each in (f"test-{user}", user, password))
        return (await self.ask(0x10, b"\x00\x04MQTT\x05\xc2\x00\x0a\x00" + fields))[1]

    async def publish(self, topic: str) -> int:
        """The reason code of the PUBACK."""
        answer = await self.ask(0x32, text(topic) + b"\x00\x01\x00{}")
        return answer[2] if len(answer) > 2 else ACCEPTED

    async def subscribe(self, topic: str) -> int:
        """The reason code of the SUBACK."""
        return (await self.ask(0x82, b"\x00\x02\x00" + text(topic) + b"\x01"))[-1]


def text(value: str) -> bytes:
    """A string as MQTT has it."""
    return struct.pack(">H", len(value)) + value.encode()


@asynccontextmanager
async def client(port: int, user: str, password: str | None = None) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(probes.HOST, port)
    try:
        made = Client(reader, writer)
        code = await made.connect(user, f"{user} secret" if password is None else password)
        assert code in ({ACCEPTED} if password is None else REFUSED)
        yield made
    finally:
        writer.transport.abort()


async def test_a_wrong_password_opens_nothing(broker: int) -> None:
    """Whoever is on the network could otherwise write readings for every patient."""
    async with client(broker, "cgm-1", "guessed"):
        pass


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("cgm-1", readings_topic("", "ward-a", "cgm-1")),
        ("ward-a", presence_topic("", "ward-a")),
        ("vigil-prover", readings_topic("", "ward-a", "proof-ward-a")),
        ("vigil-bridge", ticks_topic("", "bridge-0")),
    ],
)
async def test_everybody_writes_what_is_theirs(broker: int, user: str, topic: str) -> None:
    """The list must not be stricter than the devices: a refused reading is never seen by anybody."""
    async with client(broker, user) as connected:
        assert await connected.publish(topic) in {ACCEPTED, NO_SUBSCRIBER}


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("cgm-1", readings_topic("", "ward-a", "cgm-2")),
        ("cgm-1", ticks_topic("", "bridge-0")),
        ("cgm-1", presence_topic("", "ward-a")),
        ("ward-a", presence_topic("", "ward-b")),
        ("vigil-prover", ticks_topic("", "bridge-0")),
        ("vigil-health", readings_topic("", "ward-a", "cgm-1")),
    ],
)
async def test_nobody_writes_for_another(broker: int, user: str, topic: str) -> None:
    """A stolen device must not be able to speak for others, and above all not to move time."""
    async with client(broker, user) as connected:
        assert await connected.publish(topic) == NOT_AUTHORIZED


async def test_the_bridge_hears_everything_and_a_device_nothing(broker: int) -> None:
    """A device that could listen would hear every patient of the ward."""
    async with client(broker, "vigil-bridge") as bridge:
        assert await bridge.subscribe("vigil/v1/+/+/+") == 1
    topic = readings_topic("", "ward-a", "cgm-1")
    async with client(broker, "vigil-bridge") as bridge, client(broker, "cgm-1") as device:
        # mosquitto grants a subscription by its filter and drops each message by the list, so the publisher is asked
        await device.subscribe("vigil/v1/#")
        await bridge.publish(topic)
        assert not await heard(device)


async def heard(listener: Client) -> bytes:
    """What comes of its own accord before the answer to a ping."""
    listener._writer.write(b"\xc0\x00")
    head = await listener._reader.readexactly(2)
    return b"" if head == b"\xd0\x00" else head


async def test_the_prover_hears_what_the_broker_dropped_and_a_device_does_not(broker: int) -> None:
    """Who may not read it has no number, as with a broker that does not tell, and nobody learns of lost readings."""
    async with client(broker, "vigil-prover") as prover, client(broker, "cgm-1") as device:
        assert await prover.subscribe(drops.TOPIC) == 1
        await device.subscribe(drops.TOPIC)

        async def told() -> bool:
            return bool(await heard(prover))

        await until(told)
        assert not await heard(device)


async def test_the_health_check_sees_the_broker_turn_and_nothing_else(broker: int) -> None:
    """It is the container's own user, with a password in a file that the container holds."""
    async with client(broker, "vigil-health") as health:
        assert await health.subscribe("$SYS/broker/uptime") == 1
