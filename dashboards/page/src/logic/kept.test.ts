import { expect, test } from "vitest";
import { believed, isFilters, isFlag, isGlucoseUnit, isTheme, type Filters } from "./kept";

const ALL: Filters = { priorities: ["high", "medium", "low"], site: null, technical: true };

test("what a station has chosen is taken over", () => {
  const chosen: Filters = { priorities: ["high"], site: 2, technical: false };
  expect(believed(JSON.stringify(chosen), ALL, isFilters)).toEqual(chosen);
  expect(believed('"light"', "auto", isTheme)).toBe("light");
  expect(believed('"mmol/L"', "mg/dL", isGlucoseUnit)).toBe("mmol/L");
  expect(believed("true", false, isFlag)).toBe(true);
});

test("anything of another shape is a new station's choice, never a page that does not open", () => {
  const broken = [
    "{}", "[]", "null", "7", '"x"', "{", "", '{"priorities":[],"site":null}', '{"priorities":"high","site":null,"technical":true}',
    '{"priorities":["urgent"],"site":null,"technical":true}', '{"priorities":[],"site":"2","technical":true}',
    '{"priorities":[],"site":null,"technical":"yes"}',
  ];
  for (const text of broken) expect(believed(text, ALL, isFilters)).toBe(ALL);
  for (const text of ["{}", "null", '"dim"', "dark"]) expect(believed(text, "auto", isTheme)).toBe("auto");
  for (const text of ["[]", '"mg"', "1"]) expect(believed(text, "mg/dL", isGlucoseUnit)).toBe("mg/dL");
  for (const text of ["1", "{}", '"true"']) expect(believed(text, false, isFlag)).toBe(false);
  expect(believed(null, ALL, isFilters)).toBe(ALL);
});
