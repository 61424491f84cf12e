/**
 * Alarm sounds by WebAudio. One gesture enables them with a test tone; one tab per station sounds, for all of them; the
 * state shown is the AudioContext's own. New alerts sound from `onmessage`, repeats from the watchdog worker's ticks.
 */
import { computed, effect, signal } from "@preact/signals";
import { isCalling, type Alert, type Priority } from "../logic/alerts";
import { TONE_MS } from "../logic/link";
import { calling, due, PATTERNS, PAUSE_MS_MAX, SPEED_MAX, TECHNICAL, type Pattern } from "../logic/pulses";
import { Calls, type Call, type Said } from "../logic/station";
import { speed } from "./clock";
import { alerts, link, onAnnounced } from "./feed";
import { soundWanted } from "./prefs";
import { inScope } from "./scope";
import { wantedOut } from "./session";
import { untold } from "./stalled";
import { lead, letGo, pausedElsewhere, replaceWhoHangs, sounding, startStation, TAB, tellTabs } from "./station";
import { onTick } from "./watchdog";

export type SoundPhase = "off" | "suspended" | "paused" | "too_fast" | "elsewhere" | "paused_elsewhere" | "on";
/** The AudioContext's own state; none before the first gesture. */
export const context = signal<AudioContextState | "none">("none");
/** ms since 1970 until which this tab's sound is paused, null when it is not. */
const pausedHere = signal<number | null>(null);
/** The same of the tab that sounds. */
export const pausedUntil = computed(() => (sounding.value ? pausedHere.value : pausedElsewhere.value));

export const soundPhase = computed<SoundPhase>(() => {
  if (!soundWanted.value || context.value === "none") return "off";
  if (context.value !== "running") return "suspended";
  if ((speed.value ?? 1) > SPEED_MAX) return "too_fast";
  const paused = pausedUntil.value !== null;
  if (!sounding.value) return paused ? "paused_elsewhere" : "elsewhere";
  return paused ? "paused" : "on";
});
/** This tab can sound. One that the browser made silent, or where nobody is signed in, must not keep others silent. */
const able = computed(() => soundWanted.value && context.value === "running" && !wantedOut.value);

let audio: AudioContext | null = null;
const last = new Map<Priority | "technical", number>();
const others = new Calls();
const VOLUME: Readonly<Record<Priority, number>> = { high: 0.5, medium: 0.35, low: 0.2 };

/** The gesture: sound on, with a test tone, so that a shift knows that it is heard. */
export async function enable(): Promise<void> {
  if (!audio) {
    audio = new AudioContext();
    audio.onstatechange = () => {
      context.value = audio?.state ?? "none";
    };
  }
  await audio.resume();
  context.value = audio.state;
  soundWanted.value = true;
  pausedHere.value = null;
  play(PATTERNS.low, 0.35);
}

export function disable(): void {
  soundWanted.value = false;
  void audio?.suspend();
}

/** Quiet for at most 2 min; a new high alert breaks it. */
export function pause(ms: number = PAUSE_MS_MAX): void {
  pausedHere.value = Date.now() + Math.min(ms, PAUSE_MS_MAX);
}
/** The pause ends, also of another tab that sounds. */
export function unpause(): void {
  pausedHere.value = null;
  if (!sounding.peek()) tellTabs({ kind: "unpause" });
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
  if (soundPhase.peek() !== "on") return;
  last.set(priority, performance.now());
  play(PATTERNS[priority], VOLUME[priority]);
}

const here = (all: Iterable<Alert>): Alert[] => [...all].filter(inScope);
/** Another tab sounds what calls here. */
const follows = (): boolean => ["elsewhere", "paused_elsewhere"].includes(soundPhase.peek());

function announced(fresh: readonly Alert[], all: ReadonlyMap<string, Alert>): void {
  const calls = here(fresh).filter(isCalling);
  const priority = calling(calls);
  if (!priority) return;
  const rose = calls.some((alert) => alert.priority === "high" && ["open", "rise"].includes(alert.change));
  if (follows()) tellTabs({ kind: "announced", from: TAB, priority, rose });
  else sound(priority, rose, () => ({ priority: calling(here(all.values())), technical: false }));
}

/** Something calls now, here or in another tab; ``own`` is what calls here, looked for only where a sound may start. */
function sound(priority: Priority, rose: boolean, own: () => Call): void {
  if (rose) pausedHere.value = null;
  // A burst of alerts is one burst of sound, and a milder one does not cut into a worse one's rhythm.
  const since = last.get(priority);
  if (since !== undefined && performance.now() - since <= 4_000) return;
  if (others.with(own(), performance.now()).priority === priority) burst(priority);
}

/** What this tab wants to be heard now, ``silent`` ms after the last heartbeat. */
function wanted(silent: number): Call {
  const stalled = untold.peek();
  const lost = silent >= TONE_MS || link.peek().phase === "refused";
  return {
    priority: calling(here(alerts.peek().values())),
    technical: lost || (stalled !== null && stalled + silent >= TONE_MS),
  };
}

function watch(silent: number): void {
  const paused = pausedHere.peek();
  if (paused !== null && Date.now() >= paused) pausedHere.value = null;
  if (wantedOut.peek()) return;
  const own = wanted(silent);
  if (follows()) {
    replaceWhoHangs();
    if (own.priority || own.technical) tellTabs({ kind: "calls", from: TAB, ...own });
    return;
  }
  if (sounding.peek()) tellTabs({ kind: "leads", pausedUntil: pausedHere.peek() });
  const { priority, technical } = others.with(own, performance.now());
  if (technical) tone();
  if (!priority) return;
  const since = last.get(priority);
  if (due(priority, since === undefined ? null : performance.now() - since)) burst(priority);
}

function tone(): void {
  const since = last.get("technical");
  if (since !== undefined && performance.now() - since < (TECHNICAL.everyMs ?? 0)) return;
  if (soundPhase.peek() !== "on") return;
  last.set("technical", performance.now());
  play(TECHNICAL, 0.4);
}

/** Another tab says something. Only who sounds has to do with it. */
function heard(said: Said): void {
  if (!sounding.peek()) return;
  switch (said.kind) {
    case "calls":
      others.take(said.from, said, performance.now());
      break;
    case "announced":
      others.take(said.from, { priority: said.priority, technical: false }, performance.now());
      sound(said.priority, said.rose, () => ({ priority: calling(here(alerts.peek().values())), technical: false }));
      break;
    case "unpause":
      pausedHere.value = null;
      break;
    case "leads":
      break;
  }
}

export function startSound(): void {
  startStation(heard);
  effect(() => (able.value ? lead() : letGo()));
  effect(() => {
    if (sounding.value) tellTabs({ kind: "leads", pausedUntil: pausedHere.value });
  });
  onAnnounced(announced);
  onTick(watch);
}
