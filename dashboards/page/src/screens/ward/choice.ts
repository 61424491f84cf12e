/** Which card is chosen, which panel is open on it, and the order as it is shown. */
import { computed, effect, signal } from "@preact/signals";
import { filtered } from "../../logic/filter";
import { reached, WINDOW } from "../../logic/growth";
import { freeze, FREEZE_MS, rank, type Card } from "../../logic/order";
import { worklist } from "../../state/feed";
import { filters } from "../../state/prefs";
import { wallMode } from "../../state/route";
import { chosenSite, inScope } from "../../state/scope";
import { onTick } from "../../state/watchdog";

export type Panel = "acknowledge" | "shelve" | "treated" | "note" | "out" | "more";

export const selected = signal<string | null>(null);
export const panel = signal<{ patient: string; kind: Panel } | null>(null);
/** How many cards are drawn at most. */
export const limit = signal(WINDOW);

export const choice = computed(() => ({ ...filters.value, site: chosenSite.value }));
const matching = computed(() => filtered(worklist.value, choice.value));
/** Patients with open alerts that are not listed: of other sites, and of what the station has switched off. */
export const elsewhere = computed(() => worklist.value.filter((card) => !inScope(card)).length);
export const hiddenByFilter = computed(() => worklist.value.length - matching.value.length - elsewhere.value);

interface Hold {
  until: number;
  patients: string[];
  highs: Set<string>;
}
const hold = signal<Hold | null>(null);
let restUntil = 0;

export const frozen = computed(() => hold.value !== null);
/** The cards as they are shown: in order, or as they were when a pointer came, for at most 10 s. */
export const cards = computed<Card[]>(() => {
  const held = hold.value;
  return held ? freeze(matching.value, held.patients, held.highs) : matching.value;
});

export const WALL_CARDS_MAX = 12;
/** How many cards the wall has room for; a card that is cut off says nothing, so it is counted instead. */
export const room = signal(WALL_CARDS_MAX);
/** Patients whose card stays drawn wherever it comes to stand: who is chosen, and who is being written about. */
export const pinned = computed<ReadonlySet<string>>(
  () => new Set([selected.value, panel.value?.patient ?? null].filter((patient) => patient !== null)),
);
/** The cards to draw: the first ones, and those that are kept. */
export const wanted = computed<Card[]>(() => cards.value.filter((card, place) => place < limit.value || pinned.value.has(card.patient)));
/** Patients whose card stands on the desk's list by now: a burst is drawn frame by frame. */
export const drawn = signal<ReadonlySet<string>>(new Set());
/** Patients whose card is drawn. */
export const drawnCards = computed<ReadonlySet<string>>(() =>
  wallMode.value ? new Set(cards.value.slice(0, room.value).map((card) => card.patient)) : drawn.value,
);

/** A pointer moves over the list: nothing may slip away under it. */
export function touch(): void {
  if (hold.peek() || performance.now() < restUntil) return;
  const shown = cards.peek();
  const highs = shown.filter((card) => card.lead.priority === "high" && rank(card.lead) === 0);
  hold.value = {
    until: performance.now() + FREEZE_MS,
    patients: shown.map((card) => card.patient),
    highs: new Set(highs.map((card) => card.patient)),
  };
}

export function leave(): void {
  hold.value = null;
}

onTick(() => {
  const held = hold.peek();
  if (!held || performance.now() < held.until) return;
  restUntil = performance.now() + 1_000;
  hold.value = null;
});

// A new high on top joins the held order there, once, and keeps its place like the others.
effect(() => {
  const held = hold.value;
  if (!held) return;
  for (const card of cards.value) {
    if (card.lead.priority !== "high" || rank(card.lead) !== 0 || held.highs.has(card.patient)) continue;
    held.highs.add(card.patient);
    held.patients = [card.patient, ...held.patients.filter((patient) => patient !== card.patient)];
  }
});

export function selectedCard(): Card | null {
  return cards.peek().find((card) => card.patient === selected.peek()) ?? null;
}

/** Somebody stands on the card of a patient: the list is drawn beyond it. */
export function reach(patient: string): void {
  const place = cards.peek().findIndex((card) => card.patient === patient);
  limit.value = Math.max(limit.peek(), reached(place));
}

/** Move the choice by one; from none to the first. Returns the chosen patient. */
export function move(step: 1 | -1): string | null {
  const shown = cards.peek();
  const place = shown.findIndex((card) => card.patient === selected.peek());
  const next = shown[place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + step))];
  if (!next) return null;
  selected.value = next.patient;
  reach(next.patient);
  return next.patient;
}

/** Open a panel on a card, or close it where it is open already. */
export function toggle(patient: string, kind: Panel): void {
  const open = panel.peek();
  panel.value = open?.patient === patient && open.kind === kind ? null : { patient, kind };
}
