import { describe, expect, test } from "vitest";
import type { Alert, ServerMessage } from "./alerts";
import { forget, memory, take } from "./feedcore";
import { alert } from "./fixtures";
import { receipts } from "./receipts";

const change = (each: Alert, cursor = "c"): ServerMessage => ({ type: "change", cursor, alert: each });
const snapshot = (alerts: Alert[], cursor: string | null = "s"): ServerMessage => ({
  type: "snapshot", cursor, more: cursor === null, alerts, shelves: [], services: [],
});
const opened = alert({ id: "x", version: [5, 0] });
const closed = alert({ id: "x", version: [7, 0], closed: true, condition: "over" });

describe("frames", () => {
  test("doubled ones change nothing the second time", () => {
    const known = memory();
    take(known, change(opened));
    const again = take(known, change(opened));
    expect(again.announced).toEqual([]);
    expect(known.changes).toHaveLength(1);
  });
  test("of a shelf and of a time out of service are changes too, once each", () => {
    // Somebody who reads the feed must find there why nobody was called.
    const known = memory();
    const service = { kind: "service", version: [3, 0], patient: "p", label: "", site: 1, since: 1, until: 9, by: "n", reason: "", ended: false } as const;
    const frame = { type: "service", cursor: "c", service: { ...service, version: [3, 0] as [number, number] } } as const;
    take(known, frame);
    take(known, frame);
    take(known, { ...frame, service: { ...frame.service, version: [4, 0], until: 5, ended: true } });
    expect(known.changes.map((each) => each.kind === "service" && each.ended)).toEqual([true, false]);
    expect(known.taken).toBe(0);
  });
  test("re-ordered ones: the greatest version wins", () => {
    const known = memory();
    take(known, change(alert({ id: "x", version: [6, 1], value: 40 })));
    take(known, change(alert({ id: "x", version: [6, 0], value: 50 })));
    expect(known.alerts.get("x")?.value).toBe(40);
  });
  test("an ended alert does not come back through a late older frame", () => {
    const known = memory();
    take(known, change(closed));
    take(known, change(opened));
    expect(known.alerts.size).toBe(0);
  });
  test("a snapshot replaces everything, once all its parts are here", () => {
    const known = memory();
    take(known, change(opened));
    take(known, snapshot([alert({ id: "y" })], null));
    expect([...known.alerts.keys()]).toEqual(["x"]);
    take(known, snapshot([alert({ id: "z" })]));
    expect([...known.alerts.keys()]).toEqual(["y", "z"]);
    expect(known.cursor).toBe("s");
  });
  test("a snapshot older than a change keeps the change", () => {
    const known = memory();
    take(known, change(alert({ id: "x", version: [9, 0], value: 40 })));
    take(known, snapshot([opened]));
    expect(known.alerts.get("x")?.value).toBe(40);
  });
  test("every cursor is taken over, but no heartbeat's amid a snapshot", () => {
    const known = memory();
    take(known, change(opened, "c1"));
    expect(known.cursor).toBe("c1");
    take(known, snapshot([], null));
    take(known, { type: "heartbeat", cursor: "head", at: 0, state: "ok", age_ms: 0, where: [], clock_at: null, proofs: [], unwatched: [] });
    expect(known.cursor).toBe("c1");
  });
  test("no heartbeat's between welcome and snapshot either: a break there would resume from an empty list", () => {
    const known = memory();
    const welcome = { type: "welcome", protocol: 1, server: "", name: "", role: "clinician", sites: null } as const;
    take(known, { ...welcome, recovered: false, cursor: null, heartbeat_seconds: 2, clock: "real" });
    take(known, { type: "heartbeat", cursor: "head", at: 0, state: "ok", age_ms: 0, where: [], clock_at: null, proofs: [], unwatched: [] });
    expect(known.cursor).toBeNull();
  });
  test("an unknown type changes nothing", () => {
    const known = memory();
    expect(take(known, { type: "weather" } as unknown as ServerMessage).touched.size).toBe(0);
  });
  test("who signs out leaves nothing behind: neither alerts nor a cursor", () => {
    const known = memory();
    take(known, change(opened));
    forget(known);
    expect(known).toEqual(memory());
  });
  test("only what calls is announced", () => {
    const known = memory();
    expect(take(known, change(opened)).announced).toHaveLength(1);
    expect(take(known, change({ ...opened, version: [6, 0], announced: false })).announced).toEqual([]);
  });
});

describe("receipts", () => {
  const here = (): boolean => true;
  test("each announcement is told once, and again when there is a further one", () => {
    const told = new Map<string, number>();
    expect(receipts([opened], told, here)).toEqual([[["x", 1]]]);
    expect(receipts([opened], told, here)).toEqual([]);
    expect(receipts([{ ...opened, announcements: 2 }], told, here)).toEqual([[["x", 2]]]);
  });
  test("what is on no screen is not told, and is told once it is", () => {
    const told = new Map<string, number>();
    expect(receipts([opened], told, () => false)).toEqual([]);
    expect(receipts([opened], told, here)).toEqual([[["x", 1]]]);
  });
  test("what another screen has told already is left", () => {
    expect(receipts([{ ...opened, delivered: 1 }], new Map(), here)).toEqual([]);
  });
  test("at most 200 in one message", () => {
    const many = Array.from({ length: 450 }, () => alert());
    expect(receipts(many, new Map(), here).map((batch) => batch.length)).toEqual([200, 200, 50]);
  });
});
