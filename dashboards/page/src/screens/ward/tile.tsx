/**
 * One patient's tile. It renders once; what changes are signals bound to single texts and attributes, so that 200
 * patients at one value a second change 200 texts and nothing else.
 */
import { computed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { isListed, type Alert } from "../../logic/alerts";
import { face, limitsText, type Face } from "../../logic/face";
import type { Metric, Tile as TileData } from "../../logic/live";
import { rank } from "../../logic/order";
import { hhmm } from "../../logic/times";
import { ARROW_WORDS, ARROWS, METRIC_SHORT, slopeDigits, unitOf } from "../../logic/units";
import { called, who } from "../../logic/words";
import { Marker } from "../../parts/marker";
import { judged, minute, now } from "../../state/clock";
import { alertsOf, outOfService } from "../../state/feed";
import { glucoseUnit } from "../../state/prefs";
import { hrefPatient } from "../../state/route";
import { patients } from "../../state/tiles";
import { Spark } from "./spark";

const BATTERY_LOW = 20;

function leadOf(alerts: readonly Alert[]): Alert | null {
  let lead: Alert | null = null;
  for (const alert of alerts) {
    if (isListed(alert) && (!lead || rank(alert) < rank(lead))) lead = alert;
  }
  return lead;
}

function model(id: string) {
  const tile = patients.get(id);
  const lead = computed(() => leadOf(alertsOf(id).value));
  const out = computed(() => outOfService.value.get(id) ?? null);
  return {
    tile,
    lead,
    out,
    // Bound to the attribute: a tile that has another alert on top says so without rendering.
    shows: computed(() => lead.value?.id),
    style: computed(() => {
      const alert = lead.value;
      const state = !alert ? "" : alert.response === "unacknowledged" && alert.condition !== "over" ? ` ${alert.priority} calling` : ` ${alert.priority} answered`;
      return `tile${state}${out.value ? " out" : ""}`;
    }),
    bed: computed(() => tile?.value.bed ?? ""),
    label: computed(() => tile?.value.label ?? ""),
    battery: computed(() => {
      const level = tile?.value.battery;
      return level === null || level === undefined ? "" : `${Math.round(level)} %`;
    }),
    batteryStyle: computed(() => ((tile?.value.battery ?? 100) < BATTERY_LOW ? "battery weak" : "battery")),
  };
}

export function Tile({ id }: { id: string }) {
  const found = useMemo(() => model(id), [id]);
  if (!found.tile) return null;
  return (
    <li class={found.style} id={`tile-${id}`} data-patient={id} data-alert={found.shows}>
      <a href={hrefPatient(id)} class="name">
        <b class="bed">{found.bed}</b> <span class="label">{found.label}</span>
      </a>
      <span class={found.batteryStyle} title="battery of the device">
        {found.battery}
      </span>
      <div class="signs">
        <Vital tile={found.tile} metric="heart_rate" />
        <Vital tile={found.tile} metric="glucose" />
      </div>
      <State lead={found.lead} out={found.out} />
    </li>
  );
}

function vitalModel(tile: ReadonlySignal<TileData>, metric: Metric) {
  const vital = computed(() => tile.value.vitals[metric]);
  // One face per change of its words, not per second: equal faces are the same object.
  let before: Face | null = null;
  const shown = computed(() => {
    const next = face(vital.value, metric, judged.value, glucoseUnit.value);
    if (before && before.text === next.text && before.kind === next.kind && before.note === next.note && before.age === next.age) return before;
    before = next;
    return next;
  });
  const fresh = computed(() => shown.value.kind === "fresh" || shown.value.kind === "stale");
  return {
    text: computed(() => shown.value.text),
    style: computed(() => `sign ${shown.value.kind}${/[A-Z]/.test(shown.value.text) ? " words" : ""}`),
    note: computed(() => shown.value.note),
    age: computed(() => shown.value.age),
    signal: computed(() => (shown.value.kind === "fresh" ? "▮▮▮" : shown.value.kind === "stale" ? "▮▯▯" : "▯▯▯")),
    unit: computed(() => unitOf(metric, glucoseUnit.value)),
    arrow: computed(() => (fresh.value ? (ARROWS[String(vital.value?.arrow)] ?? "") : "")),
    arrowWords: computed(() => (fresh.value ? (ARROW_WORDS[String(vital.value?.arrow)] ?? "") : "")),
    slope: computed(() => {
      const slope = vital.value?.slope;
      return fresh.value && slope !== null && slope !== undefined ? slopeDigits(metric, slope, glucoseUnit.value) : "";
    }),
    limits: computed(() => limitsText(vital.value?.limits ?? null, metric, glucoseUnit.value)),
  };
}

function Vital({ tile, metric }: { tile: ReadonlySignal<TileData>; metric: Metric }) {
  const found = useMemo(() => vitalModel(tile, metric), [tile, metric]);
  return (
    <div class={found.style} data-metric={metric}>
      <span class="metric">
        <span class="limits">
          {METRIC_SHORT[metric]} {found.limits}
        </span>
        <span class="signal">
          <span class="bars" aria-hidden="true">
            {found.signal}
          </span>{" "}
          <span class="unseen-by-eyes">age </span>
          {found.age}
        </span>
      </span>
      <span class="figure">
        <b class="value">{found.text}</b>
        <span class="unit">{found.unit}</span>
        <span class="trend">
          <span aria-hidden="true">{found.arrow}</span>
          <span class="unseen-by-eyes">{found.arrowWords}</span> <span class="slope">{found.slope}</span>
        </span>
      </span>
      <span class="note">{found.note}</span>
      <Spark tile={tile} metric={metric} />
    </div>
  );
}

function State({ lead, out }: { lead: ReadonlySignal<Alert | null>; out: ReadonlySignal<{ until: number } | null> }) {
  const alert = lead.value;
  const service = out.value;
  void minute.value;
  if (!alert && !service) return <div class="state" />;
  const has = alert ? [who(alert, now.peek(), true), called(alert)].filter(Boolean).join(" · ") : "";
  return (
    <div class="state">
      {alert ? <Marker alert={alert} /> : null}
      {service ? (
        <b class="outword">
          {alert ? "OUT" : "OUT OF SERVICE"} until {hhmm(service.until)}
        </b>
      ) : null}
      {has ? <span class="who">{has}</span> : null}
    </div>
  );
}
