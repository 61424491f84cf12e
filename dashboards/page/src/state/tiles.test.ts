import { effect } from "@preact/signals";
import { describe, expect, test } from "vitest";
import { vital } from "../logic/fixtures";
import type { WardTile } from "../logic/live";
import { EMPTY_MS } from "../logic/ward";
import { known, order, settle, take, tileOf } from "./tiles";

const tile = (patient: string, glucose: number): WardTile => ({
  patient, label: patient, site: 1, bed: patient, device: null, battery: null,
  vitals: { heart_rate: null, glucose: vital({ value: glucose }) }, spark: { glucose: [], heart_rate: [] },
});
const ward = (moment: number, ...patients: WardTile[]): void =>
  take({ type: "ward", at: 0, sites: [{ number: 1, name: "ward-a" }], patients }, moment);

describe("a ward that comes anew", () => {
  test("what hangs on a patient's values follows them after he was gone and came back", () => {
    ward(0, tile("a", 100), tile("b", 100));
    let seen: number | null | undefined;
    const stop = effect(() => {
      seen = tileOf("a")?.vitals.glucose?.value;
    });
    ward(0, tile("b", 100));
    expect(seen).toBeUndefined();
    ward(0, tile("a", 90), tile("b", 100));
    expect(seen).toBe(90);
    take({ type: "tiles", at: 0, tiles: [tile("a", 48)] }, 0);
    expect(seen).toBe(48);
    stop();
  });
  test("without patients is not believed before it has stood for 5 s: the old ones stay", () => {
    ward(0, tile("a", 100));
    ward(1_000);
    settle(1_000 + EMPTY_MS - 1);
    expect(order.value).toEqual(["a"]);
    ward(3_000);
    settle(1_000 + EMPTY_MS);
    expect([order.value, known.value, tileOf("a")]).toEqual([[], true, null]);
  });
  test("without patients is forgotten once some are named", () => {
    ward(0, tile("a", 100));
    ward(1_000);
    ward(2_000, tile("a", 90));
    settle(60_000);
    expect(order.value).toEqual(["a"]);
  });
});
