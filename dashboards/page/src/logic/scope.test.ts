import { expect, test } from "vitest";
import { scopeOf } from "./scope";

test("the address's site goes before the station's own choice", () => {
  expect(scopeOf("2", 1, [1, 2])).toEqual({ site: 2, missing: "" });
  expect(scopeOf(null, 1, [1, 2])).toEqual({ site: 1, missing: "" });
});
test("a site that is not there is named as missing, and the screen shows all rather than nothing", () => {
  for (const asked of ["99", "ward-a", "-1", "1e3"]) expect(scopeOf(asked, 1, [1, 2])).toEqual({ site: null, missing: asked });
});
test("a choice of yesterday for a site that is gone hides nothing", () => {
  expect(scopeOf(null, 7, [1, 2]).site).toBeNull();
});
test("before the sites are known the address is taken at its word", () => {
  expect(scopeOf("2", null, null)).toEqual({ site: 2, missing: "" });
});
