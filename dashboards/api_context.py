"""What every request of the API is answered from, and who asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, HTTPException, Query, Request

from dashboards import auth
from dashboards.auth import Right
from dashboards.database import Database
from dashboards.live import Live
from dashboards.roster import Person
from dashboards.series import SPAN_US_MAX
from dashboards.settings import DashboardSettings
from dashboards.system import System
from dashboards.ward import Ward
from runtime.clock import Clock
from runtime.observe import Metrics, Readiness
from vitals.metrics import MINUTE_US
from vitals.people import Principal
from vitals.readings import OBSERVED_MAX_US

SPAN_US_DEFAULT = 24 * 60 * MINUTE_US
"""The span before ``to`` that is answered where nobody says ``from``."""


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


class NoPatient(HTTPException):
    """There is no such patient in scope, whether or not there is one elsewhere."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, "there is no such patient in your sites")


def patient_of(id: UUID, context: Ctx, principal: Historian) -> Person:  # noqa: A002 - the path's word
    """The patient of the path; 404 where there is none in scope."""
    person = context.ward.person(id, principal.sees)
    if person is None:
        raise NoPatient
    return person


Patient = Annotated[Person, Depends(patient_of)]


def span_of(
    context: Ctx,
    begin: Annotated[int | None, Query(alias="from", ge=0, le=OBSERVED_MAX_US)] = None,
    to: Annotated[int | None, Query(ge=0, le=OBSERVED_MAX_US)] = None,
) -> tuple[int, int]:
    """The span [from, to) µs of a question about a patient: without ``to`` up to now, without ``from`` a day.

    422 where it is empty, or longer than 31 days.
    """
    end = context.live.now_us if to is None else to
    first = max(0, end - SPAN_US_DEFAULT) if begin is None else begin
    if not first < end <= first + SPAN_US_MAX:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "from must lie before to, at most 31 days")
    return first, end


Span = Annotated[tuple[int, int], Depends(span_of)]
