import { HOUR, MINUTE, SECOND } from "../../logic/times";
import { describe, expect, test } from "vitest";
import { EVERYTHING, joined, passes, toEntry, type AlertFields } from "../feed/entries";
import { changeWords, ruleWords } from "../feed/words";
import { marksOf } from "./marks";
import { aroundCrossing, heldWords, nearest, newest, rowsOf, summaryWords } from "./readings";
import { levelWords, partOf, silentUs, watches, whyWords, windowWords, type Policy } from "./rules";
import { emptySeries, fromSpark, type Metric } from "./series";
import { alertSpans, rows, within } from "./spans";

const T0 = 1_700_000_000_000_000;
const time = (at: number): string => `${(at - T0) / MINUTE}`;
const number = (value: number): string => String(value);
const base = { id: "a", patient: "p", label: "Elm", site: 1, metric: "glucose", rule: "low", category: "physiological", opened_at: T0 };

function change(name: string, minutes: number, more: Partial<AlertFields> = {}): AlertFields {
  return { ...base, change: name, at: T0 + minutes * MINUTE, level: 1, priority: "medium", version: [minutes, 0], ...more };
}

const POLICY: Policy = {
  thresholds: [{
    name: "low", metric: "glucose", side: "low", levels: [
      { number: 1, limit: 70, on_span_us: 4 * MINUTE, quick_limit: 75, quick_span_us: 4 * MINUTE, slow_span_us: 15 * MINUTE, priority: "medium" },
      { number: 2, limit: 54, on_span_us: 0, quick_limit: 59, quick_span_us: 4 * MINUTE, slow_span_us: 15 * MINUTE, priority: "high" },
    ],
  }],
  windows: [{ name: "heart_rate_extreme", metric: "heart_rate", width_us: MINUTE, on_above: 150, on_below: 35, successive: 6, priority: "medium" }],
};

describe("alerts as spans", () => {
  const changes = [
    change("open", 0), change("rise", 10, { level: 2, priority: "high" }), change("lower", 30), change("clear", 60, { closed: true }),
  ].map(toEntry);

  test("have a part for each level, and an end", () => {
    const [span] = alertSpans([{ ...base, ...change("clear", 60, { closed: true }), id: "a" }], changes);
    expect(span?.parts.map((part) => [time(part.from), part.to === null ? null : time(part.to), part.priority])).toEqual([
      ["0", "10", "medium"], ["10", "30", "high"], ["30", "60", "medium"],
    ]);
    expect(span?.priority).toBe("high");
  });

  test("go on while the alert does", () => {
    const [span] = alertSpans([{ ...base, ...change("open", 0), id: "a" }], changes.slice(0, 1));
    expect(span?.to).toBeNull();
    expect(within([span!], T0 + HOUR, T0 + 2 * HOUR)).toHaveLength(1);
    expect(within([span!], T0 - 2 * HOUR, T0 - HOUR)).toHaveLength(0);
  });

  test("say when there was no data", () => {
    // Nobody may read an unknown stretch as a measured low.
    const entries = [change("open", 0), change("unknown", 12), change("known", 20)].map(toEntry);
    const [span] = alertSpans([{ ...base, ...change("known", 20), id: "a" }], entries);
    expect(span?.parts.map((part) => part.unknown)).toEqual([false, true, false]);
  });

  test("lie on as many rows as overlap", () => {
    const span = (from: number, to: number | null) => ({ ...alertSpans([{ ...base, ...change("open", 0), id: "a" }], [])[0]!, from, to });
    expect(rows([span(0, 10), span(5, null), span(11, 20), span(30, 40)], 1)).toEqual([0, 1, 0, 0]);
  });
});

describe("marks", () => {
  test("too near to each other become one with a number", () => {
    const entries = [change("acknowledge", 1, { acknowledged_by: "Ada" }), change("note", 2), change("shelve", 30)].map(toEntry);
    const marks = marksOf(entries, T0, T0 + HOUR, 5 * MINUTE);
    expect(marks.map((mark) => mark.letter)).toEqual(["2", "S"]);
    expect(marks[0]?.entries[0]?.by).toBe("Ada");
  });
});

