import { expect, test } from "vitest";
import { begin, look, tick } from "./standin";

/** One look a second from ``from`` on: when the page ticked itself, and when it started the worker anew. */
function looks(watch: ReturnType<typeof begin>, from: number, count: number) {
  const found = { standIns: [] as number[], restarts: [] as number[], watch };
  for (let moment = from; moment < from + count * 1_000; moment += 1_000) {
    const one = look(found.watch, moment);
    found.watch = one.watch;
    if (one.standIn) found.standIns.push(moment);
    if (one.restart) found.restarts.push(moment);
  }
  return found;
}

test("a worker that never ticks is stood in for after two seconds, and started anew every five", () => {
  const found = looks(begin(0), 1_000, 12);
  expect(found.standIns).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((s) => s * 1_000));
  expect(found.restarts).toEqual([6_000, 12_000]);
  expect(found.watch.restarts).toBe(2);
});
test("a worker that ends in mid-life is started anew at once", () => {
  const found = looks(tick(begin(0), 60_000), 60_500, 4);
  expect(found.restarts).toEqual([62_500]);
});
test("a page that was busy sees itself first: one look proves nothing", () => {
  expect(look(tick(begin(0), 60_000), 75_000)).toMatchObject({ standIn: false, restart: false });
});
test("a worker that ticks is left alone", () => {
  let watch = begin(0);
  for (let moment = 1_000; moment < 20_000; moment += 1_000) {
    watch = tick(watch, moment);
    const found = look(watch, moment + 400);
    expect(found.standIn).toBe(false);
    watch = found.watch;
  }
});
