/** Steps as bars: none, zero and the most of each, and where the bars lie. */
import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../logic/times";
import { emptySeries, type Series } from "./series";
import { barAt, barPoints, bars, barsPath, barWidth, holes, scaleOf, stepsWords } from "./steps";

const FIVE = 5 * MINUTE;
const T = 12 * HOUR;

function counted(...found: readonly (readonly [number, number | null])[]): Series {
  const values = found.map(([, value]) => value);
  return {
    ...emptySeries("steps", T, T + HOUR), t: found.map(([minute]) => T + minute * MINUTE), min: values, max: values, last: values,
    n: values.map((value) => (value === null ? 0 : 1)), flags: values.map(() => 0),
  };
}

describe("bars of steps", () => {
  test("are five minutes wide on the first view, and never too many to see", () => {
    expect(barWidth(6 * HOUR)).toBe(FIVE);
    expect(barWidth(HOUR)).toBe(MINUTE);
    for (const range of [HOUR, 3 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY]) expect(range / barWidth(range)).toBeLessThanOrEqual(170);
    expect(barPoints({ from: T, to: T + 6 * HOUR - 1 }, 6 * HOUR)).toBe(72);
  });

  test("hold the most of their minutes, and begin on the clock", () => {
    expect(bars(counted([1, 10], [4, 80], [5, 0], [12, 3]), FIVE)).toEqual([
      { from: T, most: 80 }, { from: T + FIVE, most: 0 }, { from: T + 2 * FIVE, most: 3 },
    ]);
  });

  test("are not there where nobody was counted: that is not a patient who lies still", () => {
    expect(bars(counted([1, null], [2, null]), FIVE)).toEqual([]);
    const path = (series: Series): string => barsPath(bars(series, FIVE), FIVE, { from: T, to: T + HOUR });
    expect(path(counted([1, null]))).toBe("");
    expect(path(counted([1, 0]))).toBe("M0.00 100V94.0H70.83V100Z");
    expect(path(counted([1, 30]))).toBe("M0.00 100V50.0H70.83V100Z");
  });

  test("leave holes that are named, where nobody was counted and not where somebody lay still", () => {
    const span = { from: T, to: T + HOUR };
    const found = (series: Series, until = T + HOUR): number[][] =>
      holes(bars(series, FIVE), FIVE, span, until).map(({ from, to }) => [(from - T) / MINUTE, (to - T) / MINUTE]);
    expect(found(counted([1, 0], [6, 0], [11, 0]), T + 15 * MINUTE)).toEqual([]);
    expect(found(counted([1, 0], [6, 40], [31, 0]))).toEqual([[10, 30], [35, 60]]);
    expect(found(counted([1, 0], [31, 0]), T + 40 * MINUTE)).toEqual([[5, 30], [35, 40]]);
    expect(found(counted([-2, 5], [20, 0], [58, 0]))).toEqual([[0, 20], [25, 55]]);
    expect(found(counted([1, 0], [9, 0], [14, 0]), T + 15 * MINUTE)).toEqual([]);
  });

  test("end at the edges of the span", () => {
    const some = bars(counted([-2, 60], [58, 60], [80, 60]), FIVE);
    expect(barsPath(some, FIVE, { from: T, to: T + HOUR }).match(/M/g)).toHaveLength(1);
  });

  test("share a scale, which grows for who runs", () => {
    expect(scaleOf([{ from: T, most: 7 }])).toBe(60);
    expect(scaleOf([{ from: T, most: 7 }, { from: T, most: 163 }])).toBe(180);
  });

  test("are found by a time", () => {
    const some = bars(counted([1, 10], [12, 3]), FIVE);
    expect(barAt(some, FIVE, T + 4 * MINUTE)?.most).toBe(10);
    expect(barAt(some, FIVE, T + 7 * MINUTE)).toBeNull();
  });
});

describe("steps in words", () => {
  const words = (series: Series): string => stepsWords(bars(series, FIVE), FIVE, (at) => `${(at - T) / MINUTE}`);

  test("tell the most, how long nobody walked, and until when it is known", () => {
    expect(words(counted([1, 10], [7, 84], [12, 0]))).toBe("Steps: at most 84 a minute, at 5; no step in 1 of 3 times of 5 min; counted last 10.");
    expect(words(counted([1, 0], [7, 0]))).toBe("Steps: none; counted last 5.");
  });

  test("say nothing of a patient without any", () => {
    expect(words(counted())).toBe("");
  });
});
