/** Receipts: which announcements this screen has and has not said so yet. */
import { isListed, type Alert } from "./alerts";

export const BATCH_MAX = 200;

/**
 * Batches of (alert, announcements) to tell the gateway; ``receipted`` is brought up to date. ``here`` tells what is on
 * this screen: of anything else nobody may believe that somebody has seen it.
 */
export function receipts(alerts: Iterable<Alert>, receipted: Map<string, number>, here: (alert: Alert) => boolean): [string, number][][] {
  const due: [string, number][] = [];
  for (const alert of alerts) {
    if (!isListed(alert) || alert.response !== "unacknowledged") continue;
    if (Math.max(receipted.get(alert.id) ?? 0, alert.delivered) >= alert.announcements) continue;
    if (!here(alert)) continue;
    receipted.set(alert.id, alert.announcements);
    due.push([alert.id, alert.announcements]);
  }
  const batches: [string, number][][] = [];
  for (let start = 0; start < due.length; start += BATCH_MAX) batches.push(due.slice(start, start + BATCH_MAX));
  return batches;
}
