/** Every patient's newest values, one signal each, so that only a changed tile renders. From the tiles socket. */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Alert } from "../logic/alerts";
import { current } from "../logic/current";
import { wait } from "../logic/backoff";
import { byBed } from "../logic/order";
import type { LiveServer, Metric, Point, Site, Spark, Tile, WardTile } from "../logic/live";
import { MINUTE } from "../logic/times";
import { believed } from "../logic/ward";
import { minute, tick } from "./clock";
import { session } from "./session";
import { onTick } from "./watchdog";

export const SPARK_HOURS = 6;
const SPARK_EVERY_US = 5 * MINUTE;
const SPARK_POINTS_MAX = 72;
const SILENT_MS = 6_000;

export interface LiveLink {
  /** *Waiting*: the connection is back, and names no patients yet; the screen keeps those that it had. */
  phase: "connecting" | "open" | "waiting" | "lost";
  /** ms since 1970, the tab's clock. */
  since: number;
}
export const liveLink = signal<LiveLink>({ phase: "connecting", since: Date.now() });
export const sites = signal<Site[]>([]);
/** Patient ids in their fixed places: by site, bed, pseudonym. */
export const order = signal<string[]>([]);
/** True once a whole ward has come: an empty one then means that no patients are assigned. */
export const known = signal(false);
/** One signal for each patient ever named, for the tab's life: what hangs on it never hangs on a dead one. */
const patients = new Map<string, Signal<Tile | null>>();
const sparks = new Map<string, Signal<Spark>>();

/** Slopes of glucose, mg/dL/min, looked at once a minute: the worklist's order does not jump with every value. */
export const slopes: ReadonlySignal<Map<string, number | null>> = computed(() => {
  void minute.value;
  return new Map(order.value.map((id) => [id, patients.get(id)?.peek()?.vitals.glucose?.slope ?? null]));
});
export const beds: ReadonlySignal<Map<string, string>> = computed(
  () => new Map(order.value.map((id) => [id, patients.get(id)?.peek()?.bed ?? ""])),
);

/** A patient's tile as a signal; null before the ward has come, and while the patient is not on it. */
export function tileSignal(patient: string): Signal<Tile | null> {
  let found = patients.get(patient);
  if (!found) {
    found = signal<Tile | null>(null);
    patients.set(patient, found);
  }
  return found;
}

/** A patient's tile as it is now; renders again when it changes, and when the patient comes or goes. */
export function tileOf(patient: string): Tile | null {
  return tileSignal(patient).value;
}

export function siteName(number: number): string {
  return sites.value.find((site) => site.number === number)?.name ?? `site ${number}`;
}

export function spark(patient: string): Signal<Spark> {
  let found = sparks.get(patient);
  if (!found) {
    found = signal<Spark>({ glucose: [], heart_rate: [] });
    sparks.set(patient, found);
  }
  return found;
}

/** A ward without patients that is not believed yet, and since when it stands, ms of the page's clock. */
let doubted: { sites: Site[]; since: number } | null = null;

/** One frame of the tiles socket, taken over at ``moment``, ms of the page's clock. */
export function take(message: LiveServer, moment: number): void {
  batch(() => {
    if (message.type === "ward") {
      const sure = believed(message.patients.length, order.peek().length, 0);
      doubted = sure ? null : { sites: message.sites, since: doubted?.since ?? moment };
      if (sure) whole(message.sites, message.patients);
    } else if (message.type === "tiles") {
      for (const tile of message.tiles) {
        const held = patients.get(tile.patient);
        if (!held?.peek()) continue; // A ward frame comes whenever patients come.
        held.value = tile;
        prolong(tile);
      }
    }
  });
}

/** Time has passed on an open connection: a ward without patients that still stands is believed. */
export function settle(moment: number): void {
  if (!doubted || !believed(0, order.peek().length, moment - doubted.since)) return;
  const { sites: found } = doubted;
  doubted = null;
  batch(() => whole(found, []));
}

