/** The worklist's order (RULES, *Worklist order*): one card per patient, the one who needs somebody first on top. */
import { isListed, RANK, type Alert } from "./alerts";
import { isDownward } from "./going";

export interface Card {
  patient: string;
  label: string;
  site: number;
  /** Open alerts of the patient that are listed, the most urgent first. */
  alerts: Alert[];
  /** The one that gives the card its place. */
  lead: Alert;
}
/** What the order needs beyond the alerts; looked up by patient. */
export interface Around {
  bed(patient: string): string;
  /** mg/dL/min of the newest glucose values, null where unknown. */
  slope(patient: string): number | null;
}
export const MOVING = 1;
export const FREEZE_MS = 10_000;

/** 2 (3 - P) + 3 A: P by priority, A where somebody has answered or it is over and unseen. Lowest first. */
export function rank(alert: Alert): number {
  const answered = alert.response === "acknowledged" || alert.condition === "over" || alert.unseen;
  return 2 * (3 - RANK[alert.priority]) + (answered ? 3 : 0);
}

/** A low that falls, or a high that rises, faster than 1 mg/dL/min. */
export function movesAway(alert: Alert, slope: number | null): boolean {
  if (slope === null || alert.metric !== "glucose" || alert.category !== "physiological") return false;
  return isDownward(alert.rule) ? slope < -MOVING : slope > MOVING;
}

export function compare(a: Alert, b: Alert, around: Around): number {
  const moving = (alert: Alert): number => (alert.patient && movesAway(alert, around.slope(alert.patient)) ? 0 : 1);
  const bed = (alert: Alert): string => (alert.patient ? around.bed(alert.patient) : "");
  return (
    rank(a) - rank(b) ||
    Number(a.category === "technical") - Number(b.category === "technical") ||
    b.escalation - a.escalation ||
    moving(a) - moving(b) ||
    a.announced_at - b.announced_at ||
    byBed(bed(a), bed(b)) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

const collator = new Intl.Collator("en", { numeric: true });

/** ``2`` before ``10``; who has no bed comes last. */
export function byBed(a: string, b: string): number {
  if (a === "" || b === "") return Number(a === "") - Number(b === "");
  return collator.compare(a, b);
}

/** Cards in order. Site alerts (without a patient) are in `siteFaults`. */
export function worklist(alerts: Iterable<Alert>, around: Around): Card[] {
  const grouped = new Map<string, Alert[]>();
  for (const alert of alerts) {
    if (alert.patient === null || !isListed(alert)) continue;
    const group = grouped.get(alert.patient);
    if (group) group.push(alert);
    else grouped.set(alert.patient, [alert]);
  }
  const cards: Card[] = [];
  for (const [patient, group] of grouped) {
    group.sort((a, b) => compare(a, b, around));
    const lead = group[0];
    if (lead) cards.push({ patient, label: lead.label, site: lead.site, alerts: group, lead });
  }
  return cards.sort((a, b) => compare(a.lead, b.lead, around));
}

/** The card of before where nothing on it is different, else the new one. */
export function same(before: Card | undefined, card: Card): Card {
  if (before?.alerts.length !== card.alerts.length) return card;
  return before.alerts.every((alert, place) => alert === card.alerts[place]) ? before : card;
}

export function siteFaults(alerts: Iterable<Alert>): Alert[] {
  return [...alerts]
    .filter((alert) => alert.patient === null && !alert.closed)
    .sort((a, b) => rank(a) - rank(b) || a.announced_at - b.announced_at);
}

/**
 * The order under a pointer: cards keep the places they had, gone ones leave, new ones come at the end; but a high
 * alert that was not there before is on top at once. ``held`` are the patients as shown, ``highs`` those of them that
 * were shown with a calling high alert.
 */
export function freeze(cards: readonly Card[], held: readonly string[], highs: ReadonlySet<string>): Card[] {
  const isHigh = (card: Card): boolean => card.lead.priority === "high" && rank(card.lead) === 0;
  const urgent = cards.filter((card) => isHigh(card) && !highs.has(card.patient));
  const jumped = new Set(urgent.map((card) => card.patient));
  const places = new Map(held.map((patient, place) => [patient, place]));
  const rest = cards.filter((card) => !jumped.has(card.patient));
  const known = rest.filter((card) => places.has(card.patient));
  known.sort((a, b) => (places.get(a.patient) ?? 0) - (places.get(b.patient) ?? 0));
  return [...urgent, ...known, ...rest.filter((card) => !places.has(card.patient))];
}
