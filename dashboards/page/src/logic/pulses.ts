/** The sound of a priority (IEC 60601-1-8): how many pulses, how often, and when one is due. */
import { isCalling, PRIORITIES, type Alert, type Priority } from "./alerts";

export interface Pattern {
  /** Onsets of the pulses, s from the start of the burst. */
  onsets: readonly number[];
  /** Length of a pulse, s. */
  pulse: number;
  hertz: number;
  /** ms from burst to burst; null sounds once. */
  everyMs: number | null;
}
// High: x-x-x--x-x, a gap, and again; medium: x--x--x; low: one soft one.
const FIVE = [0, 0.25, 0.5, 0.9, 1.15];
export const PATTERNS: Readonly<Record<Priority, Pattern>> = {
  high: { onsets: [...FIVE, ...FIVE.map((at) => at + 1.9)], pulse: 0.14, hertz: 880, everyMs: 10_000 },
  medium: { onsets: [0, 0.4, 0.8], pulse: 0.2, hertz: 660, everyMs: 25_000 },
  low: { onsets: [0], pulse: 0.25, hertz: 440, everyMs: null },
};
export const TECHNICAL: Pattern = { onsets: [0, 0.3], pulse: 0.25, hertz: 330, everyMs: 10_000 };
export const PAUSE_MS_MAX = 120_000;
export const SPEED_MAX = 10;

/** The priority that sounds for these alerts; null is silence. */
export function calling(alerts: Iterable<Alert>): Priority | null {
  const found = new Set<Priority>();
  for (const alert of alerts) if (isCalling(alert)) found.add(alert.priority);
  return PRIORITIES.find((priority) => found.has(priority)) ?? null;
}

/** Whether a burst of the priority is due, ``sinceMs`` after its last one (null: never). */
export function due(priority: Priority, sinceMs: number | null): boolean {
  const every = PATTERNS[priority].everyMs;
  return sinceMs === null ? every !== null : every !== null && sinceMs >= every;
}
