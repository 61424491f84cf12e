/** What the chart holds at one time, and over its whole span, in words. */
import { when } from "../../logic/times";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import type { PatientModel } from "./model";
import { flagWords, heldWords, summaryWords } from "./readings";
import { METRICS, nearestIndex, type Metric } from "./series";
import { STEPS_UNKNOWN, barAt, bars, barWidth, stepsWords } from "./steps";
import { shownIn } from "./units";

export const NAMES: Record<Metric, string> = { heart_rate: "Heart rate", glucose: "Glucose" };

/** Both metrics at a time: their last value, the spread of its bucket, what is special. */
export function readoutWords(model: PatientModel, at: number): string {
  const { range } = model.view.value;
  const told = METRICS.map((metric) => {
    const series = model.series[metric].value;
    const shown = shownIn(metric, glucoseUnit.value);
    const i = series === null ? -1 : nearestIndex(series, at, Math.max(range / 100, 2 * (series.interval_us ?? 0)));
    if (series === null || i < 0) return `${NAMES[metric]}: no data`;
    const value = series.last[i] ?? null;
    const [low, high] = [series.min[i] ?? null, series.max[i] ?? null];
    const spread = low !== null && high !== null && low !== high ? ` (${shown.number(low)} to ${shown.number(high)})` : "";
    const flags = flagWords(series.flags[i] ?? 0);
    return `${NAMES[metric]} ${value === null ? "--" : shown.number(value)} ${shown.unit}${spread}${flags === "" ? "" : `, ${flags}`}`;
  });
  const width = barWidth(range);
  const bar = model.steps.value === null ? null : barAt(bars(model.steps.value, width), width, at);
  if (bar !== null) told.splice(1, 0, `Steps ${Math.round(bar.most)} a minute`);
  return `${when(at, now.peek())} · ${told.join(" · ")}`;
}

/** The chart in sentences, for who cannot see it. */
export function chartWords(model: PatientModel): string {
  const told = METRICS.map((metric) => {
    const series = model.series[metric].value;
    const shown = shownIn(metric, glucoseUnit.value);
    const known = model.knowledge.value;
    if (series === null || known === "asking") return `${NAMES[metric]}: loading.`;
    const words = known === "known" && series.remembered !== true ? summaryWords : heldWords;
    const summary = words(NAMES[metric], series, shown.number, shown.unit, (at) => when(at, now.peek()));
    const changed = series.limits.slice(1).map(([from]) => when(from, now.peek()));
    return changed.length === 0 ? summary : `${summary} Its limits changed at ${changed.join(", ")}.`;
  });
  const width = barWidth(model.view.value.range);
  const unknown = model.stepsProblem.value === "" ? "" : STEPS_UNKNOWN;
  const steps = model.steps.value === null ? unknown : stepsWords(bars(model.steps.value, width), width, (at) => when(at, now.peek()));
  return [...told, ...(steps === "" ? [] : [steps])].join(" ");
}
