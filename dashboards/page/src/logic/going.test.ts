import { describe, expect, test } from "vitest";
import { glucoseWords, whyWords, watches, type Policy } from "../screens/patient/rules";
import { toEntry } from "../screens/feed/entries";
import { changeWords, ruleWords } from "../screens/feed/words";
import { alert, NOW } from "./fixtures";
import { movesAway } from "./order";
import { isDownward } from "./going";
import { hhmm, MINUTE } from "./times";
import { why, word } from "./words";

const since = NOW - 5 * MINUTE;
const from = hhmm(since);
const one = (rule: string, fields: object = {}) => alert({ rule, level: 1, priority: "medium", value: 138, limit: 150, since, ...fields });

describe("rules that judge glucose readings", () => {
  test("a tile says each in two words", () => {
    const names = ["low_sustained", "high_sustained", "glucose_falling", "glucose_rising", "low_soon"];
    expect(names.map((rule) => word(one(rule)))).toEqual(["LONG LOW", "LONG HIGH", "FALLING", "RISING", "LOW SOON"]);
  });
  test("a fall says where it is and below what that counts", () => {
    expect(why(one("glucose_falling"), "mg/dL", NOW)).toBe(`138, falling fast below 150, since ${from}`);
    expect(why(one("glucose_falling", { condition: "returning" }), "mg/dL", NOW)).toBe("138, no longer falling fast, not yet for long enough");
    expect(why(one("glucose_rising", { value: 160, limit: 130 }), "mmol/L", NOW)).toBe(`8.9, rising fast above 7.2, since ${from}`);
  });
  test("a forecast never shows a number that nobody measured, and says when it came true", () => {
    const soon = one("low_soon", { value: 78, limit: 55 });
    expect(why(soon, "mg/dL", NOW)).toBe(`78, soon below 55, since ${from}`);
    const over = { ...soon, condition: "over" as const, at: NOW, value: 53 };
    expect(why({ ...over, reason: "reached" }, "mg/dL", NOW)).toBe(`over: 53, now below 55 as forecast at ${from}`);
    expect(why(over, "mg/dL", NOW)).toBe(`over: was soon below 55 from ${from} to ${hhmm(NOW)}`);
  });
  test("without data each says what it was", () => {
    const unknown = one("low_soon", { value: 78, limit: 55, condition: "unknown", value_at: NOW - 12 * MINUTE });
    expect(why(unknown, "mg/dL", NOW)).toBe(`was 78 at ${hhmm(NOW - 12 * MINUTE)}, no data for 12 min`);
  });
  test("a long low is below its limit, back above it too", () => {
    expect(why(one("low_sustained", { value: 65, limit: 70 }), "mg/dL", NOW)).toBe(`65, below 70 since ${from}`);
    expect(why(one("low_sustained", { value: 71, limit: 70, condition: "returning" }), "mg/dL", NOW)).toContain("back above 70");
  });
  test("the feed says where a value is going at every call, not that 78 is above 55", () => {
    const told = (rule: string, change: string, fields: object = {}): string =>
      changeWords(toEntry({ ...one(rule, { value: 78, limit: 55, value_at: NOW, ...fields }), change }), hhmm, String);
    for (const change of ["open", "rise", "active", "repeat", "run_out", "escalate", "not_delivered", "recheck", "shelf_end"]) {
      expect(told("low_soon", change)).toMatch(/: 78( at \S+)?, soon below 55$/);
      expect(told("glucose_falling", change, { value: 138, limit: 150 })).toContain(", falling fast below 150");
    }
    expect(told("low_soon", "active")).toBe("again: 78, soon below 55");
    expect(told("low_soon", "returning")).toBe("no low forecast, not yet for long enough: 78, above 55");
    expect(told("low", "returning", { value: 72, limit: 70 })).toBe("within the limit, not yet for long enough: 72, above 70");
    expect(told("low", "repeat", { value: 48, limit: 54 })).toContain(", below 54");
  });
  test("what is about low moves away downwards", () => {
    expect(movesAway(one("low_soon"), -2)).toBe(true);
    expect(movesAway(one("glucose_falling"), 2)).toBe(false);
    expect(movesAway(one("high_sustained"), 2)).toBe(true);
    expect([isDownward("heart_rate_low"), isDownward("glucose_rising"), isDownward("heart_rate_extreme")]).toEqual([true, false, null]);
  });
});

describe("their policy in words", () => {
  const shared = { metric: "glucose", priority: "medium", on_span_us: 0 };
  const policy: Policy = {
    sustained: [{ ...shared, name: "high_sustained", side: "high", limit: 180, on_span_us: 120 * MINUTE }],
    rates: [{ ...shared, name: "glucose_falling", direction: "falling", rate: 3, gate: 150 }],
    forecasts: [{ ...shared, name: "low_soon", limit: 55, horizon_us: 20 * MINUTE }],
  };
  const number = (value: number): string => `${value}`;
  test("each says when it calls", () => {
    const [high, falling, soon] = [...policy.sustained!, ...policy.rates!, ...policy.forecasts!];
    expect(glucoseWords(high!, number)).toBe("above 180 for 2 h");
    expect(glucoseWords(falling!, number)).toBe("falling by more than 3 mg/dL a minute, below 150");
    expect(glucoseWords(soon!, number)).toBe("forecast below 55 within 20 min");
    expect(whyWords(policy, "low_soon", "glucose", 1, number, null)).toBe("Calls when forecast below 55 within 20 min.");
  });
  test("the patient's page lists them with the others", () => {
    const names = watches(policy, "glucose", null, number, ruleWords).map((each) => each.name);
    expect(names).toEqual(["High glucose for long", "Glucose falls fast", "Low glucose soon"]);
  });
});
