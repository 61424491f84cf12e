"""What Vigil needs of websockets: bad peers cost themselves, nobody else, and a close always ends."""

from __future__ import annotations

import asyncio
import base64
import select
from dataclasses import replace

import pytest

from runtime.testing.waiting import until
from runtime.web import LIMITS, UNSENT_BYTES_MAX, Peer, PeerGone, WebLimits, WebUnavailable, connect, serve
from vitals.errors import ProtocolError

WAIT_S = 30.0
QUICK = replace(LIMITS, watch_every_s=0.02, close_s=0.3, stall_s=0.2, buffer_bytes_max=256 * 1024)


async def echo(peer: Peer) -> None:
    """Send back whatever comes."""
    while True:
        await peer.send(await peer.receive())


async def deaf_client(port: int) -> asyncio.StreamWriter:
    """Complete the handshake and never read again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def test_what_is_sent_comes_back() -> None:
    """Both ends are ours: `vigil feed` speaks to the gateway through the same file."""
    async with serve(echo, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}/feed?x=1") as peer:
        for text in ("", "ü", "x" * 60_000):
            await peer.send(text)
            assert await peer.receive() == text


async def test_the_handler_sees_the_path_and_its_end_is_a_normal_close() -> None:
    """Feed and charts are two paths of one server."""

    async def tell(peer: Peer) -> None:
        await peer.send(peer.path)

    async with serve(tell, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}/feed?a=1") as peer:
        assert await peer.receive() == "/feed?a=1"
        with pytest.raises(PeerGone) as caught:
            await peer.receive()
    assert caught.value.code == 1000


async def test_a_peer_that_never_reads_is_aborted_and_the_others_go_on() -> None:
    """The library would wait for it for ever, in its keepalive and in its close (measured on 13.1 to 17.0.1)."""
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def talk(peer: Peer) -> None:
        try:
            while True:
                await peer.send("x" * 10_000)
                if peer.path == "/polite":
                    await peer.receive()
        except PeerGone:
            ended.put_nowait(peer.path)
            raise

    async with serve(talk, "127.0.0.1", 0, limits=QUICK) as port:
        deaf = await deaf_client(port)
        async with connect(f"ws://127.0.0.1:{port}/polite") as peer, asyncio.timeout(WAIT_S):
            while ended.empty():
                await peer.receive()
                await peer.send("more")
            assert await ended.get() == "/"
            assert await peer.receive() == "x" * 10_000
        deaf.transport.abort()


async def flood_until_it_waits(peer: Peer, limits: WebLimits = QUICK) -> int:
    """Send until some of it has not left this process; the bytes that were sent."""
    sent = 0
    while not peer.buffered_bytes and sent < limits.buffer_bytes_max:
        await peer.send("x" * 1000)
        sent += 1000
        await asyncio.sleep(0)
    return sent


async def test_who_is_cut_off_learns_it_at_once_without_reading() -> None:
    """A plain close waits behind what the kernel still holds, which goes nowhere: who does not read believes in it."""
    kept = replace(LIMITS, stall_s=600)
    cut = asyncio.Event()

    async def abort(peer: Peer) -> None:
        await flood_until_it_waits(peer, kept)
        assert peer.buffered_bytes
        peer.abort()
        cut.set()

    async with serve(abort, "127.0.0.1", 0, limits=kept) as port:
        deaf = await deaf_client(port)
        ended = select.poll()
        ended.register(deaf.get_extra_info("socket").fileno(), 0)
        await asyncio.wait_for(cut.wait(), WAIT_S)
        await until(lambda: bool(ended.poll(0)), WAIT_S)
    deaf.transport.abort()


async def test_the_kernel_holds_little_for_who_does_not_read() -> None:
    """It would take 2.8 MB of frames: beyond every limit of ours, and the work to make them is for nobody."""
    flooded: asyncio.Queue[int] = asyncio.Queue()

    async def tell(peer: Peer) -> None:
        flooded.put_nowait(await flood_until_it_waits(peer, LIMITS))

    async with serve(tell, "127.0.0.1", 0) as port:
        deaf = await deaf_client(port)
        sent = await asyncio.wait_for(flooded.get(), WAIT_S)
        deaf.transport.abort()
    assert sent < 4 * UNSENT_BYTES_MAX


async def test_a_close_ends_although_a_peer_never_reads() -> None:
    """A restart that hangs on one phone in a tunnel is an outage for the ward."""
    flooded: list[Peer] = []

    async def flood(peer: Peer) -> None:
        flooded.append(peer)
        while True:
            await peer.send("x" * 50_000)

    limits = replace(QUICK, stall_s=600, buffer_bytes_max=1 << 40)
    async with asyncio.timeout(WAIT_S):
        async with serve(flood, "127.0.0.1", 0, limits=limits) as port:
            deaf = await deaf_client(port)
            while not flooded or not flooded[0].buffered_bytes:  # noqa: ASYNC110  the transport's state
                await asyncio.sleep(0)
    deaf.transport.abort()


async def test_a_message_above_the_limit_closes_only_its_connection() -> None:
    """A peer must not choose how much memory we spend."""
    async with serve(echo, "127.0.0.1", 0) as port:
        async with connect(f"ws://127.0.0.1:{port}") as peer:
            await peer.send("x" * (LIMITS.message_bytes_max + 1))
            with pytest.raises(PeerGone) as caught:
                await peer.receive()
            assert caught.value.code == 1009
        async with connect(f"ws://127.0.0.1:{port}") as peer:
            await peer.send("still here")
            assert await peer.receive() == "still here"


async def test_a_send_beyond_the_buffer_ends_the_slow_peer() -> None:
    """Alerts are never dropped, so who cannot keep up is cut off and resumes by its cursor."""
    raised: asyncio.Queue[PeerGone] = asyncio.Queue()

    async def burst(peer: Peer) -> None:
        try:
            await peer.send("x" * (QUICK.buffer_bytes_max + 1))
        except PeerGone as error:
            raised.put_nowait(error)

    async with serve(burst, "127.0.0.1", 0, limits=QUICK) as port, connect(f"ws://127.0.0.1:{port}") as peer:
        with pytest.raises(PeerGone):
            await peer.receive()
    assert raised.get_nowait().reason == "too slow"


async def test_a_restart_says_come_back() -> None:
    """1001 tells a page to reconnect at once; 1000 or silence would leave it waiting."""
    async with asyncio.timeout(WAIT_S):
        async with serve(echo, "127.0.0.1", 0, limits=QUICK) as port:
            client = connect(f"ws://127.0.0.1:{port}")
            peer = await client.__aenter__()
        with pytest.raises(PeerGone) as caught:
            await peer.receive()
        await client.__aexit__(None, None, None)
    assert caught.value.code == 1001


async def test_only_named_origins_may_connect() -> None:
    """A foreign page in a clinician's browser must not read the feed."""
    async with serve(echo, "127.0.0.1", 0, origins=["https://ward.example", None]) as port:
        url = f"ws://127.0.0.1:{port}"
        for origin in ("https://ward.example", None):
            async with connect(url, origin=origin) as peer:
                await peer.send("hello")
                assert await peer.receive() == "hello"
        with pytest.raises(WebUnavailable, match="403"):
            async with connect(url, origin="https://evil.example"):
                pass


