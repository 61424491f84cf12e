/** The readings behind an alert, the last readings of a chart, and a chart in one sentence. Times µs UTC. */
import { MINUTE } from "../../logic/times";
import { CENSORED_HIGH, CENSORED_LOW, CLOCK_SUSPECT, INVALID, LATE, WARM_UP, type Series } from "./series";

export interface Row {
  readonly t: number;
  readonly value: number | null;
  readonly flags: number;
  /** Of the alert's limit: beyond it, or not; null without a value or limit. */
  readonly beyond: boolean | null;
  /** The first reading of the run beyond the limit. */
  readonly crossing: boolean;
}

export interface Cause {
  readonly since: number;
  readonly at: number;
  readonly limit: number | null;
  readonly side: "low" | "high";
  /** Whether a value equal to the limit calls too. */
  readonly inclusive: boolean;
}

/** Where to ask for the readings around the crossing of an alert; the last one lies within, for ``to`` is excluded. */
export function aroundCrossing(cause: Cause, interval: number | null): { from: number; to: number } {
  const step = Math.max(interval ?? MINUTE, 5_000_000);
  return { from: cause.since - Math.min(6 * step, 60 * MINUTE), to: Math.max(cause.at, cause.since + 6 * step) + step };
}

/** The raw readings of a series as rows, with the crossing marked. */
export function rowsOf(series: Series, cause: Cause): Row[] {
  let crossed = false;
  return series.t.map((t, i) => {
    const value = series.last[i] ?? null;
    const beyond = value === null || cause.limit === null ? null : isBeyond(value, cause);
    const crossing = !crossed && beyond === true && t >= cause.since;
    crossed ||= crossing;
    return { t, value, flags: series.flags[i] ?? 0, beyond, crossing };
  });
}

function isBeyond(value: number, cause: Cause): boolean {
  const limit = cause.limit as number;
  if (cause.inclusive && value === limit) return true;
  return cause.side === "low" ? value < limit : value > limit;
}

/** At most `most` rows: those around the crossing and the newest. */
export function nearest(rows: readonly Row[], most: number): Row[] {
  if (rows.length <= most) return rows.slice();
  const at = Math.max(0, rows.findIndex((row) => row.crossing));
  const start = Math.min(Math.max(0, at - Math.floor(most / 3)), rows.length - most);
  return rows.slice(start, start + most);
}

/** What is special about a reading, in words. */
export function flagWords(flags: number): string {
  const words = [
    (flags & CENSORED_LOW) !== 0 ? "LOW: below the sensor's range" : "",
    (flags & CENSORED_HIGH) !== 0 ? "HIGH: above the sensor's range" : "",
    (flags & INVALID) !== 0 ? "invalid" : "",
    (flags & LATE) !== 0 ? "came late" : "",
    (flags & CLOCK_SUSPECT) !== 0 ? "clock suspect" : "",
    (flags & WARM_UP) !== 0 ? "warm-up" : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}

export interface Summary {
  readonly readings: number;
  readonly last: { readonly t: number; readonly value: number } | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly gaps: number;
  readonly flags: number;
}

export function summary(series: Series): Summary {
  let found: Summary = { readings: 0, last: null, min: null, max: null, gaps: series.gaps.length, flags: 0 };
  for (let i = 0; i < series.t.length; i += 1) {
    const [low, high, last] = [series.min[i] ?? null, series.max[i] ?? null, series.last[i] ?? null];
    found = {
      ...found,
      readings: found.readings + (series.n[i] ?? 0),
      min: low === null ? found.min : Math.min(found.min ?? low, low),
      max: high === null ? found.max : Math.max(found.max ?? high, high),
      last: last === null ? found.last : { t: series.t[i] as number, value: last },
      flags: found.flags | (series.flags[i] ?? 0),
    };
  }
  return found;
}

/** What the page holds of a span that it does not know, in one sentence: no count, and nothing about gaps. */
export function heldWords(name: string, series: Series, number: (value: number) => string, unit: string,
                          time: (at: number) => string): string {
  const told = summary(series);
  if (told.last === null || told.min === null || told.max === null) return `${name}: what was measured in this span is not known.`;
  return `${name}: this page remembers values between ${number(told.min)} and ${number(told.max)} ${unit}, last ${number(told.last.value)} at `
    + `${time(told.last.t)}; what else was measured, and whether there are gaps, is not known.`;
}

/** The chart in one sentence, for who cannot see it. */
export function summaryWords(name: string, series: Series, number: (value: number) => string, unit: string,
                             time: (at: number) => string): string {
  const told = summary(series);
  if (told.last === null || told.min === null || told.max === null) return `${name}: no readings in this span.`;
  const gaps = told.gaps === 0 ? "no gaps" : `${told.gaps} ${told.gaps === 1 ? "gap" : "gaps"} without data`;
  const special = flagWords(told.flags & ~CLOCK_SUSPECT);
  return `${name}: between ${number(told.min)} and ${number(told.max)} ${unit}, last ${number(told.last.value)} at `
    + `${time(told.last.t)}; ${told.readings} readings, ${gaps}${special === "" ? "" : `; some readings: ${special}`}.`;
}

/** The newest rows of a series, newest first. */
export function newest(series: Series, most: number): Row[] {
  const rows: Row[] = [];
  for (let i = series.t.length - 1; i >= 0 && rows.length < most; i -= 1) {
    rows.push({ t: series.t[i] as number, value: series.last[i] ?? null, flags: series.flags[i] ?? 0, beyond: null, crossing: false });
  }
  return rows;
}
