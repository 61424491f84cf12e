import { expect, test } from "vitest";
import type { Heartbeat } from "./alerts";
import { alert, NOW } from "./fixtures";
import { stalledWords, untoldMs } from "./stalled";

const name = (site: number): string => `ward-${"ab"[site - 1] ?? site}`;
const at = (partition: number, site: number | null, seconds: number) => ({ partition, site, age_ms: seconds * 1000 });
const beat = (where: Heartbeat["where"], state: Heartbeat["state"] = "stalled"): Heartbeat => ({
  type: "heartbeat", cursor: "c", at: NOW, state, age_ms: 12_000, where, clock_at: null, proofs: [], unwatched: [],
});
const all = (): boolean => true;

test("what stands still is judging, not data: the words say so, with place and time", () => {
  expect(stalledWords([at(1, 1, 12), at(0, 1, 11)], name)).toBe(
    "Nothing from ward-a has been judged for 12 s (partitions 0, 1): no alert can come from there.",
  );
  expect(stalledWords([at(1, 1, 75), at(1, 2, 70)], name)).toBe(
    "Nothing from ward-a has been judged for 1 min (partition 1), nothing from ward-b has been judged for 1 min (partition 1): no alert can come from there.",
  );
  expect(stalledWords([at(3, null, 20)], name)).toContain("Nothing from any site has been judged for 20 s (partition 3)");
  expect(stalledWords([], name)).toBe("Nothing is judged: no alert can come.");
});
test("a place that stands still is told of once: by the alert of its site, or by the screen itself", () => {
  const fault = alert({ patient: null, site: 2, rule: "site" });
  expect(untoldMs(beat([at(0, 2, 48)]), [fault], all)).toBeNull();
  expect(untoldMs(beat([at(0, 2, 48), at(0, 1, 16)]), [fault], all)).toBe(16_000);
  expect(untoldMs(beat([at(0, 2, 48), at(1, null, 20)]), [fault], all)).toBe(20_000);
  expect(untoldMs(beat([]), [fault], all)).toBe(12_000);
});
test("a screen of one ward does not sound for another one", () => {
  expect(untoldMs(beat([at(0, 2, 48)]), [], (site) => site === 1)).toBeNull();
  expect(untoldMs(beat([at(0, 2, 48)]), [], (site) => site === 2)).toBe(48_000);
});
test("data that flows is not told of", () => {
  expect(untoldMs(beat([at(0, 1, 1)], "ok"), [], all)).toBeNull();
  expect(untoldMs(null, [], all)).toBeNull();
});
