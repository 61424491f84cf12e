/** Alerts in words for a person: what it is, why, and what happens next. No clock here: ``now`` is an argument, µs. */
import type { Alert, CommandAnswer, Unwatched } from "./alerts";
import { extraWord, goingWords, goneWords, isDownward } from "./going";
import { digits, unitOf } from "./units";
import { MINUTE, SECOND, span, when } from "./times";

export type Unit = "mg/dL" | "mmol/L";

/** The alert in one or two words, for a tile: ``LOW``, ``HIGH``, ``HR HIGH``, ``SIGNAL LOST``. */
export function word(alert: Pick<Alert, "category" | "patient" | "rule" | "level" | "metric">): string {
  if (alert.category === "technical") return alert.patient === null ? "SITE SILENT" : "NO SIGNAL";
  switch (alert.rule) {
    case "low":
      return alert.level >= 2 ? "VERY LOW" : "LOW";
    case "high":
      return alert.level >= 2 ? "VERY HIGH" : "HIGH";
    default:
      break;
  }
  if (alert.metric === "heart_rate") {
    if (alert.rule.includes("extreme")) return "HR EXTREME";
    if (alert.rule.includes("rest")) return "HR AT REST";
    if (alert.rule.includes("usual")) return "HR UNUSUAL";
    if (alert.rule.includes("glucose")) return "GLUCOSE FALLS";
    // One part of the score, never the score: the word says so.
    if (alert.rule.includes("news2")) return "NEWS2 PULSE";
    return alert.rule.includes("low") ? "HR LOW" : "HR HIGH";
  }
  return extraWord(alert.rule) || alert.rule.replaceAll("_", " ").toUpperCase();
}

/** Whether the value is beyond a lower limit: by the rule, or where that says neither, by the numbers. */
function isBelow(alert: Alert): boolean {
  const downward = isDownward(alert.rule);
  if (downward !== null) return downward;
  if (alert.value === null || alert.limit === null) return false;
  // Back within the limit, the value lies on the other side of it.
  const back = alert.condition === "returning" || alert.condition === "over";
  return back ? alert.value >= alert.limit : alert.value <= alert.limit;
}

/** The value as the device showed it: digits, or LOW or HIGH where it was beyond the device's range. */
export function shown(alert: Alert, unit: Unit): string {
  if (alert.censored) return alert.censored === "low" ? "LOW" : "HIGH";
  return alert.value === null ? "--" : digits(alert.metric, alert.value, unit);
}

/** Why, of a rule that says where a value is going: ``138, falling fast below 150 since 12:00``. */
function whyGoing(alert: Alert, value: string, limit: string, now: number): string {
  const going = goingWords(alert.rule);
  const since = when(alert.since, now);
  if (alert.condition === "returning") return `${value}, ${goneWords(alert.rule)}, not yet for long enough`;
  if (alert.condition !== "over") return `${value}, ${going} ${limit}, since ${since}`;
  const until = when(alert.at, now);
  return alert.reason === "reached" ? `over: ${value}, now below ${limit} as forecast at ${since}` : `over: was ${going} ${limit} from ${since} to ${until}`;
}

/** Why: ``48, below 54 since 22:59``; ``was 48 at 22:59, no data for 12 min``; ``back above 54, was low since 22:59``. */
export function why(alert: Alert, unit: Unit, now: number): string {
  if (alert.category === "technical") {
    const reason = isolated(alert.reason.replace(/ UTC\b/, "")) || "silent";
    const what = alert.patient === null ? "no data from the site" : metricWord(alert.metric);
    return `${what}: ${reason}, since ${when(alert.since, now)}`;
  }
  const value = shown(alert, unit);
  const limit = alert.limit === null ? "the limit" : digits(alert.metric, alert.limit, unit);
  const since = when(alert.since, now);
  const side = isBelow(alert) ? "below" : "above";
  if (alert.condition === "unknown") {
    if (alert.value_at === null) return `no data, since ${when(alert.at, now)}`;
    return `was ${value} at ${when(alert.value_at, now)}, ${unknownFor(alert.reason)} for ${span(now - alert.value_at)}`;
  }
  if (goingWords(alert.rule)) return whyGoing(alert, value, limit, now);
  if (alert.condition === "returning") return `${value}, back ${side === "below" ? "above" : "below"} ${limit}, not yet for long enough`;
  const milder = milderBefore(alert);
  const lasting = alert.reason === "prolonged" ? ", prolonged" : "";
  if (alert.condition === "over") {
    const until = when(alert.at, now);
    return milder ? `over: was ${milder} from ${since} to ${until}, at times ${side} ${limit}` : `over: was ${side} ${limit} from ${since} to ${until}`;
  }
  const other = besideOf(alert.reason, (glucose) => `${digits("glucose", glucose, unit)} ${unit}`);
  // A low heart rate is one at its limit already: "40, below 40" is no sentence.
  const where = alert.value === alert.limit && !alert.censored ? "at" : side;
  return milder ? `${value}, ${where} ${limit}, ${milder} since ${since}` : `${value}, ${where} ${limit} since ${since}${lasting}${other}`;
}

