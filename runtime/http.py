"""Serves an ASGI application over HTTP, with the limits that keep one bad client from hurting the others.

uvicorn's own handling of signals, logs and websockets is off: a service ends by cancellation (``runtime/service.py``),
logs through ``runtime/observe.py``, and websockets are ``runtime/web.py``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn

from vitals.errors import ServerUnavailable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTIONS_MAX = 256
"""Open connections and requests; one more is answered 503."""
HEAD_BYTES_MAX = 16 * 1024
KEEP_ALIVE_S = 15
CLOSE_S = 3
"""Time for requests under way when the server stops."""

log = structlog.get_logger("vigil.http")


class HttpUnavailable(ServerUnavailable):
    """The port cannot be listened on."""


class _Server(uvicorn.Server):
    """uvicorn's server that leaves the process's signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket (0 takes a free port), so that its port is known before anything is served.

    Raises:
        HttpUnavailable: the port is taken, or the address is not ours.
    """
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        what = f"{host}:{port}: {error.strerror or error}"
        raise HttpUnavailable("cannot listen", what, "stop what uses the port, or choose another") from error


@asynccontextmanager
async def serve(app: App, listener: socket.socket) -> AsyncIterator[None]:
    """Serve ``app`` on a socket of `listen` while the body runs; then finish requests under way, at most 3 s."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CLOSE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(server.serve([listener]), name="http server")
        try:
            await server.listening.wait()
            yield
        finally:
            server.should_exit = True
            done, _ = await asyncio.wait({work}, timeout=CLOSE_S + 2)
            if not done:
                log.error("http server did not close", seconds=CLOSE_S + 2)
                work.cancel()


def with_headers(app: App, headers: Sequence[tuple[bytes, bytes]]) -> App:
    """``app`` with these headers on every response, over its own of the same name."""
    names = {name for name, _ in headers}

    async def headed(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message["headers"] = [*own, *headers]
            await send(message)

        await app(scope, receive, sending)

    return headed
