/** Numbers as they are shown: one constant, converted once; glucose in the station's unit. */
import type { GlucoseUnit } from "../../state/prefs";

/** mg/dL in one mmol/L (DOMAIN, *Glucose*). */
export const MGDL_PER_MMOL = 18.0182;

export interface Shown {
  readonly unit: string;
  readonly convert: (canonical: number) => number;
  /** A canonical value as text, without its unit. */
  readonly number: (canonical: number) => string;
  /** A value already in this unit as text. */
  readonly text: (value: number) => string;
}

const whole = (value: number): string => String(Math.floor(value + 0.5));
const tenth = (value: number): string => (Math.floor(value * 10 + 0.5) / 10).toFixed(1);

const HEART_RATE: Shown = { unit: "/min", convert: (value) => value, number: whole, text: whole };
const MGDL: Shown = { unit: "mg/dL", convert: (value) => value, number: whole, text: whole };
const MMOL: Shown = {
  unit: "mmol/L", convert: (value) => value / MGDL_PER_MMOL, number: (value) => tenth(value / MGDL_PER_MMOL), text: tenth,
};

export function shownIn(metric: string | null, unit: GlucoseUnit): Shown {
  if (metric !== "glucose") return HEART_RATE;
  return unit === "mmol/L" ? MMOL : MGDL;
}
