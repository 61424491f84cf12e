import { describe, expect, test } from "vitest";
import { alert, NOW } from "./fixtures";
import { onScreen, type Sight } from "./sight";

const sight = (changed: Partial<Sight> = {}): Sight => ({
  visible: true, screen: "ward", patient: null, site: null, tiles: new Set(), cards: new Set(), rows: new Map(), strip: null, sounds: null,
  ...changed,
});
const low = alert({ patient: "p", priority: "medium", announced_at: NOW });

describe("an alert is on the screen", () => {
  test("of the ward where its patient has a tile or a card that is drawn", () => {
    expect(onScreen(low, sight())).toBe(false);
    expect(onScreen(low, sight({ tiles: new Set(["p"]) }))).toBe(true);
    expect(onScreen(low, sight({ cards: new Set(["p"]) }))).toBe(true);
  });
  test("of its own patient, and of no other one", () => {
    expect(onScreen(low, sight({ screen: "patient", patient: "p" }))).toBe(true);
    expect(onScreen(low, sight({ screen: "patient", patient: "q", tiles: new Set(["p"]), cards: new Set(["p"]) }))).toBe(false);
  });
  test("of the feed where a row since its last announcement is drawn", () => {
    const feed = (at: number) => sight({ screen: "feed", rows: new Map([[low.id, at]]) });
    expect([onScreen(low, feed(NOW - 1)), onScreen(low, feed(NOW))]).toEqual([false, true]);
    expect(onScreen(low, sight({ screen: "feed", tiles: new Set(["p"]) }))).toBe(false);
  });
  test("of help and operations only in the strip of high ones", () => {
    for (const screen of ["help", "operations"] as const) {
      expect(onScreen(low, sight({ screen, tiles: new Set(["p"]), patient: "p", rows: new Map([[low.id, NOW]]) }))).toBe(false);
      expect(onScreen(low, sight({ screen, strip: low.id }))).toBe(true);
    }
  });
  test("of none where nobody sees the tab, but for the one that sounds", () => {
    const hidden = { visible: false, tiles: new Set(["p"]) };
    expect(onScreen(low, sight(hidden))).toBe(false);
    expect(onScreen(low, sight({ ...hidden, sounds: "medium" }))).toBe(true);
    expect(onScreen(low, sight({ ...hidden, sounds: "high" }))).toBe(false);
    expect(onScreen(low, sight({ ...hidden, sounds: "medium", site: 2 }))).toBe(false);
    expect(onScreen({ ...low, condition: "over" }, sight({ ...hidden, sounds: "medium" }))).toBe(false);
  });
  test("as a banner where it is a site's", () => {
    expect(onScreen(alert({ patient: null }), sight({ screen: "help" }))).toBe(true);
  });
});
