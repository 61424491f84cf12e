/** Rules in words, from the patient's policy: why an alert is there, and what is watched at all. Times µs. */
import { MINUTE, SECOND } from "../../logic/times";
import { isMetric, type Metric } from "./series";

export interface Level {
  readonly number: number;
  readonly limit: number;
  readonly on_span_us: number;
  readonly quick_limit: number;
  readonly quick_span_us: number;
  readonly slow_span_us: number;
  readonly priority: string;
  /** After how long at this level it calls as level 2 does. */
  readonly prolonged_us?: number | null;
  readonly response?: { readonly repeat_us: number | null; readonly lead_us: number | null; readonly all_us: number | null };
}

export interface ThresholdRule {
  readonly name: string;
  readonly metric: string;
  readonly side: "low" | "high";
  readonly levels: readonly Level[];
}

export interface UsualRate {
  readonly above: number;
  readonly zone: string;
  readonly begins: string;
  readonly ends: string;
}

export interface WindowRule {
  readonly name: string;
  readonly metric: string;
  readonly width_us: number;
  readonly on_above?: number | null;
  readonly on_below?: number | null;
  readonly on_at_most?: number | null;
  readonly successive?: number;
  /** Steps per minute up to which the rule judges; null asks for no rest. */
  readonly rest_at_most?: number | null;
  /** In place of limits: how far above what is usual at night. */
  readonly usual?: UsualRate | null;
  /** The glucose, mg/dL, that must be below and falling, too. */
  readonly glucose_below?: number | null;
  /** How long artefact may hold an opening; 0 not at all. */
  readonly artefact_hold_us?: number;
  readonly priority: string;
}

export interface Rules {
  readonly thresholds?: readonly ThresholdRule[];
  readonly windows?: readonly WindowRule[];
  readonly sustained?: readonly GlucoseRule[];
  readonly rates?: readonly GlucoseRule[];
  readonly forecasts?: readonly GlucoseRule[];
  readonly signals?: readonly { readonly metric: string; readonly medium_after_us?: number }[];
}

/** A rule that judges glucose readings one by one, of whatever kind. */
export interface GlucoseRule {
  readonly name: string;
  readonly metric: string;
  readonly priority: string;
  readonly on_span_us: number;
  readonly side?: "low" | "high";
  readonly limit?: number;
  readonly direction?: "falling" | "rising";
  readonly rate?: number;
  readonly gate?: number;
  readonly horizon_us?: number;
}

/** Other numbers of the same rules, while the zone's clock shows a time in [begins, ends). */
export interface Night extends Rules {
  readonly zone: string;
  readonly begins: string;
  readonly ends: string;
}

export interface Policy extends Rules {
  readonly version?: number;
  readonly night?: Night | null;
}

/** The rules of a policy by day, or by night: there a rule that the night has holds in place of the day's. */
export function partOf(policy: Policy | null, night: boolean): Policy | null {
  const own = policy?.night ?? null;
  if (policy === null || own === null || !night) return policy;
  const named = <R extends { readonly name: string }>(day: readonly R[] = [], mine: readonly R[] = []): R[] =>
    day.map((rule) => mine.find((each) => each.name === rule.name) ?? rule);
  return {
    ...policy, thresholds: named(policy.thresholds, own.thresholds), windows: named(policy.windows, own.windows),
    sustained: named(policy.sustained, own.sustained), rates: named(policy.rates, own.rates), forecasts: named(policy.forecasts, own.forecasts),
    signals: (policy.signals ?? []).map((rule) => own.signals?.find((each) => each.metric === rule.metric) ?? rule),
  };
}

export type Number_ = (value: number, metric: string) => string;

export interface Watch {
  readonly name: string;
  readonly words: string;
  readonly priority: string;
  /** False where the device's interval is too long for the rule's window, or nothing counts the steps it asks for. */
  readonly applies: boolean;
  /** Why it does not, empty where it does. */
  readonly hindrance: string;
}

