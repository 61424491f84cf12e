/** The tiles socket's types under short names; times µs UTC, values in the metric's canonical unit. */
import type * as server from "../types/live-server";

export type Metric = "heart_rate" | "glucose";
export type GlucoseLimits = server.GlucoseLimits;
export type HeartRateLimits = server.HeartRateLimits;
export type Limits = GlucoseLimits | HeartRateLimits;
export type Vital = server.Vital;
export type Tile = server.Tile;
export type WardTile = server.WardTile;
export type Spark = server.Spark;
export type Point = [number, number];
export type Site = server.WardSite;
export type LiveServer = server.LiveServer;
