import { describe, expect, test } from "vitest";
import type { Alert } from "./alerts";
import { alert, NOW } from "./fixtures";
import { compare, freeze, rank, same, siteFaults, worklist, type Around } from "./order";
import { MINUTE } from "./times";

const nothing: Around = { bed: () => "", slope: () => null };
const first = (a: Alert, b: Alert, around = nothing): boolean => compare(a, b, around) < 0 && compare(b, a, around) > 0;

describe("the worklist's order", () => {
  test("rank is 2 (3 - P) + 3 A", () => {
    const ranks = (["high", "medium", "low"] as const).flatMap((priority) =>
      (["unacknowledged", "acknowledged"] as const).map((response) => rank(alert({ priority, response }))),
    );
    expect(ranks).toEqual([0, 3, 2, 5, 4, 7]);
  });
  test("an alert that is over and unseen counts as answered, or it would stand above who needs help now", () => {
    expect(rank(alert({ condition: "over", unseen: true }))).toBe(3);
  });
  test("an acknowledged high stands between a new medium and a new low", () => {
    const cards = worklist(
      [alert({ priority: "low", label: "c" }), alert({ response: "acknowledged", label: "b" }), alert({ priority: "medium", label: "a" })],
      nothing,
    );
    expect(cards.map((card) => card.label)).toEqual(["a", "b", "c"]);
  });
  test("ties: physiological before technical, whatever else", () => {
    expect(first(alert({ announced_at: NOW }), alert({ category: "technical", escalation: 2, announced_at: 0 }))).toBe(true);
  });
  test("ties: who was escalated further comes first", () => {
    expect(first(alert({ escalation: 1, announced_at: NOW }), alert({ announced_at: 0 }))).toBe(true);
  });
  test("ties: a low that falls faster than 1 mg/dL/min before one that does not, before the older one", () => {
    const falling = alert({ patient: "falling", announced_at: NOW });
    const flat = alert({ patient: "flat", announced_at: 0 });
    const around = { ...nothing, slope: (patient: string) => (patient === "falling" ? -1.1 : -1) };
    expect(first(falling, flat, around)).toBe(true);
  });
  test("a low that rises fast is on its way back and goes not before others", () => {
    const rising = alert({ patient: "rising", announced_at: NOW });
    expect(first(rising, alert({ announced_at: 0 }), { ...nothing, slope: () => 3 })).toBe(false);
  });
  test("ties: the oldest announcement, then the bed as a person reads it", () => {
    expect(first(alert({ announced_at: NOW - MINUTE }), alert({ announced_at: NOW }))).toBe(true);
    const around = { ...nothing, bed: (patient: string) => patient };
    expect(first(alert({ patient: "A-9" }), alert({ patient: "A-10" }), around)).toBe(true);
  });
  test("a patient's card has its lowest rank and holds all its alerts", () => {
    const both = [alert({ patient: "x", priority: "low", rule: "high" }), alert({ patient: "x" })];
    const cards = worklist([alert({ priority: "medium" }), ...both], nothing);
    expect(cards[0]?.patient).toBe("x");
    expect(cards[0]?.alerts.map((each) => each.priority)).toEqual(["high", "low"]);
  });
  test("shelved, out of service and site alerts are not on it", () => {
    const cards = worklist([alert({ response: "shelved" }), alert({ response: "out_of_service" }), alert({ patient: null })], nothing);
    expect(cards).toEqual([]);
    expect(siteFaults([alert(), alert({ patient: null })])).toHaveLength(1);
  });
  test("an unchanged card is the same object, so that it need not render", () => {
    const alerts = [alert({ patient: "x" })];
    const [before] = worklist(alerts, nothing);
    const [after] = worklist(alerts, nothing);
    expect(after && same(before, after)).toBe(before);
  });
});

describe("the order under a pointer", () => {
  const card = (patient: string, changed: Partial<Alert> = {}) => worklist([alert({ patient, ...changed })], nothing)[0]!;
  test("cards keep their places, gone ones leave, new ones come at the end", () => {
    const cards = [card("new", { priority: "medium" }), card("b", { priority: "medium" }), card("a", { priority: "medium" })];
    expect(freeze(cards, ["a", "gone", "b"], new Set()).map((each) => each.patient)).toEqual(["a", "b", "new"]);
  });
  test("a new high goes on top at once: nothing may hide it", () => {
    const cards = [card("new"), card("a", { priority: "medium" })];
    expect(freeze(cards, ["a"], new Set()).map((each) => each.patient)).toEqual(["new", "a"]);
  });
  test("a patient who gets a high while shown lower jumps up; a high that was there stays", () => {
    const cards = [card("old"), card("rose"), card("m", { priority: "medium" })];
    expect(freeze(cards, ["m", "old", "rose"], new Set(["old"])).map((each) => each.patient)).toEqual(["rose", "m", "old"]);
  });
});
