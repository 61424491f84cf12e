import { expect, test } from "vitest";
import { parse } from "./route";

test("an address names its screen, patient and moment", () => {
  expect(parse("#/patient/a%20b?at=5")).toMatchObject({ name: "patient", id: "a b", at: 5, wall: false });
  expect(parse("#/wall?site=1")).toMatchObject({ name: "ward", wall: true });
});
test("a malformed address names a patient that does not exist, and throws nothing", () => {
  expect(parse("#/patient/%E0%A4%A")).toMatchObject({ name: "patient", id: "%E0%A4%A" });
  expect(parse("#/%E0%A4%A")).toMatchObject({ name: "ward" });
  expect(parse("#/?site=%ZZ").params.get("site")).toBe("%ZZ");
});
