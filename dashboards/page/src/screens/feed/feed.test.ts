import { describe, expect, test } from "vitest";
import type { Service, Shelf } from "../../logic/alerts";
import { alert } from "../../logic/fixtures";
import { entryOf, joined, toEntry } from "./entries";
import { changeWords, ruleWords } from "./words";
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

describe("what is set aside", () => {
  const out: Service = {
    kind: "service", version: [4, 0], patient: "p", label: "Elm", site: 1, since: 100, until: 900, by: "nurse", reason: "scan", ended: false,
  };
  const shelf: Shelf = {
    kind: "shelf", priority: "medium", id: "s", version: [6, 0], patient: "p", label: "Elm", site: 1, metric: "glucose", rule: "low", level: 1, since: 200,
    until: 800, by: "nurse", reason: "eats", ended: false,
  };
  const words = (entry: ReturnType<typeof entryOf>): string =>
    `${ruleWords(entry.rule, entry.level, entry.metric)} ${changeWords(entry, (at) => `at ${at}`, String)}`;

  test("is a line when it begins and one when it ends, at its own time", () => {
    const lines = [out, { ...out, version: [5, 0] as [number, number], until: 500, ended: true }].map(entryOf);
    expect(lines.map((entry) => entry.at)).toEqual([100, 500]);
    expect(lines.map(words)).toEqual(["Patient out of service by nurse until at 900: “scan”", "Patient back in service"]);
    expect(words(entryOf({ ...shelf, until: 300, ended: true }))).toBe("Low glucose shelf ended");
  });

  test("is the same line from the API", () => {
    const told = {
      kind: "service", change: "out_of_service", at: 100, until: 900, by: "nurse", text: "scan", patient: "p", label: "Elm", site: 1,
      metric: null, rule: "", level: 0, version: [4, 0], alert: null, priority: "",
    };
    expect(toEntry(told).key).toBe(entryOf(out).key);
    expect(joined([entryOf(out)], [toEntry(told)])).toHaveLength(1);
  });

  test("is told once: a shelf by its alert where there is one", () => {
    // Two lines that say the same are one to read too many.
    const shelved = entryOf(alert({ change: "shelve", at: 200, patient: "p", metric: "glucose", rule: "low" }));
    expect(joined([shelved, entryOf(shelf)], []).map((entry) => entry.change)).toEqual(["shelve"]);
    const over = entryOf({ ...shelf, ended: true });
    expect(joined([over, shelved, entryOf(shelf)], []).map((entry) => entry.change)).toEqual(["shelf_over", "shelve"]);
  });

  test("is no alert that somebody has seen", () => {
    expect(newestOf([{ alert: "", at: 5 }]).size).toBe(0);
  });
});