async def test_binary_messages_are_refused() -> None:
    """The protocol is text; a peer that sends bytes speaks another one."""
    refused: asyncio.Queue[ProtocolError] = asyncio.Queue()

    async def strict(peer: Peer) -> None:
        try:
            await peer.receive()
        except ProtocolError as error:
            refused.put_nowait(error)

    async with serve(strict, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}") as peer:
        await peer._connection.send(b"\x00")
        with pytest.raises(PeerGone):
            await peer.receive()
    assert "binary" in str(refused.get_nowait())


async def test_a_port_in_use_and_an_absent_server_are_one_line_each(unused_tcp_port: int) -> None:
    """The two mistakes that everybody makes once."""
    async with serve(echo, "127.0.0.1", 0) as port:
        with pytest.raises(WebUnavailable, match=str(port)) as taken:
            async with serve(echo, "127.0.0.1", port):
                pass
    with pytest.raises(WebUnavailable, match=str(unused_tcp_port)) as absent:
        async with connect(f"ws://127.0.0.1:{unused_tcp_port}"):
            pass
    assert "\n" not in f"{taken.value}{absent.value}"


@pytest.mark.parametrize("text", ["{}", "ü" * 40, "x" * 200, "x" * 70_000])
async def test_what_is_offered_stands_in_line_with_what_is_sent(text: str) -> None:
    """A frame that is made once for all clients is written past the library: it must be the one it would make."""
    wide = replace(LIMITS, message_bytes_max=100_000)

    async def tell(peer: Peer) -> None:
        await peer.send("before")
        assert peer.offer(text)
        await peer.send("after")
        await peer.receive()

    async with (
        serve(tell, "127.0.0.1", 0) as port,
        connect(f"ws://127.0.0.1:{port}/", limits=wide) as peer,
    ):
        assert [await peer.receive() for _ in range(3)] == ["before", text, "after"]


async def test_an_offer_never_fills_the_buffer_of_a_slow_peer() -> None:
    """What would have to wait is for the queue, which has a limit and a sender that waits."""
    offered: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def tell(peer: Peer) -> None:
        count = 0
        while peer.offer("x" * 1000) and count < 100_000:
            count += 1
        offered.put_nowait((count, peer.buffered_bytes))

    async with serve(tell, "127.0.0.1", 0, limits=QUICK) as port:
        writer = await deaf_client(port)
        count, buffered = await asyncio.wait_for(offered.get(), WAIT_S)
        writer.close()
    assert count < 100_000
    assert buffered < 32_768


async def test_a_client_offers_nothing() -> None:
    """A client's frames are masked, each anew: only ``send`` makes them."""
    async with serve(echo, "127.0.0.1", 0) as port, connect(f"ws://127.0.0.1:{port}/") as peer:
        assert not peer.offer("text")
