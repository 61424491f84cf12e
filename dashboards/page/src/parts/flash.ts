/** One clock for all flashing: attributes on the root, high 2 Hz, medium .6 Hz; nothing moves while nothing flashes. */
import { effect } from "@preact/signals";
import { isFlashing } from "../logic/alerts";
import { alerts } from "../state/feed";

const HIGH_HALF_MS = 250;
const MEDIUM_HALF_MS = 833;
let timer: ReturnType<typeof setInterval> | undefined;

function step(): void {
  const moment = performance.now();
  const root = document.documentElement.dataset;
  const high = Math.floor(moment / HIGH_HALF_MS) % 2 === 0 ? "on" : "off";
  const medium = Math.floor(moment / MEDIUM_HALF_MS) % 2 === 0 ? "on" : "off";
  if (root.flashHigh !== high) root.flashHigh = high;
  if (root.flashMedium !== medium) root.flashMedium = medium;
}

export function startFlashing(): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  effect(() => {
    let flashing = false;
    for (const alert of alerts.value.values()) {
      flashing = alert.priority !== "low" && isFlashing(alert);
      if (flashing) break;
    }
    if (flashing && !calm.matches && timer === undefined) timer = setInterval(step, HIGH_HALF_MS);
    if (!flashing && timer !== undefined) {
      clearInterval(timer);
      timer = undefined;
      document.documentElement.dataset.flashHigh = "on";
      document.documentElement.dataset.flashMedium = "on";
    }
  });
}
