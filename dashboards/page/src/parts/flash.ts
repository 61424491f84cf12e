/**
 * One clock for all flashing: attributes on the root, high 2 Hz, medium .6 Hz; nothing moves while nothing flashes.
 * What begins to flash is bright first, and all of its priority with it: the clock turns early, markers have none.
 */
import { effect, signal } from "@preact/signals";
import { isFlashing, type Alert } from "../logic/alerts";
import { alerts } from "../state/feed";

/** Between two moments at which a priority turns bright, ms, at least: 2.8 Hz, the fastest a high one may flash. */
export const FASTEST_MS = 358;
/** What begins while its priority is bright stays so for this long, ms: long enough to be seen. */
export const SEEN_MS = 200;
/** A half that ends so soon, ms, ends with a change of the alerts: one frame is drawn for both. */
const EARLY_MS = 60;

type Flashing = "high" | "medium";
/** One priority's marker: bright for a half, dim for a half. Moments are ms of the page's clock. */
interface Light {
  /** How long a half lasts, ms. */
  ms: number;
  bright: boolean;
  /** When it turned bright last. */
  lit: number;
  /** When it turns next. */
  ends: number;
}
const lights: Readonly<Record<Flashing, Light>> = {
  high: { ms: 250, bright: true, lit: -Infinity, ends: 0 },
  medium: { ms: 833, bright: true, lit: -Infinity, ends: 0 },
};
const ATTRIBUTE = { high: "flashHigh", medium: "flashMedium" } as const;

/** Somebody of this priority begins to flash. However many begin, the bright half ends. */
function begun(light: Light, moment: number): void {
  if (light.bright) light.ends = Math.min(Math.max(light.ends, moment + SEEN_MS), light.lit + light.ms + SEEN_MS);
  else light.ends = Math.min(light.ends, Math.max(moment, light.lit + FASTEST_MS));
}

function light(found: Light, moment: number): void {
  found.bright = true;
  found.lit = moment;
  found.ends = moment + found.ms;
}

function turn(found: Light, moment: number, early: number): void {
  if (found.ends - moment > early) return;
  if (found.bright) {
    found.bright = false;
    found.ends = moment + found.ms;
  } else if (moment - found.lit >= FASTEST_MS) {
    light(found, moment);
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;

function step(early: number): void {
  clearTimeout(timer);
  const moment = performance.now();
  for (const found of Object.values(lights)) turn(found, moment, early);
  show();
  timer = setTimeout(step, Math.min(lights.high.ends, lights.medium.ends) - moment, 0);
}

function show(): void {
  const root = document.documentElement.dataset;
  for (const name of ["high", "medium"] as const) {
    const said = lights[name].bright ? "on" : "off";
    // An attribute that is written counts as changed, and every marker is looked at anew.
    if (root[ATTRIBUTE[name]] !== said) root[ATTRIBUTE[name]] = said;
  }
}

function stop(): void {
  clearTimeout(timer);
  timer = undefined;
  for (const found of Object.values(lights)) found.bright = true;
  show();
}

/** Who flashes, by alert. */
function flashing(all: ReadonlyMap<string, Alert>): Map<string, Flashing> {
  const found = new Map<string, Flashing>();
  for (const alert of all.values()) {
    if (alert.priority !== "low" && isFlashing(alert)) found.set(alert.id, alert.priority);
  }
  return found;
}

export function startFlashing(): void {
  const query = matchMedia("(prefers-reduced-motion: reduce)");
  const calm = signal(query.matches);
  query.addEventListener("change", () => (calm.value = query.matches));
  let before: ReadonlyMap<string, Flashing> = new Map();
  effect(() => {
    const all = flashing(alerts.value);
    const fresh = new Set([...all].filter(([id, priority]) => before.get(id) !== priority).map(([, priority]) => priority));
    before = all;
    if (all.size === 0 || calm.value) {
      if (timer !== undefined) stop();
      return;
    }
    const moment = performance.now();
    for (const found of Object.values(lights)) if (timer === undefined) light(found, moment);
    for (const priority of fresh) begun(lights[priority], moment);
    step(EARLY_MS);
  });
}
