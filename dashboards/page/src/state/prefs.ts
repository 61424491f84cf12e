/** What this station has chosen; kept in localStorage, never anything about patients. */
import { effect, signal, type Signal } from "@preact/signals";
import { believed, isFilters, isFlag, isGlucoseUnit, isTheme, type Filters, type GlucoseUnit, type Theme } from "../logic/kept";

export type { GlucoseUnit, Theme };
export const ALL: Filters = { priorities: ["high", "medium", "low"], site: null, technical: true };

function read(name: string): string | null {
  try {
    return localStorage.getItem(`vigil.${name}`);
  } catch {
    return null; // A private window: the station starts as a new one.
  }
}

function kept<T>(name: string, fallback: T, fits: (value: unknown) => value is T): Signal<T> {
  const found = signal<T>(believed(read(name), fallback, fits));
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

export const theme = kept<Theme>("theme", "auto", isTheme);
export const glucoseUnit = kept<GlucoseUnit>("glucoseUnit", "mg/dL", isGlucoseUnit);
export const filters = kept<Filters>("filters", ALL, isFilters);
/** The station was asked to sound; whether it does, state/sound tells. */
export const soundWanted = kept<boolean>("soundWanted", false, isFlag);
