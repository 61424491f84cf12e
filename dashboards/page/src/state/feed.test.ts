import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Alert, Priority, ServerMessage } from "../logic/alerts";
import { alert } from "../logic/fixtures";

type Feed = typeof import("./feed");
let feed: Feed;
let hear: (message: Partial<ServerMessage>) => void;
/** Frames that the page has asked for. */
let frames: (() => void)[];

/** One frame is drawn, and what waited for it is done once its wait is over. */
function frame(): void {
  for (const draw of frames.splice(0)) draw();
  vi.advanceTimersByTime(100);
}

beforeEach(async () => {
  vi.resetModules();
  vi.useFakeTimers();
  frames = [];
  const open: { onmessage?: (event: { data: string }) => void }[] = [];
  class Socket {
    onmessage?: (event: { data: string }) => void;
    constructor() {
      open.push(this);
    }
    send(): void {}
    close(): void {}
  }
  class Channel {
    port1: { onmessage?: () => void } = {};
    port2 = { postMessage: () => this.port1.onmessage?.() };
  }
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("MessageChannel", Channel);
  vi.stubGlobal("document", { visibilityState: "visible", documentElement: { dataset: {} } });
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => frames.push(draw));
  const { session } = await import("./session");
  feed = await import("./feed");
  session.value = {
    token: "t", name: "Mia", role: "clinician", lead: false, sites: null, feedUrl: "ws://feed", liveUrl: "ws://live", clock: "real", simulatedPatients: false, version: "0",
  };
  feed.startFeed();
  hear = (message) => open.at(-1)?.onmessage?.({ data: JSON.stringify(message) });
  hear({ type: "welcome", protocol: 1, server: "s", name: "Mia", role: "clinician", sites: null, recovered: false, cursor: null, heartbeat_seconds: 2, clock: "real" });
  hear({ type: "snapshot", cursor: "0", more: false, alerts: [], shelves: [], services: [] });
  frame();
});
afterEach(() => {
  feed.stopFeed();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("in a burst the patients with a high alert are drawn first, and everybody in the end", () => {
  const priorities: Priority[] = ["low", "medium", "low", "medium", "high"];
  const burst: Alert[] = Array.from({ length: 150 }, (_, place) => alert({ priority: priorities[place % 5] ?? "low" }));
  const tiles = burst.map((one) => ({ priority: one.priority, shown: feed.alertsOf(one.patient ?? "") }));
  const drawn = (priority: Priority): number => tiles.filter((tile) => tile.priority === priority && tile.shown.value.length > 0).length;
  for (const one of burst) hear({ type: "change", cursor: "1", alert: one });
  const seen = [];
  for (let round = 0; round < 10; round += 1) {
    seen.push([drawn("high"), drawn("medium"), drawn("low")]);
    frame();
  }
  // The very first change did not wait for the others.
  expect(seen[0]).toEqual([0, 0, 1]);
  expect(seen[1]).toEqual([20, 0, 1]);
  expect(seen[2]).toEqual([30, 10, 1]);
  expect(seen.at(-1)).toEqual([30, 60, 60]);
});
test("a high alert that comes while a burst is being drawn overtakes it", () => {
  const burst = Array.from({ length: 100 }, () => alert({ priority: "low" }));
  const late = alert();
  const shown = feed.alertsOf(late.patient ?? "");
  for (const one of burst) hear({ type: "change", cursor: "1", alert: one });
  frame();
  hear({ type: "change", cursor: "2", alert: late });
  expect(shown.value).toEqual([]);
  frame();
  expect(shown.value).toEqual([late]);
});
