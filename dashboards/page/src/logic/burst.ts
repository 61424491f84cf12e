/** Announcements for the ear: a burst is said as one. */
import type { Alert } from "./alerts";

/** What to say for alerts that called together: one in its own words, several as a count with their pseudonyms. */
export function burst(alerts: readonly Alert[], say: (alert: Alert) => string): string {
  const latest = new Map(alerts.map((alert) => [alert.id, alert]));
  const [first, ...rest] = latest.values();
  if (!first) return "";
  if (rest.length === 0) return say(first);
  const every = [first, ...rest];
  const fresh = every.every((alert) => alert.change === "open") ? "new " : "";
  const labels = [...new Set(every.map((alert) => alert.label || `site ${alert.site}`))];
  const named = labels.length <= 4 ? `: ${labels.join(", ")}` : "";
  return `${every.length} ${fresh}${priorities(every)}alerts${named}`;
}

function priorities(alerts: readonly Alert[]): string {
  const priority = alerts[0]?.priority;
  return alerts.every((alert) => alert.priority === priority) ? `${priority} ` : "";
}
