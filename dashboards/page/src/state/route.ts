/** Where the page is: the hash says it. `#/`, `#/wall?site=1`, `#/patient/ID?at=µs`, `#/feed`, `#/operations`, `#/help`. */
import { computed, signal } from "@preact/signals";

export type RouteName = "ward" | "patient" | "feed" | "operations" | "help";
export interface Route {
  name: RouteName;
  /** The patient's id on `patient`. */
  id: string | null;
  /** The moment to show, µs UTC. */
  at: number | null;
  wall: boolean;
  params: URLSearchParams;
}

/** Text of an address as it was meant; one that is malformed stays as it is, and names nothing that exists. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const params = new URLSearchParams(query);
  const [head = "", id = ""] = path.split("/");
  const at = Number(params.get("at") ?? "");
  const wall = head === "wall" || params.has("wall");
  const route = { id: null, at: Number.isFinite(at) && at > 0 ? at : null, wall, params };
  if (head === "patient" && id) return { ...route, name: "patient", id: decoded(id) };
  if (head === "feed" || head === "operations" || head === "help") return { ...route, name: head };
  return { ...route, name: "ward" };
}

export const route = signal<Route>(parse(typeof location === "undefined" ? "" : location.hash));
export const wallMode = computed(() => route.value.wall);

export function go(hash: string): void {
  location.hash = hash;
}

export function hrefPatient(id: string, at?: number): string {
  return `#/patient/${encodeURIComponent(id)}${at ? `?at=${at}` : ""}`;
}

export function listen(): void {
  addEventListener("hashchange", () => {
    route.value = parse(location.hash);
  });
}
