import { describe, expect, test } from "vitest";
import { inSight, keptTop, newestOf, sliceOf } from "./window";

const keys = (...names: string[]): { key: string }[] => names.map((key) => ({ key }));

describe("a windowed list", () => {
  test("draws only what is in sight, and some more", () => {
    const { from, to } = sliceOf(10_000, 36, 36_000, 720);
    expect([from, to]).toEqual([992, 1028]);
    expect(sliceOf(3, 36, 0, 720)).toEqual({ from: 0, to: 3 });
    expect(sliceOf(0, 36, 5000, 720)).toEqual({ from: 0, to: 0 });
  });

  test("stays where somebody reads while new changes come on top", () => {
    expect(keptTop(keys("b", "c"), keys("a", "b", "c"), 36, 40)).toBe(76);
  });

  test("shows the newest while nobody has scrolled", () => {
    expect(keptTop(keys("b", "c"), keys("a", "b", "c"), 36, 0)).toBe(0);
  });

  test("is read only where it is in sight: what is drawn above and below in reserve is not", () => {
    expect(inSight(10_000, 36, 36_000, 720)).toEqual({ from: 1000, to: 1020 });
    expect(inSight(3, 36, 0, 720)).toEqual({ from: 0, to: 3 });
    expect(newestOf([{ alert: "a", at: 5 }, { alert: "a", at: 3 }, { alert: "b", at: 1 }])).toEqual(new Map([["a", 5], ["b", 1]]));
  });
});
