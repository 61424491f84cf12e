/** Whether the feed lives: none of its heartbeats for 5 s is *reconnecting*, for 10 s it is lost. */
export type Phase = "connecting" | "open" | "reconnecting" | "lost" | "refused";
export const RECONNECTING_MS = 5_000;
export const LOST_MS = 10_000;
export const TONE_MS = 15_000;

export interface Seen {
  silentMs: number;
  /** A socket is open and was welcomed. */
  connected: boolean;
  /** A heartbeat has come since the page was opened. */
  ever: boolean;
  /** Why the gateway will not have us, empty where it will. */
  refused: string;
}

/** Only heartbeats count: a gateway that takes connections and says nothing is lost too. */
export function silence(seen: Seen): { phase: Phase; why: string } {
  if (seen.refused) return { phase: "refused", why: seen.refused };
  if (seen.silentMs >= LOST_MS) {
    return { phase: "lost", why: seen.connected ? "connected, but no heartbeat comes" : "no connection to the gateway" };
  }
  if (!seen.ever) return { phase: "connecting", why: "" };
  if (seen.silentMs >= RECONNECTING_MS || !seen.connected) {
    return { phase: "reconnecting", why: seen.connected ? "no heartbeat for 5 s" : "the connection broke" };
  }
  return { phase: "open", why: "" };
}
