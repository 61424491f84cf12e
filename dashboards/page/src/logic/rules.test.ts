import { describe, expect, test } from "vitest";
import { FIRST_MS, MOST_MS, QUICK, wait } from "./backoff";
import { passes } from "./filter";
import { alert } from "./fixtures";
import { silence } from "./link";
import { calling, due, PATTERNS } from "./pulses";
import { age, left, MINUTE, SECOND, span } from "./times";

describe("the feed's life", () => {
  const seen = { connected: true, ever: true, refused: "", silentMs: 0 };
  test("5 s without a heartbeat is reconnecting, 10 s is lost", () => {
    const phases = [4_999, 5_000, 9_999, 10_000].map((silentMs) => silence({ ...seen, silentMs }).phase);
    expect(phases).toEqual(["open", "reconnecting", "reconnecting", "lost"]);
  });
  test("a new connection does not end LOST: only a heartbeat does", () => {
    expect(silence({ ...seen, silentMs: 12_000 }).phase).toBe("lost");
  });
  test("a refusal is final and says why", () => {
    expect(silence({ ...seen, refused: "sign in again" })).toEqual({ phase: "refused", why: "sign in again" });
  });
  test("attempts wait half a second twelve times and at most four in the end, with a random part", () => {
    expect(wait(0, 0)).toBe(FIRST_MS / 2);
    expect(wait(QUICK - 1, 0.999)).toBeLessThan(FIRST_MS);
    expect(wait(QUICK, 0)).toBe(FIRST_MS);
    expect(wait(50, 0.999)).toBeLessThanOrEqual(MOST_MS);
    expect(wait(3, 0.9)).toBeGreaterThan(wait(3, 0.1));
  });
});

describe("sound", () => {
  test("ten, three and one pulses", () => {
    expect([PATTERNS.high, PATTERNS.medium, PATTERNS.low].map((each) => each.onsets.length)).toEqual([10, 3, 1]);
  });
  test("every 10 s, every 25 s, once", () => {
    expect([due("high", 9_999), due("high", 10_000)]).toEqual([false, true]);
    expect([due("medium", 24_999), due("medium", 25_000)]).toEqual([false, true]);
    expect(due("low", 1_000_000)).toBe(false);
  });
  test("answered, shelved and over ones are silent, returning and unknown ones are not", () => {
    const silent = [alert({ response: "acknowledged" }), alert({ response: "shelved" }), alert({ condition: "over", unseen: true })];
    expect(calling(silent)).toBeNull();
    expect(calling([...silent, alert({ priority: "medium", condition: "unknown" })])).toBe("medium");
  });
});

describe("filters", () => {
  const none = { priorities: [], site: null, technical: false };
  test("nothing switches a high alert off", () => {
    expect(passes(alert({ category: "technical" }), none)).toBe(true);
    expect(passes(alert({ priority: "medium" }), none)).toBe(false);
  });
  test("another team's site does", () => {
    expect(passes(alert(), { ...none, site: 2 })).toBe(false);
  });
});

describe("ages and countdowns", () => {
  test("are whole units that do not flicker", () => {
    expect([age(5 * SECOND, MINUTE), age(75 * SECOND, MINUTE), age(27 * SECOND, 15 * SECOND)]).toEqual(["now", "1 min", "20 s"]);
    expect([span(59 * SECOND), span(190 * MINUTE)]).toEqual(["59 s", "3 h 10 min"]);
    expect([left(247 * SECOND), left(0), left(95 * MINUTE)]).toEqual(["4:07", "due", "1 h 35 min"]);
  });
});
