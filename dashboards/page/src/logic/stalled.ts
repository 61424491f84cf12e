/** Data that stands still: where, in words, and whether that is news. A feed that lives brings no alert from there. */
import type { Alert, Heartbeat } from "./alerts";
import { span } from "./times";

type Place = Heartbeat["where"][number];

/**
 * ``Nothing from ward-a has been judged for 12 s (partitions 0, 1): no alert can come from there.`` Values reach tiles
 * by another way and may move on, so this says nothing of data. ``name`` gives a site's.
 */
export function stalledWords(where: readonly Place[], name: (site: number) => string): string {
  const found = new Map<string, { age_ms: number; partitions: number[] }>();
  for (const place of where) {
    const from = place.site === null ? "any site" : name(place.site);
    const held = found.get(from) ?? { age_ms: 0, partitions: [] };
    found.set(from, { age_ms: Math.max(held.age_ms, place.age_ms), partitions: [...held.partitions, place.partition] });
  }
  const parts = [...found].map(([from, { age_ms, partitions }]) => {
    const numbers = [...new Set(partitions)].sort((a, b) => a - b);
    return `from ${from} has been judged for ${span(age_ms * 1000)} (${numbers.length === 1 ? "partition" : "partitions"} ${numbers.join(", ")})`;
  });
  if (parts.length === 0) return "Nothing is judged: no alert can come.";
  return `Nothing ${parts.join(", nothing ")}: no alert can come from there.`;
}

/**
 * How old the oldest place is that stands still and that no alert of its site tells of, ms; null where there is none.
 * A silent site has an alert with a sound of its own, which can be answered; nobody can answer a tone.
 */
export function untoldMs(beat: Heartbeat | null, faults: readonly Alert[], mine: (site: number) => boolean): number | null {
  if (beat?.state !== "stalled") return null;
  if (beat.where.length === 0) return beat.age_ms ?? 0;
  const told = new Set(faults.map((alert) => alert.site));
  const untold = beat.where.filter(({ site }) => site === null || (mine(site) && !told.has(site)));
  return untold.length === 0 ? null : Math.max(...untold.map((place) => place.age_ms));
}
