/**
 * Alarm sounds by WebAudio. One gesture enables them with a test tone; one tab per station sounds; the state shown is
 * the AudioContext's own. New alerts sound from `onmessage`, repeats from the watchdog worker's ticks.
 */
import { computed, signal } from "@preact/signals";
import { isCalling, type Alert, type Priority } from "../logic/alerts";
import { TONE_MS } from "../logic/link";
import { calling, due, PATTERNS, PAUSE_MS_MAX, SPEED_MAX, TECHNICAL, type Pattern } from "../logic/pulses";
import { speed } from "./clock";
import { alerts, link, onAnnounced } from "./feed";
import { soundWanted } from "./prefs";
import { inScope } from "./scope";
import { wantedOut } from "./session";
import { onTick } from "./watchdog";

export type SoundPhase = "off" | "suspended" | "paused" | "too_fast" | "elsewhere" | "on";
/** The AudioContext's own state; none before the first gesture. */
export const context = signal<AudioContextState | "none">("none");
/** ms since 1970 until which the sound is paused, null when it is not. */
export const pausedUntil = signal<number | null>(null);
/** This is the tab of the station that sounds. */
export const sounding = signal(false);

export const soundPhase = computed<SoundPhase>(() => {
  if (!soundWanted.value || context.value === "none") return "off";
  if (context.value !== "running") return "suspended";
  if ((speed.value ?? 1) > SPEED_MAX) return "too_fast";
  if (pausedUntil.value !== null) return "paused";
  return sounding.value ? "on" : "elsewhere";
});

let audio: AudioContext | null = null;
let release: (() => void) | null = null;
const last = new Map<Priority | "technical", number>();
const VOLUME: Readonly<Record<Priority, number>> = { high: 0.5, medium: 0.35, low: 0.2 };

/** The gesture: sound on, with a test tone, so that a shift knows that it is heard. */
export async function enable(): Promise<void> {
  if (!audio) {
    audio = new AudioContext();
    audio.onstatechange = () => {
      context.value = audio?.state ?? "none";
      // A tab that the browser made silent must not keep others silent.
      if (context.value === "running") lead();
      else letGo();
    };
  }
  await audio.resume();
  context.value = audio.state;
  soundWanted.value = true;
  pausedUntil.value = null;
  lead();
  play(PATTERNS.low, 0.35);
}

export function disable(): void {
  soundWanted.value = false;
  letGo();
  void audio?.suspend();
}

/** Quiet for at most 2 min; a new high alert breaks it. */
export function pause(ms: number = PAUSE_MS_MAX): void {
  pausedUntil.value = Date.now() + Math.min(ms, PAUSE_MS_MAX);
}
export function unpause(): void {
  pausedUntil.value = null;
}

function letGo(): void {
  release?.();
  release = null;
  sounding.value = false;
}

/** One sounding tab per station: who holds the lock. Without locks (no secure context) every tab sounds. */
function lead(): void {
  if (release || sounding.peek()) return;
  if (!("locks" in navigator)) {
    sounding.value = true;
    return;
  }
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  void navigator.locks.request("vigil-sound", async () => {
    sounding.value = soundWanted.peek();
    if (!sounding.peek()) return;
    await held;
    sounding.value = false;
  });
}

function play(pattern: Pattern, volume: number): void {
  if (!audio || audio.state !== "running") return;
  const start = audio.currentTime + 0.02;
  for (const onset of pattern.onsets) {
    const gain = audio.createGain();
    gain.connect(audio.destination);
    const from = start + onset;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(volume, from + 0.02);
    gain.gain.setValueAtTime(volume, from + pattern.pulse - 0.04);
    gain.gain.linearRampToValueAtTime(0, from + pattern.pulse);
    // The fundamental with harmonics is easier to place in a room than a pure tone.
    for (const [harmonic, level] of [[1, 1], [2, 0.4], [3, 0.25], [4, 0.15]] as const) {
      const tone = audio.createOscillator();
      const part = audio.createGain();
      part.gain.value = level / 1.8;
      tone.frequency.value = pattern.hertz * harmonic;
      tone.connect(part).connect(gain);
      tone.start(from);
      tone.stop(from + pattern.pulse + 0.02);
    }
  }
}

/** The priority that this tab sounds now; null where it is silent, or somebody else's ears are. */
export function soundingPriority(): Priority | null {
  return soundPhase.peek() === "on" ? calling(here(alerts.peek().values())) : null;
}

function burst(priority: Priority): void {
  last.set(priority, performance.now());
  if (soundPhase.peek() === "on") play(PATTERNS[priority], VOLUME[priority]);
}

const here = (all: Iterable<Alert>): Alert[] => [...all].filter(inScope);

function announced(fresh: readonly Alert[], all: ReadonlyMap<string, Alert>): void {
  const calls = here(fresh).filter(isCalling);
  const priority = calling(calls);
  if (!priority) return;
  if (priority === "high" && calls.some((alert) => alert.priority === "high" && ["open", "rise"].includes(alert.change))) unpause();
  // A burst of alerts is one burst of sound, and a milder one does not cut into a worse one's rhythm.
  const since = last.get(priority);
  if (since !== undefined && performance.now() - since <= 4_000) return;
  if (calling(here(all.values())) === priority) burst(priority);
}

function watch(silent: number): void {
  const paused = pausedUntil.peek();
  if (paused !== null && Date.now() >= paused) unpause();
  if (wantedOut.peek()) return;
  if (silent >= TONE_MS || link.peek().phase === "refused") technical();
  const priority = calling(here(alerts.peek().values()));
  if (!priority) return;
  const since = last.get(priority);
  if (due(priority, since === undefined ? null : performance.now() - since)) burst(priority);
}

function technical(): void {
  const since = last.get("technical");
  if (since !== undefined && performance.now() - since < (TECHNICAL.everyMs ?? 0)) return;
  last.set("technical", performance.now());
  if (soundPhase.peek() === "on") play(TECHNICAL, 0.4);
}

export function startSound(): void {
  onAnnounced(announced);
  onTick(watch);
}
