/** What a tile shows of one vital sign. No clock: ``now`` is an argument. Times µs UTC, values canonical. */
import type { GlucoseLimits, HeartRateLimits, Limits, Metric, Point, Vital } from "./live";
import { age, hhmm, MINUTE, SECOND, span } from "./times";
import { digits } from "./units";

export interface Face {
  /** Digits, LOW, HIGH, or dashes. */
  text: string;
  /** Fresh; older than it should be but still shown; not known now; nothing yet. */
  kind: "fresh" | "stale" | "unknown" | "waiting" | "none";
  /** Beside the dashes or the hatching: why, and what was known last. */
  note: string;
  age: string;
}
const DASHES = "--";
const LATE_LEAST: Readonly<Record<Metric, number>> = { heart_rate: 15 * SECOND, glucose: 3 * MINUTE };
const FRESH: Readonly<Record<Metric, number>> = { heart_rate: 15 * SECOND, glucose: MINUTE };
const WHY: Readonly<Partial<Record<Vital["state"], string>>> = {
  invalid: "sensor error",
  warm_up: "warming up",
  contact_lost: "no contact",
  removed: "device removed",
};

/** How old it is: by the clock that stamped it and by when it came, the older of the two counts. */
export function ageOf(vital: Vital, now: number): number | null {
  if (vital.at === null) return null;
  const came = vital.received_at ?? vital.at;
  // Replayed data may carry the real time at which it came; a day apart says that it is another clock.
  const from = Math.abs(now - came) > 24 * 60 * MINUTE ? vital.at : Math.min(vital.at, came);
  return Math.max(0, now - from);
}

export function face(vital: Vital | null, metric: Metric, now: number, unit: "mg/dL" | "mmol/L"): Face {
  if (!vital) return { text: DASHES, kind: "none", note: "no device", age: "" };
  if (vital.state === "waiting") return { text: DASHES, kind: "waiting", note: "waiting for the first reading", age: "" };
  const old = ageOf(vital, now);
  const late = Math.max(LATE_LEAST[metric], 1.5 * vital.interval_us);
  const why = WHY[vital.state];
  if (why !== undefined || vital.value === null || vital.at === null || old === null) {
    return { text: DASHES, kind: "unknown", note: [why, last(vital, metric, unit)].filter(Boolean).join(", "), age: old === null ? "" : age(old, FRESH[metric]) };
  }
  if (old >= vital.stale_after_us) {
    const was = vital.state === "low" ? "LOW" : vital.state === "high" ? "HIGH" : digits(metric, vital.value, unit);
    return { text: DASHES, kind: "unknown", note: `last ${was} at ${hhmm(vital.at)}`, age: span(old) };
  }
  const text = vital.state === "low" ? "LOW" : vital.state === "high" ? "HIGH" : digits(metric, vital.value, unit);
  if (old >= late) return { text, kind: "stale", note: `${age(old, 0)} old`, age: age(old, 0) };
  return { text, kind: "fresh", note: "", age: age(old, FRESH[metric]) };
}

function last(vital: Vital, metric: Metric, unit: "mg/dL" | "mmol/L"): string {
  return vital.last_good ? `last ${digits(metric, vital.last_good.value, unit)} at ${hhmm(vital.last_good.at)}` : "";
}

/** ``70–250``, ``40–130``; words where the rule does not hold for this device. */
export function limitsText(limits: Limits | null, metric: Metric, unit: "mg/dL" | "mmol/L"): string {
  if (!limits) return "";
  if ("applies" in limits && !limits.applies) return "no limit: too few readings";
  const [low, high] = bounds(limits);
  if (low === null && high === null) return "no limit";
  const side = (value: number | null): string => (value === null ? "" : digits(metric, value, unit));
  return `${side(low)}–${side(high)}`;
}

function bounds(limits: GlucoseLimits | HeartRateLimits): [number | null, number | null] {
  return "applies" in limits ? [limits.low, limits.high] : [limits.low1, limits.high1];
}

/** The scale that a sparkline has at least, so that two tiles compare at a glance. */
const USUAL: Readonly<Record<Metric, Scale>> = { glucose: [40, 300], heart_rate: [40, 150] };
type Scale = readonly [low: number, high: number];
export const SPARK_WIDTH = 120;
export const SPARK_HEIGHT = 30;

/** The usual scale, widened to the points: a flat top would say that a value stands still. */
export function scaleOf(points: readonly Point[], metric: Metric): Scale {
  const values = points.map(([, value]) => value);
  const [low, high] = USUAL[metric];
  return [Math.min(low, ...values), Math.max(high, ...values)];
}

/** Where a value stands, px from the top of the sparkline. */
export function height(value: number, [low, high]: Scale): number {
  const part = (Math.min(high, Math.max(low, value)) - low) / (high - low);
  return Math.round((1 - part) * (SPARK_HEIGHT - 2) * 10) / 10 + 1;
}

/** The limits as a band: its top and height, null where there are none. */
export function band(limits: Limits | null, scale: Scale): { y: number; height: number } | null {
  if (!limits) return null;
  const [low, high] = bounds(limits);
  if (low === null || high === null) return null;
  const y = height(high, scale);
  return { y, height: height(low, scale) - y };
}

/** An SVG path through the points of the last ``hours``; gaps of more than 16 min stay empty. */
export function path(points: readonly Point[], metric: Metric, now: number, hours: number): string {
  const from = now - hours * 60 * MINUTE;
  const scale = scaleOf(points, metric);
  const parts: string[] = [];
  let before: number | null = null;
  for (const [at, value] of points) {
    if (at < from || at > now) continue;
    const x = Math.round(((at - from) / (now - from)) * SPARK_WIDTH * 10) / 10;
    const y = height(value, scale);
    // A point alone is drawn as a dot: a line of no length with round ends.
    parts.push(before !== null && at - before <= 16 * MINUTE ? `L${x} ${y}` : `M${x} ${y}h0`);
    before = at;
  }
  return parts.join("");
}
