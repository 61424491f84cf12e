/**
 * What a person does to an alert, and what the server said of it. Nothing here is a hope: a command is *sending* until
 * its answer, *unconfirmed* after 5 s without one, and is then sent again under the same id if the person says so.
 */
import { computed, signal } from "@preact/signals";
import type { Alert, CommandAnswer, Shelf } from "../logic/alerts";
import { refusal } from "../logic/words";
import { wall } from "./clock";
import { alerts, newId, onAnswer, send, type Sendable } from "./feed";

export type Outcome = "sending" | "accepted" | "refused" | "unconfirmed";
export interface Told {
  /** The command's id. */
  id: string;
  command: Sendable;
  /** Alert, shelf or patient: what it is about. */
  subject: string;
  /** The person's word for it: ``Acknowledge``. */
  action: string;
  /** Whose: the pseudonym. */
  label: string;
  outcome: Outcome;
  /** One sentence for a person. */
  words: string;
  /** ms since 1970, when the outcome came. */
  at: number;
}

export const UNDO_MS = 5_000;
/** As long as a high alert may be put aside. */
const SHELF_MINUTES = 15;
const KEEP = 50;
const UNDOABLE = new Set(["acknowledge", "shelve", "assign"]);

/** The latest command by its subject (alert, shelf or patient id). */
export const told = signal<ReadonlyMap<string, Told>>(new Map());
/** Newest last; accepted ones leave after a while, refused and unconfirmed stay until dismissed. */
export const latest = signal<Told | null>(null);

/** The command that `u` takes back now, for 5 s after its acceptance. */
export const undoable = computed<Told | null>(() => {
  const last = latest.value;
  void wall.value;
  if (!last || last.outcome !== "accepted" || !UNDOABLE.has(last.command.type)) return null;
  if (last.command.type === "assign" && last.command.what === "release") return null;
  return Date.now() - last.at < UNDO_MS ? last : null;
});

function put(entry: Told): void {
  const map = new Map(told.peek());
  map.delete(entry.subject);
  map.set(entry.subject, entry);
  for (const old of map.keys()) {
    if (map.size <= KEEP) break;
    map.delete(old);
  }
  told.value = map;
  if (!latest.peek() || entry.outcome !== "accepted" || latest.peek()?.id === entry.id) latest.value = entry;
  else if (entry.at >= (latest.peek()?.at ?? 0)) latest.value = entry;
}

function settle(entry: Told, answer: CommandAnswer | null): void {
  const at = Date.now();
  if (answer === null) put({ ...entry, outcome: "unconfirmed", words: "not confirmed: the server has not answered", at });
  else if (answer.outcome === "accepted") put({ ...entry, outcome: "accepted", words: "", at });
  else put({ ...entry, outcome: "refused", words: refusal(answer.reason), at });
}

async function tell(command: Sendable, subject: string, action: string, label: string): Promise<CommandAnswer | null> {
  const entry: Told = { id: command.id, command, subject, action, label, outcome: "sending", words: "", at: Date.now() };
  put(entry);
  const answer = await send(command);
  const current = told.peek().get(subject);
  if (current?.id === command.id && current.outcome === "sending") settle(entry, answer);
  return answer;
}

// An answer after its five seconds still counts: the person learns what became of it.
onAnswer((answer) => {
  for (const entry of told.peek().values()) if (entry.id === answer.id && entry.outcome !== "accepted") settle(entry, answer);
});

function asShown(alert: Alert): { id: string; alert: string; level: number; version: [number, number] } {
  return { id: newId(), alert: alert.id, level: alert.level, version: alert.version };
}

export function acknowledge(alert: Alert, reason = ""): Promise<CommandAnswer | null> {
  return tell({ type: "acknowledge", ...asShown(alert), reason }, alert.id, "Acknowledge", alert.label);
}
export function going(alert: Alert): Promise<CommandAnswer | null> {
  return tell({ type: "assign", ...asShown(alert), what: "going" }, alert.id, "I'm going", alert.label);
}
export function treated(alert: Alert, minutes = 15): Promise<CommandAnswer | null> {
  return tell({ type: "assign", ...asShown(alert), what: "treated", minutes }, alert.id, "Treated", alert.label);
}
export function release(alert: Alert): Promise<CommandAnswer | null> {
  return tell({ type: "assign", ...asShown(alert), what: "release" }, alert.id, "Give back", alert.label);
}
/** At once for what any priority may have; a reason can be given with it, or after it. */
export function shelve(alert: Alert, minutes = SHELF_MINUTES, reason = ""): Promise<CommandAnswer | null> {
  return tell({ type: "shelve", ...asShown(alert), minutes, reason }, alert.id, `Shelve for ${minutes} min`, alert.label);
}

/** The shelf of the last command, where it has no reason yet and its alert is still known. */
export const unexplained = computed<{ alert: Alert; minutes: number } | null>(() => {
  const last = latest.value;
  if (last?.outcome !== "accepted" || last.command.type !== "shelve" || last.command.reason !== "") return null;
  const alert = alerts.value.get(last.command.alert);
  return alert?.response === "shelved" ? { alert, minutes: last.command.minutes } : null;
});

/** Why it was shelved: the same shelf once more, with the reason. */
export function explain(alert: Alert, minutes: number, reason: string): Promise<CommandAnswer | null> {
  return tell({ type: "shelve", ...asShown(alert), minutes, reason }, alert.id, "Reason", alert.label);
}
export function unshelve(shelf: Shelf): Promise<CommandAnswer | null> {
  return tell({ type: "unshelve", id: newId(), shelf: shelf.id }, shelf.id, "End shelf", shelf.label);
}
export function note(alert: Alert, text: string): Promise<CommandAnswer | null> {
  return tell({ type: "note", id: newId(), alert: alert.id, text }, alert.id, "Note", alert.label);
}
export function seen(alert: Alert): Promise<CommandAnswer | null> {
  return tell({ type: "seen", id: newId(), alert: alert.id }, alert.id, "Seen", alert.label);
}
export function outOfService(patient: string, label: string, minutes: number, reason: string): Promise<CommandAnswer | null> {
  return tell({ type: "out_of_service", id: newId(), patient, minutes, reason }, patient, "Out of service", label);
}
export function inService(patient: string, label: string): Promise<CommandAnswer | null> {
  return tell({ type: "in_service", id: newId(), patient }, patient, "Back in service", label);
}

/** Take back the last command, at most 5 s after the server accepted it. */
export function undoLast(): Promise<CommandAnswer | null> | null {
  const last = undoable.peek();
  if (!last || !("alert" in last.command)) return null;
  return tell({ type: "undo", id: newId(), alert: last.command.alert, command: last.id }, last.subject, "Undo", last.label);
}

/** Send an unconfirmed command again under the same id: it happens at most once. */
export function retry(entry: Told): Promise<CommandAnswer | null> {
  return tell(entry.command, entry.subject, entry.action, entry.label);
}

/** What the last person did is not the next one's to take back. */
export function forgetTold(): void {
  told.value = new Map();
  latest.value = null;
}

export function dismiss(): void {
  latest.value = null;
}
