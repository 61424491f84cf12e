import { DAY, HOUR } from "../../logic/times";
import { describe, expect, test } from "vitest";
import { extremes, limitLines, targetBand, valueRange } from "./bands";
import { FIRST_VIEW, around, panned, pointsFor, ranged, spanOf, zoomed } from "./view";

const NOW = 1_700_000_000_000_000;

describe("a view", () => {
  test("follows now until somebody pans back", () => {
    expect(spanOf(FIRST_VIEW, NOW).to).toBeGreaterThan(NOW);
    const back = panned(FIRST_VIEW, -0.25, NOW);
    expect(back.end).toBe(NOW - 1.5 * HOUR);
    expect(spanOf(back, NOW + HOUR)).toEqual(spanOf(back, NOW));
  });

  test("follows again when panned past now", () => {
    expect(panned(panned(FIRST_VIEW, -0.25, NOW), 0.5, NOW).end).toBeNull();
  });

  test("zooms about its middle, within one hour and fourteen days", () => {
    const back = { range: 6 * HOUR, end: NOW - DAY };
    const out = zoomed(back, 1, NOW);
    expect(out.range).toBe(12 * HOUR);
    expect((out.end as number) - out.range / 2).toBe((back.end) - back.range / 2);
    expect(zoomed(ranged(back, 14 * DAY, NOW), 1, NOW).range).toBe(14 * DAY);
    expect(zoomed(ranged(back, HOUR, NOW), -1, NOW).range).toBe(HOUR);
  });

  test("of a link shows the moment in its middle", () => {
    const { from, to } = spanOf(around(NOW - DAY, NOW), NOW);
    expect((from + to) / 2).toBe(NOW - DAY);
  });

  test("asks for about a point a pixel", () => {
    expect([pointsFor(10), pointsFor(900), pointsFor(9000)]).toEqual([200, 900, 2000]);
  });
});

describe("bands", () => {
  test("show the four limits of glucose and its target", () => {
    const limits = { target: [70, 180] as [number, number], low1: 70, low2: 54, high1: 250, high2: 399 };
    expect(limitLines("glucose", [[0, limits]]).map((line) => line.value)).toEqual([54, 70, 250, 399]);
    expect(targetBand([[0, limits]])).toEqual([70, 180]);
  });

  test("show each limit where it held: a value is judged by the limits of its day", () => {
    const then = { target: [70, 180] as [number, number], low1: 70, low2: 54, high1: 250, high2: 399 };
    const lines = limitLines("glucose", [[0, then], [HOUR, { ...then, low1: 80 }], [2 * HOUR, { ...then, low1: null }]]);
    expect(lines.filter((line) => line.words === "low").map(({ value, from, to }) => [value, from, to])).toEqual([[70, 0, HOUR], [80, HOUR, 2 * HOUR]]);
    expect(lines.filter((line) => line.words === "very low").map(({ value, from, to }) => [value, from, to])).toEqual([[54, 0, null]]);
  });

  test("show no heart rate limit that does not apply at the device's interval", () => {
    // A line would promise an alarm that cannot come.
    expect(limitLines("heart_rate", [[0, { low: 40, high: 130, extreme_low: 35, extreme_high: 150, applies: false }]])).toEqual([]);
  });

  test("never cut an extreme off, and never zoom into a calm patient", () => {
    expect(valueRange("glucose", 90, 120)).toEqual([40, 300]);
    expect(valueRange("glucose", 39, 401)).toEqual([30, 420]);
    expect(extremes([null, 41], [null, 300])).toEqual([41, 300]);
    expect(extremes([null], [null])).toEqual([null, null]);
  });
});
