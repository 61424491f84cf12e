/** The pipeline as `/api/system` tells it, and what it means in plain words. Pure. */

export interface ServiceState {
  readonly name: string;
  readonly alive: boolean;
  readonly ready: boolean;
  readonly reasons?: Readonly<Record<string, string>> | readonly string[];
}

export interface Hop {
  readonly name: string;
  readonly per_second?: number | null;
  /** Records that wait before this hop. */
  readonly lag?: number | null;
  readonly age_ms?: number | null;
  /** How long it took in the last minute. */
  readonly p50_ms?: number | null;
  readonly p99_ms?: number | null;
  /** Of what is not there, why. */
  readonly why?: Readonly<Record<string, string>>;
}

/** Why a number of a hop is not there; null where it is. */
export function whyNot(hop: Hop, of: "per_second" | "lag" | "age_ms" | "p50_ms" | "p99_ms"): string | null {
  return (hop[of] ?? null) === null ? hop.why?.[of] ?? "not told" : null;
}

export interface PartitionState {
  readonly topic: string;
  readonly partition: number;
  readonly end: number;
  /** How far it is in the database; null where it is not stored. */
  readonly stored: number | null;
}

/** Records of a partition that are not in the database yet; null where none go there. */
export function waiting(partition: PartitionState): number | null {
  return partition.stored === null ? null : Math.max(0, partition.end - partition.stored);
}

export interface System {
  readonly services?: readonly ServiceState[];
  readonly hops?: readonly Hop[];
  readonly partitions?: readonly PartitionState[];
  readonly rejected?: Readonly<Record<string, number>>;
  readonly stored?: Readonly<Record<string, number>>;
  readonly clients?: Readonly<Record<string, number>>;
  readonly versions?: Readonly<Record<string, string | null>>;
  readonly problems?: readonly string[];
}

export const SAMPLES_MAX = 120;
/** A spark of fewer samples keeps to the right. */
const SPARK_LEAST = 20;

export interface Sample {
  readonly at: number;
  readonly hops: readonly Hop[];
}

/** The samples with one more, at most `SAMPLES_MAX`. */
export function sampled(samples: readonly Sample[], at: number, hops: readonly Hop[]): Sample[] {
  return [...samples, { at, hops }].slice(-SAMPLES_MAX);
}

/** One number of one hop over the samples; null where it was not told. */
export function trace(samples: readonly Sample[], name: string, of: "per_second" | "lag" | "age_ms"): (number | null)[] {
  return samples.map((sample) => sample.hops.find((hop) => hop.name === name)?.[of] ?? null);
}

/** Bottom-up lines of a spark in a box of 100 x 24: one path for each stretch without holes. */
export function sparkPath(values: readonly (number | null)[]): string {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const width = Math.max(SPARK_LEAST, values.length);
  const step = 100 / (width - 1);
  const shift = width - values.length;
  let path = "";
  let pen = "M";
  values.forEach((value, i) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${((i + shift) * step).toFixed(1)} ${(23 - (value / top) * 21).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

export function reasonWords(reasons: ServiceState["reasons"]): string[] {
  if (reasons === undefined) return [];
  if (Array.isArray(reasons)) return [...(reasons as readonly string[])];
  return Object.entries(reasons as Readonly<Record<string, string>>).map(([name, why]) => `${name.replaceAll("_", " ")}: ${why}`);
}

export type Health = "ready" | "not ready" | "down";

export function healthOf(service: ServiceState): Health {
  if (!service.alive) return "down";
  return service.ready ? "ready" : "not ready";
}

/** ``640 ms``, ``4.2 s``, ``3 min``; a dash where nobody knows. */
export function latencyWords(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "--";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

export function rateWords(rate: number | null | undefined): string {
  if (rate === null || rate === undefined) return "--";
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-GB");
}

export function countWords(count: number | null | undefined): string {
  return count === null || count === undefined ? "--" : count.toLocaleString("en-GB");
}

/** The whole in one sentence. */
export function verdict(system: System): { well: boolean; words: string } {
  const services = system.services ?? [];
  const down = services.filter((service) => healthOf(service) !== "ready");
  const problems = system.problems ?? [];
  if (down.length === 0 && problems.length === 0) {
    return { well: true, words: services.length === 1 ? "The one service does its work." : `All ${services.length} services do their work.` };
  }
  const names = down.map((service) => `${service.name} is ${healthOf(service)}`);
  const rest = problems.length === 0 ? [] : [`${problems.length} ${problems.length === 1 ? "problem" : "problems"}`];
  return { well: false, words: `${[...names, ...rest].join(", ")}.` };
}

/** The largest first. */
export function ranked(counts: Readonly<Record<string, number>> | undefined): [string, number][] {
  return Object.entries(counts ?? {}).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}
