import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Alert } from "../logic/alerts";
import { alert } from "../logic/fixtures";

type Name = "flashHigh" | "flashMedium";
/** When a priority's markers turned, ms since the test began, and how they are since then. */
type Turn = [at: number, name: Name, said: string];
const FASTEST_MS = 358;

let turns: Turn[];
let said: Partial<Record<Name, string>>;
let query: { matches: boolean; changed: () => void };
let put: (...open: Alert[]) => void;
let begun: number;
const at = (): number => Math.round(performance.now() - begun);
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

beforeEach(async () => {
  vi.resetModules();
  vi.useFakeTimers();
  begun = performance.now();
  turns = [];
  said = {};
  query = { matches: false, changed: () => undefined };
  const dataset = new Proxy(said, {
    set: (held, name: Name, value: string) => {
      turns.push([at(), name, value]);
      held[name] = value;
      return true;
    },
  });
  vi.stubGlobal("document", { documentElement: { dataset }, visibilityState: "visible" });
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("matchMedia", () => ({
    get matches() {
      return query.matches;
    },
    addEventListener: (_: string, listener: () => void) => (query.changed = listener),
  }));
  const { alerts } = await import("../state/feed");
  const { startFlashing } = await import("./flash");
  put = (...open) => (alerts.value = new Map(open.map((one) => [one.id, one])));
  startFlashing();
});
afterEach(() => {
  put();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const medium = (): Alert => alert({ priority: "medium" });
const ons = (name: Name): number[] => turns.filter(([, which, what]) => which === name && what === "on").map(([when]) => when);

test("a medium marker that begins while others are dim is bright at once, and long enough to be seen", () => {
  const first = medium();
  put(first);
  pass(900);
  expect(said.flashMedium).toBe("off");
  put(first, medium());
  expect(said.flashMedium).toBe("on");
  pass(800);
  expect(said.flashMedium).toBe("on");
  pass(100);
  expect(said.flashMedium).toBe("off");
});
test("a marker that begins at the end of a bright half is not dim before it was seen", () => {
  const first = medium();
  put(first);
  pass(820);
  put(first, medium());
  pass(190);
  expect(said.flashMedium).toBe("on");
  pass(20);
  expect(said.flashMedium).toBe("off");
});
test("a medium alert that becomes a high one begins, as a high one", () => {
  const [first, second] = [alert(), medium()];
  put(first, second);
  pass(260);
  expect(said.flashHigh).toBe("off");
  put(first, { ...second, priority: "high" });
  pass(FASTEST_MS - 260);
  expect(said.flashHigh).toBe("on");
});
test("however many begin, nothing flashes faster than 2.8 Hz, and nothing stops flashing", () => {
  const open: Alert[] = [];
  for (let round = 0; round < 400; round += 1) {
    open.push(alert(), medium());
    put(...open);
    pass(7 + ((round * 37) % 90));
  }
  for (const name of ["flashHigh", "flashMedium"] as const) {
    const when = ons(name);
    const least = Math.min(...when.slice(1).map((moment, place) => moment - (when[place] ?? 0)));
    expect(least).toBeGreaterThanOrEqual(FASTEST_MS);
    expect(when.length).toBeGreaterThan(at() / (name === "flashHigh" ? 1000 : 2500));
  }
});
test("what only changes begins nothing: the halves stay as long as they are", () => {
  const held = alert();
  put(held);
  pass(260);
  expect(said.flashHigh).toBe("off");
  put({ ...held, value: 47 });
  expect(said.flashHigh).toBe("off");
  pass(10_000);
  expect(ons("flashHigh").length).toBeGreaterThan(18);
  expect(ons("flashHigh").length).toBeLessThan(22);
});
test("who asks for less motion while the page is open has it at once, and back again", () => {
  put(alert());
  pass(300);
  expect(said.flashHigh).toBe("off");
  query.matches = true;
  query.changed();
  expect(said.flashHigh).toBe("on");
  const before = turns.length;
  pass(5_000);
  put(alert(), medium());
  pass(5_000);
  expect(turns.length).toBe(before);
  query.matches = false;
  query.changed();
  expect(said.flashHigh).toBe("on");
  pass(300);
  expect(said.flashHigh).toBe("off");
});
test("nothing moves while nothing flashes", () => {
  put(alert());
  pass(300);
  put();
  expect(said).toEqual({ flashHigh: "on", flashMedium: "on" });
  const before = turns.length;
  pass(10_000);
  expect(turns.length).toBe(before);
});
