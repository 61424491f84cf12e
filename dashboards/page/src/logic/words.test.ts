import { describe, expect, test } from "vitest";
import { burst } from "./burst";
import { alert, NOW } from "./fixtures";
import { hhmm, MINUTE } from "./times";
import { isolated, next, nothingWords, refusal, sentence, spoken, unwatchedWords, who, why, word } from "./words";

const at = (minutes: number): string => hhmm(NOW + minutes * MINUTE);

describe("an alert in one sentence", () => {
  test("why and next: value, limit, since, repeat and lead", () => {
    expect(sentence(alert(), "mg/dL", NOW)).toBe(`48, below 54 since ${at(-1)}; repeats ${at(4)}, lead ${at(2)}`);
  });
  test("a low that lasts is said to be prolonged", () => {
    expect(why(alert({ level: 1, limit: 70, value: 65, reason: "prolonged" }), "mg/dL", NOW)).toBe(`65, below 70 since ${at(-1)}, prolonged`);
  });
  test("after the lead was called, all is next", () => {
    expect(next(alert({ escalation: 1 }), NOW)).toBe(`repeats ${at(4)}, all ${at(5)}`);
  });
  test("unknown says what it was, when, and for how long there is no data", () => {
    const unknown = alert({ condition: "unknown", value_at: NOW - 12 * MINUTE });
    expect(sentence(unknown, "mg/dL", NOW)).toContain(`was 48 at ${at(-12)}, no data for 12 min`);
  });
  test("returning promises no repeat: its timers wait", () => {
    const back = alert({ condition: "returning", value: 56 });
    expect(sentence(back, "mg/dL", NOW)).toBe("56, back above 54, not yet for long enough; calls again only if it turns back");
  });
  test("acknowledged says until when", () => {
    const answered = alert({ response: "acknowledged", acknowledged_by: "Mia", acknowledged_until: NOW + 15 * MINUTE });
    expect(next(answered, NOW)).toBe(`calls again ${at(15)} if still so`);
    expect(who(answered, NOW)).toBe(`acknowledged by Mia until ${at(15)}`);
  });
  test("treated says who and when the recheck is", () => {
    const treated = alert({ response: "acknowledged", owner: "Mia", treated_at: NOW, recheck_at: NOW + 15 * MINUTE });
    expect(next(treated, NOW)).toBe(`recheck ${at(15)}`);
    expect(who(treated, NOW)).toBe(`Mia treated ${at(0)}`);
  });
  test("a censored value is a word, never the edge's number", () => {
    expect(sentence(alert({ value: 39, censored: "low" }), "mg/dL", NOW)).toMatch(/^LOW, below 54/);
  });
  test("in mmol/L the limit is converted with the value", () => {
    expect(sentence(alert(), "mmol/L", NOW)).toMatch(/^2\.7, below 3\.0 since/);
  });
  test("a heart rate limit has its own side, also for the extreme rule", () => {
    const extreme = { metric: "heart_rate", rule: "heart_rate_extreme", value: 33, limit: 35 };
    expect(sentence(alert(extreme), "mg/dL", NOW)).toMatch(/^33, below 35/);
    expect(sentence(alert({ ...extreme, value: 155, limit: 150 }), "mg/dL", NOW)).toMatch(/^155, above 150/);
    expect(word(alert(extreme))).toBe("HR EXTREME");
  });
  test("every reason to refuse says what to do", () => {
    expect(refusal("worsened")).toBe("it worsened after what you saw: look again");
    expect(refusal("cleared")).toBe("it is over already");
  });
});

describe("a silent site", () => {
  test("tells how many are without watch, and never promises a number that nobody gave", () => {
    const found = (count: number) => ({ site: 2, alert: "a", since: NOW, count, patients: [] as [string, string][] });
    expect([null, found(0), found(1), found(14)].map(unwatchedWords)).toEqual([
      "Every patient there is without watch.", "Nobody there wears a device.", "1 patient there is without watch.",
      "14 patients there are without watch.",
    ]);
  });
});

describe("a burst", () => {
  const say = (each: { label: string }): string => each.label;
  test("one alert is said in its own words", () => {
    expect(burst([alert({ label: "P-1" })], say)).toBe("P-1");
    expect(spoken(alert({ label: "P-1" }), "mg/dL", NOW)).toContain("P-1: high priority, very low. 48, below 54");
  });
  test("three are said as one", () => {
    const three = ["P-1", "P-2", "P-3"].map((label) => alert({ label }));
    expect(burst(three, say)).toBe("3 new high alerts: P-1, P-2, P-3");
  });
  test("many are a count without names, and repeats are not called new", () => {
    const many = Array.from({ length: 9 }, () => alert({ change: "repeat" }));
    expect(burst(many, say)).toBe("9 high alerts");
  });
  test("the same alert twice is one", () => {
    const one = alert({ label: "P-1" });
    expect(burst([one, one], say)).toBe("P-1");
  });
});

