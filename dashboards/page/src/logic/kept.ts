/** What a station has kept from an earlier visit: believed only in the shape that it has now. */
import { PRIORITIES, type Priority } from "./alerts";

export type Theme = "auto" | "dark" | "light";
export type GlucoseUnit = "mg/dL" | "mmol/L";
export interface Filters {
  priorities: Priority[];
  /** A site's number: the team; null for all. */
  site: number | null;
  technical: boolean;
}

/** The kept text as a value, or the fallback where it is none, is no JSON, or has another shape. */
export function believed<T>(text: string | null, fallback: T, fits: (value: unknown) => value is T): T {
  if (text === null) return fallback;
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

const among = <T>(choices: readonly T[]) => (value: unknown): value is T => choices.includes(value as T);

export const isTheme = among<Theme>(["auto", "dark", "light"]);
export const isGlucoseUnit = among<GlucoseUnit>(["mg/dL", "mmol/L"]);
export const isFlag = among<boolean>([true, false]);
const isPriority = among(PRIORITIES);

export function isFilters(value: unknown): value is Filters {
  if (typeof value !== "object" || value === null) return false;
  const { priorities, site, technical } = value as Record<string, unknown>;
  return Array.isArray(priorities) && priorities.every(isPriority) && (site === null || Number.isSafeInteger(site)) && isFlag(technical);
}
