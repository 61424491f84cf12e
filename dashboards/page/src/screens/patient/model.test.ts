import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HOUR, MINUTE } from "../../logic/times";
import { now } from "../../state/clock";
import { spark } from "../../state/tiles";
import { OlderChanges } from "../feed/older";
import { PatientModel } from "./model";
import { chartWords, readoutWords } from "./readout";
import { emptySeries, type Drawn } from "./series";

const T0 = 1_700_000_000_000_000;

function answers(of: (url: URL) => unknown): void {
  vi.stubGlobal("fetch", (path: string) => {
    const found = of(new URL(path, "http://here"));
    const status = found instanceof Error ? Number(found.message) : 200;
    return Promise.resolve(new Response(JSON.stringify(found instanceof Error ? { what: "away" } : found), { status }));
  });
}

function stored(url: URL): unknown {
  if (url.pathname.endsWith("/alerts")) return { alerts: [], changes: [] };
  if (!url.pathname.endsWith("/series")) return { id: "p", label: "Elm", site: 1 };
  const metric = url.searchParams.get("metric") as Drawn;
  return { ...emptySeries(metric, 0, T0), t: [T0 - MINUTE], min: [100], max: [100], last: [100], n: [1], flags: [0] };
}

beforeEach(() => {
  vi.stubGlobal("sessionStorage", { getItem: () => "token", setItem: () => undefined, removeItem: () => undefined });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  now.value = T0;
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a patient's model", () => {
  test("asks for both metrics at once and lets live values join", async () => {
    answers(stored);
    const model = new PatientModel("p", null);
    await model.load();
    model.live("glucose", { value: 96, at: T0, received_at: T0, state: "ok" });
    expect(model.chart.value.phase).toBe("ok");
    expect(model.series.glucose.value?.last).toEqual([100, 96]);
    expect(model.series.heart_rate.value?.last).toEqual([100]);
    model.stop();
  });

  test("draws heart rate and glucose where steps cannot be had, and says so until they can", async () => {
    let away = true;
    answers((url) => (away && url.searchParams.get("metric") === "steps" ? new Error("503") : stored(url)));
    const model = new PatientModel("p", null);
    await model.load();
    expect(model.chart.value).toMatchObject({ phase: "ok", why: "" });
    expect([model.series.glucose.value?.last, model.series.heart_rate.value?.last, model.steps.value]).toEqual([[100], [100], null]);
    expect(model.stepsProblem.value).toBe("The database is away: steps cannot be shown. Live values and alerts go on.");
    expect(chartWords(model)).toContain("Steps: not known now.");
    away = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(model.stepsProblem.value).toBe("");
    expect(model.steps.value?.max).toEqual([100]);
    expect(chartWords(model)).not.toContain("not known");
    model.stop();
  });

  test("says what is worse, where everything is away", async () => {
    let away: "steps" | "all" = "steps";
    answers((url) => (away === "all" || url.searchParams.get("metric") === "steps" ? new Error("503") : stored(url)));
    const model = new PatientModel("p", null);
    await model.load();
    away = "all";
    await model.load();
    expect(model.chart.value.phase).toBe("failed");
    expect(model.stepsProblem.value).toBe("");
    model.stop();
  });

  test("asks for steps too, in buckets that are no wider than its bars", async () => {
    const points: (string | null)[] = [];
    answers((url) => {
      if (url.searchParams.get("metric") === "steps") points.push(url.searchParams.get("points"));
      return stored(url);
    });
    const model = new PatientModel("p", null);
    expect(model.steps.value).toBeNull();
    await model.load();
    expect(points).toEqual(["72"]);
    expect(model.steps.value?.max).toEqual([100]);
    expect(readoutWords(model, T0 - MINUTE)).toContain("Steps 100 a minute");
    expect(chartWords(model)).toContain("Steps: at most 100 a minute");
    model.stop();
  });

  test("keeps a live value that came while it asked again", async () => {
    // Otherwise the newest value would vanish until the next one.
    answers(stored);
    const model = new PatientModel("p", null);
    await model.load();
    model.live("glucose", { value: 96, at: T0, received_at: T0, state: "ok" });
    await model.load();
    expect(model.series.glucose.value?.last).toEqual([100, 96]);
    model.stop();
  });

  test("shows what the page remembers while the database is away, says so, and comes back by itself", async () => {
    // A nurse with a dead database still needs the last hours and every new value.
    answers(() => new Error("503"));
    spark("q").value = { glucose: [[T0 - HOUR, 90], [T0 - HOUR + 5 * MINUTE, 85]], heart_rate: [] };
    const model = new PatientModel("q", null);
    await model.load();
    expect(model.chart.value.phase).toBe("failed");
    expect(model.chart.value.why).toContain("The database is away");
    model.live("glucose", { value: 80, at: T0, received_at: T0, state: "ok" });
    expect(model.series.glucose.value?.last).toEqual([90, 85, 80]);
    answers(stored);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(model.chart.value.phase).toBe("ok");
    expect(model.chart.value.why).toBe("");
    model.stop();
  });

  test("a view of the past takes no live values", async () => {
    // A line from yesterday to now would be a lie.
    answers(stored);
    const model = new PatientModel("p", T0 - 48 * HOUR);
    await model.load();
    model.live("glucose", { value: 96, at: T0, received_at: T0, state: "ok" });
    expect(model.series.glucose.value?.last).toEqual([100]);
    model.stop();
  });
});

describe("older changes", () => {
  const page = (...changes: string[]): { alert: string; change: string; at: number; version: number[] }[] =>
    changes.map((change, i) => ({ alert: "a", change, at: T0 - i, version: [i, 0] }));

  test("come page by page until the end", async () => {
    answers((url) => (url.searchParams.get("before") === null
      ? { changes: page("rise"), next: "cursor" } : { changes: page("open"), next: null }));
    const older = new OlderChanges();
    await older.load();
    expect(older.state.value.phase).toBe("more");
    await older.load();
    expect(older.entries.value.map((entry) => entry.change)).toEqual(["rise", "open"]);
    expect(older.state.value.phase).toBe("end");
  });

  test("that cannot be had are said in words, and asked for again from the same place", async () => {
    answers(() => new Error("503"));
    const older = new OlderChanges();
    await older.load();
    expect(older.state.value.why).toContain("The database is away");
    answers(() => ({ changes: page("rise"), next: null }));
    await older.load();
    expect(older.entries.value).toHaveLength(1);
  });
});

test("a chart that follows asks again when the ward's clock turns out to be another one", async () => {
  // On a simulated clock the page starts with its own time, years ahead of the ward's.
  const asked: number[] = [];
  answers((url) => {
    if (url.pathname.endsWith("/series")) asked.push(Number(url.searchParams.get("to")));
    return stored(url);
  });
  const model = new PatientModel("p", null);
  await model.load();
  now.value = T0 - 1000 * HOUR;
  model.moved();
  await vi.advanceTimersByTimeAsync(200);
  expect(asked[asked.length - 1]).toBe(T0 - 1000 * HOUR);
  model.stop();
});
