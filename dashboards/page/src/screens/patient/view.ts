/** Which span of time a chart shows: a range and its end. `end` null follows now. Pure: now is an argument. */
import { DAY, HOUR } from "../../logic/times";

export interface Range {
  readonly us: number;
  readonly short: string;
  readonly words: string;
}

export const RANGES: readonly Range[] = [
  { us: HOUR, short: "1 h", words: "1 hour" },
  { us: 3 * HOUR, short: "3 h", words: "3 hours" },
  { us: 6 * HOUR, short: "6 h", words: "6 hours" },
  { us: 12 * HOUR, short: "12 h", words: "12 hours" },
  { us: 24 * HOUR, short: "24 h", words: "24 hours" },
  { us: 3 * DAY, short: "3 d", words: "3 days" },
  { us: 7 * DAY, short: "7 d", words: "7 days" },
  { us: 14 * DAY, short: "14 d", words: "14 days" },
];

export interface View {
  readonly range: number;
  readonly end: number | null;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Room after now on a chart that follows, as a part of its range, so that the newest value is not at the edge. */
const AHEAD = 0.02;

export const FIRST_VIEW: View = { range: 6 * HOUR, end: null };

/** The view of a link to a moment: three hours around it. */
export function around(at: number, now: number): View {
  return settled({ range: 3 * HOUR, end: at + 1.5 * HOUR }, now);
}

export function spanOf(view: View, now: number): Span {
  const to = view.end ?? now + view.range * AHEAD;
  return { from: to - view.range, to };
}

export function ranged(view: View, range: number, now: number): View {
  if (view.end === null) return { range, end: null };
  const middle = view.end - view.range / 2;
  return settled({ range, end: middle + range / 2 }, now);
}

/** The next shorter (-1) or longer (+1) range, about the same middle. */
export function zoomed(view: View, step: -1 | 1, now: number): View {
  const at = RANGES.findIndex((range) => range.us >= view.range);
  const next = RANGES[Math.min(RANGES.length - 1, Math.max(0, (at < 0 ? RANGES.length - 1 : at) + step))];
  return next === undefined ? view : ranged(view, next.us, now);
}

/** Moved by a part of its range: -0.25 goes back a quarter. Whoever moves past now follows again. */
export function panned(view: View, part: number, now: number): View {
  const end = view.end ?? now;
  return settled({ range: view.range, end: end + part * view.range }, now);
}

function settled(view: View, now: number): View {
  return view.end !== null && view.end >= now ? { range: view.range, end: null } : view;
}

/** How many points to ask for: about one a pixel, as the API allows. */
export function pointsFor(width: number): number {
  return Math.min(2000, Math.max(200, Math.round(width)));
}

/** How often a chart that follows asks again: its buckets move on. In µs. */
export function refreshUs(range: number): number {
  return Math.max(60_000_000, range / 100);
}

/** Words for the span on show. */
export function rangeWords(range: number): string {
  return RANGES.find((each) => each.us === range)?.words ?? `${Math.round(range / HOUR)} hours`;
}
