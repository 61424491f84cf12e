import { DAY, HOUR, MINUTE } from "../../logic/times";
import { describe, expect, test } from "vitest";
import { alone, breaksAfter, plotData } from "./plotdata";
import { CENSORED_LOW, INVALID, LATE, emptySeries, livePoint, withLive, type Series } from "./series";

const T0 = 1_700_000_000_000_000;
const same = (value: number): number => value;

function glucose(values: readonly (number | null)[], change: Partial<Series> = {}): Series {
  return {
    ...emptySeries("glucose", T0, T0 + HOUR), interval_us: 5 * MINUTE,
    t: values.map((_, i) => T0 + i * 5 * MINUTE), min: values, max: values, last: values,
    n: values.map(() => 1), flags: values.map(() => 0), ...change,
  };
}

describe("a chart's columns", () => {
  test("keep the least and the greatest of each bucket", () => {
    // A dip to 41 inside a bucket of 20 minutes must be on a chart of 14 days.
    const data = plotData(glucose([100, 110], { raw: false, bucket_us: 20 * MINUTE, min: [41, 90], max: [120, 300] }), same);
    expect(data.min).toEqual([41, 90]);
    expect(data.max).toEqual([120, 300]);
    expect(data.last).toEqual([100, 110]);
  });

  test("have an empty column in a gap", () => {
    // A line across a gap would tell values that nobody measured.
    const series = glucose([100, 110, 120], { gaps: [[T0 + 5 * MINUTE, T0 + 10 * MINUTE]] });
    expect(plotData(series, same).last).toEqual([100, 110, null, 120]);
  });

  test("leave no hole for a gap that lies inside one bucket", () => {
    // At 20 minutes a bucket both sides of a gap of 11 minutes are the same column.
    const series = glucose([100, 110], {
      raw: false, bucket_us: 20 * MINUTE, t: [T0, T0 + 20 * MINUTE],
      gaps: [[T0 + MINUTE, T0 + 13 * MINUTE]],
    });
    expect(breaksAfter(series).size).toBe(0);
  });

  test("break where a gap reaches from one bucket to the next", () => {
    const series = glucose([100, 110], {
      raw: false, bucket_us: 20 * MINUTE, t: [T0, T0 + 40 * MINUTE],
      gaps: [[T0 + 15 * MINUTE, T0 + 42 * MINUTE]],
    });
    expect([...breaksAfter(series)]).toEqual([0]);
  });

  test("put late values on their own line with the steps to them", () => {
    // Late data is drawn dashed: it was not there when somebody looked.
    const series = glucose([100, 110, 120, 130], { flags: [0, 0, LATE, 0] });
    const data = plotData(series, same);
    expect(data.last).toEqual([100, 110, null, 130]);
    expect(data.late).toEqual([null, 110, 120, 130]);
  });

  test("leave an invalid reading empty", () => {
    const data = plotData(glucose([100, null, 120], { flags: [0, INVALID, 0] }), same);
    expect(data.last).toEqual([100, null, 120]);
    expect(alone(data.last)).toEqual([0, 2]);
  });

  test("convert to the unit on show", () => {
    expect(plotData(glucose([180.182]), (value) => value / 18.0182).last[0]).toBeCloseTo(10);
  });
});

describe("a live value", () => {
  const series = glucose([100, 110]);

  test("joins the end of a series", () => {
    const joined = withLive(series, { t: T0 + 10 * MINUTE, value: 90, flags: 0 });
    expect(joined.last).toEqual([100, 110, 90]);
    expect(joined.gaps).toEqual([]);
  });

  test("changes nothing when it is not newer", () => {
    // Tiles come again and again with the same value; late ones do not belong at the end.
    expect(withLive(series, { t: T0 + 5 * MINUTE, value: 90, flags: 0 })).toBe(series);
  });

  test("leaves a gap behind it when it comes after a silence", () => {
    const joined = withLive(series, { t: T0 + HOUR, value: 90, flags: 0 });
    expect(joined.gaps).toEqual([[T0 + 5 * MINUTE, T0 + HOUR]]);
  });

  test("widens the newest bucket where it falls into it", () => {
    const buckets = glucose([100], { raw: false, bucket_us: 20 * MINUTE });
    const joined = withLive(buckets, { t: T0 + 6 * MINUTE, value: 40, flags: CENSORED_LOW });
    expect([joined.min, joined.max, joined.last, joined.n]).toEqual([[40], [100], [40], [2]]);
    expect(joined.flags).toEqual([CENSORED_LOW]);
  });

  test("without a valid number is a mark and no value", () => {
    const vital = { value: 255, at: T0, received_at: T0, state: "contact_lost" };
    expect(livePoint(vital, DAY)).toEqual({ t: T0, value: null, flags: INVALID });
  });

  test("that waits for a first reading is no point at all", () => {
    expect(livePoint({ value: null, at: T0, received_at: T0, state: "waiting" }, DAY)).toBeNull();
  });
});
