/** Alerts as spans on the time axis: one part per level, packed into as few rows as do not overlap. Times µs UTC. */
import type { AlertFields, Entry, Priority } from "../feed/entries";

export interface Part {
  readonly from: number;
  /** null: it goes on. */
  readonly to: number | null;
  readonly level: number;
  readonly priority: Priority;
  readonly unknown: boolean;
}

export interface AlertSpan {
  readonly alert: string;
  readonly metric: string | null;
  readonly rule: string;
  readonly category: "physiological" | "technical";
  readonly from: number;
  readonly to: number | null;
  readonly parts: readonly Part[];
  /** The worst it was. */
  readonly priority: Priority;
  readonly level: number;
}

export interface WholeAlert extends AlertFields {
  readonly id: string;
  readonly opened_at: number;
}

const RANK: Record<Priority, number> = { low: 1, medium: 2, high: 3 };
const BOUNDS = new Set(["open", "rise", "lower", "unknown", "known", "active", "returning", "clear", "expire"]);

/** The spans of alerts with their changes (any order), oldest first. */
export function alertSpans(alerts: Iterable<WholeAlert>, entries: readonly Entry[]): AlertSpan[] {
  const byAlert = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (!BOUNDS.has(entry.change)) continue;
    const list = byAlert.get(entry.alert);
    if (list === undefined) byAlert.set(entry.alert, [entry]);
    else list.push(entry);
  }
  return [...alerts].map((alert) => spanOfAlert(alert, byAlert.get(alert.id) ?? []))
    .sort((a, b) => a.from - b.from);
}

function spanOfAlert(alert: WholeAlert, changes: Entry[]): AlertSpan {
  const ordered = changes.slice().sort((a, b) => a.at - b.at);
  const over = ordered.find((entry) => entry.change === "clear" || entry.change === "expire");
  const to = over?.at ?? (alert.closed === true || alert.condition === "over" ? alert.at : null);
  const parts = partsOf(alert, ordered, to);
  const worst = parts.reduce((a, b) => (RANK[b.priority] > RANK[a.priority] ? b : a));
  return {
    alert: alert.id, metric: alert.metric ?? null, rule: alert.rule ?? "",
    category: alert.category === "technical" ? "technical" : "physiological",
    from: alert.opened_at, to, parts, priority: worst.priority, level: Math.max(...parts.map((part) => part.level)),
  };
}

function partsOf(alert: WholeAlert, ordered: Entry[], to: number | null): Part[] {
  let open: Part = first(alert, ordered[0]);
  const parts: Part[] = [];
  for (const entry of ordered) {
    if (to !== null && entry.at >= to) break;
    const unknown = entry.change === "unknown" || (open.unknown && entry.change !== "known" && entry.change !== "active");
    if (entry.priority === open.priority && entry.level === open.level && unknown === open.unknown) continue;
    if (entry.at > open.from) parts.push({ ...open, to: entry.at });
    open = { from: Math.max(entry.at, open.from), to: null, level: entry.level, priority: entry.priority, unknown };
  }
  parts.push({ ...open, to });
  return parts;
}

function first(alert: WholeAlert, entry: Entry | undefined): Part {
  const priority = entry?.priority ?? (alert.priority === "high" || alert.priority === "medium" ? alert.priority : "low");
  const unknown = entry === undefined && alert.condition === "unknown";
  return { from: alert.opened_at, to: null, level: entry?.level ?? alert.level ?? 1, priority, unknown };
}

/** Spans that touch [from, to]. */
export function within(spans: readonly AlertSpan[], from: number, to: number): AlertSpan[] {
  return spans.filter((span) => span.from <= to && (span.to === null || span.to >= from));
}

/** The row of each span, so that spans on one row lie at least `apart` µs from each other. */
export function rows(spans: readonly AlertSpan[], apart: number): number[] {
  const ends: number[] = [];
  return spans.map((span) => {
    const free = ends.findIndex((end) => end + apart <= span.from);
    const row = free < 0 ? ends.length : free;
    ends[row] = span.to ?? Number.POSITIVE_INFINITY;
    return row;
  });
}
