/**
 * A series as columns for uPlot: envelope, last line, late line, with a hole wherever there was no data.
 *
 * uPlot breaks a line at null. So a gap puts one empty column between its ends, and nothing is ever drawn across it.
 */
import { SECOND } from "../../logic/times";
import { LATE, type Series } from "./series";

type Column = (number | null)[];

export interface PlotData {
  /** Seconds since 1970; ascending. */
  readonly x: number[];
  readonly max: Column;
  readonly min: Column;
  /** The last value of each bucket that came in time. */
  readonly last: Column;
  /** Late values and the steps that lead to and from them. */
  readonly late: Column;
  /** The index in the series of each column, -1 for the empty column in a gap. */
  readonly source: number[];
}

/** Columns of a series; `convert` turns canonical values into the unit on show. */
export function plotData(series: Series, convert: (value: number) => number): PlotData {
  const breaks = breaksAfter(series);
  const made: PlotData = { x: [], max: [], min: [], last: [], late: [], source: [] };
  for (let i = 0; i < series.t.length; i += 1) {
    const t = series.t[i] as number;
    push(made, t, i, series, convert);
    const next = series.t[i + 1];
    if (breaks.has(i) && next !== undefined) pushHole(made, (t + next) / 2);
  }
  markLate(made, series);
  return made;
}

/**
 * Indexes after which the line breaks. A gap that lies wholly inside one bucket cannot be shown at this resolution;
 * every other one can: it breaks the line after the last bucket that starts at or before the gap does.
 */
export function breaksAfter(series: Series): Set<number> {
  const found = new Set<number>();
  let i = 0;
  for (const [from, to] of series.gaps) {
    while (i + 1 < series.t.length && (series.t[i + 1] as number) <= from) i += 1;
    const at = series.t[i];
    const next = series.t[i + 1];
    if (at === undefined || next === undefined || at > from) continue;
    if (to >= Math.min(next, at + series.bucket_us)) found.add(i);
  }
  return found;
}

function push(made: PlotData, t: number, i: number, series: Series, convert: (value: number) => number): void {
  const shown = (value: number | null | undefined): number | null =>
    value === null || value === undefined ? null : convert(value);
  made.x.push(t / SECOND);
  made.max.push(shown(series.max[i]));
  made.min.push(shown(series.min[i]));
  made.last.push(shown(series.last[i]));
  made.late.push(null);
  made.source.push(i);
}

function pushHole(made: PlotData, t: number): void {
  made.x.push(t / SECOND);
  for (const column of [made.max, made.min, made.last, made.late]) column.push(null);
  made.source.push(-1);
}

/** Moves late values to the late line, with their neighbours, so that the step to a late value is a late step. */
function markLate(made: PlotData, series: Series): void {
  const values = made.last.slice();
  const isLate = made.source.map((i) => i >= 0 && ((series.flags[i] ?? 0) & LATE) !== 0);
  for (let c = 0; c < isLate.length; c += 1) {
    if (!isLate[c]) continue;
    made.late[c] = values[c] ?? null;
    for (const near of [c - 1, c + 1]) {
      if (near >= 0 && near < values.length) made.late[near] = values[near] ?? null;
    }
    made.last[c] = null;
  }
}

/** Columns with a value between two empty ones: a line cannot show them, so they become dots. */
export function alone(column: Column): number[] {
  const found: number[] = [];
  for (let c = 0; c < column.length; c += 1) {
    if (column[c] === null) continue;
    if ((column[c - 1] ?? null) === null && (column[c + 1] ?? null) === null) found.push(c);
  }
  return found;
}
