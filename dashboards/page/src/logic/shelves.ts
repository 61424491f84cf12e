/** What is shelved, in the words and signs of the alerts that it holds back. Times µs UTC. */
import type { Alert, Shelf } from "./alerts";
import { rank } from "./order";
import { hhmm } from "./times";
import { METRIC_WORD } from "./units";
import { minutesLeft, word } from "./words";

/** The worst open alert that a shelf holds back; null where none is open now. */
export function heldBy(shelf: Shelf, alerts: Iterable<Alert>): Alert | null {
  let worst: Alert | null = null;
  for (const alert of alerts) {
    if (alert.closed || alert.shelf !== shelf.id || alert.response !== "shelved") continue;
    if (!worst || rank(alert) < rank(worst)) worst = alert;
  }
  return worst;
}

/** The worst of a patient's shelved alerts. */
export function shelvedOf(alerts: readonly Alert[]): Alert | null {
  let worst: Alert | null = null;
  for (const alert of alerts) {
    if (alert.closed || alert.response !== "shelved") continue;
    if (!worst || rank(alert) < rank(worst)) worst = alert;
  }
  return worst;
}

/** A signal or a site is technical: the shelf itself does not say. */
export function isTechnical(rule: string): boolean {
  return rule.startsWith("signal") || rule.startsWith("site");
}

/** The word of the worst alert that the shelf would hold back: ``VERY LOW``, ``NO SIGNAL: glucose``. */
export function shelfWord(shelf: Shelf): string {
  const category = isTechnical(shelf.rule) ? "technical" : "physiological";
  return word({ ...shelf, category }) + metricOf(shelf);
}

/** Which metric a lost signal is of; a site has none, and other words name theirs. */
export function metricOf(shelf: Pick<Shelf, "rule" | "metric">): string {
  if (!shelf.rule.startsWith("signal") || (shelf.metric !== "glucose" && shelf.metric !== "heart_rate")) return "";
  return `: ${METRIC_WORD[shelf.metric]}`;
}

/** ``shelved until 14:40, 15 min left`` */
export function shelfTime(until: number, now: number): string {
  return `shelved until ${hhmm(until)}, ${minutesLeft(until, now)} left`;
}
