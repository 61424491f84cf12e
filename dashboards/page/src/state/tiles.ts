/** Every patient's newest values, one signal each, so that only a changed tile renders. From the tiles socket. */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Alert } from "../logic/alerts";
import { current } from "../logic/current";
import { wait } from "../logic/backoff";
import { byBed } from "../logic/order";
import type { LiveServer, Metric, Point, Site, Spark, Tile, WardTile } from "../logic/live";
import { MINUTE } from "../logic/times";
import { minute, tick } from "./clock";
import { session } from "./session";
import { onTick } from "./watchdog";

export const SPARK_HOURS = 6;
const SPARK_EVERY_US = 5 * MINUTE;
const SPARK_POINTS_MAX = 72;
const SILENT_MS = 6_000;

export interface LiveLink {
  phase: "connecting" | "open" | "lost";
  /** ms since 1970, the tab's clock. */
  since: number;
}
export const liveLink = signal<LiveLink>({ phase: "connecting", since: Date.now() });
export const sites = signal<Site[]>([]);
/** Patient ids in their fixed places: by site, bed, pseudonym. */
export const order = signal<string[]>([]);
/** True once a whole ward has come: an empty one then means that no patients are assigned. */
export const known = signal(false);
export const patients = new Map<string, Signal<Tile>>();
const sparks = new Map<string, Signal<Spark>>();

/** Slopes of glucose, mg/dL/min, looked at once a minute: the worklist's order does not jump with every value. */
export const slopes: ReadonlySignal<Map<string, number | null>> = computed(() => {
  void minute.value;
  return new Map(order.value.map((id) => [id, patients.get(id)?.peek().vitals.glucose?.slope ?? null]));
});
export const beds: ReadonlySignal<Map<string, string>> = computed(
  () => new Map(order.value.map((id) => [id, patients.get(id)?.peek().bed ?? ""])),
);

/** A patient's tile as it is now; renders again when it changes, and when the patient comes or goes. */
export function tileOf(patient: string): Tile | null {
  const held = patients.get(patient);
  if (!held) void order.value;
  return held?.value ?? null;
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

/** One frame of the tiles socket, taken over. */
export function take(message: LiveServer): void {
  batch(() => {
    if (message.type === "ward") {
      whole(message.sites, message.patients);
    } else if (message.type === "tiles") {
      for (const tile of message.tiles) {
        const held = patients.get(tile.patient);
        if (!held) continue; // A ward frame comes whenever patients come.
        held.value = tile;
        prolong(tile);
      }
    }
  });
}

function whole(found: Site[], tiles: WardTile[]): void {
  sites.value = found;
  const here = new Set<string>();
  for (const { spark: drawn, ...tile } of tiles) {
    here.add(tile.patient);
    const held = patients.get(tile.patient);
    if (held) held.value = tile;
    else patients.set(tile.patient, signal<Tile>(tile));
    spark(tile.patient).value = drawn;
    prolong(tile);
  }
  for (const id of patients.keys()) if (!here.has(id)) patients.delete(id);
  const placed = [...tiles].sort((a, b) => a.site - b.site || byBed(a.bed, b.bed) || byBed(a.label, b.label));
  order.value = placed.map((tile) => tile.patient);
  known.value = true;
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
    take(JSON.parse(event.data) as LiveServer);
    tick();
    phase("open");
  };
  mine.onclose = () => {
    if (socket === mine) drop();
  };
}

function drop(): void {
  const old = socket;
  socket = null;
  if (old) {
    old.onmessage = old.onclose = null;
    old.close();
  }
  retryAt = performance.now() + wait(attempt, Math.random());
  attempt += 1;
  phase("lost");
}

function phase(next: LiveLink["phase"]): void {
  if (liveLink.peek().phase !== next) liveLink.value = { phase: next, since: Date.now() };
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
}

/** Once: a silent connection is dropped, and a dropped one is made again. */
export function watchTiles(): void {
  onTick(() => {
    if (!session.peek()) return;
    if (socket && performance.now() - heardAt > SILENT_MS) drop();
    if (!socket && performance.now() >= retryAt) connect();
  });
}

/** The alert with the newest value of its tile: card and tile say the same. */
export function asNow(alert: Alert): Alert {
  if (!alert.patient || (alert.metric !== "glucose" && alert.metric !== "heart_rate")) return alert;
  return current(alert, tileOf(alert.patient)?.vitals[alert.metric] ?? null);
}
