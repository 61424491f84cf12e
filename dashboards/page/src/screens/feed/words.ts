/** What happened, in words. The clock is an argument: `time` turns µs UTC into what a person reads. */
import { goingWords, goneWords } from "../../logic/going";
import { besideOf, isolated } from "../../logic/words";
import type { Entry, Kind } from "./entries";

export type Time = (at: number) => string;
export type Value = (value: number, metric: string | null) => string;

const RULES: Record<string, string> = {
  low: "Low glucose",
  high: "High glucose",
  heart_rate_high: "High heart rate",
  heart_rate_low: "Low heart rate",
  heart_rate_extreme: "Extreme heart rate",
  heart_rate_rest: "High heart rate at rest",
  heart_rate_news2: "NEWS2 pulse sub-score",
  heart_rate_usual: "Heart rate above the usual",
  heart_rate_glucose: "Falling glucose with a fast heart",
  low_sustained: "Low glucose for long",
  high_sustained: "High glucose for long",
  glucose_falling: "Glucose falls fast",
  glucose_rising: "Glucose rises fast",
  low_soon: "Low glucose soon",
};

export const KIND_WORDS: Record<Exclude<Kind, "quiet">, string> = {
  call: "Calls", condition: "Condition", people: "People",
};

/** The name of a rule for a person, with its level where it has two. */
export function ruleWords(rule: string, level: number, metric: string | null): string {
  if (rule === "low" && level === 2) return "Very low glucose";
  if (rule === "high" && level === 2) return "Very high glucose";
  const known = RULES[rule];
  if (known !== undefined) return known;
  if (rule === "") return "Patient";
  if (rule.startsWith("signal")) return `No ${metricWords(metric)} data`;
  if (rule.startsWith("site")) return "Site silent";
  return sentence(rule.replaceAll("_", " "));
}

export function metricWords(metric: string | null): string {
  return metric === null ? "" : metric.replaceAll("_", " ");
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The sentence of a change, without its time and patient: "got worse: 48, below 54". */
export function changeWords(entry: Entry, time: Time, value: Value): string {
  if (entry.category === "technical" && entry.change === "open") return sinceWords(entry, time);
  const told = what(entry, time);
  const seen = valueWords(entry, time, value);
  const tells = entry.kind !== "people" && seen !== "" && entry.change !== "clear" && entry.change !== "expire";
  const after = tells ? `: ${seen}` : "";
  const text = entry.text === "" ? "" : `: “${isolated(entry.text)}”`;
  return `${told}${after}${text}`;
}

/** After the rule's name: ``since 13:59``, with the reason where that says more than the name. */
function sinceWords(entry: Entry, time: Time): string {
  const since = entry.since === null ? "" : `since ${time(entry.since)}`;
  const reason = entry.reason === "silent" ? "" : entry.reason.replace(/ UTC\b/, "");
  return since && reason ? `${since}: ${reason}` : since || reason;
}

/** Changes that a reading causes: its value is that moment's. What timers and people cause has an older one. */
const BY_READING: ReadonlySet<string> = new Set(["open", "rise", "lower", "active", "returning", "known"]);

/** Changes at which a rule that says where a value is going says so still. */
const GOES_ON: ReadonlySet<string> = new Set([
  "open", "rise", "active", "repeat", "run_out", "escalate", "not_delivered", "recheck", "shelf_end", "service_end",
]);

function what(entry: Entry, time: Time): string {
  const by = entry.by === "" ? "somebody" : isolated(entry.by);
  const until = entry.until === null ? "" : ` until ${time(entry.until)}`;
  switch (entry.change) {
    case "open": return "opened";
    case "rise": return "got worse";
    case "repeat": return "called again, nobody has answered";
    case "run_out": return "acknowledgement ran out, calls again";
    case "escalate": return entry.escalation >= 2 ? "called everyone" : "called the lead";
    case "not_delivered": return "no screen showed it within 10 s";
    case "recheck": return "recheck is due";
    case "shelf_end": return "shelf ended";
    case "service_end": return "patient is back in service";
    case "lower": return "got milder";
    case "active": return goingWords(entry.rule) ? "again" : "beyond the limit again";
    case "returning": return `${goneWords(entry.rule) || "within the limit"}, not yet for long enough`;
    case "unknown": return "no data, state unknown";
    case "known": return "data again";
    case "reason": return "reason changed";
    case "clear": return "over";
    case "expire": return "over and never seen, dropped after a day";
    case "acknowledge": return `acknowledged by ${by}${until}`;
    case "shelve": return `shelved by ${by}${until}`;
    case "shelf": return `shelved by ${by}${until}`;
    case "shelf_over": return "shelf ended";
    case "out_of_service": return `out of service by ${by}${until}`;
    case "in_service": return "back in service";
    case "unshelve": return "taken off the shelf";
    case "going": return `${by} is going`;
    case "treated": return `${by} has treated it${entry.until === null ? "" : `, recheck ${time(entry.until)}`}`;
    case "release": return "let go, nobody has it";
    case "undo": return "taken back";
    case "note": return `note by ${by}`;
    case "seen": return `seen by ${by}`;
    default: return entry.change.replaceAll("_", " ");
  }
}

function valueWords(entry: Entry, time: Time, value: Value): string {
  if (entry.category === "technical" || entry.value === null) return entry.reason;
  if (entry.change === "unknown" && entry.reason !== "") return entry.reason;
  let number = entry.censored === null ? value(entry.value, entry.metric) : entry.censored.toUpperCase();
  if (!BY_READING.has(entry.change)) {
    if (entry.value_at === null) return "";
    number = `${number} at ${time(entry.value_at)}`;
  }
  if (entry.limit === null) return number;
  const other = besideOf(entry.reason, (glucose) => value(glucose, "glucose"));
  return `${number}, ${sideWords(entry)} ${value(entry.limit, entry.metric)}${other}`;
}

function sideWords(entry: Entry): string {
  if (entry.value === null || entry.limit === null) return "limit";
  if (GOES_ON.has(entry.change) && goingWords(entry.rule)) return goingWords(entry.rule);
  if (entry.censored === "low" || entry.value < entry.limit) return "below";
  if (entry.censored === "high" || entry.value > entry.limit) return "above";
  return "at";
}