export function durationWords(us: number): string {
  if (us < 2 * MINUTE) return `${Math.round(us / SECOND)} s`;
  if (us < 120 * MINUTE) return `${Math.round(us / MINUTE)} min`;
  return `${Math.round(us / MINUTE / 6) / 10} h`;
}

/** When a level of a threshold rule turns on: "below 54, at once". */
export function levelWords(rule: ThresholdRule, level: Level, number: Number_): string {
  const side = rule.side === "low" ? "below" : "above";
  const held = level.on_span_us === 0 ? "at the first reading" : `for ${durationWords(level.on_span_us)}`;
  const lasting = level.prolonged_us == null ? "" : `; after ${durationWords(level.prolonged_us)} as urgent as level 2`;
  return `${side} ${number(level.limit, rule.metric)} ${held}${lasting}`;
}

export function offWords(rule: ThresholdRule, level: Level, number: Number_): string {
  const word = rule.side === "low" ? "or more" : "or less";
  return `ends after ${durationWords(level.quick_span_us)} at ${number(level.quick_limit, rule.metric)} ${word}, `
    + `or ${durationWords(level.slow_span_us)} within the limit`;
}

export function windowWords(rule: WindowRule, number: Number_): string {
  const sides = [
    rule.on_above == null ? "" : `above ${number(rule.on_above, rule.metric)}`,
    rule.on_below == null ? "" : `below ${number(rule.on_below, rule.metric)}`,
    rule.on_at_most == null ? "" : `at or below ${number(rule.on_at_most, rule.metric)}`,
  ].filter((side) => side !== "").join(" or ");
  if (rule.name === "heart_rate_news2") return news2Words(rule);
  if (rule.usual != null) return usualWords(rule, rule.usual);
  const times = (rule.successive ?? 1) > 1 ? `, ${rule.successive} times in a row (every 10 s)` : "";
  return `median of ${durationWords(rule.width_us)} is ${sides}${times}${besideWords(rule, number)}${restWords(rule)}${heldWords(rule)}`;
}

function usualWords(rule: WindowRule, usual: UsualRate): string {
  return `median of ${durationWords(rule.width_us)} is more than ${usual.above} above the usual: the median of the nights `
    + `(${usual.begins} to ${usual.ends}, ${usual.zone}) of 14 days${restWords(rule)}${heldWords(rule)}`;
}

function besideWords(rule: WindowRule, number: Number_): string {
  return rule.glucose_below == null ? "" : ` while glucose falls below ${number(rule.glucose_below, "glucose")} mg/dL`;
}

function restWords(rule: WindowRule): string {
  if (rule.rest_at_most == null) return "";
  return rule.rest_at_most === 0 ? ", and no step in that time" : `, and at most ${rule.rest_at_most} steps a minute in that time`;
}

/** The rule on one part of NEWS2, by its name: never a total (RULES, *NEWS2 pulse sub-score*). */
function news2Words(rule: WindowRule): string {
  const score = (rule.on_above ?? 0) >= 130 ? "3" : "at least 2";
  const lasting = (rule.successive ?? 1) > 1 ? ` for ${durationWords((rule.successive ?? 1) * 10 * SECOND)}` : "";
  return `NEWS2 pulse sub-score of the median of ${durationWords(rule.width_us)} is ${score}${lasting}${restWords(rule)}${heldWords(rule)}`;
}

function heldWords(rule: WindowRule): string {
  return rule.artefact_hold_us ? `; held for ${durationWords(rule.artefact_hold_us)} at most while most of it is artefact` : "";
}

function glucoseRules(policy: Rules | null): readonly GlucoseRule[] {
  return [...(policy?.sustained ?? []), ...(policy?.rates ?? []), ...(policy?.forecasts ?? [])];
}

/** When a rule that judges glucose readings turns on: "falling by more than 3 mg/dL a minute, below 150". */
export function glucoseWords(rule: GlucoseRule, number: Number_): string {
  const held = rule.on_span_us === 0 ? "" : ` for ${durationWords(rule.on_span_us)}`;
  if (rule.direction !== undefined) {
    const side = rule.direction === "falling" ? "below" : "above";
    return `${rule.direction} by more than ${rule.rate} mg/dL a minute, ${side} ${number(rule.gate ?? 0, rule.metric)}${held}`;
  }
  const limit = number(rule.limit ?? 0, rule.metric);
  if (rule.horizon_us !== undefined) return `forecast below ${limit} within ${durationWords(rule.horizon_us)}${held}`;
  return `${rule.side === "low" ? "below" : "above"} ${limit}${held}`;
}

