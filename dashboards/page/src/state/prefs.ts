/** What this station has chosen; kept in localStorage, never anything about patients. */
import { effect, signal, type Signal } from "@preact/signals";
import type { Priority } from "../logic/alerts";

export type Theme = "auto" | "dark" | "light";
export type GlucoseUnit = "mg/dL" | "mmol/L";
export interface Filters {
  priorities: Priority[];
  /** A site's number: the team; null for all. */
  site: number | null;
  technical: boolean;
}
export const ALL: Filters = { priorities: ["high", "medium", "low"], site: null, technical: true };

function kept<T>(name: string, fallback: T): Signal<T> {
  let value = fallback;
  try {
    const text = localStorage.getItem(`vigil.${name}`);
    if (text !== null) value = JSON.parse(text) as T;
  } catch {
    value = fallback; // Private windows and broken entries: the station starts as a new one.
  }
  const found = signal<T>(value);
  effect(() => {
    const text = JSON.stringify(found.value);
    try {
      localStorage.setItem(`vigil.${name}`, text);
    } catch {
      return; // No storage: the choice holds for this tab.
    }
  });
  return found;
}

export const theme = kept<Theme>("theme", "auto");
export const glucoseUnit = kept<GlucoseUnit>("glucoseUnit", "mg/dL");
export const filters = kept<Filters>("filters", ALL);
/** The station was asked to sound; whether it does, state/sound tells. */
export const soundWanted = kept<boolean>("soundWanted", false);
