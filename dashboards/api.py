"""The HTTP application: routes, one form of errors, headers. ``docs/api.md`` is its page, OpenAPI its contract."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards import api_alerts, api_patients, static
from dashboards.api_context import Context, Ctx, NoPatient, Operator
from dashboards.api_models import Problem, SystemOut, problem
from vitals.errors import ServerError, StateError

log = logging.getLogger("vigil.api")

LOOPBACK = frozenset({"127.0.0.1", "::1"})
_ERRORS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "mend the request"),
    401: ("unauthorized", "send Authorization: Bearer TOKEN; open Vigil by the link that it printed"),
    403: ("forbidden", "ask for another role"),
    404: ("not_found", "/openapi.json lists the addresses, docs/api.md explains them"),
    405: ("method_not_allowed", "only GET and HEAD are answered"),
    422: ("bad_input", "mend the parameters; /openapi.json says what they may be"),
    500: ("fault", "this is a fault of Vigil's; its log has the details"),
    503: ("unavailable", "try again in a few seconds"),
}
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in (401, 403, 404, 422, 503)
}
router = APIRouter()


@router.get("/api/system", response_model=SystemOut)
async def system(context: Ctx, _principal: Operator) -> SystemOut:
    """The pipeline as it was at the last look, at most a few seconds ago."""
    return context.system.found


@router.get("/healthz", include_in_schema=False)
async def healthz() -> dict[str, bool]:
    """The process answers."""
    return {"alive": True}


@router.get("/readyz", include_in_schema=False)
async def readyz(context: Ctx) -> JSONResponse:
    """Whether the dashboard does its work, and if not, why."""
    status = HTTPStatus.OK if context.readiness.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(context.readiness.as_dict(), status)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, context: Ctx) -> Response:
    """The process's metrics, to this machine only."""
    if request.client is None or request.client.host not in LOOPBACK:
        raise HTTPException(HTTPStatus.FORBIDDEN, "metrics are told to this machine only")
    return Response(context.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _uncached(response: Response) -> None:
    """What a patient's values were must not lie in a shared station's cache."""
    response.headers["cache-control"] = "no-store"


class Heads:
    """HEAD is answered wherever GET is: the same status and headers, and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as a GET where it is a HEAD."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, headers_only)


def build(context: Context | None, page_dir: Any = None) -> FastAPI:
    """The application; without a context it only knows its own schema."""
    app = FastAPI(
        title="Vigil",
        description="The ward, its charts and its history. Times are µs UTC. See docs/api.md.",
        version=context.version if context else "0",
        docs_url=None,
        redoc_url=None,
        responses=_DOCUMENTED,
        redirect_slashes=False,
    )
    app.state.context = context
    app.add_middleware(Heads)
    for part in (api_patients.router, api_alerts.router, router):
        app.include_router(part, dependencies=[Depends(_uncached)])
    if page_dir is not None:
        app.include_router(static.router_of(page_dir))
    app.add_exception_handler(NoPatient, _no_patient)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ServerError, _unavailable)
    app.add_exception_handler(StateError, _unavailable)
    app.add_exception_handler(Exception, _fault)
    return app


def answer(status: int, what: str, do: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that is not 2xx, in the one form of all of them."""
    error, remedy = _ERRORS.get(status, ("error", "see docs/api.md"))
    return JSONResponse(
        problem(error, what, do or remedy), status, headers={"cache-control": "no-store", **(headers or {})}
    )


async def _http(_request: Request, error: Exception) -> JSONResponse:
    error = cast("HTTPException", error)
    headers = {"www-authenticate": "Bearer"} if error.status_code == HTTPStatus.UNAUTHORIZED else {}
    return answer(error.status_code, str(error.detail), headers=headers)


async def _no_patient(_request: Request, error: Exception) -> JSONResponse:
    found = cast("NoPatient", error)
    return answer(found.status_code, str(found.detail), "look it up in /api/patients")


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """The first fault; never the value that was sent."""
    first = cast("RequestValidationError", error).errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}")


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    what = error.what if isinstance(error, ServerError | StateError) else "a server is away"
    log.warning("a request got no answer: %s", error)
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, what, headers={"retry-after": "2"})


async def _fault(_request: Request, _error: Exception) -> JSONResponse:
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed")


def openapi() -> dict[str, Any]:
    """The API's OpenAPI document."""
    return build(None).openapi()
