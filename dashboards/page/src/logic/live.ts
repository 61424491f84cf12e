/** Messages of the tiles socket. Times µs UTC; values in the metric's canonical unit. */

export type Metric = "heart_rate" | "glucose";

export interface GlucoseLimits {
  target: [number, number] | null;
  low1: number;
  low2: number;
  high1: number;
  high2: number;
}
export interface HeartRateLimits {
  low: number;
  high: number;
  extreme_low: number;
  extreme_high: number;
  /** False where the device is too slow for the rule's window. */
  applies: boolean;
}
export type Limits = GlucoseLimits | HeartRateLimits;

export interface Vital {
  value: number | null;
  unit: string;
  at: number;
  received_at: number;
  /** low and high: censored, the device showed LOW or HIGH. */
  state: "ok" | "low" | "high" | "invalid" | "warm_up" | "contact_lost" | "waiting" | "removed";
  interval_us: number | null;
  stale_after_us: number | null;
  arrow: number | null;
  slope: number | null;
  last_good: { value: number; at: number } | null;
  limits: Limits | null;
}
export interface Tile {
  patient: string;
  label: string;
  site: number;
  bed: string;
  device: string | null;
  battery: number | null;
  vitals: { heart_rate: Vital | null; glucose: Vital | null };
}
export type Point = [number, number];
export type Spark = Record<Metric, Point[]>;
export interface Site {
  number: number;
  name: string;
}
export interface WardMessage {
  type: "ward";
  at: number;
  sites: Site[];
  patients: (Tile & { spark?: Partial<Spark> })[];
}
export interface TilesMessage {
  type: "tiles";
  at: number;
  tiles: Tile[];
}
export type LiveServer = WardMessage | TilesMessage;
