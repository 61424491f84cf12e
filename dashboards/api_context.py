"""What every request of the API is answered from, and who asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, HTTPException, Request

from dashboards import auth
from dashboards.auth import Right
from dashboards.database import Database
from dashboards.live import Live
from dashboards.roster import Person
from dashboards.settings import DashboardSettings
from dashboards.system import System
from dashboards.ward import Ward
from runtime.clock import Clock
from runtime.observe import Metrics, Readiness
from vitals.people import Principal


@dataclass(frozen=True, slots=True)
class Context:
    """The service's parts; ``live_url`` is where browsers find the tiles."""

    settings: DashboardSettings
    principals: tuple[Principal, ...]
    ward: Ward
    live: Live
    live_url: str
    database: Database
    system: System
    readiness: Readiness
    metrics: Metrics
    clock: Clock
    version: str


def context_of(request: Request) -> Context:
    """The context that `dashboards.api.build` has put into the application."""
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(context_of)]


def who(context: Ctx, authorization: Annotated[str | None, Header(include_in_schema=False)] = None) -> Principal:
    """The principal behind the token; 401 without one that is known."""
    principal = auth.find(context.principals, authorization)
    if principal is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "the token is missing or not known")
    return principal


Who = Annotated[Principal, Depends(who)]


def having(right: Right) -> Callable[[Principal], Principal]:
    """A dependency: the principal, whose role has this right; 403 otherwise."""

    def checked(principal: Who) -> Principal:
        if right not in auth.RIGHTS[principal.role]:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"the role {principal.role} may not read this")
        return principal

    return checked


Reader = Annotated[Principal, Depends(having("ward"))]
Historian = Annotated[Principal, Depends(having("history"))]
Operator = Annotated[Principal, Depends(having("system"))]


def patient_of(id: UUID, context: Ctx, principal: Historian) -> Person:  # noqa: A002 - the path's word
    """The patient of the path; 404 where there is none in scope, whether or not there is one elsewhere."""
    person = context.ward.person(id, principal.sees)
    if person is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such patient in your sites")
    return person


Patient = Annotated[Person, Depends(patient_of)]
