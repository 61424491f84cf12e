/** Target band, limit lines and the vertical range of a chart, from the limits in force. Values are canonical. */
import type { Limits, Metric } from "./series";

export type Severity = "high" | "medium" | "low";

export interface LimitLine {
  readonly value: number;
  /** Which side of the line calls: a value below it, or above it. */
  readonly side: "below" | "above";
  readonly severity: Severity;
  readonly words: string;
}

interface Named {
  readonly name: string;
  readonly side: "below" | "above";
  readonly severity: Severity;
  readonly words: string;
}

const GLUCOSE: readonly Named[] = [
  { name: "low2", side: "below", severity: "high", words: "very low" },
  { name: "low1", side: "below", severity: "medium", words: "low" },
  { name: "high1", side: "above", severity: "low", words: "high" },
  { name: "high2", side: "above", severity: "medium", words: "very high" },
];
const HEART_RATE: readonly Named[] = [
  { name: "extreme_low", side: "below", severity: "medium", words: "extreme" },
  { name: "low", side: "below", severity: "medium", words: "low" },
  { name: "high", side: "above", severity: "medium", words: "high" },
  { name: "extreme_high", side: "above", severity: "medium", words: "extreme" },
];

/** The scale that a chart has at least, so that two patients' charts compare at a glance. */
const USUAL: Record<Metric, readonly [number, number]> = { glucose: [40, 300], heart_rate: [20, 160] };

export function limitLines(metric: Metric, limits: Limits | null): LimitLine[] {
  if (limits === null || ("applies" in limits && !limits.applies)) return [];
  const held: Readonly<Record<string, unknown>> = { ...limits };
  const named = metric === "glucose" ? GLUCOSE : HEART_RATE;
  return named.flatMap(({ name, ...rest }) => {
    const value = held[name];
    return typeof value === "number" ? [{ value, ...rest }] : [];
  });
}

export function targetBand(limits: Limits | null): readonly [number, number] | null {
  return limits !== null && "target" in limits ? limits.target : null;
}

/** The vertical range: at least the usual one, widened to the data by a little. Never cuts an extreme off. */
export function valueRange(metric: Metric, min: number | null, max: number | null): [number, number] {
  const [bottom, top] = USUAL[metric];
  const low = min === null || min >= bottom ? bottom : Math.floor(min / 10) * 10;
  const high = max === null || max <= top ? top : Math.ceil((max + 1) / 20) * 20;
  return [low, high];
}

/** The least and greatest of two columns, null where they hold nothing. */
export function extremes(min: readonly (number | null)[], max: readonly (number | null)[]): [number | null, number | null] {
  let low: number | null = null;
  let high: number | null = null;
  for (const value of min) if (value !== null && (low === null || value < low)) low = value;
  for (const value of max) if (value !== null && (high === null || value > high)) high = value;
  return [low, high];
}
