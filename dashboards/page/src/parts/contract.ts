/**
 * What the page says of itself to whoever drives it from outside: drills and tests. On the root `data-feed` is the
 * feed's phase and `data-data` what its heartbeat says of the data; `vigil` can be read and changes nothing.
 */
import { effect } from "@preact/signals";
import { alerts, heartbeat, link, taken } from "../state/feed";

export interface Outside {
  /** Ids of the open alerts that the page knows, unseen ones included. */
  alerts(): string[];
  /** How many different changes it has taken over. */
  changes(): number;
}
declare global {
  var vigil: Readonly<Outside>;
}

const DATA = { "waiting for the first tick": "waiting", ok: "ok", stalled: "stalled" } as const;

export function startContract(): void {
  const root = document.documentElement.dataset;
  effect(() => {
    root.feed = link.value.phase;
  });
  effect(() => {
    root.data = heartbeat.value ? DATA[heartbeat.value.state] : "waiting";
  });
  const vigil: Outside = { alerts: () => [...alerts.peek().keys()], changes: taken };
  Object.defineProperty(globalThis, "vigil", { value: Object.freeze(vigil) });
}