describe("words of a change", () => {
  const words = (fields: AlertFields): string => changeWords(toEntry(fields), time, number);

  test("tell value and limit of a rise", () => {
    expect(words(change("rise", 1, { value: 48, limit: 54 }))).toBe("got worse: 48, below 54");
  });

  test("tell LOW instead of the edge of the sensor's range", () => {
    expect(words(change("open", 1, { value: 39, limit: 70, censored: "low" }))).toBe("opened: LOW, below 70");
  });

  test("of what no reading caused tell when the value was, or leave it out: it is not that moment's", () => {
    const due = { value: 296, limit: 250, value_at: T0 + 3 * MINUTE };
    expect(words(change("recheck", 1, due))).toBe("recheck is due: 296 at 3, above 250");
    expect(words(change("service_end", 1, due))).toBe("patient is back in service: 296 at 3, above 250");
    expect(words(change("escalate", 1, { ...due, value_at: null }))).toBe("called the lead");
    expect(words(change("rise", 1, due))).toBe("got worse: 296, above 250");
  });

  test("of a lost signal tell since when", () => {
    const lost = { category: "technical", value: null, reason: "silent" };
    expect(words(change("open", 9, { ...lost, since: T0 + 4 * MINUTE }))).toBe("since 4");
    expect(words(change("open", 9, { ...lost, since: T0 + 4 * MINUTE, reason: "contact lost" }))).toBe("since 4: contact lost");
    expect(words(change("open", 9, lost))).toBe("");
  });

  test("name who did it and until when", () => {
    expect(words(change("acknowledge", 1, { acknowledged_by: "Ada", acknowledged_until: T0 + 15 * MINUTE })))
      .toBe("acknowledged by Ada until 15");
    expect(words(change("note", 1, { notes: [{ by: "Ada", at: T0, text: "juice given" }] }))).toBe("note by Ada: “juice given”");
    expect(words(change("treated", 1, { owner: "Ada", recheck_at: T0 + 20 * MINUTE }))).toBe("Ada has treated it, recheck 20");
  });

  test("name the rule with its level", () => {
    expect([ruleWords("low", 2, "glucose"), ruleWords("signal", 1, "heart_rate")]).toEqual(["Very low glucose", "No heart rate data"]);
  });
});

describe("the feed's list", () => {
  test("holds each change once, newest first", () => {
    const live = [change("rise", 10), change("open", 0)].map(toEntry);
    const older = [change("open", 0), change("note", 5)].map(toEntry);
    expect(joined(live, older).map((entry) => entry.change)).toEqual(["rise", "note", "open"]);
  });

  test("filters by priority, kind, patient and technical, and never shows what says nothing", () => {
    const entry = toEntry(change("open", 0));
    expect(passes(entry, EVERYTHING)).toBe(true);
    expect(passes(entry, { ...EVERYTHING, priority: "high" })).toBe(false);
    expect(passes(entry, { ...EVERYTHING, kind: "people" })).toBe(false);
    expect(passes(entry, { ...EVERYTHING, patient: "el" })).toBe(true);
    expect(passes(toEntry(change("open", 0, { category: "technical" })), { ...EVERYTHING, technical: false })).toBe(false);
    expect(passes(toEntry(change("reassert", 0)), EVERYTHING)).toBe(false);
  });
});

