/** The evidence of an alert in words: by what it was judged, and the readings behind it. Times µs. */
import type { Alert } from "./alerts";
import { MINUTE, hhmm, hhmmss } from "./times";
import { digits, slopeDigits } from "./units";
import type { Unit } from "./words";

type Evidence = NonNullable<Alert["evidence"]>;
type Window = NonNullable<Evidence["window"]>;

/** Rules of more than one level. */
const LEVELLED: ReadonlySet<string> = new Set(["low", "high"]);
/** Readings that a sentence names: the latest. */
const NAMED_MAX = 6;

/** ``below 54: 52 at 22:54, 49 at 22:59; rule low level 2, policy version 3``. Empty where nothing is known. */
export function evidenceWords(alert: Alert, unit: Unit): string {
  const evidence = alert.evidence;
  if (!evidence) return "";
  const number = (value: number): string => digits(alert.metric, value, unit);
  const level = LEVELLED.has(alert.rule) ? ` level ${evidence.level}` : "";
  return `${seen(evidence, unit, number)}; rule ${alert.rule.replaceAll("_", " ")}${level}, policy version ${evidence.policy}${evidence.night ? ", by night" : ""}`;
}

function seen(evidence: Evidence, unit: Unit, number: (value: number) => string): string {
  if (evidence.window !== null) return window(evidence, evidence.window, number);
  if (typeof evidence.forecast === "number") return `forecast ${number(evidence.forecast)}, below ${number(evidence.limit ?? 0)}: ${readings(evidence, number)}`;
  if (typeof evidence.slope === "number") return `${going(evidence.slope, unit)} ${number(evidence.limit ?? 0)}: ${readings(evidence, number)}`;
  return evidence.limit === null ? heard(evidence, number) : run(evidence, evidence.limit, number);
}

function run(evidence: Evidence, limit: number, number: (value: number) => string): string {
  const side = (evidence.readings.at(-1)?.[1] ?? 0) < limit * 1000 ? "below" : "above";
  return `${side} ${number(limit)}: ${readings(evidence, number)}`;
}

function readings(evidence: Evidence, number: (value: number) => string): string {
  const named = evidence.readings.slice(-NAMED_MAX);
  const more = evidence.count - named.length;
  return named.map(([at, thousandths]) => `${number(thousandths / 1000)} at ${hhmm(at)}`).join(", ") + (more > 0 ? `, and ${more} before` : "");
}

/** ``falling 3.3 mg/dL/min below``: without the sign, which the word has. */
function going(slope: number, unit: Unit): string {
  return `${slope < 0 ? "falling" : "rising"} ${slopeDigits("glucose", slope, unit).slice(1)} ${unit}/min ${slope < 0 ? "below" : "above"}`;
}

function window(evidence: Evidence, found: Window, number: (value: number) => string): string {
  const limit = evidence.limit ?? found.median;
  const side = found.median === limit ? "at" : found.median < limit ? "below" : "above";
  const before = found.instants.length - 1;
  const times = before > 0 ? ` and ${before} ${before === 1 ? "time" : "times"} before, every 10 s` : "";
  const count = `${evidence.count} ${evidence.count === 1 ? "reading" : "readings"}`;
  return `${side} ${number(limit)}: median ${number(found.median)} of ${(found.end - found.begin) / MINUTE} min at ${hhmmss(found.end)}${times}, `
    + `from ${count} in ${found.filled} of ${found.slots} slots`;
}

function heard(evidence: Evidence, number: (value: number) => string): string {
  const last = evidence.readings.at(-1);
  if (last === undefined || evidence.heard_at === null) return "nothing was heard yet";
  const [at, thousandths] = last;
  const came = evidence.heard_at - at >= MINUTE ? `, which came at ${hhmm(evidence.heard_at)}` : "";
  return `heard last: ${number(thousandths / 1000)} at ${hhmm(at)}${came}`;
}
