/** Reasons and times that are offered; any other text may be written. */
import type { Alert } from "./alerts";

export const ACKNOWLEDGE: readonly string[] = ["at the bedside", "known, being treated", "expected", "calling the doctor"];
export const SHELVE: readonly string[] = ["treatment takes time", "sensor pressed while asleep", "procedure or wash", "device fault reported"];
export const OUT: readonly string[] = ["off the ward", "examination", "sensor is being changed", "discharge"];
export const OUT_MINUTES: readonly number[] = [15, 30, 60, 120, 240, 720];
export const TREATED_MINUTES: readonly number[] = [10, 15, 30, 60];

/** A high one at most 15 min, others at most 4 h. */
export function shelfMinutes(alert: Alert): readonly number[] {
  return alert.priority === "high" ? [5, 10, 15] : [15, 30, 60, 120, 240];
}
