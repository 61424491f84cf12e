/**
 * One change of an alert, of a shelf or of a time out of service as the feed screen, a patient's history and the chart's marks show it.
 *
 * Live changes are whole alerts (the feed), older ones come from the API; both become an `Entry`. Times µs UTC.
 */

import type { Change, Service, Shelf } from "../../logic/alerts";
import { isTechnical } from "../../logic/shelves";

export type Priority = "high" | "medium" | "low";

/** What both sources have in common. Everything the API may leave out is optional. */
export interface AlertFields {
  /** *shelf* and *service* tell what was set aside; they have no alert. */
  readonly kind?: string;
  readonly until?: number | null;
  readonly id?: string;
  readonly alert?: string | null;
  readonly version?: readonly number[];
  readonly change: string;
  readonly at: number;
  readonly announced?: boolean;
  readonly patient?: string | null;
  readonly label?: string;
  readonly site?: number;
  readonly metric?: string | null;
  readonly rule?: string;
  readonly category?: string;
  readonly level?: number;
  readonly priority?: string;
  readonly condition?: string;
  readonly value?: number | null;
  readonly value_at?: number | null;
  readonly since?: number;
  readonly unit?: string;
  readonly limit?: number | null;
  readonly censored?: string | null;
  readonly reason?: string;
  readonly text?: string;
  readonly by?: string | null;
  readonly acknowledged_by?: string | null;
  readonly acknowledged_until?: number | null;
  readonly acknowledged_reason?: string;
  readonly shelved_by?: string | null;
  readonly shelved_until?: number | null;
  readonly shelved_reason?: string;
  readonly owner?: string | null;
  readonly recheck_at?: number | null;
  readonly escalation?: number;
  readonly announcements?: number;
  readonly seen_by?: readonly string[];
  readonly notes?: readonly { readonly by: string; readonly at: number; readonly text: string }[];
  readonly closed?: boolean;
}

export type Kind = "call" | "condition" | "people" | "quiet";

export interface Entry {
  /** The same for the same change from either source. */
  readonly key: string;
  /** A shelf or a time out of service began or ended: there is no alert and no priority. */
  readonly aside: boolean;
  readonly alert: string;
  readonly at: number;
  readonly change: string;
  readonly kind: Kind;
  readonly announced: boolean;
  readonly priority: Priority;
  readonly category: "physiological" | "technical";
  readonly level: number;
  readonly patient: string | null;
  readonly label: string;
  readonly site: number;
  readonly metric: string | null;
  readonly rule: string;
  readonly value: number | null;
  /** When it was measured, null where the source does not say. */
  readonly value_at: number | null;
  /** Since when it is so, null where the source does not say. */
  readonly since: number | null;
  readonly unit: string;
  readonly limit: number | null;
  readonly censored: string | null;
  readonly reason: string;
  readonly by: string;
  readonly until: number | null;
  readonly text: string;
  readonly escalation: number;
}

const KINDS: Record<string, Kind> = {
  open: "call", rise: "call", repeat: "call", run_out: "call", escalate: "call", not_delivered: "call",
  recheck: "call", shelf_end: "call", service_end: "call",
  lower: "condition", active: "condition", returning: "condition", unknown: "condition", known: "condition",
  reason: "condition", clear: "condition", expire: "condition",
  acknowledge: "people", shelve: "people", unshelve: "people", going: "people", treated: "people",
  release: "people", undo: "people", note: "people", seen: "people",
  shelf: "people", shelf_over: "people", out_of_service: "people", in_service: "people",
};

/** The kind of a change; *quiet* ones (rewritten, delivered) say nothing to a person. */
export function kindOf(change: string): Kind {
  return KINDS[change] ?? "quiet";
}

/** A live change of the feed. */
export function entryOf(change: Change): Entry {
  return toEntry(change.kind === "alert" ? change : asideFields(change));
}

/** What the API says of the same record. */
function asideFields(record: Shelf | Service): AlertFields {
  const { kind, ended, since, until, by, reason, patient, label, site, version } = record;
  const rule = record.kind === "shelf" ? { metric: record.metric, rule: record.rule, level: record.level } : {};
  const change = kind === "shelf" ? (ended ? "shelf_over" : "shelf") : ended ? "in_service" : "out_of_service";
  return { kind, change, at: ended ? until : since, until, by, text: reason, patient, label, site, version, ...rule };
}

/** Which rule of whom: a shelf is of one. */
function subjectOf(fields: Pick<AlertFields, "patient" | "site" | "metric" | "rule">): string {
  return `${fields.patient ?? `site ${fields.site}`}/${fields.metric ?? ""}/${fields.rule ?? ""}`;
}

