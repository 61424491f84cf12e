/**
 * Steps under the heart rate: one bar for each five minutes or so, the most steps a minute in it. Times µs UTC.
 *
 * A bar of no step is still a line: somebody was counted and did not walk. Where nobody was counted there is nothing.
 */
import { DAY, HOUR, MINUTE } from "../../logic/times";
import type { Series } from "./series";
import type { Span } from "./view";

export interface Bar {
  /** Where it begins. */
  readonly from: number;
  /** Steps a minute: the most of the readings in it. */
  readonly most: number;
}

/** Said where they could not be had: of who is not counted nothing is said. */
export const STEPS_UNKNOWN = "Steps: not known now.";
const WIDTHS: readonly number[] = [MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY];
const BARS_MAX = 170;
/** The scale's top at least, so that two charts compare at a glance: a slow walk, for who lies most of the day. */
const USUAL = 60;
/** The least of the strip's height, of 100, that a bar takes. */
const LINE = 6;
/** The least part of the span in which "no data" is written: as much as the words need. */
const HOLE_LEAST = 0.08;

/** How wide a bar is over a range of time. */
export function barWidth(range: number): number {
  return WIDTHS.find((width) => range / width <= BARS_MAX) ?? DAY;
}

/** How many points to ask the server for, so that its buckets are not wider than bars. */
export function barPoints(span: Span, range: number): number {
  return Math.max(10, Math.ceil((span.to - span.from) / barWidth(range)));
}

/** A series as bars that begin at whole multiples of their width. */
export function bars(series: Series, width: number): Bar[] {
  const found: Bar[] = [];
  series.t.forEach((t, i) => {
    const most = series.max[i] ?? null;
    if (most === null) return;
    const from = Math.floor(t / width) * width;
    const last = found[found.length - 1];
    if (last?.from !== from) found.push({ from, most });
    else if (most > last.most) found[found.length - 1] = { from, most };
  });
  return found;
}

/** Stretches of a span, up to `until`, without a bar: who lies still has bars of no step, and there they have none. */
export function holes(shown: readonly Bar[], width: number, span: Span, until: number): Span[] {
  const end = Math.min(span.to, until);
  const begins = [span.from, ...shown.map((bar) => bar.from + width)];
  const ends = [...shown.map((bar) => bar.from), end];
  const least = (span.to - span.from) * HOLE_LEAST;
  return begins.map((from, i) => ({ from: Math.max(from, span.from), to: Math.min(ends[i] as number, end) })).filter(({ from, to }) => to - from >= least);
}

/** The top of the scale: the usual one, or more where somebody ran. */
export function scaleOf(shown: readonly Bar[]): number {
  return shown.reduce((top, bar) => Math.max(top, Math.ceil(bar.most / 20) * 20), USUAL);
}

/** The bars as an SVG path over a span, 1000 wide and 100 high. */
export function barsPath(shown: readonly Bar[], width: number, span: Span): string {
  const [top, unit] = [scaleOf(shown), 1000 / (span.to - span.from)];
  const room = width * unit * 0.15;
  return shown.map(({ from, most }) => {
    const [x0, x1] = [Math.max(0, (from - span.from) * unit), Math.min(1000, (from + width - span.from) * unit - room)];
    if (x1 <= x0) return "";
    const height = Math.max(LINE, (100 * most) / top);
    return `M${x0.toFixed(2)} 100V${(100 - height).toFixed(1)}H${x1.toFixed(2)}V100Z`;
  }).join("");
}

/** The bar that holds a time. */
export function barAt(shown: readonly Bar[], width: number, at: number): Bar | null {
  return shown.find((bar) => bar.from <= at && at < bar.from + width) ?? null;
}

export function widthWords(width: number): string {
  return width < HOUR ? `${width / MINUTE} min` : width < DAY ? `${width / HOUR} h` : "day";
}

/** The bars in one sentence, for who cannot see them; nothing where there are none. */
export function stepsWords(shown: readonly Bar[], width: number, time: (at: number) => string): string {
  const last = shown[shown.length - 1];
  if (last === undefined) return "";
  const still = shown.filter((bar) => bar.most === 0).length;
  const most = shown.reduce((found, bar) => (bar.most > found.most ? bar : found));
  const peak = most.most === 0 ? "none" : `at most ${Math.round(most.most)} a minute, at ${time(most.from)}`;
  const rest = still === shown.length ? "" : `; no step in ${still} of ${shown.length} times of ${widthWords(width)}`;
  return `Steps: ${peak}${rest}; counted last ${time(last.from)}.`;
}
