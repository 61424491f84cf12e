/**
 * The page's end of the feed (docs/feed.md): every alert as it is now, what changed, and whether the feed itself lives.
 * Frames are taken over in `onmessage`; the signals follow at once, and in bursts as often as the page can draw them.
 */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Alert, Change, ClientCommand, CommandAnswer, Heartbeat, Service, ServerMessage, Shelf } from "../logic/alerts";
import { wait } from "../logic/backoff";
import { forget as forgetAll, memory, take, type Effects, type Memory } from "../logic/feedcore";
import { silence, type Phase } from "../logic/link";
import { same, siteFaults as faultsOf, worklist as cardsOf, type Card } from "../logic/order";
import { firstNeeded } from "../logic/portion";
import { proofsAfter, type Proof } from "../logic/proofs";
import { receipts } from "../logic/receipts";
import { heard, setClock } from "./clock";
import { afterPaint } from "./paint";
import { session, wantedOut } from "./session";
import { beds, slopes } from "./tiles";
import { beat, onTick } from "./watchdog";

export type { Card } from "../logic/order";
export interface Link {
  phase: Phase;
  /** ms since 1970, the tab's clock. */
  since: number;
  why: string;
}
export const NOT_CONFIRMED_MS = 5_000;
/** Between two flushes, ms, and while a burst is not all shown; the first change after a pause never waits. */
const FLUSH_MS = 100;
const BURST_FLUSH_MS = 50;
/** Patients whose alerts change on the tiles with one frame; in a burst who can wait follows frame by frame. */
const PATIENTS_PER_FRAME = 20;
const RESYNC_EVERY_MS = 300_000;
const HELLO_MS = 5_000;
const FINAL: Readonly<Record<number, string>> = {
  4400: "the gateway does not understand this page: reload it",
  4401: "the token is not known any more: sign in again",
  4426: "the gateway speaks another version than this page: reload it",
};

export const alerts: Signal<ReadonlyMap<string, Alert>> = signal(new Map());
export const shelves = signal<readonly Shelf[]>([]);
export const services = signal<readonly Service[]>([]);
/** The last 1000 changes that this tab has seen, newest first; each is the whole alert, shelf or service after it. */
export const changes = signal<readonly Change[]>([]);
export const link = signal<Link>({ phase: "connecting", since: Date.now(), why: "" });
export const heartbeat = signal<Heartbeat | null>(null);
/** Proof of life by site; outlives the gateway that told it. */
export const proofs = signal<readonly Proof[]>([]);
/** True once a snapshot has come: an empty list then means that there are no open alerts. */
export const synced = signal(false);
/** The gateway's words for itself and for who we are. */
export const server = signal("");

let cardsBefore: ReadonlyMap<string, Card> = new Map();
/** Every card, in order. A card whose alerts have not changed is the same object as before, and need not render. */
export const worklist: ReadonlySignal<Card[]> = computed(() => {
  const cards = cardsOf(alerts.value.values(), {
    bed: (patient) => beds.value.get(patient) ?? "",
    slope: (patient) => slopes.value.get(patient) ?? null,
  }).map((card) => same(cardsBefore.get(card.patient), card));
  cardsBefore = new Map(cards.map((card) => [card.patient, card]));
  return cards;
});
export const siteFaults: ReadonlySignal<Alert[]> = computed(() => faultsOf(alerts.value.values()));
export const outOfService: ReadonlySignal<ReadonlyMap<string, Service>> = computed(
  () => new Map(services.value.map((service) => [service.patient, service])),
);
/** What is shelved of a patient, the first to end first. */
export const shelvesOf: ReadonlySignal<ReadonlyMap<string, readonly Shelf[]>> = computed(() => {
  const found = new Map<string, Shelf[]>();
  for (const shelf of shelves.value) {
    if (shelf.patient === null) continue;
    const held = found.get(shelf.patient);
    if (held) held.push(shelf);
    else found.set(shelf.patient, [shelf]);
  }
  return found;
});

type Announced = (alerts: readonly Alert[], all: ReadonlyMap<string, Alert>) => void;
const announcedListeners: Announced[] = [];
const answerListeners: ((answer: CommandAnswer) => void)[] = [];
/** Called from `onmessage` with alerts that call now. */
export function onAnnounced(listener: Announced): void {
  announcedListeners.push(listener);
}
/** Called with every answer, also one that comes after its five seconds. */
export function onAnswer(listener: (answer: CommandAnswer) => void): void {
  answerListeners.push(listener);
}

const perPatient = new Map<string, Signal<readonly Alert[]>>();
/** Open alerts of one patient, shelved ones too; renders only when one of them changed. */
export function alertsOf(patient: string): ReadonlySignal<readonly Alert[]> {
  let found = perPatient.get(patient);
  if (!found) {
    found = signal([...known.alerts.values()].filter((alert) => alert.patient === patient));
    perPatient.set(patient, found);
  }
  return found;
}