const BESIDE = /^glucose (?:(LOW|HIGH)|(\d+) mg\/dL)$/;
const USUAL = /^usual [\d.]+ \/min$/;

/** What a rule saw beside its value, from the reason that tells it: ``, glucose 72``, ``, usual 61.5 /min``; else empty. */
export function besideOf(reason: string, value: (glucose: number) => string): string {
  if (USUAL.test(reason)) return `, ${reason}`;
  const found = BESIDE.exec(reason);
  return found === null ? "" : `, glucose ${found[1] ?? value(Number(found[2]))}`;
}

const MISSING: ReadonlySet<string> = new Set(["no activity data", "no glucose data", "no usual rate"]);

/** What is missing while a value is there and a rule cannot judge it; of all else, data (RULES, *Heart rate at rest*). */
function unknownFor(reason: string): string {
  if (reason === "moving") return "moving, not at rest";
  return MISSING.has(reason) ? reason : "no data";
}

const AT_ONCE = 90 * SECOND;

/**
 * ``since`` is the begin of the whole low or high. One that was milder at first was not beyond its present limit since
 * then: the word for what it was, empty where it opened as bad as it is.
 */
function milderBefore(alert: Alert): string {
  return alert.level >= 2 && alert.opened_at - alert.since > AT_ONCE ? alert.rule.replaceAll("_", " ") : "";
}

function metricWord(metric: string | null): string {
  return metric === "glucose" ? "glucose" : metric === "heart_rate" ? "heart rate" : "data";
}

const TURNS_BACK = "calls again only if it turns back";

/** What happens next by itself: ``repeats 23:04, lead 23:02``. Empty where nothing does. */
export function next(alert: Alert, now: number): string {
  if (alert.condition === "over") return alert.unseen ? "nobody has seen it" : "";
  if (alert.response === "acknowledged") {
    if (alert.recheck_at !== null) return `recheck ${when(alert.recheck_at, now)}`;
    // It ran out while the value was within the limit: the call waits.
    if (alert.acknowledged_until !== null && alert.acknowledged_until <= now) return alert.condition === "returning" ? TURNS_BACK : "";
    return alert.acknowledged_until === null ? "" : `calls again ${when(alert.acknowledged_until, now)} if still so`;
  }
  if (alert.response === "shelved") return alert.shelved_until === null ? "" : `shelved until ${when(alert.shelved_until, now)}`;
  if (alert.response === "out_of_service") return "out of service";
  // While it returns, repeats and escalation wait; it would be wrong to promise them.
  if (alert.condition === "returning") return TURNS_BACK;
  const parts: string[] = [];
  if (alert.repeat_at !== null) parts.push(`repeats ${when(alert.repeat_at, now)}`);
  if (alert.lead_at !== null && alert.escalation < 1) parts.push(`lead ${when(alert.lead_at, now)}`);
  else if (alert.all_at !== null && alert.escalation < 2) parts.push(`all ${when(alert.all_at, now)}`);
  return parts.join(", ");
}

/** Why and next in one sentence: ``48, below 54 since 22:59; repeats 23:04, lead 23:02``. */
export function sentence(alert: Alert, unit: Unit, now: number): string {
  const then = next(alert, now);
  return then ? `${why(alert, unit, now)}; ${then}` : why(alert, unit, now);
}

