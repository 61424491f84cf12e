/** What the live regions say. High priority interrupts (`role="alert"`), the rest is said when there is time. */
import { signal } from "@preact/signals";
import type { Alert } from "../logic/alerts";
import { burst } from "../logic/burst";
import { spoken } from "../logic/words";
import { now } from "./clock";
import { onAnnounced } from "./feed";
import { glucoseUnit } from "./prefs";
import { inScope } from "./scope";
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

export function startAnnouncing(): void {
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
