import { describe, expect, test } from "vitest";
import { evidenceWords } from "./evidence";
import { alert, NOW } from "./fixtures";
import { hhmm, hhmmss, MINUTE, SECOND } from "./times";

const at = (minutes: number): string => hhmm(NOW + minutes * MINUTE);
const judged = { policy: 3, night: false, level: 2, limit: 54, window: null, heard_at: null, evaluated_at: null, slope: null, forecast: null };

describe("why an alert is there", () => {
  test("names the readings of the run, the rule and the policy", () => {
    const evidence = { ...judged, count: 2, readings: [[NOW - 6 * MINUTE, 52_253], [NOW - MINUTE, 49_000]] as [number, number][] };
    expect(evidenceWords(alert({ evidence }), "mg/dL"))
      .toBe(`below 54: 52 at ${at(-6)}, 49 at ${at(-1)}; rule low level 2, policy version 3`);
    expect(evidenceWords(alert({ evidence }), "mmol/L")).toContain(`below 3.0: 2.9 at ${at(-6)}, 2.7 at ${at(-1)}`);
  });

  test("of a fall tells its slope, of a forecast what it was", () => {
    const readings = [[NOW - 11 * MINUTE, 148_000], [NOW - 6 * MINUTE, 132_000], [NOW - MINUTE, 116_000]] as [number, number][];
    const seen = `148 at ${at(-11)}, 132 at ${at(-6)}, 116 at ${at(-1)}`;
    const fall = { ...judged, level: 1, limit: 150, count: 3, readings, slope: -3.2 };
    expect(evidenceWords(alert({ rule: "glucose_falling", evidence: fall }), "mg/dL"))
      .toBe(`falling 3.2 mg/dL/min below 150: ${seen}; rule glucose falling, policy version 3`);
    expect(evidenceWords(alert({ rule: "glucose_rising", evidence: { ...fall, slope: 3.2, limit: 100 } }), "mmol/L"))
      .toMatch(/^rising 0\.18 mmol\/L\/min above 5\.5: 8\.2 at /);
    const soon = { ...judged, level: 1, limit: 55, count: 4, readings, forecast: 53 };
    expect(evidenceWords(alert({ rule: "low_soon", evidence: soon }), "mg/dL"))
      .toBe(`forecast 53, below 55: ${seen}, and 1 before; rule low soon, policy version 3`);
  });

  test("says that the night's numbers held", () => {
    const evidence = { ...judged, night: true, count: 1, readings: [[NOW, 52_000]] as [number, number][] };
    expect(evidenceWords(alert({ evidence }), "mg/dL")).toContain("policy version 3, by night");
  });

  test("names the latest six of a long run, and counts the rest", () => {
    const readings = Array.from({ length: 12 }, (_, k) => [NOW - (12 - k) * MINUTE, 260_000] as [number, number]);
    const words = evidenceWords(alert({ rule: "high", evidence: { ...judged, level: 1, limit: 250, count: 20, readings } }), "mg/dL");
    expect(words).toMatch(/^above 250: 260 at /);
    expect(words).toContain(`260 at ${at(-1)}, and 14 before; rule high level 1`);
  });

  test("of a median tells its window and how much of it was there", () => {
    const end = NOW - 10 * SECOND;
    const found = { median: 160.5, begin: end - MINUTE, end, filled: 58, slots: 60, instants: [end - 10 * SECOND, end] };
    const evidence = { ...judged, level: 1, limit: 150, count: 58, readings: [], window: found };
    const words = evidenceWords(alert({ metric: "heart_rate", rule: "heart_rate_extreme", evidence }), "mg/dL");
    expect(words).toContain(`of 1 min at ${hhmmss(end)} and 1 time before, every 10 s, from 58 readings in 58 of 60 slots; rule heart rate extreme, policy`);
  });

  test("of a silence tells what was heard last, and when it came where that was later", () => {
    const silent = { ...judged, level: 1, limit: null, count: 1, readings: [[NOW - 30 * MINUTE, 118_000]] as [number, number][] };
    const words = (changed: object): string => evidenceWords(alert({ rule: "signal", evidence: { ...silent, ...changed } }), "mg/dL");
    expect(words({ heard_at: NOW - 30 * MINUTE })).toBe(`heard last: 118 at ${at(-30)}; rule signal, policy version 3`);
    expect(words({ heard_at: NOW - 25 * MINUTE })).toContain(`118 at ${at(-30)}, which came at ${at(-25)}`);
    expect(words({ count: 0, readings: [] })).toMatch(/^nothing was heard yet/);
  });

  test("is nothing for a site, and for what an earlier version wrote", () => {
    expect(evidenceWords(alert(), "mg/dL")).toBe("");
  });
});
