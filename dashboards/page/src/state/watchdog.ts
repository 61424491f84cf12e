/**
 * Ticks that also come in a hidden tab, from a worker; and from the page itself where that gives none. The silence is
 * counted here, so that a worker that is started anew begins no silence anew.
 */
import { signal } from "@preact/signals";
import { begin, look, tick } from "../logic/standin";

type Listener = (silentMs: number) => void;
const LOOK_MS = 1_000;

const listeners: Listener[] = [];
let worker: Worker | null = null;
let watch = begin(0);
let beatAt = performance.now();

/** The worker gives no ticks, though it was started anew: the tab is watched only as well as its own timers run. */
export const asleep = signal(false);

/** Twice a second: how long no heartbeat has come, in ms. */
export function onTick(listener: Listener): void {
  listeners.push(listener);
}

function tell(): void {
  const silent = performance.now() - beatAt;
  for (const listener of listeners) listener(silent);
}

function start(): void {
  worker?.terminate();
  try {
    worker = new Worker(new URL("../worker/watchdog.ts", import.meta.url), { type: "module" });
  } catch {
    worker = null; // The browser forbids it: nobody ticks, and that is noticed.
    return;
  }
  worker.onmessage = () => {
    watch = tick(watch, performance.now());
    asleep.value = false;
    tell();
  };
}

/** A worker whose file does not load, that throws or that is ended says so nowhere else: who does not tick is not there. */
function lookAtWorker(): void {
  const found = look(watch, performance.now());
  watch = found.watch;
  if (!found.standIn) return;
  asleep.value = watch.restarts > 1;
  if (found.restart) start();
  tell();
}

export function startWatchdog(): void {
  beat();
  watch = begin(performance.now());
  setInterval(lookAtWorker, LOOK_MS);
  start();
}

/** A heartbeat came. */
export function beat(): void {
  beatAt = performance.now();
}
