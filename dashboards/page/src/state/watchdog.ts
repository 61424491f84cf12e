/** The worker's end in the page: ticks that also come in a hidden tab. */
type Listener = (silentMs: number) => void;

const listeners: Listener[] = [];
let worker: Worker | null = null;

/** Twice a second: how long no heartbeat has come, in ms. */
export function onTick(listener: Listener): void {
  listeners.push(listener);
}

export function startWatchdog(): void {
  worker = new Worker(new URL("../worker/watchdog.ts", import.meta.url), { type: "module" });
  worker.onmessage = (event: MessageEvent<number>) => {
    for (const listener of listeners) listener(event.data);
  };
}

export function beat(): void {
  worker?.postMessage("beat");
}
