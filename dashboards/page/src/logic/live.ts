/** Messages of the tiles socket. Times µs UTC; values in the metric's canonical unit. */

export type Metric = "heart_rate" | "glucose";

export interface GlucoseLimits {
  target: [number, number] | null;
  low1: number | null;
  low2: number | null;
  high1: number | null;
  high2: number | null;
}
export interface HeartRateLimits {
  low: number | null;
  high: number | null;
  extreme_low: number | null;
  extreme_high: number | null;
  /** False where the device is too slow for the rule's window. */
  applies: boolean;
}
export type Limits = GlucoseLimits | HeartRateLimits;

export interface Vital {
  value: number | null;
  unit: string;
  at: number | null;
  received_at: number | null;
  /** low and high: censored, the device showed LOW or HIGH. */
  state: "ok" | "low" | "high" | "invalid" | "warm_up" | "contact_lost" | "waiting" | "removed";
  interval_us: number;
  stale_after_us: number;
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