/** Silence of a metric that calls, at least (RULES, *Signal*). */
const SILENT: Record<Metric, number> = { glucose: 20 * MINUTE, heart_rate: 5 * MINUTE };
const SILENT_INTERVALS = 2.2;

/** How long no deciding reading may come before the signal rule calls; a slow device has longer (``interval`` µs). */
export function silentUs(metric: Metric, interval: number | null): number {
  return Math.max(SILENT[metric], SILENT_INTERVALS * (interval ?? 0));
}

/** Why the rule of an alert called: its condition and what ends it; empty where the policy does not know it. */
export function whyWords(policy: Policy | null, rule: string, metric: string | null, level: number, number: Number_,
                         interval: number | null): string {
  const threshold = policy?.thresholds?.find((each) => each.name === rule);
  const at = threshold?.levels.find((each) => each.number === level);
  if (threshold !== undefined && at !== undefined) {
    return `Calls ${levelWords(threshold, at, number)}; ${offWords(threshold, at, number)}.`;
  }
  const window = policy?.windows?.find((each) => each.name === rule);
  if (window !== undefined) return `Calls when the ${windowWords(window, number)}.`;
  const judged = glucoseRules(policy).find((each) => each.name === rule);
  if (judged !== undefined) return `Calls when ${glucoseWords(judged, number)}.`;
  if (rule.startsWith("signal") && isMetric(metric)) {
    return `Calls after ${durationWords(silentUs(metric, interval))} without a usable ${metric.replaceAll("_", " ")} reading; new ones end it.`;
  }
  return "";
}

function signalWords(metric: Metric, mediumAfter: number | null, interval: number | null): string {
  const later = mediumAfter === null ? "" : `; medium after ${durationWords(mediumAfter)}`;
  return `no usable reading for ${durationWords(silentUs(metric, interval))}${later}`;
}

/** Why a window rule says nothing of somebody: the device's interval (µs; null: not known), or no count of steps. */
function hindranceWords(rule: WindowRule, interval: number | null, counted: boolean): string {
  if (interval !== null && rule.width_us < 2 * interval) return "This rule does not apply at this device's interval.";
  return rule.rest_at_most != null && !counted ? "This rule does not apply: no device worn now counts steps." : "";
}

/** Every rule in force for a metric, and whether it applies at the device's interval; whether steps are ``counted``. */
export function watches(policy: Policy | null, metric: Metric, interval: number | null, number: Number_,
                        name: (rule: string, level: number, metric: string | null) => string, counted = false): Watch[] {
  const thresholds = (policy?.thresholds ?? []).filter((rule) => rule.metric === metric).flatMap((rule) =>
    rule.levels.map((level) => ({
      name: name(rule.name, level.number, metric), words: levelWords(rule, level, number), priority: level.priority, applies: true, hindrance: "",
    })));
  const windows = (policy?.windows ?? []).filter((rule) => rule.metric === metric).map((rule) => {
    const hindrance = hindranceWords(rule, interval, counted);
    return { name: name(rule.name, 1, metric), words: windowWords(rule, number), priority: rule.priority, applies: hindrance === "", hindrance };
  });
  const signals = (policy?.signals ?? []).filter((rule) => rule.metric === metric).map((rule) => ({
    name: name("signal", 1, metric), words: signalWords(metric, rule.medium_after_us ?? null, interval), priority: "low", applies: true, hindrance: "",
  }));
  const judged = glucoseRules(policy).filter((rule) => rule.metric === metric).map((rule) => ({
    name: name(rule.name, 1, metric), words: glucoseWords(rule, number), priority: rule.priority, applies: true, hindrance: "",
  }));
  return [...thresholds, ...windows, ...judged, ...signals];
}