export function toEntry(fields: AlertFields): Entry {
  const aside = fields.kind === "shelf" || fields.kind === "service";
  const over = fields.change === "shelf_over" || fields.change === "in_service";
  const alert = aside ? "" : fields.alert ?? fields.id ?? "";
  const version = fields.version?.join(".") ?? `${fields.at}/${fields.change}`;
  return {
    key: aside ? `${fields.change}/${fields.at}/${subjectOf(fields)}` : `${alert}/${version}`,
    aside,
    alert,
    at: fields.at,
    change: fields.change,
    kind: kindOf(fields.change),
    announced: fields.announced ?? false,
    priority: priorityOf(fields.priority),
    category: fields.category === "technical" || (aside && isTechnical(fields.rule ?? "")) ? "technical" : "physiological",
    level: fields.level ?? 1,
    patient: fields.patient ?? null,
    label: fields.label ?? "",
    site: fields.site ?? 0,
    metric: fields.metric ?? null,
    rule: fields.rule ?? "",
    value: fields.value ?? null,
    value_at: fields.value_at ?? null,
    since: fields.since ?? null,
    unit: fields.unit ?? "",
    limit: fields.limit ?? null,
    censored: fields.censored ?? null,
    reason: fields.reason ?? "",
    by: fields.by ?? byOf(fields) ?? "",
    until: aside ? fields.until ?? null : untilOf(fields),
    text: aside && over ? "" : fields.text ?? textOf(fields),
    escalation: fields.escalation ?? 0,
  };
}

function priorityOf(text: string | undefined): Priority {
  return text === "high" || text === "medium" ? text : "low";
}

function byOf(fields: AlertFields): string | null | undefined {
  switch (fields.change) {
    case "acknowledge": return fields.acknowledged_by;
    case "shelve": return fields.shelved_by;
    case "going":
    case "treated": return fields.owner;
    case "note": return fields.notes?.[fields.notes.length - 1]?.by;
    case "seen": return fields.seen_by?.[fields.seen_by.length - 1];
    default: return null;
  }
}

function untilOf(fields: AlertFields): number | null {
  switch (fields.change) {
    case "acknowledge":
    case "going": return fields.acknowledged_until ?? null;
    case "shelve": return fields.shelved_until ?? null;
    case "treated": return fields.recheck_at ?? null;
    default: return null;
  }
}

function textOf(fields: AlertFields): string {
  switch (fields.change) {
    case "note": return fields.notes?.[fields.notes.length - 1]?.text ?? "";
    case "acknowledge": return fields.acknowledged_reason ?? "";
    case "shelve": return fields.shelved_reason ?? "";
    default: return "";
  }
}

/** Changes of an alert that tell of its shelf too. */
const TELLS_OF_SHELF: ReadonlySet<string> = new Set(["shelve", "unshelve", "shelf_end", "undo"]);

/**
 * Entries of both sources as one list, newest first, each change once. Lists come newest first. A shelf that an alert
 * tells of at the same moment is no line of its own: what remains are those that began or ended for no open alert.
 */
export function joined(live: readonly Entry[], older: readonly Entry[]): Entry[] {
  const seen = new Set<string>();
  const found: Entry[] = [];
  const all = [...live, ...older];
  const told = new Set<string>();
  for (const entry of all) if (!entry.aside && TELLS_OF_SHELF.has(entry.change)) told.add(`${entry.at}/${subjectOf(entry)}`);
  for (const entry of all) {
    if (seen.has(entry.key)) continue;
    if (entry.change.startsWith("shelf") && entry.aside && told.has(`${entry.at}/${subjectOf(entry)}`)) continue;
    seen.add(entry.key);
    found.push(entry);
  }
  return found.sort((a, b) => b.at - a.at);
}

export interface Filter {
  readonly priority: "" | Priority;
  readonly kind: "" | Exclude<Kind, "quiet">;
  readonly patient: string;
  readonly technical: boolean;
}

export const EVERYTHING: Filter = { priority: "", kind: "", patient: "", technical: true };

export function passes(entry: Entry, filter: Filter): boolean {
  if (entry.kind === "quiet") return false;
  if (filter.priority !== "" && (entry.aside || entry.priority !== filter.priority)) return false;
  if (filter.kind !== "" && entry.kind !== filter.kind) return false;
  if (!filter.technical && entry.category === "technical") return false;
  const wanted = filter.patient.trim().toLowerCase();
  return wanted === "" || entry.label.toLowerCase().includes(wanted);
}
