"""``/api/session``, ``/api/patients`` and a patient's series. Who is on the ward and how they are comes from memory."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray

from dashboards import alert_queries, chart_queries, series
from dashboards.api_context import Context, Ctx, Patient, Reader, Span, Who
from dashboards.api_models import DeviceOut, PatientDetail, PatientOut, PatientsOut, SeriesOut, SessionOut
from dashboards.roster import Person
from dashboards.series import Samples
from dashboards.tiles import limits_of
from vitals.alerts import Service, Shelf
from vitals.errors import ServerError, StateError
from vitals.metrics import METRIC_BY_NAME, METRICS, SECOND_US, Metric
from vitals.units import UNIT_NAME

router = APIRouter(prefix="/api")
MetricName = Literal["heart_rate", "glucose", "battery", "steps"]


@router.get("/session", response_model=SessionOut)
async def session(context: Ctx, principal: Who) -> SessionOut:
    """Who one is, and where the two sockets are."""
    return SessionOut(
        name=principal.name,
        role=principal.role,
        lead=principal.lead,
        sites=None if principal.sites is None else tuple(sorted(principal.sites)),
        feed_url=context.settings.feed_url,
        live_url=context.live_url,
        clock=context.settings.clock,
        simulated_patients=context.settings.simulated_patients,
        version=context.version,
    )


@router.get("/patients", response_model=PatientsOut)
async def patients(context: Ctx, principal: Reader) -> PatientsOut:
    """The patients in scope, with their devices, newest readings and limits."""
    context.ward.refresh(context.live.now_us)
    return PatientsOut(
        patients=tuple(PatientOut(**_patient(context, each)) for each in context.ward.people(principal.sees))
    )


@router.get("/patients/{id}", response_model=PatientDetail)  # noqa: FAST003  the dependency takes it
async def patient(context: Ctx, person: Patient) -> PatientDetail:
    """One patient, with the policy, and what is set aside as far as the database answers."""
    service: Service | None = None
    shelves: list[Shelf] = []
    known = True
    try:
        now = context.live.now_us
        service, shelves = await context.database.read(lambda c: alert_queries.set_aside(c, person.id, now))
    except (ServerError, StateError):
        known = False
    return PatientDetail(
        **_patient(context, person),
        policy=person.policy,
        night=person.night,
        service=service,
        shelves=tuple(shelves),
        known=known,
    )


@router.get("/patients/{id}/series", response_model=SeriesOut)  # noqa: FAST003  the dependency takes it
async def patient_series(
    context: Ctx,
    person: Patient,
    *,
    metric: MetricName,
    span: Span,
    points: Annotated[int, Query(ge=series.POINTS_MIN, le=series.POINTS_MAX)] = series.POINTS_DEFAULT,
) -> Response:
    """A series of at most 31 days, down-sampled to about ``points`` buckets so that extremes survive.

    The last 24 hours where no span is said.
    """
    begin, to = span
    measured = METRIC_BY_NAME[metric]
    wearing = person.wearing(metric)
    interval = wearing[1].interval_us if wearing else measured.pane_us
    (bucket_us, samples), policies = await asyncio.gather(
        _samples(context, person, measured, (begin, to), points=points, interval_us=interval),
        context.database.read(lambda c: chart_queries.policies(c, person.id, to)),
    )
    limits = series.limits_then(
        series.by_day_and_night(policies or [(begin, person.policy)], begin, to),
        begin,
        lambda policy: limits_of(policy, metric, interval),
    )
    ends = (begin, min(to, context.live.now_us))
    found = series.gaps(samples, *ends, measured.gap_of_us(interval)) if ends[1] > begin else []
    if bucket_us:
        samples = series.thin(samples, bucket_us)
    edges = [(stream.low, stream.high) for each in person.worn if (stream := each.type.stream(metric)) is not None]
    if edges:
        samples = series.clip(samples, min(low for low, _ in edges), max(high for _, high in edges))
    body = {
        "metric": metric, "unit": UNIT_NAME[measured.unit], "from": begin, "to": to, "interval_us": interval,
        "bucket_us": bucket_us, "raw": bucket_us == 0, **_columns(samples), "gaps": found,
        "limits": [(from_at, held.model_dump()) for from_at, held in limits],
    }  # fmt: skip
    return Response(json.dumps(body, separators=(",", ":")), media_type="application/json")


async def _samples(
    context: Context, person: Person, metric: Metric, span: tuple[int, int], *, points: int, interval_us: int
) -> tuple[int, Samples]:
    """The width of the buckets to come, 0 for single readings as they are; and what is stored of a span."""
    begin, to = span
    plan = series.plan(to - begin, points, interval_us)
    if plan.level_s == 0:
        limit = series.RAW_ROWS_MAX + 1
        count, data = await context.database.read(
            lambda c: chart_queries.raw_series(c, person.id, metric.code, (begin, to), limit)
        )
        if count < limit:
            return 0 if count <= points else plan.bucket_us, series.of_raw(data)
        plan = series.rolled_plan(to - begin, points)
    level_us = plan.level_s * SECOND_US
    first = begin // level_us * level_us
    rolled = await context.database.read(
        lambda c: chart_queries.rolled_series(c, person.id, metric.code, (first, to), plan.level_s)
    )
    return plan.bucket_us, series.of_rollups(rolled)


def _columns(samples: Samples) -> dict[str, list[Any]]:
    parts = samples.parts
    none = np.flatnonzero(parts.readings == 0).tolist()

    def values(column: NDArray[np.float64]) -> list[float | None]:
        found: list[float | None] = np.round(column, 3).tolist()
        for place in none:
            found[place] = None
        return found

    return {
        "t": samples.start.tolist(),
        "min": values(parts.low),
        "max": values(parts.high),
        "last": values(parts.last),
        "n": parts.readings.tolist(),
        "flags": parts.marks.tolist(),
    }


def _patient(context: Context, person: Person) -> dict[str, Any]:
    found = {metric.name: context.ward.vital(person, metric) for metric in METRICS}
    latest = {name: vital for name, vital in found.items() if vital is not None}
    return {
        "id": person.id,
        "label": person.label,
        "site": person.site,
        "site_name": person.site_name,
        "bed": person.bed,
        "devices": tuple(
            DeviceOut(
                name=each.name,
                type=each.type.name,
                metrics=tuple(stream.metric for stream in each.type.streams),
                since=each.since,
                until=each.until,
            )
            for each in person.worn
        ),
        "latest": latest,
        "limits": {name: vital.limits for name, vital in latest.items() if vital.limits is not None},
    }
