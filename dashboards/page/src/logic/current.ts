/** An alert with what its patient shows now. The server writes an alert again only when something changes for people. */
import type { Alert } from "./alerts";
import { face } from "./face";
import type { Vital } from "./live";
import { when } from "./times";
import { shown, type Unit } from "./words";

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

/** What a card shows big of an alert. */
export interface Reading {
  /** *Now*: the value as it is; *unknown*: dashes, hatched; *past*: no number, words; *none*: nothing was measured. */
  kind: "now" | "unknown" | "past" | "none";
  /** Digits, LOW, HIGH or dashes; for what is past ``was 126 at 14:06``. */
  text: string;
  /** Slope and arrow of the same value, null where that is not known: a live trend never stands beside an old value. */
  slope: number | null;
  arrow: number | null;
}

/** ``vital`` is the newest one of the alert's patient and metric. Times µs UTC. */
export function reading(alert: Alert, vital: Vital | null, now: number, unit: Unit): Reading {
  const nothing = { slope: null, arrow: null };
  if (alert.category === "technical") return { kind: "none", text: "", ...nothing };
  if (alert.condition === "over") {
    if (alert.value === null || alert.value_at === null) return { kind: "none", text: "", ...nothing };
    return { kind: "past", text: `was ${shown(alert, unit)} at ${when(alert.value_at, now)}`, ...nothing };
  }
  const metric = alert.metric === "glucose" || alert.metric === "heart_rate" ? alert.metric : null;
  const kind = vital && metric ? face(vital, metric, now, unit).kind : null;
  if (alert.condition === "unknown" || kind === "unknown") return { kind: "unknown", text: "--", ...nothing };
  const newest = current(alert, vital);
  const live = (kind === "fresh" || kind === "stale") && newest.value_at === vital?.at;
  return { kind: "now", text: shown(newest, unit), ...(live && metric === "glucose" ? { slope: vital.slope, arrow: vital.arrow } : nothing) };
}
