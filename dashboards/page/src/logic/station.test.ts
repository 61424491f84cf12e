import { expect, test } from "vitest";
import { Calls, FORGET_MS } from "./station";

const SILENT = { priority: null, technical: false };

test("what sounds is the worst of all tabs, whichever of them sounds", () => {
  const calls = new Calls();
  calls.take("b", { priority: "high", technical: false }, 0);
  calls.take("c", { priority: null, technical: true }, 0);
  expect(calls.with(SILENT, 10)).toEqual({ priority: "high", technical: true });
  expect(calls.with({ priority: "medium", technical: false }, 10)).toEqual({ priority: "high", technical: true });
  calls.take("b", { priority: "low", technical: false }, 20);
  expect(calls.with({ priority: "medium", technical: false }, 30).priority).toBe("medium");
});
test("a tab that was closed calls no more", () => {
  const calls = new Calls();
  calls.take("b", { priority: "high", technical: true }, 0);
  expect(calls.with(SILENT, FORGET_MS)).toEqual({ priority: "high", technical: true });
  expect(calls.with(SILENT, FORGET_MS + 1)).toEqual(SILENT);
});
