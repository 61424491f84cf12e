import { describe, expect, test } from "vitest";
import { current, reading } from "./current";
import { alert as make } from "./fixtures";
import type { Vital } from "./live";
import { hhmm } from "./times";

const AT = 1_000_000_000;
const vital = (value: number, at: number, state: Vital["state"] = "ok"): Vital => ({
  value, unit: "mg/dL", at, received_at: at, state, interval_us: 60_000_000, stale_after_us: 600_000_000,
  arrow: null, slope: null, last_good: null, limits: null, news2_pulse: null,
});
const low = make({ rule: "low", value: 60, limit: 70, value_at: AT, condition: "active" });

test("a low that falls on is told by its newest value, for the tile beside it shows that one", () => {
  expect(current(low, vital(55, AT + 1)).value).toBe(55);
});
test("a value within the limit never stands in a sentence that says below it", () => {
  expect(current(low, vital(75, AT + 1))).toBe(low);
});
test("an older value, an invalid one and one of an alert without data leave it as it is", () => {
  expect(current(low, vital(55, AT))).toBe(low);
  expect(current(low, vital(55, AT + 1, "invalid"))).toBe(low);
  const unknown = make({ ...low, condition: "unknown" });
  expect(current(unknown, vital(55, AT + 1))).toBe(unknown);
});
test("a value beyond the device's range is LOW, not a number", () => {
  expect(current(low, vital(39, AT + 1, "low")).censored).toBe("low");
});
test("a low that returns is told by its newest value too, but never by one that is low again", () => {
  const returning = make({ ...low, value: 72, condition: "returning" });
  expect(current(returning, vital(74, AT + 1)).value).toBe(74);
  expect(current(returning, vital(66, AT + 1))).toBe(returning);
});

describe("the number on a card", () => {
  const falling = { ...vital(55, AT), slope: -2, arrow: -2 };
  const see = (alert: typeof low, at = falling) => reading(alert, at, AT + 1, "mg/dL");
  test("is the newest value with the trend of that value", () => {
    expect(see(make({ ...low, value_at: AT - 1 }))).toEqual({ kind: "now", text: "55", slope: -2, arrow: -2 });
  });
  test("of one that is over is words with its time, without a trend", () => {
    const over = make({ ...low, value: 126, value_at: AT - 60, condition: "over", unseen: true });
    expect(see(over)).toEqual({ kind: "past", text: `was 126 at ${hhmm(AT - 60)}`, slope: null, arrow: null });
  });
  test("has no trend where the trend is another value's", () => {
    expect(see(low, { ...falling, value: 75, at: AT + 1 })).toMatchObject({ text: "60", slope: null, arrow: null });
  });
  test("is dashes where the patient's own value is not known any more", () => {
    expect(reading(low, falling, AT + falling.stale_after_us, "mg/dL")).toMatchObject({ kind: "unknown", text: "--", slope: null });
    expect(see(make({ ...low, condition: "unknown" })).text).toBe("--");
  });
  test("a heart rate has no slope: a number per minute each minute means nothing", () => {
    const fast = make({ rule: "heart_rate_high", metric: "heart_rate", value: 138, limit: 130, value_at: AT - 1, level: 1 });
    expect(see(fast, { ...falling, value: 140 })).toEqual({ kind: "now", text: "140", slope: null, arrow: null });
  });
});
