import { describe, expect, test } from "vitest";
import { healthOf, latencyWords, rateWords, ranked, reasonWords, sampled, sparkPath, trace, verdict, waiting, whyNot } from "./system";

describe("operations in plain words", () => {
  test("all is well only when every service is ready and nothing is missing", () => {
    const services = [{ name: "sink", alive: true, ready: true, reasons: {} }];
    expect(verdict({ services, problems: [] })).toEqual({ well: true, words: "The one service does its work." });
    expect(verdict({ services: [{ name: "sink", alive: true, ready: false }], problems: ["database is away"] }))
      .toEqual({ well: false, words: "sink is not ready, 1 problem." });
  });

  test("a service that does not answer is down, whatever it said before", () => {
    expect(healthOf({ name: "sink", alive: false, ready: true })).toBe("down");
    expect(reasonWords({ database_down: "no connection" })).toEqual(["database down: no connection"]);
  });

  test("what nobody knows is a dash and never a zero", () => {
    expect([latencyWords(null), rateWords(undefined), latencyWords(640), latencyWords(4200), latencyWords(180_000)])
      .toEqual(["--", "--", "640 ms", "4.2 s", "3 min"]);
  });

  test("a number that is not there says why, and one that is there does not", () => {
    // A dash alone is read as "broken" by one and as "fine" by the next.
    const hop = { name: "broker", per_second: 0, lag: null, why: { lag: "MQTT does not tell" } };
    expect([whyNot(hop, "lag"), whyNot(hop, "per_second"), whyNot(hop, "p50_ms")]).toEqual(["MQTT does not tell", null, "not told"]);
  });

  test("a partition that is not stored has nothing waiting for the database", () => {
    expect(waiting({ topic: "journal", partition: 0, end: 5, stored: null })).toBeNull();
    expect(waiting({ topic: "feed", partition: 0, end: 5, stored: 3 })).toBe(2);
  });

  test("a spark has a hole where a look failed", () => {
    const samples = [1, 2, 3].reduce<ReturnType<typeof sampled>>(
      (held, at) => sampled(held, at, at === 2 ? [] : [{ name: "readings", per_second: at }]), []);
    expect(trace(samples, "readings", "per_second")).toEqual([1, null, 3]);
    expect(sparkPath([1, null, 3]).match(/M/g)).toHaveLength(2);
  });

  test("the most frequent reason comes first", () => {
    expect(ranked({ a: 1, b: 9 })).toEqual([["b", 9], ["a", 1]]);
  });
});
