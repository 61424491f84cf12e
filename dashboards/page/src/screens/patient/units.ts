/** Numbers as they are shown: heart rate as it came, glucose in the station's unit. */
import { MGDL_PER_MMOLL, digits, unitOf } from "../../logic/units";
import type { GlucoseUnit } from "../../state/prefs";

export interface Shown {
  readonly unit: string;
  readonly convert: (canonical: number) => number;
  /** A canonical value as text, without its unit. */
  readonly number: (canonical: number) => string;
  /** A value already in this unit as text. */
  readonly text: (value: number) => string;
}

export function shownIn(metric: string | null, unit: GlucoseUnit): Shown {
  const factor = metric === "glucose" && unit === "mmol/L" ? MGDL_PER_MMOLL : 1;
  return {
    unit: unitOf(metric, unit),
    convert: (canonical) => canonical / factor,
    number: (canonical) => digits(metric, canonical, unit),
    text: (value) => digits(metric, value * factor, unit),
  };
}
