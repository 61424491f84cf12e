/** An alert with what its patient shows now. The server writes an alert again only when something changes for people. */
import type { Alert } from "./alerts";
import type { Vital } from "./live";

/** The alert with the newest value where that is newer and still on the same side of its limit, else the alert as it is. */
export function current(alert: Alert, vital: Vital | null): Alert {
  if (alert.category === "technical" || (alert.condition !== "active" && alert.condition !== "returning")) return alert;
  if (!vital || vital.value === null || vital.at === null) return alert;
  if (alert.value === null || alert.limit === null || alert.value_at === null || vital.at <= alert.value_at) return alert;
  const censored = vital.state === "low" || vital.state === "high" ? vital.state : null;
  if (vital.state !== "ok" && censored === null) return alert;
  const side = Math.sign(alert.value - alert.limit);
  if (Math.sign(vital.value - alert.limit) * side < 0) return alert;
  return { ...alert, value: vital.value, value_at: vital.at, censored };
}
