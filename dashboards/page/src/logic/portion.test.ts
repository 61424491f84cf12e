import { expect, test } from "vitest";
import { alert } from "./fixtures";
import { firstNeeded } from "./portion";

test("who needs somebody first is drawn first, equals as they came", () => {
  const alerts = [
    alert({ patient: "low", priority: "low" }),
    alert({ patient: "medium", priority: "medium" }),
    alert({ patient: "high 1" }),
    alert({ patient: "both", priority: "low" }),
    alert({ patient: "both", priority: "high" }),
    alert({ patient: "high 2" }),
    alert({ patient: "not asked for" }),
    alert({ patient: null }),
  ];
  const came = ["cleared", "low", "medium", "high 2", "both", "gone", "high 1"];
  expect(firstNeeded(came, alerts)).toEqual(["high 2", "both", "high 1", "medium", "low", "cleared", "gone"]);
});
test("what somebody has put aside hurries nobody", () => {
  const alerts = [alert({ patient: "shelved", response: "shelved" }), alert({ patient: "low", priority: "low" })];
  expect(firstNeeded(["shelved", "low"], alerts)).toEqual(["low", "shelved"]);
});
