/**
 * Which tab of the station sounds: who holds the browser's lock. It sounds for all of them, for they may watch different
 * wards; the others tell it over a channel what calls there, and hear from it whether it is paused.
 */
import { signal } from "@preact/signals";
import { HANGS_MS, type Said } from "../logic/station";

const NAME = "vigil-sound";
/** Names this tab to the others. */
export const TAB = Math.random().toString(36).slice(2);
/** This is the tab of the station that sounds. */
export const sounding = signal(false);
/** Until when the one that sounds is paused, ms since 1970; null where it is not. */
export const pausedElsewhere = signal<number | null>(null);

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(NAME) : null;
/** Held, or waited for. */
let turn: AbortController | null = null;
let heardAt = 0;

/** Take the lock once it is free. Without locks (no secure context) every tab sounds. */
export function lead(steal = false): void {
  if (turn || sounding.peek()) return;
  if (!("locks" in navigator)) {
    sounding.value = true;
    return;
  }
  const mine = new AbortController();
  turn = mine;
  heardAt = performance.now();
  const held = new Promise<void>((resolve) => {
    mine.signal.onabort = () => resolve();
  });
  const options = steal ? { steal } : { signal: mine.signal };
  navigator.locks.request(NAME, options, () => {
    if (mine.signal.aborted) return;
    sounding.value = true;
    return held;
  }).catch((error: unknown) => {
    if (turn !== mine) return; // Let go of while it waited.
    turn = null;
    // Another tab took it, since this one seemed to hang; where there can be no lock at all, each tab sounds.
    sounding.value = !(error instanceof DOMException && error.name === "AbortError");
    lead();
  });
}

export function letGo(): void {
  const mine = turn;
  turn = null;
  sounding.value = false;
  mine?.abort();
}

/** Once in a while: a tab that has the lock and tells nothing sounds nothing either. */
export function replaceWhoHangs(): void {
  if (!turn || sounding.peek() || performance.now() - heardAt <= HANGS_MS) return;
  letGo();
  lead(true);
}

export function tellTabs(said: Said): void {
  channel?.postMessage(said);
}

export function startStation(heard: (said: Said) => void): void {
  if (!channel) return;
  channel.onmessage = (event: MessageEvent<Said>) => {
    const said = event.data;
    if (said.kind === "leads" && !sounding.peek()) {
      heardAt = performance.now();
      pausedElsewhere.value = said.pausedUntil;
    }
    heard(said);
  };
}