function whole(found: Site[], tiles: WardTile[]): void {
  sites.value = found;
  const here = new Set<string>();
  for (const { spark: drawn, ...tile } of tiles) {
    here.add(tile.patient);
    tileSignal(tile.patient).value = tile;
    spark(tile.patient).value = drawn;
    prolong(tile);
  }
  for (const [id, held] of patients) if (!here.has(id)) held.value = null;
  const placed = [...tiles].sort((a, b) => a.site - b.site || byBed(a.bed, b.bed) || byBed(a.label, b.label));
  order.value = placed.map((tile) => tile.patient);
  known.value = true;
}

/** Nothing of the last person's ward is left. */
export function forgetTiles(): void {
  doubted = null;
  batch(() => {
    whole([], []);
    known.value = false;
  });
  for (const drawn of sparks.values()) drawn.value = { glucose: [], heart_rate: [] };
}

/** A new value joins the sparkline once every five minutes; in between only the tile's number moves. */
function prolong(tile: Tile): void {
  const drawn = spark(tile.patient);
  let next: Spark | null = null;
  for (const metric of ["glucose", "heart_rate"] as Metric[]) {
    const vital = tile.vitals[metric];
    if (!vital || vital.value === null || vital.at === null || !["ok", "low", "high"].includes(vital.state)) continue;
    const points = drawn.peek()[metric];
    const last = points.at(-1);
    if (last && vital.at - last[0] < SPARK_EVERY_US) continue;
    const point: Point = [vital.at, vital.value];
    next = { ...(next ?? drawn.peek()), [metric]: [...points, point].slice(-SPARK_POINTS_MAX) };
  }
  if (next) drawn.value = next;
}

let socket: WebSocket | null = null;
let attempt = 0;
let retryAt = 0;
let heardAt = 0;

function connect(): void {
  const who = session.peek();
  if (!who) return;
  const mine = new WebSocket(who.liveUrl);
  socket = mine;
  heardAt = performance.now();
  mine.onopen = () => mine.send(JSON.stringify({ type: "hello", token: who.token }));
  mine.onmessage = (event: MessageEvent<string>) => {
    heardAt = performance.now();
    attempt = 0;
    take(JSON.parse(event.data) as LiveServer, heardAt);
    tick();
    phase(doubted ? "waiting" : "open");
  };
  mine.onclose = () => {
    if (socket === mine) drop();
  };
}

function drop(): void {
  const old = socket;
  socket = null;
  doubted = null;
  if (old) {
    old.onmessage = old.onclose = null;
    old.close();
  }
  retryAt = performance.now() + wait(attempt, Math.random());
  attempt += 1;
  phase("lost");
}

function phase(next: LiveLink["phase"]): void {
  const { phase: before, since } = liveLink.peek();
  if (before === next) return;
  // Values that stood still while the connection was away stand still until patients are named.
  liveLink.value = { phase: next, since: before === "lost" && next === "waiting" ? since : Date.now() };
}

/** Connect, or connect anew as somebody else. */
export function startTiles(): void {
  attempt = 0;
  if (socket) drop();
  connect();
}

/** Nobody is signed in any more. */
export function stopTiles(): void {
  if (socket) drop();
  forgetTiles();
}

/** Once: a silent connection is dropped, and a dropped one is made again. */
export function watchTiles(): void {
  onTick(() => {
    if (!session.peek()) return;
    settle(performance.now());
    if (socket && !doubted && liveLink.peek().phase === "waiting") phase("open");
    if (socket && performance.now() - heardAt > SILENT_MS) drop();
    if (!socket && performance.now() >= retryAt) connect();
  });
}

/** The alert with the newest value of its tile: card and tile say the same. */
export function asNow(alert: Alert): Alert {
  if (!alert.patient || (alert.metric !== "glucose" && alert.metric !== "heart_rate")) return alert;
  return current(alert, tileOf(alert.patient)?.vitals[alert.metric] ?? null);
}
