/** Units for people. One constant (DOMAIN): 1 mmol/L = 18.0182 mg/dL. */
import type { Metric } from "./live";

export const MGDL_PER_MMOLL = 18.0182;
export const METRIC_WORD: Readonly<Record<Metric, string>> = { glucose: "glucose", heart_rate: "heart rate" };
export const METRIC_SHORT: Readonly<Record<Metric, string>> = { glucose: "Glucose", heart_rate: "HR" };

/** A value as digits: glucose whole mg/dL or one decimal mmol/L, heart rate whole. ``canonical`` is mg/dL or /min. */
export function digits(metric: string | null, canonical: number, glucose: "mg/dL" | "mmol/L"): string {
  if (metric === "glucose" && glucose === "mmol/L") return (canonical / MGDL_PER_MMOLL).toFixed(1);
  return String(Math.floor(canonical + 0.5));
}

export function unitOf(metric: string | null, glucose: "mg/dL" | "mmol/L"): string {
  if (metric === "glucose") return glucose;
  return metric === "heart_rate" ? "/min" : "";
}

/** ``+2.3``: a slope per minute with its sign, in the chosen unit. */
export function slopeDigits(metric: Metric, slope: number, glucose: "mg/dL" | "mmol/L"): string {
  const shown = metric === "glucose" && glucose === "mmol/L" ? slope / MGDL_PER_MMOLL : slope;
  const text = Math.abs(shown).toFixed(metric === "glucose" && glucose === "mmol/L" ? 2 : 1);
  if (Number(text) === 0) return `±${text}`;
  return `${shown > 0 ? "+" : "−"}${text}`;
}

/** Signs for the arrows -3..3. */
export const ARROWS: Readonly<Record<string, string>> = {
  "-3": "⇊",
  "-2": "↓",
  "-1": "↘",
  "0": "→",
  "1": "↗",
  "2": "↑",
  "3": "⇈",
};
export const ARROW_WORDS: Readonly<Record<string, string>> = {
  "-3": "falling very fast",
  "-2": "falling fast",
  "-1": "falling",
  "0": "steady",
  "1": "rising",
  "2": "rising fast",
  "3": "rising very fast",
};