/** Who has it: ``Mia is going``, ``Mia treated 23:01``, ``acknowledged by Mia until 23:20``, brief ``ack Mia until 23:20``. */
export function who(alert: Alert, now: number, brief = false): string {
  if (alert.owner && alert.treated_at !== null) return `${isolated(alert.owner)} treated ${when(alert.treated_at, now)}`;
  if (alert.owner) return `${isolated(alert.owner)} is going`;
  if (alert.response === "acknowledged" && alert.acknowledged_by) {
    const until = alert.acknowledged_until === null || alert.acknowledged_until <= now ? "" : ` until ${when(alert.acknowledged_until, now)}`;
    return `${brief ? "ack" : "acknowledged by"} ${isolated(alert.acknowledged_by)}${until}`;
  }
  if (alert.response === "shelved" && alert.shelved_by) return `shelved by ${isolated(alert.shelved_by)}`;
  return "";
}

/** Whom it has called beyond the patient's own clinicians. */
export function called(alert: Alert): string {
  if (alert.response !== "unacknowledged") return "";
  return alert.escalation === 2 ? "all called" : alert.escalation === 1 ? "lead called" : "";
}

/** An alert aloud, for a screen reader: name, priority, word, sentence. */
export function spoken(alert: Alert, unit: Unit, now: number): string {
  const name = isolated(alert.label) || `site ${alert.site}`;
  return `${name}: ${alert.priority} priority, ${word(alert).toLowerCase()}. ${unitSaid(sentence(alert, unit, now), alert, unit)}`;
}

function unitSaid(text: string, alert: Alert, unit: Unit): string {
  const said = unitOf(alert.metric, unit);
  return alert.category === "physiological" && said === "/min" ? text.replace(/^(\d+)/, "$1 beats per minute") : text;
}

/** Changes in words, for the feed and a patient's history. */
export const CHANGE_WORD: Readonly<Record<Alert["change"], string>> = {
  open: "new",
  rise: "worse",
  lower: "milder",
  active: "beyond the limit again",
  returning: "back within the limit",
  unknown: "no data",
  known: "data again",
  reason: "another reason",
  clear: "over",
  acknowledge: "acknowledged",
  run_out: "acknowledgement ran out",
  repeat: "calls again",
  reassert: "written again",
  escalate: "escalated",
  not_delivered: "on no screen within 10 s",
  recheck: "recheck is due",
  shelve: "shelved",
  unshelve: "shelf ended by hand",
  shelf_end: "shelf ran out",
  service_end: "back in service",
  going: "somebody is going",
  treated: "treated",
  release: "given back",
  undo: "taken back",
  note: "note",
  seen: "seen",
  delivered: "on a screen",
  expire: "left after a day unseen",
};

/** Why the server refused, in words that say what to do. */
export function refusal(reason: CommandAnswer["reason"]): string {
  switch (reason) {
    case "worsened":
      return "it worsened after what you saw: look again";
    case "cleared":
      return "it is over already";
    case "unknown_alert":
      return "there is no such alert in your scope";
    case "unknown_version":
      return "this screen was out of step: look again";
    case "not_allowed":
      return "your role does not answer alerts";
    case "too_many":
      return "too many at once: wait a moment";
    case "too_long":
      return "too long for its priority";
    case "not_shelved":
      return "it is not shelved any more";
    case "not_possible":
      return "not possible in its state now";
    case "too_late":
      return "too late to take back";
    case "not_yours":
      return "only who has it can give it back";
    case "unknown_patient":
      return "there is no such patient in your scope";
    case "":
      return "";
  }
}

/** ``1 patient``, ``3 patients`` */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** How many lie at a silent site; null is not known yet. */
export function unwatchedWords(found: Unwatched | null): string {
  if (found === null) return "Every patient there is without watch.";
  if (found.count === 0) return "Nobody there wears a device.";
  return `${plural(found.count, "patient")} there ${found.count === 1 ? "is" : "are"} without watch.`;
}

/** What an empty worklist says: ``site`` is the name of the only one shown, ``filtered`` how many patients are hidden. */
export function nothingWords(site: string, filtered: number): string {
  const where = site === "" ? "" : ` in ${site}`;
  return filtered > 0 ? `No open alerts${where} pass the filters` : `No open alerts${where}`;
}

/** Minutes in words from µs, at least one: for shelves. Rounded up, but two clocks that differ by a second make no minute. */
export function minutesLeft(until: number, now: number): string {
  return span(Math.max(1, Math.ceil((until - now - 2 * SECOND) / MINUTE)) * MINUTE);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Somebody's text within a sentence of ours: isolated where it could turn the sentence round. */
export function isolated(text: string): string {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069` : text;
}
