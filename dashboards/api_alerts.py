"""``/api/alerts`` and a patient's alerts: the history that the sink has stored."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from dashboards import alert_queries
from dashboards.alert_queries import Place, Row
from dashboards.api_context import Ctx, Historian, Patient, Span
from dashboards.api_models import AlertsOut, ChangeOut, PatientAlertsOut
from vitals.alerts import Alert, Service, Shelf
from vitals.readings import OBSERVED_MAX_US

router = APIRouter(prefix="/api")
ALERTS_MAX, CHANGES_MAX = 500, 2000
"""Alerts and changes in one answer about a patient."""
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
CURSOR_CHARS_MAX = 200
At = Annotated[int, Query(ge=0, le=OBSERVED_MAX_US)]

_BY: dict[str, Callable[[Alert], str | None]] = {
    "acknowledge": lambda alert: alert.acknowledged_by,
    "shelve": lambda alert: alert.shelved_by,
    "going": lambda alert: alert.owner or alert.acknowledged_by,
    "treated": lambda alert: alert.owner or alert.acknowledged_by,
    "note": lambda alert: alert.notes[-1].by if alert.notes else None,
    "seen": lambda alert: alert.seen_by[-1] if alert.seen_by else None,
}
_TEXT: dict[str, Callable[[Alert], str]] = {
    "acknowledge": lambda alert: alert.acknowledged_reason,
    "shelve": lambda alert: alert.shelved_reason,
    "note": lambda alert: alert.notes[-1].text if alert.notes else "",
}


@router.get("/patients/{id}/alerts", response_model=PatientAlertsOut)  # noqa: FAST003  the dependency takes it
async def patient_alerts(context: Ctx, person: Patient, span: Span) -> PatientAlertsOut:
    """A patient's alerts that were there at some time of a span of at most 31 days, and the changes in it.

    Where they are too many, these are the newest ones, and ``more`` says so. The last 24 hours where no span is said.
    """
    begin, to = span
    alerts = await context.database.read(
        lambda c: alert_queries.patient_alerts(c, person.id, begin, to, ALERTS_MAX + 1)
    )
    rows = await context.database.read(
        lambda c: alert_queries.patient_changes(c, person.id, begin, to, CHANGES_MAX + 1)
    )
    return PatientAlertsOut(
        alerts=tuple(reversed(alerts[:ALERTS_MAX])),
        changes=tuple(change_of(row) for row in reversed(rows[:CHANGES_MAX])),
        more=len(alerts) > ALERTS_MAX or len(rows) > CHANGES_MAX,
    )


@router.get("/alerts", response_model=AlertsOut)
async def alerts(
    context: Ctx,
    principal: Historian,
    *,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    begin: Annotated[int, Query(alias="from", ge=0, le=OBSERVED_MAX_US)] = 0,
    to: At = OBSERVED_MAX_US,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    before: Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX)] = None,
) -> AlertsOut:
    """Changes of alerts in scope, newest first; ``open``: only of alerts that are open now, or only of closed ones."""
    place: Place = (OBSERVED_MAX_US, 0, 0, 0, 0)
    if before is not None:
        place = _place(before)
    sites = None if principal.sites is None else sorted(principal.sites)
    rows = await context.database.read(
        lambda c: alert_queries.changes(c, sites, (begin, to), place, limit + 1, is_open=is_open)
    )
    changes = tuple(change_of(row) for row in rows[:limit])
    return AlertsOut(changes=changes, next=changes[-1].cursor if len(rows) > limit else None)


def change_of(row: Row) -> ChangeOut:
    """A stored change as the API tells it."""
    if not isinstance(row.what, Alert):
        return _aside_of(row, row.what)
    alert = row.what
    by, text = _BY.get(alert.change), _TEXT.get(alert.change)
    same = ChangeOut.model_fields.keys() & Alert.model_fields.keys() - {"version"}
    return ChangeOut(
        cursor=_cursor(row),
        version=(row.offset, row.ordinal),
        alert=alert.id,
        by=by(alert) if by else None,
        text=text(alert) if text else "",
        **{name: getattr(alert, name) for name in same},
    )


def _aside_of(row: Row, what: Shelf | Service) -> ChangeOut:
    """The begin or the end of a shelf or of a time out of service; of a shelf with the rule that it holds."""
    begun, over = ("shelf", "shelf_over") if isinstance(what, Shelf) else ("out_of_service", "in_service")
    rule = {"metric": what.metric, "rule": what.rule, "level": what.level} if isinstance(what, Shelf) else {}
    return ChangeOut(
        cursor=_cursor(row),
        version=(row.offset, row.ordinal),
        kind=what.kind,
        change=over if what.ended else begun,
        at=row.at_us,
        by=what.by,
        text=what.reason,
        until=what.until,
        patient=what.patient,
        label=what.label,
        site=what.site,
        **rule,
    )


def _cursor(row: Row) -> str:
    place = json.dumps([row.at_us, row.log, row.partition, row.offset, row.ordinal], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _place(cursor: str) -> Place:
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        at, log, partition, offset, ordinal = (int(each) for each in found)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "before is no cursor of ours") from None
    if not (0 <= at <= OBSERVED_MAX_US and 0 <= log < 1 << 15 and all(0 <= n < 1 << 31 for n in (partition, ordinal))):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "before is no cursor of ours")
    if not 0 <= offset < 1 << 63:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "before is no cursor of ours")
    return at, log, partition, offset, ordinal