const known: Memory = memory();
/** How many different changes this tab has taken over. */
export const taken = (): number => known.taken;
let socket: WebSocket | null = null;
let welcomed = false;
let fresh: WebSocket | null = null;
let openedAt = 0;
let attempt = 0;
let retryAt = 0;
let syncedAt = 0;
let silentMs = 0;
let refused = "";

// --- frames ---------------------------------------------------------------------------------------------------------

function connect(cursor: string | null): WebSocket | null {
  const who = session.peek();
  if (!who) return null;
  const mine = new WebSocket(who.feedUrl);
  openedAt = performance.now();
  mine.onopen = () => mine.send(JSON.stringify({ type: "hello", token: who.token, cursor, protocol: 1 }));
  mine.onmessage = (event: MessageEvent<string>) => received(mine, JSON.parse(event.data) as ServerMessage);
  mine.onclose = (event) => closed(mine, event.code);
  return mine;
}

function received(from: WebSocket, message: ServerMessage): void {
  if (from !== socket && from !== fresh) return;
  const effects = take(known, message);
  if (from === fresh && effects.replaced) {
    const old = socket;
    socket = fresh;
    fresh = null;
    if (old) forget(old);
  }
  if (effects.welcome) onWelcome(from, effects);
  if (effects.heartbeat) onHeartbeat(effects.heartbeat);
  if (effects.replaced) syncedAt = performance.now();
  if (effects.answer) onCommandAnswer(effects.answer);
  collect(effects);
  if (effects.announced.length > 0) for (const listener of announcedListeners) listener(effects.announced, known.alerts);
}

function onWelcome(from: WebSocket, effects: Effects): void {
  const welcome = effects.welcome;
  if (!welcome) return;
  attempt = 0;
  setClock(welcome.clock);
  server.value = welcome.server;
  if (from === socket) {
    welcomed = true;
    // What was said on a connection that broke may never have arrived: alerts themselves tell what did.
    receipted.clear();
  }
  if (welcome.recovered) syncedAt = performance.now();
  for (const command of unanswered.values()) from.send(JSON.stringify(command));
  deliver();
}

function onHeartbeat(message: Heartbeat): void {
  beat();
  silentMs = 0;
  heard(message);
  batch(() => {
    heartbeat.value = message;
    proofs.value = proofsAfter(proofs.peek(), message);
  });
  update();
}

function closed(which: WebSocket, code: number): void {
  if (which === fresh) fresh = null;
  if (which !== socket) return;
  socket = null;
  welcomed = false;
  refused = FINAL[code] ?? "";
  later();
  update();
}

function forget(old: WebSocket): void {
  old.onmessage = old.onclose = null;
  old.close();
}

function later(): void {
  retryAt = performance.now() + wait(attempt, Math.random());
  attempt += 1;
}

// --- signals follow -------------------------------------------------------------------------------------------------

let dirty = false;
let dirtyAll = false;
let dirtyLists = false;
const dirtyPatients = new Set<string>();
/** What was flushed last has not been painted yet: work for the same frame again would be for nobody. */
let unpainted = false;
let flushedAt = 0;

function collect(effects: Effects): void {
  if (!effects.replaced && effects.touched.size === 0 && !effects.listsChanged) return;
  dirty = true;
  dirtyAll ||= effects.replaced;
  dirtyLists ||= effects.listsChanged;
  for (const patient of effects.touched) if (patient) dirtyPatients.add(patient);
  // The first of a burst shows at once, from onmessage; what comes before it is painted follows with the next frame.
  if (!unpainted) flush();
}

function flush(): void {
  if (!dirty) return;
  const rest = dirtyAll ? [] : firstNeeded(dirtyPatients, known.alerts.values()).slice(PATIENTS_PER_FRAME);
  for (const patient of rest) dirtyPatients.delete(patient);
  batch(() => {
    alerts.value = new Map(known.alerts);
    changes.value = [...known.changes];
    if (dirtyLists) {
      shelves.value = [...known.shelves.values()].filter((shelf) => !shelf.ended).sort((a, b) => a.until - b.until);
      services.value = [...known.services.values()].filter((one) => !one.ended).sort((a, b) => a.until - b.until);
    }
    if (dirtyAll) synced.value = true;
    regroup();
  });
  dirty = rest.length > 0;
  dirtyAll = dirtyLists = false;
  dirtyPatients.clear();
  for (const patient of rest) dirtyPatients.add(patient);
  deliver();
  unpainted = true;
  flushedAt = performance.now();
  afterPaint(onPainted);
}

let sleeping: ReturnType<typeof setTimeout> | undefined;
function onPainted(): void {
  clearTimeout(sleeping); // one waits at a time: whoever else flushes meanwhile begins a wait of its own
  const early = flushedAt + (dirtyPatients.size > PATIENTS_PER_FRAME ? BURST_FLUSH_MS : FLUSH_MS) - performance.now();
  if (early > 0 && document.visibilityState === "visible") {
    sleeping = setTimeout(onPainted, early);
    return;
  }
  unpainted = false;
  flush();
}

