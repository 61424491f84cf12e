/** One clock for all flashing: attributes on the root, high 2 Hz, medium .6 Hz; nothing moves while nothing flashes. */
import { effect } from "@preact/signals";
import { isFlashing } from "../logic/alerts";
import { alerts } from "../state/feed";

/** How long each half lasts, ms, and when it last changed. */
const halves = {
  flashHigh: { ms: 250, at: 0 },
  flashMedium: { ms: 833, at: 0 },
};
/** A half that ends so soon, ms, ends with a change of the alerts: one frame is drawn for both. */
const EARLY_MS = 60;
let timer: ReturnType<typeof setTimeout> | undefined;

function step(early: number): void {
  clearTimeout(timer);
  const moment = performance.now();
  const root = document.documentElement.dataset;
  let next = Infinity;
  for (const name of ["flashHigh", "flashMedium"] as const) {
    const half = halves[name];
    if (moment - half.at >= half.ms - early) {
      half.at = moment;
      root[name] = root[name] === "off" ? "on" : "off";
    }
    next = Math.min(next, half.at + half.ms);
  }
  timer = setTimeout(step, next - moment, 0);
}

export function startFlashing(): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  effect(() => {
    let flashing = false;
    for (const alert of alerts.value.values()) {
      flashing = alert.priority !== "low" && isFlashing(alert);
      if (flashing) break;
    }
    if (flashing && !calm.matches) {
      // What begins to flash is bright first.
      if (timer === undefined) for (const half of Object.values(halves)) half.at = performance.now();
      step(EARLY_MS);
    }
    if (!flashing && timer !== undefined) {
      clearTimeout(timer);
      timer = undefined;
      document.documentElement.dataset.flashHigh = "on";
      document.documentElement.dataset.flashMedium = "on";
    }
  });
}
