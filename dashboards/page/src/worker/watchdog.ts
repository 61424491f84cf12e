/**
 * The watchdog: counts the silence since the last heartbeat where timers run on, also behind a hidden tab.
 * In: "beat". Out, twice a second: how long it has been silent, in ms.
 */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<"beat">) => void) | null;
  postMessage(silent: number): void;
};
const EVERY_MS = 500;
let last = performance.now();

scope.onmessage = () => {
  last = performance.now();
};
setInterval(() => scope.postMessage(performance.now() - last), EVERY_MS);
