import { describe, expect, test } from "vitest";
import { band, face, height, limitsText, path, scaleOf } from "./face";
import { NOW, vital } from "./fixtures";
import { hhmm, MINUTE, SECOND } from "./times";

const see = (changed: Parameters<typeof vital>[0]) => face(vital(changed), "glucose", NOW, "mg/dL");

describe("a vital sign on a tile", () => {
  test("a fresh value is its digits", () => {
    expect(see({})).toMatchObject({ text: "120", kind: "fresh", note: "" });
  });
  test("an old one is hatched with its age in words", () => {
    expect(see({ at: NOW - 5 * MINUTE, received_at: NOW - 5 * MINUTE })).toMatchObject({ text: "120", kind: "stale", note: "5 min old" });
  });
  test("one beyond its time is dashes with what was last: a flat number must not look like a calm patient", () => {
    const at = NOW - 11 * MINUTE;
    expect(see({ value: 48, at, received_at: at })).toMatchObject({ text: "--", kind: "unknown", note: `last 48 at ${hhmm(at)}` });
  });
  test("a device with a fast clock is as old as its arrival", () => {
    expect(see({ at: NOW + 30 * MINUTE, received_at: NOW - 12 * MINUTE }).kind).toBe("unknown");
  });
  test("a backfilled value is as old as it is, however lately it came", () => {
    expect(see({ at: NOW - 20 * MINUTE, received_at: NOW }).kind).toBe("unknown");
  });
  test("LOW stays a word", () => {
    expect(see({ value: 39, state: "low" }).text).toBe("LOW");
  });
  test("no contact says so, with the last good value", () => {
    const good = { value: 98, at: NOW - 3 * MINUTE };
    expect(see({ value: null, state: "contact_lost", last_good: good }).note).toBe(`no contact, last 98 at ${hhmm(good.at)}`);
  });
  test("waiting for the first reading and no device are states of their own", () => {
    expect(see({ state: "waiting", value: null, at: null }).note).toBe("waiting for the first reading");
    expect(face(null, "glucose", NOW, "mg/dL").kind).toBe("none");
  });
  test("heart rate is old after 15 s and unknown after 30", () => {
    const beat = (seconds: number) =>
      face(vital({ at: NOW - seconds * SECOND, received_at: NOW - seconds * SECOND, interval_us: 5 * SECOND, stale_after_us: 30 * SECOND }), "heart_rate", NOW, "mg/dL").kind;
    expect([beat(14), beat(20), beat(30)]).toEqual(["fresh", "stale", "unknown"]);
  });
});

describe("limits and sparklines", () => {
  const limits = { target: null, low1: 70, low2: 54, high1: 250, high2: 399 };
  test("limits are shown in the chosen unit", () => {
    expect(limitsText(limits, "glucose", "mg/dL")).toBe("70–250");
    expect(limitsText(limits, "glucose", "mmol/L")).toBe("3.9–13.9");
  });
  test("a rule that does not hold for a slow device says so", () => {
    const slow = { low: null, high: null, extreme_low: null, extreme_high: null, applies: false };
    expect(limitsText(slow, "heart_rate", "mg/dL")).toBe("no limit: too few readings");
    expect(band(slow, scaleOf([], "heart_rate"))).toBeNull();
  });
  test("a value above the usual scale widens it, and is no flat top", () => {
    const points: [number, number][] = [[0, 390], [1, 350], [2, 100]];
    const scale = scaleOf(points, "glucose");
    expect(scale).toEqual([40, 390]);
    expect(height(390, scale)).toBeLessThan(height(350, scale));
    expect(scaleOf([[0, 100]], "glucose")).toEqual([40, 300]);
  });
  test("a gap stays empty", () => {
    const points: [number, number][] = [-60, -55, -20, -15].map((minutes) => [NOW + minutes * MINUTE, 100]);
    expect(path(points, "glucose", NOW, 6).match(/M/g)).toHaveLength(2);
  });
});
