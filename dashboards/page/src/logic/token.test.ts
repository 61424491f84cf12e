import { describe, expect, test } from "vitest";
import { NO_TOKEN, tokenOf, whyNoToken, withoutToken } from "./token";

describe("a token", () => {
  test("is taken from the address, and the rest of that stays", () => {
    expect(tokenOf("#token=a%2Bb")).toBe("a+b");
    expect([withoutToken("#token=a"), withoutToken("#token=a&wall"), withoutToken("#/wall?site=1&token=a")]).toEqual(["#/", "#/?wall", "#/wall?site=1"]);
  });
  test("that is malformed is none, and never an error: the page would hang before it begins", () => {
    expect([tokenOf("#token=%ZZ"), tokenOf("#token=%E0%A4%A"), tokenOf("#token="), tokenOf("#/")]).toEqual([null, null, null, null]);
    expect(withoutToken("#token=%ZZ")).toBe("#/");
  });
  test("with a character that no header carries is none, and the page says so", () => {
    for (const text of ["nurse\u2013token", "тoken", "a b", "a\nb", ""]) expect(whyNoToken(text)).toBe(NO_TOKEN);
    expect(whyNoToken("nurse-token_1.~")).toBe("");
    expect(whyNoToken("a".repeat(513))).toContain("too long");
  });
});
