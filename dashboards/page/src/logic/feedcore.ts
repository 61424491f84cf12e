/**
 * What the page knows from the feed, and what a message changes in it. No socket, no clock, no DOM: frames in,
 * effects out. Doubled and re-ordered frames change nothing; the greatest version of each alert wins.
 */
import { compareVersions, type Alert, type Change, type CommandAnswer, type Heartbeat, type ServerMessage, type Service, type Shelf, type Version, type Welcome } from "./alerts";

export const CHANGES_MAX = 1000;
/** Versions of ended alerts that are remembered, so that a late older frame does not bring one back. */
export const ENDED_MAX = 5000;

export interface Memory {
  cursor: string | null;
  alerts: Map<string, Alert>;
  shelves: Map<string, Shelf>;
  services: Map<string, Service>;
  /** Newest first. */
  changes: Change[];
  /** How many changes of alerts were taken over, doubled ones once. */
  taken: number;
  ended: Map<string, Version>;
  /** Parts of a snapshot that is not whole yet. */
  parts: Alert[];
  /** A snapshot is under way: the head of the log does not stand for what is known. */
  awaiting: boolean;
}

export interface Effects {
  welcome: Welcome | null;
  heartbeat: Heartbeat | null;
  answer: CommandAnswer | null;
  /** A whole snapshot came: everything may be different. */
  replaced: boolean;
  /** Subjects whose alerts changed: a patient's id, or null for a site. */
  touched: Set<string | null>;
  /** Alerts whose new announcement came with this message. */
  announced: Alert[];
  listsChanged: boolean;
}

export function memory(): Memory {
  return {
    cursor: null,
    alerts: new Map(),
    shelves: new Map(),
    services: new Map(),
    changes: [],
    taken: 0,
    ended: new Map(),
    parts: [],
    awaiting: false,
  };
}

/** As a fresh one: nothing of the last person's list is left for the next. */
export function forget(known: Memory): void {
  Object.assign(known, memory());
}

function nothing(): Effects {
  return {
    welcome: null,
    heartbeat: null,
    answer: null,
    replaced: false,
    touched: new Set(),
    announced: [],
    listsChanged: false,
  };
}

/** Take one message over into the memory and say what it changed. Unknown types change nothing. */
export function take(known: Memory, message: ServerMessage): Effects {
  const effects = nothing();
  switch (message.type) {
    case "welcome":
      known.parts = [];
      known.awaiting = !message.recovered;
      if (message.recovered && message.cursor !== null) known.cursor = message.cursor;
      effects.welcome = message;
      break;
    case "snapshot":
      known.parts.push(...message.alerts);
      known.awaiting = message.more;
      if (!message.more) {
        replace(known, known.parts, message.shelves, message.services, effects);
        known.parts = [];
        known.cursor = message.cursor ?? known.cursor;
      }
      break;
    case "change":
      change(known, message.alert, effects);
      known.cursor = message.cursor ?? known.cursor;
      break;
    case "shelf":
      effects.listsChanged = newer(known, known.shelves, message.shelf.id, message.shelf);
      known.cursor = message.cursor ?? known.cursor;
      break;
    case "service":
      effects.listsChanged = newer(known, known.services, message.service.patient, message.service);
      known.cursor = message.cursor ?? known.cursor;
      break;
    case "answer":
      effects.answer = message;
      break;
    case "heartbeat":
      if (!known.awaiting) known.cursor = message.cursor ?? known.cursor;
      effects.heartbeat = message;
      break;
  }
  return effects;
}

function change(known: Memory, alert: Alert, effects: Effects): void {
  const before = known.alerts.get(alert.id);
  const floor = before?.version ?? known.ended.get(alert.id);
  if (floor && compareVersions(alert.version, floor) <= 0) return;
  if (alert.closed) {
    known.alerts.delete(alert.id);
    remember(known.ended, alert.id, alert.version);
  } else {
    known.alerts.set(alert.id, alert);
    known.ended.delete(alert.id);
  }
  known.taken += 1;
  told(known, alert);
  effects.touched.add(alert.patient);
  if (alert.announced && !alert.closed) effects.announced.push(alert);
}

function told(known: Memory, change: Change): void {
  known.changes.unshift(change);
  if (known.changes.length > CHANGES_MAX) known.changes.length = CHANGES_MAX;
}

function replace(known: Memory, alerts: readonly Alert[], shelves: readonly Shelf[], services: readonly Service[], effects: Effects): void {
  const next = new Map<string, Alert>();
  for (const alert of alerts) {
    const before = known.alerts.get(alert.id);
    const kept = before && compareVersions(before.version, alert.version) > 0 ? before : alert;
    const ended = known.ended.get(alert.id);
    if (ended && compareVersions(ended, kept.version) >= 0) continue;
    if (kept.closed) continue;
    next.set(alert.id, kept);
    if ((before?.announcements ?? 0) < kept.announcements && kept.response === "unacknowledged") effects.announced.push(kept);
  }
  known.alerts = next;
  known.shelves = new Map(shelves.filter((shelf) => !shelf.ended).map((shelf) => [shelf.id, shelf]));
  known.services = new Map(services.filter((service) => !service.ended).map((service) => [service.patient, service]));
  effects.replaced = true;
  effects.listsChanged = true;
}

/** Ended records stay as tombstones: who shows them leaves out what has `ended`. */
function newer<T extends Shelf | Service>(known: Memory, map: Map<string, T>, key: string, record: T): boolean {
  const before = map.get(key);
  if (before && compareVersions(record.version, before.version) <= 0) return false;
  map.set(key, record);
  told(known, record);
  return true;
}

function remember(ended: Map<string, Version>, id: string, version: Version): void {
  ended.set(id, version);
  if (ended.size > ENDED_MAX) {
    const oldest = ended.keys().next().value;
    if (oldest !== undefined) ended.delete(oldest);
  }
}
