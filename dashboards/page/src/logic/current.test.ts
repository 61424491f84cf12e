import { expect, test } from "vitest";
import { current } from "./current";
import { alert as make } from "./fixtures";
import type { Vital } from "./live";

const AT = 1_000_000_000;
const vital = (value: number, at: number, state: Vital["state"] = "ok"): Vital => ({
  value, unit: "mg/dL", at, received_at: at, state, interval_us: 60_000_000, stale_after_us: 600_000_000,
  arrow: null, slope: null, last_good: null, limits: null,
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