function regroup(): void {
  const grouped = new Map<string, Alert[]>();
  for (const alert of known.alerts.values()) {
    if (!alert.patient || (!dirtyAll && !dirtyPatients.has(alert.patient))) continue;
    const group = grouped.get(alert.patient);
    if (group) group.push(alert);
    else grouped.set(alert.patient, [alert]);
  }
  for (const [patient, held] of perPatient) {
    if (!dirtyAll && !dirtyPatients.has(patient)) continue;
    const next = grouped.get(patient) ?? [];
    if (next.length > 0 || held.peek().length > 0) held.value = next;
  }
}

// --- receipts: what this screen has ---------------------------------------------------------------------------------

const receipted = new Map<string, number>();
let look: () => (alert: Alert) => boolean = () => () => false;
/** Which alerts this screen shows or sounds: a look at it, whenever something may be delivered, and what that saw. */
export function setLook(how: () => (alert: Alert) => boolean): void {
  look = how;
}

/** Tell the gateway of what has come on this screen since it was told last. */
export function deliver(): void {
  const who = session.peek();
  if (!socket || !welcomed || !who || who.role === "ops") return;
  for (const announcements of receipts(known.alerts.values(), receipted, look())) {
    socket.send(JSON.stringify({ type: "delivered", announcements }));
  }
}

// --- commands -------------------------------------------------------------------------------------------------------

export type Sendable = Exclude<ClientCommand, { type: "delivered" }>;
const unanswered = new Map<string, Sendable>();
const waiting = new Map<string, (answer: CommandAnswer | null) => void>();

/** An id for a command: new for each press of a key. */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Send a command; resolves with the server's answer, or null where none came in 5 s: *not confirmed*. Send the same
 * object again to try again: its id makes it happen at most once. */
export function send(command: Sendable): Promise<CommandAnswer | null> {
  return new Promise((resolve) => {
    unanswered.set(command.id, command);
    waiting.set(command.id, resolve);
    if (socket && welcomed) socket.send(JSON.stringify(command));
    setTimeout(() => {
      unanswered.delete(command.id);
      waiting.delete(command.id);
      resolve(null);
    }, NOT_CONFIRMED_MS);
  });
}

function onCommandAnswer(answer: CommandAnswer): void {
  unanswered.delete(answer.id);
  for (const listener of answerListeners) listener(answer);
  waiting.get(answer.id)?.(answer);
  waiting.delete(answer.id);
  const alert = answer.alert ? known.alerts.get(answer.alert) : null;
  // The change comes before its answer; where it did not, something was lost on the way.
  if (answer.outcome === "refused" && answer.reason === "cleared" && alert && !alert.closed && !alert.unseen) resync();
}

// --- the link -------------------------------------------------------------------------------------------------------

function update(): void {
  const next = silence({ silentMs, connected: welcomed, ever: heartbeat.peek() !== null, refused });
  if (next.phase !== link.peek().phase || next.why !== link.peek().why) {
    link.value = { ...next, since: Date.now() - (next.phase === "lost" ? silentMs : 0) };
  }
}

/** Ask for everything anew over a second connection; the first serves until the snapshot is whole. */
export function resync(): void {
  if (fresh || !socket || !welcomed) return;
  fresh = connect(null);
}

function watch(silent: number): void {
  silentMs = silent;
  flush();
  if (wantedOut.peek()) return;
  update();
  if (refused || !session.peek()) return;
  const moment = performance.now();
  const quiet = moment - openedAt > HELLO_MS && silent > HELLO_MS;
  if (socket && quiet) {
    forget(socket);
    closed(socket, 1006);
  }
  if (!socket && !fresh && moment >= retryAt) socket = connect(known.cursor);
  if (fresh && moment - openedAt > 2 * HELLO_MS) {
    forget(fresh);
    fresh = null;
  }
  if (socket && moment - syncedAt > RESYNC_EVERY_MS && syncedAt > 0) {
    syncedAt = moment - Math.random() * RESYNC_EVERY_MS * 0.2;
    resync();
  }
}

export function startFeed(): void {
  beat();
  refused = "";
  attempt = 0;
  if (socket) forget(socket);
  welcomed = false;
  socket = connect(known.cursor);
}

/** Nobody is signed in any more: the connections end, and nothing of the list is left for who comes next. */
export function stopFeed(): void {
  for (const open of [socket, fresh]) if (open) forget(open);
  socket = fresh = null;
  welcomed = false;
  forgetAll(known);
  receipted.clear();
  unanswered.clear();
  dirty = dirtyAll = dirtyLists = true;
  flush();
  batch(() => {
    synced.value = false;
    heartbeat.value = null;
    proofs.value = [];
    server.value = "";
    link.value = { phase: "connecting", since: Date.now(), why: "" };
  });
}

/** Once: the watchdog's ticks, and what a tab does when it is looked at again. */
export function watchFeed(): void {
  onTick(watch);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    flush();
    deliver();
    resync();
  });
}
