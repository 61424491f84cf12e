import { expect, test } from "vitest";
import { isInView, isTop, portion, reached, WINDOW } from "./growth";

const all = ["a", "b", "c", "d", "e"].map((patient) => ({ patient }));
const named = (cards: readonly { patient: string }[]): string => cards.map((each) => each.patient).join("");

test("a frame draws the first few of the new cards, and whatever stands, in their order", () => {
  expect(named(portion(all, () => false, 3))).toBe("abc");
  expect(named(portion(all, (patient) => "ace".includes(patient), 1))).toBe("abce");
  expect(named(portion(all, () => true, 0))).toBe("abcde");
  expect(named(portion(all, () => false, 0))).toBe("");
});
test("portions follow each other until all are drawn", () => {
  const drawn = new Set<string>();
  const frames = [];
  for (let frame = 0; frame < 4; frame += 1) {
    const shown = portion(all, (patient) => drawn.has(patient), 2);
    for (const { patient } of shown) drawn.add(patient);
    frames.push(named(shown));
  }
  expect(frames).toEqual(["ab", "abcd", "abcde", "abcde"]);
});
test("on the last drawn card the next one is drawn, on the one before nothing happens", () => {
  expect([-1, 0, WINDOW - 2].map(reached)).toEqual([WINDOW, WINDOW, WINDOW]);
  expect(reached(WINDOW - 1)).toBe(2 * WINDOW);
  expect(reached(45)).toBe(3 * WINDOW);
});
test("the top is the top by a fraction of a pixel too, and where it is pulled beyond", () => {
  expect([0, 0.5, 1, -12].map(isTop)).toEqual([true, true, true, true]);
  expect([1.5, 40].map(isTop)).toEqual([false, false]);
});
test("in view is what is seen whole, or from its beginning where it is taller than the view", () => {
  const view = { top: 100, bottom: 500 };
  expect(isInView({ top: 100, bottom: 200 }, view)).toBe(true);
  expect(isInView({ top: 99.5, bottom: 500.5 }, view)).toBe(true);
  expect(isInView({ top: 90, bottom: 200 }, view)).toBe(false);
  expect(isInView({ top: 450, bottom: 550 }, view)).toBe(false);
  expect(isInView({ top: 100, bottom: 900 }, view)).toBe(true);
  expect(isInView({ top: 120, bottom: 900 }, view)).toBe(false);
  expect(isInView({ top: 0, bottom: 0 }, { top: 0, bottom: 0 })).toBe(false);
});
