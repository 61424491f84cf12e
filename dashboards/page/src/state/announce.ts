/**
 * What the live regions say. High priority interrupts (`role="alert"`), the rest is said when there is time: milder
 * alerts, answers, and whether alerts can come at all.
 */
import { effect, signal } from "@preact/signals";
import type { Alert } from "../logic/alerts";
import { burst } from "../logic/burst";
import { spoken } from "../logic/words";
import { now } from "./clock";
import { heartbeat, link, onAnnounced } from "./feed";
import { glucoseUnit } from "./prefs";
import { inScope } from "./scope";
import { stalled, stalledAt } from "./stalled";
import { asNow } from "./tiles";
import { onTick } from "./watchdog";

export const LINES_MAX = 20;
/** In the assertive region; empty between announcements. */
export const urgent = signal("");
/** In the polite region: the latest lines, oldest first. */
export const spokenLog = signal<readonly { id: number; text: string }[]>([]);

const GATHER_MS = 700;
const STAY_MS = 15_000;
let pending: Alert[] = [];
let pendingSince = 0;
let saidAt = 0;
let id = 0;

const say = (alert: Alert): string => spoken(asNow(alert), glucoseUnit.peek(), now.peek());

/** Anything else that should be said politely, such as an answer of the server. */
export function tellPolitely(text: string): void {
  id += 1;
  spokenLog.value = [...spokenLog.peek().slice(1 - LINES_MAX), { id, text }];
}

function flush(): void {
  const high = pending.filter((alert) => alert.priority === "high");
  const others = pending.filter((alert) => alert.priority !== "high");
  pending = [];
  if (high.length > 0) {
    urgent.value = burst(high, say);
    saidAt = performance.now();
  }
  if (others.length > 0) tellPolitely(burst(others, say));
}

/** A lost feed and its return, each once. */
function sayLink(): void {
  let lost = false;
  effect(() => {
    const { phase, why } = link.value;
    if (phase === "lost" && !lost) tellPolitely(`Feed lost: ${why}. No new alert can reach this screen. Look at the patients.`);
    else if (phase === "refused") tellPolitely(`Feed lost: ${why}. Look at the patients.`);
    else if (phase === "open" && lost) tellPolitely("The feed is back: alerts reach this screen again.");
    // On the way back it is still lost; nobody signed in is no loss.
    if (phase !== "reconnecting") lost = phase === "lost" || phase === "refused";
  });
}

/** Data that stands still and nobody else tells of, and its end. */
function sayStalled(): void {
  let said = false;
  effect(() => {
    if (stalled.value && !said) tellPolitely(`Data stalled. ${stalledAt.peek()} Look at the patients.`);
    else if (!stalled.value && said && heartbeat.peek()?.state === "ok") tellPolitely("Data is judged again: alerts can come.");
    said = stalled.value;
  });
}

export function startAnnouncing(): void {
  sayLink();
  sayStalled();
  onAnnounced((announced) => {
    const alerts = announced.filter(inScope);
    if (alerts.length === 0) return;
    if (pending.length === 0) pendingSince = performance.now();
    pending.push(...alerts);
  });
  onTick(() => {
    if (pending.length > 0 && performance.now() - pendingSince >= GATHER_MS) flush();
    else if (urgent.peek() && performance.now() - saidAt > STAY_MS) urgent.value = "";
  });
}
