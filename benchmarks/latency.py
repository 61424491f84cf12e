"""From a reading's publish to its alert on a socket, at half load, beside the sum of the bare hops on the way.

A stack of its own takes `PATIENTS` heart rates a second, half of what the load drill must hold; ten patients a second
turn low, and each low opens an alert at once. Windows in which alerts are watched alternate with windows in which
empty hops are timed, under the same load: MQTT (publish to delivery, QoS 1), Kafka (send with acks to poll; three of
them, for readings, journal and feed) and a websocket message, by the same drivers with nothing between.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from benchmarks.frame import CLOCK, Result, progress, pss_kib
from compose.drills.bedside import Bedside, bedside
from compose.drills.watching import Recorder, until
from compose.stack import Options, Stack
from runtime.kafka import Out, Producer, Reader, ensure_topics
from runtime.mqtt import Connection
from runtime.observe import configure_logging
from runtime.settings import Settings
from runtime.web import Peer, connect, serve
from vitals.topics import TopicSpec

PATIENTS = 600
CYCLE_S = 60.0
WINDOW_S = 10.0
SETTLE_S = 10.0
PROBES_EACH = 60
MILLISECOND_US = 1000
KAFKA_HOPS = 3
HOP = TopicSpec("bench.hop", partitioned=False)
Hop = Callable[[], Awaitable[float]]


async def _timed(action: Awaitable[object]) -> float:
    """Milliseconds."""
    began = CLOCK.monotonic()
    await action
    return (CLOCK.monotonic() - began) * 1000


async def _hops(settings: Settings, stack: AsyncExitStack) -> dict[str, Hop]:
    """The three kinds of hops, each timed by a call."""
    await ensure_topics(settings, [HOP])
    topic = "bench/hop"
    subscriber = await stack.enter_async_context(Connection(settings, "bench-hop", [topic], forget=True))
    publisher = await stack.enter_async_context(Connection(settings, "bench-hop-out", forget=True))
    producer = await stack.enter_async_context(Producer(settings, "bench-hop"))
    reader = await stack.enter_async_context(Reader(settings, [(HOP.name, 0)]))

    async def echo(peer: Peer) -> None:
        while True:
            await peer.send(await peer.receive())

    port = await stack.enter_async_context(serve(echo, "127.0.0.1", 0))
    peer = await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}/"))

    async def mqtt() -> float:
        return await _timed(asyncio.gather(publisher.publish(topic, b"x" * 90), _acked(subscriber)))

    async def kafka() -> float:
        return await _timed(asyncio.gather(producer.send([Out(HOP.name, 0, b"k", b"x" * 64)]), _polled(reader)))

    async def websocket() -> float:
        async def both_ways() -> None:
            await peer.send("x" * 1000)
            await peer.receive()

        return await _timed(both_ways()) / 2

    return {"MQTT": mqtt, "Kafka": kafka, "websocket": websocket}


async def _acked(connection: Connection) -> None:
    connection.ack(await connection.take())


async def _polled(reader: Reader) -> None:
    while not await reader.poll(1.0):
        continue


async def _probe(hops: dict[str, Hop]) -> dict[str, list[float]]:
    """Milliseconds of each kind of hop, in rotation."""
    found: dict[str, list[float]] = {name: [] for name in hops}
    for _ in range(PROBES_EACH):
        for name, hop in hops.items():
            found[name].append(await hop())
            await CLOCK.sleep(WINDOW_S / PROBES_EACH / 6)
    return found


async def _watch(ward: Bedside, recorder: Recorder) -> list[float]:
    """Milliseconds from publish to socket of the lows of one window, once all of them came."""
    began = CLOCK.now_us()
    await CLOCK.sleep(WINDOW_S)
    wanted = {alert for alert, at in ward.lows.items() if at >= began}
    found: dict[str, float] = {}

    def all_came() -> bool:
        for alert, at in zip(recorder.changes, recorder.arrived, strict=True):
            name = str(alert.id)
            if name in wanted and name not in found:
                found[name] = (at - ward.lows[name]) / MILLISECOND_US
        return len(found) == len(wanted)

    await until(all_came, "alerts of the benchmark do not come", CLOCK, 60.0)
    return list(found.values())


async def run(turns: int) -> Result:
    """Measure."""
    result = Result(
        name="latency",
        what=f"publish to socket at {PATIENTS} readings a second",
        work="alerts",
        command="make bench ARGS=latency",
    )
    os.environ.setdefault("VIGIL_PARTITIONS", "2")
    folder = tempfile.TemporaryDirectory(prefix="vigil-bench-", ignore_cleanup_errors=True)
    with folder as root:
        async with Stack(Options(root=Path(root)), progress) as stack, AsyncExitStack() as exits:
            configure_logging(stack.settings.model_copy(update={"log_level": "error"}), "bench")
            recorder = Recorder(stack.ready.feed, stack.ready.token, CLOCK)
            await exits.enter_async_context(recorder.recording())
            hops = await _hops(stack.settings, exits)
            ward = await exits.enter_async_context(bedside(stack.settings, CLOCK, PATIENTS))
            beating = asyncio.create_task(ward.beat(float("inf"), cycle_s=CYCLE_S), name="ward")
            try:
                await CLOCK.sleep(SETTLE_S)
                await _alternate(result, turns, ward, recorder, hops)
                for name, process in stack.supervisor.processes.items():
                    result.figures[f"PSS MiB, {name}"] = round(pss_kib(process.pid) / 1024, 1)
            finally:
                beating.cancel()
                await asyncio.wait({beating})
    return result


async def _alternate(result: Result, turns: int, ward: Bedside, recorder: Recorder, hops: dict[str, Hop]) -> None:
    ours: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    sums: list[float] = []
    each: dict[str, list[float]] = {name: [] for name in hops}
    for turn in range(turns):
        ours.append(np.array(await _watch(ward, recorder)))
        probed = await _probe(hops)
        medians = {name: statistics.median(times) for name, times in probed.items()}
        for name, times in probed.items():
            each[name] += times
        sums.append(medians["MQTT"] + KAFKA_HOPS * medians["Kafka"] + medians["websocket"])
        progress(f"latency  turn {turn + 1}  p50 {np.median(ours[-1]):.1f} ms, bare hops {sums[-1]:.1f} ms")
    every = np.concatenate(ours)
    p50s = [float(np.median(one)) for one in ours]
    result.figures |= {
        "alerts": len(every),
        "publish to socket, p50 ms (median of turns)": round(statistics.median(p50s), 1),
        "publish to socket, p99 ms (all turns)": round(float(np.percentile(every, 99)), 1),
        **{f"bare {name}, p50 ms": round(statistics.median(times), 2) for name, times in each.items()},
        "MQTT + 3 Kafka + websocket, p50 ms (median of turns)": round(statistics.median(sums), 1),
        "ratio, turn by turn": round(statistics.median(ms / hop for ms, hop in zip(p50s, sums, strict=True)), 2),
        "devices late by at most, ms": round(ward.late_s * 1000, 1),
    }
