import { expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../logic/times";
import { knowledge } from "./knowledge";

const NOW = 1_700_000_000_000_000;
const SIX = { from: NOW - 6 * HOUR, to: NOW };

test("nothing is known before the first answer, and nothing while the last question failed", () => {
  expect(knowledge("loading", null, SIX)).toBe("asking");
  expect(knowledge("failed", null, SIX)).toBe("unknown");
  expect(knowledge("failed", SIX, SIX)).toBe("unknown");
  expect(knowledge("ok", SIX, SIX)).toBe("known");
});

test("a span that goes on with the clock stays known while it is asked for again", () => {
  const later = { from: SIX.from + MINUTE, to: SIX.to + MINUTE };
  expect(knowledge("loading", SIX, later)).toBe("known");
  expect(knowledge("ok", SIX, { from: SIX.from + HOUR, to: SIX.to + HOUR })).toBe("asking");
});

test("an answer for another span says nothing of this one", () => {
  // Who looks at yesterday before its answer has come must not read that nothing happened.
  expect(knowledge("ok", SIX, { from: SIX.from - 24 * HOUR, to: SIX.to - 24 * HOUR })).toBe("asking");
  expect(knowledge("loading", SIX, { from: SIX.from - SECOND, to: SIX.to })).toBe("asking");
  expect(knowledge("ok", SIX, { from: NOW - HOUR, to: NOW })).toBe("known");
});
