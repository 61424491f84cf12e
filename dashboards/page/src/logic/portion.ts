/** A burst is drawn in portions: who needs somebody first is drawn first, as on the worklist. */
import { isListed, type Alert } from "./alerts";
import { rank } from "./order";

/** These patients by the most urgent of their listed alerts, else as they came; who has none comes last. */
export function firstNeeded(patients: Iterable<string>, alerts: Iterable<Alert>): string[] {
  const ranks = new Map<string, number>();
  for (const patient of patients) ranks.set(patient, Infinity);
  for (const alert of alerts) {
    const least = alert.patient === null ? undefined : ranks.get(alert.patient);
    if (alert.patient !== null && least !== undefined && isListed(alert)) ranks.set(alert.patient, Math.min(least, rank(alert)));
  }
  // Sorting keeps the order of equals. Infinity less itself is no number: equal ones are told apart first.
  return [...ranks].sort(([, a], [, b]) => (a === b ? 0 : a - b)).map(([patient]) => patient);
}
