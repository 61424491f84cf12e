/** What a rule's name says of it, for words and order: its side, and whether it tells of what comes rather than of what is. */

const FALLING = "glucose_falling";
const RISING = "glucose_rising";
const SOON = "low_soon";

/** Whether a rule is about values that are too low; null where the name does not say. */
export function isDownward(rule: string): boolean | null {
  if (rule === "low" || rule.startsWith("low_") || rule.endsWith("_low") || rule === FALLING) return true;
  if (rule === "high" || rule.startsWith("high_") || rule.endsWith("_high") || rule === RISING) return false;
  return null;
}

const TILE: Readonly<Record<string, string>> = {
  low_sustained: "LONG LOW",
  high_sustained: "LONG HIGH",
  [FALLING]: "FALLING",
  [RISING]: "RISING",
  [SOON]: "LOW SOON",
};

/** One of the rules that are off unless a policy has them, in one or two words; empty for all others. */
export function extraWord(rule: string): string {
  return TILE[rule] ?? "";
}

/** Of a rule that says where a value is going: between value and limit, ``138, falling fast below 150``; empty for others. */
export function goingWords(rule: string): string {
  if (rule === FALLING) return "falling fast below";
  if (rule === RISING) return "rising fast above";
  return rule === SOON ? "soon below" : "";
}

/** The same when it does so no longer: ``138, no longer falling fast``. */
export function goneWords(rule: string): string {
  if (rule === FALLING) return "no longer falling fast";
  if (rule === RISING) return "no longer rising fast";
  return rule === SOON ? "no low forecast" : "";
}
