/** Receipts: which announcements this screen has and has not said so yet. */
import { isListed, type Alert } from "./alerts";

export const BATCH_MAX = 200;

/**
 * Batches of (alert, announcements) to tell the gateway; ``receipted`` is brought up to date. An alert of another
 * site than the chosen one is not on this screen, and nobody may believe that it is.
 */
export function receipts(alerts: Iterable<Alert>, receipted: Map<string, number>, site: number | null): [string, number][][] {
  const due: [string, number][] = [];
  for (const alert of alerts) {
    if (!isListed(alert) || alert.response !== "unacknowledged") continue;
    if (site !== null && alert.site !== site) continue;
    if (Math.max(receipted.get(alert.id) ?? 0, alert.delivered) >= alert.announcements) continue;
    receipted.set(alert.id, alert.announcements);
    due.push([alert.id, alert.announcements]);
  }
  const batches: [string, number][][] = [];
  for (let start = 0; start < due.length; start += BATCH_MAX) batches.push(due.slice(start, start + BATCH_MAX));
  return batches;
}
