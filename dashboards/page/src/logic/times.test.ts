import { describe, expect, test } from "vitest";
import { brief, DAY, HOUR, lasting, MINUTE, SECOND } from "./times";

describe("a span in one unit", () => {
  test("is never more than has gone by", () => {
    const said = [59 * SECOND, 59 * MINUTE, HOUR, 5 * HOUR - 1, DAY - 1, DAY, 2 * DAY + 23 * HOUR].map(brief);
    expect(said).toEqual(["59 s", "59 min", "1 h", "4 h", "23 h", "1 d", "2 d"]);
  });
});

test("an outage of ten seconds is never told as nine, though the clock stands on the second", () => {
  const since = 7 * SECOND + 900_000;
  const shown = [since + 10 * SECOND, since + 10.05 * SECOND, since + 10.2 * SECOND].map((at) => lasting(Math.floor(at / SECOND) * SECOND, since));
  expect(shown).toEqual(["10 s", "10 s", "11 s"]);
});
