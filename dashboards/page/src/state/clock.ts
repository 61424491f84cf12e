/**
 * The page's time: corrected by the gateway's heartbeats, moved by the watchdog worker's ticks (a hidden tab's own
 * timers sleep). `wall` is real time, `localWall` the same by the station's own clock, however wrong; `now` is the
 * ward's, which on a simulated clock runs at another speed.
 */
import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Heartbeat } from "../logic/alerts";
import { MINUTE, SECOND } from "../logic/times";

/** Real time, µs UTC, whole seconds. */
export const wall = signal(localNow());
/** The station's own clock, not corrected, µs since 1970, whole seconds: how long ago is what the tab timed by it. */
export const localWall = signal(floor(localNow()));
/** The ward's time, µs UTC, whole seconds: what ages and countdowns are measured by. */
export const now = signal(localNow());
/** Simulated seconds per second, null on the real clock. */
export const speed = signal<number | null>(null);
export const simulated = signal(false);
/**
 * By what ages of values are judged. Tiles come once a second of real time, which at 60 x is a minute of the ward's:
 * three seconds of the ward's speed are the screen's own delay, not the device's.
 */
export const judged = computed(() => now.value - ((speed.value ?? 0) > 1 ? 3 * SECOND * (speed.value ?? 0) : 0));
/** Changes once a minute of the ward's time. No computed: that would tell all who follow it of every second. */
const minuteNow = signal(Math.floor(localNow() / MINUTE));
export const minute: ReadonlySignal<number> = minuteNow;

let offsets: number[] = [];
let offset = 0;
let anchors: { local: number; clock: number }[] = [];

function localNow(): number {
  return Date.now() * 1000;
}

/** Real time this instant, µs UTC, not rounded. */
export function instant(): number {
  return localNow() + offset;
}

/** A heartbeat came: the least delayed of the last ones gives the offset to the gateway's clock. */
export function heard(beat: Heartbeat): void {
  const local = localNow();
  offsets = [...offsets.slice(-14), beat.at - local];
  offset = Math.max(...offsets);
  if (beat.clock_at !== null && beat.clock_at !== undefined) {
    const last = anchors.at(-1);
    if (last && (beat.clock_at < last.clock || local < last.local)) anchors = [];
    anchors = [...anchors.slice(-9), { local, clock: beat.clock_at }];
  }
  tick();
}

/** Which clock the ward lives on, from the gateway's welcome. */
export function setClock(kind: "real" | "simulated"): void {
  simulated.value = kind === "simulated";
  anchors = [];
  tick();
}

/** Bring the signals up to date; called by the worker's ticks and whenever a frame came. */
export function tick(): void {
  const real = floor(instant());
  batch(() => {
    wall.value = real;
    localWall.value = floor(localNow());
    if (!simulated.value) {
      speed.value = null;
      now.value = real;
      minuteNow.value = Math.floor(real / MINUTE);
      return;
    }
    const first = anchors[0];
    const last = anchors.at(-1);
    if (!first || !last) return;
    const passed = last.local - first.local;
    const rate = passed > 0 ? (last.clock - first.clock) / passed : 0;
    speed.value = rate >= 2 ? Math.round(rate) : Math.round(rate * 10) / 10;
    // Never further ahead than one heartbeat's worth: a replay that stops must not run on by itself.
    now.value = floor(last.clock + rate * Math.min(localNow() - last.local, 2 * SECOND));
    minuteNow.value = Math.floor(now.value / MINUTE);
  });
}

function floor(us: number): number {
  return Math.floor(us / SECOND) * SECOND;
}
