/** Target band, limit lines and the vertical range of a chart, from the limits in force. Values are canonical. */
import type { Limits, Metric } from "./series";

export type Severity = "high" | "medium" | "low";

export interface LimitLine {
  readonly value: number;
  /** When it began to hold, and when it ended, µs UTC; null: it still holds. */
  readonly from: number;
  readonly to: number | null;
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

/** The limits that held then, as stretches; one that goes on unchanged is one stretch. */
export function limitLines(metric: Metric, steps: readonly (readonly [number, Limits])[]): LimitLine[] {
  const found: LimitLine[] = [];
  for (const { name, ...rest } of metric === "glucose" ? GLUCOSE : HEART_RATE) {
    let open: LimitLine | null = null;
    for (const [from, limits] of steps) {
      const value = heldIn(limits, name);
      if (open !== null && open.value === value) continue;
      if (open !== null) found.push({ ...open, to: from });
      open = value === null ? null : { value, from, to: null, ...rest };
    }
    if (open !== null) found.push(open);
  }
  return found;
}

function heldIn(limits: Limits, name: string): number | null {
  if ("applies" in limits && !limits.applies) return null;
  const value = (limits as unknown as Readonly<Record<string, unknown>>)[name];
  return typeof value === "number" ? value : null;
}

export function targetBand(steps: readonly (readonly [number, Limits])[]): readonly [number, number] | null {
  const limits = steps[steps.length - 1]?.[1];
  return limits !== undefined && "target" in limits ? limits.target : null;
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