test("an extreme that is over is told by the side it was on, not by the value that came back", () => {
  const extreme = { rule: "heart_rate_extreme", metric: "heart_rate", unit: "/min", level: 1, limit: 150 };
  expect(why(alert({ ...extreme, value: 124, condition: "over" }), "mg/dL", NOW)).toContain("was above 150");
  expect(why(alert({ ...extreme, value: 124, condition: "returning" }), "mg/dL", NOW)).toContain("back below 150");
  expect(why(alert({ ...extreme, value: 168, condition: "active" }), "mg/dL", NOW)).toContain("above 150");
  expect(why(alert({ ...extreme, value: 60, limit: 35, condition: "over" }), "mg/dL", NOW)).toContain("was below 35");
});

test("a rule of rest that cannot judge says what is missing: the heart rate is there", () => {
  const rest = { rule: "heart_rate_rest", metric: "heart_rate", unit: "/min", level: 1, limit: 120, value: 126, condition: "unknown" as const };
  const told = (reason: string) => why(alert({ ...rest, reason, value_at: NOW - 12 * MINUTE }), "mg/dL", NOW);
  expect(told("moving")).toBe(`was 126 at ${at(-12)}, moving, not at rest for 12 min`);
  expect(told("no activity data")).toBe(`was 126 at ${at(-12)}, no activity data for 12 min`);
  expect(told("no data")).toBe(`was 126 at ${at(-12)}, no data for 12 min`);
  expect(word(alert(rest))).toBe("HR AT REST");
});

test("a rule of two metrics says both values, the glucose in the station's unit", () => {
  const both = { rule: "heart_rate_glucose", metric: "heart_rate", unit: "/min", level: 1, limit: 100, value: 112, reason: "glucose 72 mg/dL" };
  expect(why(alert({ ...both, since: NOW - MINUTE }), "mg/dL", NOW)).toBe(`112, above 100 since ${at(-1)}, glucose 72 mg/dL`);
  expect(why(alert({ ...both, since: NOW - MINUTE }), "mmol/L", NOW)).toBe(`112, above 100 since ${at(-1)}, glucose 4.0 mmol/L`);
  expect(word(alert(both))).toBe("GLUCOSE FALLS");
  expect(why(alert({ ...both, reason: "glucose LOW", since: NOW }), "mg/dL", NOW)).toContain(", glucose LOW");
});

test("what is above the usual says what is usual", () => {
  const unusual = { rule: "heart_rate_usual", metric: "heart_rate", unit: "/min", level: 1, limit: 91.5, value: 104, reason: "usual 61.5 /min" };
  expect(why(alert({ ...unusual, since: NOW }), "mg/dL", NOW)).toContain(", usual 61.5 /min");
  expect(word(alert(unusual))).toBe("HR UNUSUAL");
});

test("a low that got worse was not below the worse limit from its begin, and is not said to have been", () => {
  const worse = { since: NOW - 9 * MINUTE, opened_at: NOW - 5 * MINUTE };
  expect(why(alert(worse), "mg/dL", NOW)).toBe(`48, below 54, low since ${at(-9)}`);
  expect(why(alert({ ...worse, condition: "over", value: 80, at: NOW }), "mg/dL", NOW)).toBe(
    `over: was low from ${at(-9)} to ${at(0)}, at times below 54`,
  );
});

test("an acknowledgement that ran out while the value is back promises no call at a time that has passed", () => {
  const ran = alert({ condition: "returning", value: 79, response: "acknowledged", acknowledged_by: "Mia", acknowledged_until: NOW - 4 * MINUTE });
  expect(next(ran, NOW)).toBe("calls again only if it turns back");
  expect(who(ran, NOW)).toBe("acknowledged by Mia");
});

test("an empty list says whose it is, and that it is only filtered", () => {
  expect([nothingWords("", 0), nothingWords("ward-b", 0), nothingWords("ward-b", 2)]).toEqual([
    "No open alerts", "No open alerts in ward-b", "No open alerts in ward-b pass the filters",
  ]);
});

test("a name that runs from right to left does not turn our sentence round", () => {
  expect(isolated("Mia")).toBe("Mia");
  expect(isolated("\u05de\u05d9\u05d4")).toBe("\u2068\u05de\u05d9\u05d4\u2069");
  expect(isolated("\u202eaiM")).toBe("\u2068aiM\u2069");
});

test("a heart rate at its lower limit is at it, not below it", () => {
  const slow = { rule: "heart_rate_low", metric: "heart_rate", level: 1, value: 40, limit: 40 };
  expect(why(alert(slow), "mg/dL", NOW)).toBe(`40, at 40 since ${at(-1)}`);
  expect(why(alert({ ...slow, value: 39 }), "mg/dL", NOW)).toBe(`39, below 40 since ${at(-1)}`);
});
