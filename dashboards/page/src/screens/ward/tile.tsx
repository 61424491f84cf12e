/**
 * One patient's tile. It renders once; what changes are signals bound to single texts and attributes, so that 200
 * patients at one value a second change 200 texts and nothing else.
 */
import { computed, effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { isListed, type Alert } from "../../logic/alerts";
import { face, limitsText } from "../../logic/face";
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
import { tileSignal } from "../../state/tiles";
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
  const tile = tileSignal(id);
  const lead = computed(() => leadOf(alertsOf(id).value));
  const out = computed(() => outOfService.value.get(id) ?? null);
  const named = { bed: signal(""), label: signal(""), battery: signal(""), batteryStyle: signal("battery") };
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
    ...named,
    follow: (): void => {
      const now = tile.value;
      const level = now?.battery;
      named.bed.value = now?.bed ?? "";
      named.label.value = now?.label ?? "";
      named.battery.value = level === null || level === undefined ? "" : `${Math.round(level)} %`;
      named.batteryStyle.value = (level ?? 100) < BATTERY_LOW ? "battery weak" : "battery";
    },
  };
}

export function Tile({ id }: { id: string }) {
  const found = useFollowed(() => model(id), [id]);
  return (
    <li class={found.style} id={`tile-${id}`} data-patient={id} data-alert={found.shows}>
      <a href={hrefPatient(id)} class="name">
        <b class="bed">{found.bed}</b> <span class="label">{found.label}</span>
      </a>
      <span class={found.batteryStyle} title="battery of the device">
        {found.battery}
      </span>
      <div class="signs">
        <Vital id={id} tile={found.tile} metric="heart_rate" />
        <Vital id={id} tile={found.tile} metric="glucose" />
      </div>
      <State lead={found.lead} out={found.out} />
    </li>
  );
}

function vitalModel(tile: ReadonlySignal<TileData | null>, metric: Metric) {
  const shown = {
    text: signal(""),
    style: signal("sign"),
    note: signal(""),
    age: signal(""),
    bars: signal(""),
    unit: signal(""),
    arrow: signal(""),
    arrowWords: signal(""),
    slope: signal(""),
    limits: signal(""),
  };
  const follow = (): void => {
    const vital = tile.value?.vitals[metric] ?? null;
    const unit = glucoseUnit.value;
    const { text, kind, note, age } = face(vital, metric, judged.value, unit);
    const fresh = kind === "fresh" || kind === "stale";
    const slope = vital?.slope;
    shown.text.value = text;
    shown.style.value = `sign ${kind}${/[A-Z]/.test(text) ? " words" : ""}`;
    shown.note.value = note;
    shown.age.value = age;
    shown.bars.value = kind === "fresh" ? "▮▮▮" : kind === "stale" ? "▮▯▯" : "▯▯▯";
    shown.unit.value = unitOf(metric, unit);
    shown.arrow.value = fresh ? (ARROWS[String(vital?.arrow)] ?? "") : "";
    shown.arrowWords.value = fresh ? (ARROW_WORDS[String(vital?.arrow)] ?? "") : "";
    shown.slope.value = fresh && slope !== null && slope !== undefined ? slopeDigits(metric, slope, unit) : "";
    shown.limits.value = limitsText(vital?.limits ?? null, metric, unit);
  };
  return { shown, follow };
}

/**
 * Keep signals in step by one effect. A computed per text would be told of every second by the clock, six thousand of
 * them on a ward of 200; a signal that is set to what it is tells nobody.
 */
function useFollowed<M extends { follow: () => void }>(make: () => M, inputs: readonly unknown[]): M {
  const found = useMemo(() => {
    const made = make();
    untracked(made.follow);
    return made;
  }, inputs);
  useLayoutEffect(() => effect(found.follow), [found]);
  return found;
}

function Vital({ id, tile, metric }: { id: string; tile: ReadonlySignal<TileData | null>; metric: Metric }) {
  const found = useFollowed(() => vitalModel(tile, metric), [tile, metric]).shown;
  return (
    <div class={found.style} data-metric={metric}>
      <span class="metric">
        <span class="limits">
          {METRIC_SHORT[metric]} {found.limits}
        </span>
        <span class="signal">
          <span class="bars" aria-hidden="true">
            {found.bars}
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
      <Spark patient={id} tile={tile} metric={metric} />
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
