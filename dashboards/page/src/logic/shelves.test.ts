import { describe, expect, test } from "vitest";
import type { Shelf } from "./alerts";
import { alert, NOW } from "./fixtures";
import { heldBy, metricOf, shelfTime, shelfWord, shelvedOf } from "./shelves";
import { hhmm, left, MINUTE, SECOND } from "./times";

const shelf = (changed: Partial<Shelf> = {}): Shelf => ({
  kind: "shelf", id: "s", version: [1, 0], patient: "p", label: "P-1", site: 1, metric: "glucose", rule: "low", level: 2, priority: "high",
  since: NOW, until: NOW + 15 * MINUTE, by: "Mia", reason: "", ended: false, ...changed,
});

describe("a shelf", () => {
  test("is named by the alert's word, never by its rule, which may be a priority's name too", () => {
    expect(shelfWord(shelf())).toBe("VERY LOW");
    expect(shelfWord(shelf({ rule: "high", level: 1 }))).toBe("HIGH");
    expect(shelfWord(shelf({ rule: "heart_rate_high", metric: "heart_rate", level: 1 }))).toBe("HR HIGH");
  });
  test("of a signal says of which metric, and of a site that it is the site", () => {
    expect(shelfWord(shelf({ rule: "signal", metric: "heart_rate", level: 1 }))).toBe("NO SIGNAL: heart rate");
    expect(metricOf({ rule: "signal", metric: "glucose" })).toBe(": glucose");
    expect(shelfWord(shelf({ rule: "site_silent", metric: null, patient: null, level: 1 }))).toBe("SITE SILENT");
  });
  test("holds the worst alert that lies on it, and not one that came through", () => {
    const on = { shelf: "s", response: "shelved" } as const;
    const mild = alert({ ...on, priority: "medium", level: 1 });
    const worst = alert(on);
    expect(heldBy(shelf(), [mild, worst, alert({ shelf: "other", response: "shelved" })])).toBe(worst);
    expect(heldBy(shelf(), [alert({ shelf: "s" })])).toBeNull();
    expect(shelvedOf([alert(), mild])).toBe(mild);
  });
  test("of 15 minutes has 15 left the second after, and never 16 because two clocks differ", () => {
    const at = hhmm(NOW + 15 * MINUTE);
    for (const passed of [-SECOND, 0, SECOND, 30 * SECOND]) {
      expect(shelfTime(NOW + 15 * MINUTE, NOW + passed)).toBe(`shelved until ${at}, 15 min left`);
      expect(left(15 * MINUTE - passed)).toBe("15 min");
    }
  });
});
