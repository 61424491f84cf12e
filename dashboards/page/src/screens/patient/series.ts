/**
 * One metric of one patient as `/api/patients/{id}/series` answers it, and how live values join it.
 *
 * Arrays have one length, one entry per bucket that holds readings; times are µs UTC, values canonical (mg/dL, /min).
 * A bucket without a valid reading has null values: "no data" is never a number here.
 */
import { MINUTE, SECOND } from "../../logic/times";
import type { Limits, Metric } from "../../logic/live";

export type { Limits, Metric };
export const METRICS: readonly Metric[] = ["heart_rate", "glucose"];

/** Bits of `flags`, as the API sets them. */
export const LATE = 1;
export const CENSORED_LOW = 2;
export const CENSORED_HIGH = 4;
export const INVALID = 8;
export const CLOCK_SUSPECT = 16;
export const WARM_UP = 32;

/** What has a series on the chart: the two that have rules, and steps. */
export type Drawn = Metric | "steps";

export interface Series {
  readonly metric: Drawn;
  readonly unit: string;
  readonly from: number;
  readonly to: number;
  readonly interval_us: number | null;
  readonly bucket_us: number;
  readonly raw: boolean;
  readonly t: readonly number[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
  readonly last: readonly (number | null)[];
  readonly n: readonly number[];
  readonly flags: readonly number[];
  readonly gaps: readonly (readonly [number, number])[];
  /** What held then: each from its time on to the next. */
  readonly limits: readonly (readonly [number, Limits])[];
  /** The page's own memory, one value in five minutes: what lies between them is not known. */
  readonly remembered?: true;
}

/** A value as the tiles socket tells it, reduced to what a chart needs. */
export interface LivePoint {
  readonly t: number;
  readonly value: number | null;
  readonly flags: number;
}

/** What a chart reads of a tile's vital. */
export interface LiveVital {
  readonly value: number | null;
  readonly at: number | null;
  readonly received_at: number | null;
  readonly state: string;
  readonly interval_us?: number | null;
}

export function isMetric(name: string | null | undefined): name is Metric {
  return name === "heart_rate" || name === "glucose";
}

/** The longest step between two readings that is not a gap: RULES for glucose, "unknown after 60 s" for heart rate. */
export function gapUs(metric: Drawn, interval: number | null): number {
  return Math.max(metric === "glucose" ? 11 * MINUTE : MINUTE, 2.2 * (interval ?? 0));
}

export function emptySeries(metric: Drawn, from: number, to: number): Series {
  return {
    metric, unit: { glucose: "mg/dL", heart_rate: "/min", steps: "{steps}/min" }[metric], from, to, interval_us: null, bucket_us: 0, raw: true,
    t: [], min: [], max: [], last: [], n: [], flags: [], gaps: [], limits: [],
  };
}

/** The series with one newer live value; the same series where the value is not newer than what it holds. */
export function withLive(series: Series, point: LivePoint): Series {
  const end = series.t.length - 1;
  const newest = series.t[end];
  if (newest !== undefined && point.t <= newest) return series;
  const joins = newest !== undefined && !series.raw && point.t < newest + series.bucket_us;
  return joins ? merged(series, end, point) : appended(series, point);
}

function merged(series: Series, at: number, point: LivePoint): Series {
  const { value } = point;
  return {
    ...series,
    to: Math.max(series.to, point.t),
    min: put(series.min, at, least(series.min[at], value)),
    max: put(series.max, at, greatest(series.max[at], value)),
    last: put(series.last, at, value ?? series.last[at] ?? null),
    n: put(series.n, at, (series.n[at] ?? 0) + 1),
    flags: put(series.flags, at, (series.flags[at] ?? 0) | point.flags),
  };
}

function appended(series: Series, point: LivePoint): Series {
  const newest = series.t[series.t.length - 1];
  const gap = newest !== undefined && point.t - newest > gapUs(series.metric, series.interval_us) + series.bucket_us;
  return {
    ...series,
    to: Math.max(series.to, point.t),
    t: [...series.t, point.t],
    min: [...series.min, point.value],
    max: [...series.max, point.value],
    last: [...series.last, point.value],
    n: [...series.n, 1],
    flags: [...series.flags, point.flags],
    gaps: gap ? [...closed(series, point.t), [newest, point.t] as const] : closed(series, point.t),
  };
}

/** The gaps without one that was still open: a reading at `t` ends it. */
function closed(series: Series, t: number): readonly (readonly [number, number])[] {
  const open = series.gaps[series.gaps.length - 1];
  if (open === undefined || open[1] < series.to) return series.gaps;
  const newest = series.t[series.t.length - 1] ?? Number.NEGATIVE_INFINITY;
  const rest = series.gaps.slice(0, -1);
  return open[0] >= newest ? rest : [...rest, [open[0], t] as const];
}

function put<T>(list: readonly T[], at: number, value: T): T[] {
  const copy = list.slice();
  copy[at] = value;
  return copy;
}

function least(a: number | null | undefined, b: number | null): number | null {
  if (a === null || a === undefined) return b;
  return b === null ? a : Math.min(a, b);
}

function greatest(a: number | null | undefined, b: number | null): number | null {
  if (a === null || a === undefined) return b;
  return b === null ? a : Math.max(a, b);
}

/** What a live value's state means for a chart: its flags, and whether its number may be drawn. */
export function livePoint(vital: LiveVital, lateUs: number): LivePoint | null {
  const { at: t, value } = vital;
  if (t === null) return null;
  const late = (vital.received_at ?? t) - t > lateUs ? LATE : 0;
  switch (vital.state) {
    case "ok": return { t, value, flags: late };
    case "low": return { t, value, flags: late | CENSORED_LOW };
    case "high": return { t, value, flags: late | CENSORED_HIGH };
    case "invalid":
    case "contact_lost": return { t, value: null, flags: late | INVALID };
    case "warm_up": return { t, value: null, flags: late | WARM_UP };
    default: return null;
  }
}

/** How old a reading may be when it arrives and still be fresh (RULES, *Fresh*). */
export function freshUs(metric: Metric, interval: number | null): number {
  return metric === "glucose" ? Math.max(10 * MINUTE, 1.2 * (interval ?? 0)) : 30 * SECOND;
}

/** What the page remembers of the last hours while the database is away: the tile's sparkline as a series. */
export function fromSpark(metric: Metric, points: readonly (readonly [number, number])[], from: number, to: number): Series {
  const bucket = 5 * MINUTE;
  const t = points.map(([at]) => at);
  const values = points.map(([, value]) => value);
  const gaps = t.slice(1).flatMap((at, i) => {
    const before = t[i] as number;
    return at - before > gapUs(metric, null) + bucket ? [[before, at] as const] : [];
  });
  return {
    ...emptySeries(metric, from, to), raw: false, bucket_us: bucket, t, min: values, max: values, last: values,
    n: t.map(() => 1), flags: t.map(() => 0), gaps, remembered: true,
  };
}

/** The index of the reading nearest to a time, at most `reach` µs away; -1 where there is none. */
export function nearestIndex(series: Series, at: number, reach: number): number {
  let low = 0;
  let high = series.t.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((series.t[middle] as number) < at) low = middle + 1;
    else high = middle;
  }
  let found = -1;
  for (const i of [low - 1, low]) {
    const away = Math.abs((series.t[i] ?? Number.POSITIVE_INFINITY) - at);
    if (away <= reach && (found < 0 || away < Math.abs((series.t[found] as number) - at))) found = i;
  }
  return found;
}
