/** The feed's types under short names, and what an alert is to a person. */
import type * as server from "../types/feed-server";
import type * as client from "../types/feed-client";

export type Alert = server.Alert;
export type Shelf = server.Shelf;
export type Service = server.Service;
/** What makes a line in the feed: a whole alert, shelf or time out of service after one change. */
export type Change = Alert | Shelf | Service;
export type Heartbeat = server.Heartbeat;
export type Unwatched = server.Unwatched;
export type Welcome = server.Welcome;
export type CommandAnswer = server.CommandAnswer;
export type ServerMessage = server.FeedServer;
export type Hello = client.Hello;
export type ClientCommand = Exclude<client.FeedClient, client.Hello>;
export type Priority = Alert["priority"];
export type Version = readonly [number, number];

export const PRIORITIES: readonly Priority[] = ["high", "medium", "low"];
export const RANK: Readonly<Record<Priority, number>> = { high: 3, medium: 2, low: 1 };
export const SIGN: Readonly<Record<Priority, string>> = { high: "***", medium: "**", low: "*" };

/** Less than, equal or greater than 0, as versions grow. */
export function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1];
}

/** On the worklist: open, and neither shelved nor out of service. */
export function isListed(alert: Alert): boolean {
  return !alert.closed && alert.response !== "shelved" && alert.response !== "out_of_service";
}

/** It calls: nobody has answered and it is not over. These sound, flash and count as new. */
export function isCalling(alert: Alert): boolean {
  return isListed(alert) && alert.response === "unacknowledged" && alert.condition !== "over";
}

/** It flashes: it calls, and the value is beyond the limit or unknown. */
export function isFlashing(alert: Alert): boolean {
  return isCalling(alert) && alert.condition !== "returning";
}