describe("why", () => {
  test("is the rule in words", () => {
    expect(whyWords(POLICY, "low", "glucose", 2, number, MINUTE))
      .toBe("Calls below 54 at the first reading; ends after 4 min at 59 or more, or 15 min within the limit.");
    expect(levelWords(POLICY.thresholds![0]!, POLICY.thresholds![0]!.levels[0]!, number)).toBe("below 70 for 4 min");
    expect(levelWords(POLICY.thresholds![0]!, { ...POLICY.thresholds![0]!.levels[0]!, prolonged_us: 120 * MINUTE }, number))
      .toBe("below 70 for 4 min; after 2 h as urgent as level 2");
    expect(whyWords(null, "low", "glucose", 2, number, MINUTE)).toBe("");
  });

  test("of a lost signal has the minutes of the device's own interval", () => {
    // A sensor that sends every 15 min is not silent after 20.
    const words = (metric: Metric, interval: number | null): string => whyWords(POLICY, "signal", metric, 1, number, interval);
    expect(words("glucose", MINUTE)).toBe("Calls after 20 min without a usable glucose reading; new ones end it.");
    expect(words("glucose", 15 * MINUTE)).toBe("Calls after 33 min without a usable glucose reading; new ones end it.");
    expect(words("heart_rate", null)).toBe("Calls after 5 min without a usable heart rate reading; new ones end it.");
    expect(silentUs("heart_rate", 4 * MINUTE)).toBe(8.8 * MINUTE);
  });

  test("is of the part that held: by night the night's numbers, and all others as by day", () => {
    const [low] = POLICY.thresholds!;
    const own = { ...low!, levels: low!.levels.map((level) => ({ ...level, limit: level.limit + 10 })) };
    const policy = { ...POLICY, night: { zone: "Europe/Berlin", begins: "22:00", ends: "07:00", thresholds: [own], windows: [], signals: [] } };
    expect(whyWords(partOf(policy, true), "low", "glucose", 2, number, MINUTE)).toMatch(/^Calls below 64 at/);
    expect(whyWords(partOf(policy, false), "low", "glucose", 2, number, MINUTE)).toMatch(/^Calls below 54 at/);
    expect(partOf(policy, true)!.windows).toEqual(POLICY.windows);
    expect([partOf(POLICY, true), partOf(null, true)]).toEqual([POLICY, null]);
  });

  test("is among what is watched: silence too, with when it gets worse", () => {
    const silent = { ...POLICY, signals: [{ metric: "glucose", medium_after_us: 60 * MINUTE }] };
    const found = watches(silent, "glucose", 15 * MINUTE, number, ruleWords).at(-1);
    expect([found?.name, found?.words]).toEqual(["No glucose data", "no usable reading for 33 min; medium after 60 min"]);
  });

  test("says which rule does not apply at the device's interval", () => {
    // A window of one minute holds no two readings of a device that sends one a minute.
    const [slow] = watches(POLICY, "heart_rate", MINUTE, number, ruleWords);
    const [fast] = watches(POLICY, "heart_rate", 5 * SECOND, number, ruleWords);
    expect([slow?.applies, fast?.applies]).toEqual([false, true]);
  });

  test("says that a rule of rest needs somebody who counts steps", () => {
    const rest = { name: "heart_rate_rest", metric: "heart_rate", width_us: 10 * MINUTE, on_above: 120, priority: "low", rest_at_most: 0 };
    const policy = { ...POLICY, windows: [rest] };
    const [without] = watches(policy, "heart_rate", SECOND, number, ruleWords);
    const [counted] = watches(policy, "heart_rate", SECOND, number, ruleWords, true);
    expect(without?.hindrance).toBe("This rule does not apply: no device worn now counts steps.");
    expect([counted?.name, counted?.words, counted?.applies]).toEqual([
      "High heart rate at rest", "median of 10 min is above 120, and no step in that time", true,
    ]);
    expect(windowWords({ ...rest, rest_at_most: null, glucose_below: 80 }, number)).toBe(
      "median of 10 min is above 120 while glucose falls below 80 mg/dL",
    );
    const usual = { above: 30, zone: "Europe/Berlin", begins: "02:00", ends: "07:00" };
    expect(windowWords({ ...rest, on_above: null, usual }, number)).toBe(
      "median of 10 min is more than 30 above the usual: the median of the nights (02:00 to 07:00, Europe/Berlin) of 14 days, and no step in that time",
    );
    const news2 = { ...rest, name: "heart_rate_news2", rest_at_most: null, on_above: 110, on_at_most: 40, successive: 180 };
    expect(windowWords(news2, number)).toBe("NEWS2 pulse sub-score of the median of 10 min is at least 2 for 30 min");
    expect(windowWords({ ...news2, on_above: 130, successive: 1 }, number)).toBe("NEWS2 pulse sub-score of the median of 10 min is 3");
    expect(windowWords({ ...rest, rest_at_most: null, artefact_hold_us: 30 * SECOND }, number)).toBe(
      "median of 10 min is above 120; held for 30 s at most while most of it is artefact",
    );
    expect(windowWords({ ...rest, rest_at_most: 5 }, number)).toBe("median of 10 min is above 120, and at most 5 steps a minute in that time");
  });

  test("shows the readings around the crossing", () => {
    const cause = { since: T0 + 2 * MINUTE, at: T0 + 4 * MINUTE, limit: 70, side: "low" as const, inclusive: false };
    const values = [72, 71, 69, 68, 67];
    const series = {
      ...emptySeries("glucose", T0, T0 + HOUR), t: values.map((_, i) => T0 + i * MINUTE),
      min: values, max: values, last: values, n: values.map(() => 1), flags: values.map(() => 0),
    };
    const found = rowsOf(series, cause);
    expect(found.map((row) => row.crossing)).toEqual([false, false, true, false, false]);
    expect(nearest(found, 3).map((row) => row.value)).toEqual([71, 69, 68]);
    expect(aroundCrossing(cause, MINUTE)).toEqual({ from: T0 - 4 * MINUTE, to: T0 + 9 * MINUTE });
    expect(newest(series, 2).map((row) => row.value)).toEqual([67, 68]);
  });
});

test("a chart is one sentence for who cannot see it", () => {
  const series = {
    ...emptySeries("glucose", T0, T0 + HOUR), t: [T0, T0 + MINUTE], min: [60, 90], max: [60, 95], last: [60, 91], n: [1, 3],
    flags: [0, 0], gaps: [[T0, T0 + MINUTE] as const],
  };
  expect(summaryWords("Glucose", series, number, "mg/dL", time))
    .toBe("Glucose: between 60 and 95 mg/dL, last 91 at 1; 4 readings, 1 gap without data.");
  expect(summaryWords("Glucose", emptySeries("glucose", T0, T0), number, "mg/dL", time)).toBe("Glucose: no readings in this span.");
});

test("what the page only remembers is told without a count, and never as a line without gaps", () => {
  const held = fromSpark("glucose", [[T0, 60], [T0 + 5 * MINUTE, 91]], T0 - HOUR, T0 + HOUR);
  expect(held.remembered).toBe(true);
  expect(heldWords("Glucose", held, number, "mg/dL", time)).toBe(
    "Glucose: this page remembers values between 60 and 91 mg/dL, last 91 at 5; what else was measured, and whether there are gaps, is not known.");
  expect(heldWords("Glucose", fromSpark("glucose", [], T0, T0), number, "mg/dL", time)).toBe("Glucose: what was measured in this span is not known.");
});
