import { expect, test } from "vitest";
import type { Heartbeat } from "./alerts";
import { NOW } from "./fixtures";
import { proofsAfter, proofWords, type Proof } from "./proofs";
import { SECOND } from "./times";

const beat = (at: number, age_ms: number | null, sites = [1], took_ms = 180): Heartbeat => ({
  type: "heartbeat", cursor: "c", at, state: "ok", age_ms: 0, where: [], clock_at: null,
  proofs: sites.map((site) => ({ site, proved_at: age_ms === null ? null : at - age_ms * 1000, age_ms, took_ms: age_ms === null ? null : took_ms })),
  unwatched: [],
});
const said = (proofs: Proof[], now: number) => proofs.map((proof) => proofWords(proof, now));

test("a proof is told with its age, and loud once it is more than 30 s old", () => {
  const known = proofsAfter([], beat(NOW, 4_000));
  expect(said(known, NOW)).toEqual([{ text: "proved 4 s ago", loud: false }]);
  expect(said(known, NOW + 41 * SECOND)).toEqual([{ text: "not proved for 45 s", loud: true }]);
});
test("a proof counts from its reading: an alarm that came five minutes late proves nothing about now", () => {
  const known = proofsAfter([], beat(NOW, 3_000, [1], 300_000));
  expect(said(known, NOW)).toEqual([{ text: "not proved for 5 min", loud: true }]);
  expect(said(proofsAfter(known, beat(NOW + 9 * SECOND, 1_000)), NOW + 9 * SECOND)).toEqual([{ text: "proved 1 s ago", loud: false }]);
});
test("a gateway that starts knows none: the last one that was heard of still counts", () => {
  const known = proofsAfter(proofsAfter([], beat(NOW, 4_000)), beat(NOW + 2 * SECOND, null));
  expect(said(known, NOW + 2 * SECOND)).toEqual([{ text: "proved 6 s ago", loud: false }]);
  expect(said(proofsAfter(known, beat(NOW + 9 * SECOND, 1_000)), NOW + 9 * SECOND)[0]?.text).toBe("proved 1 s ago");
});
test("a page that has heard of none waits, and does not say that there never was one", () => {
  const known = proofsAfter(proofsAfter([], beat(NOW, null)), beat(NOW + 2 * SECOND, null));
  expect(said(known, NOW + 2 * SECOND)).toEqual([{ text: "waiting for proof", loud: false }]);
  expect(said(known, NOW + 31 * SECOND)).toEqual([{ text: "not proved for 31 s", loud: true }]);
});
test("a site without a prover is not named", () => {
  expect(proofsAfter(proofsAfter([], beat(NOW, 4_000, [1, 2])), beat(NOW, 4_000, [2])).map((proof) => proof.site)).toEqual([2]);
});
