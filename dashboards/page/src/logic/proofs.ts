/** Proof of life of each site: the newest that was ever heard of, for a gateway that starts knows none. Times µs UTC. */
import type { Heartbeat } from "./alerts";
import { SECOND, span } from "./times";

export const PROOF_LOUD_US = 30 * SECOND;

export interface Proof {
  site: number;
  /** When the reading was taken that proved it last, on the clock of the heartbeats; null: not since the page was opened. */
  at: number | null;
  /** When this page heard of the site first. */
  heard: number;
  took_ms: number | null;
}

/**
 * When the reading of a proof was taken. A proof counts from there, not from its arrival: a chain that delivers every
 * alarm five minutes late has proved nothing about the last five minutes.
 */
function readAt(beat: Heartbeat, told: Heartbeat["proofs"][number]): number | null {
  return told.age_ms === null ? null : beat.at - (told.age_ms + (told.took_ms ?? 0)) * 1000;
}

/** The proofs after one more heartbeat. A site that no heartbeat names any more has no prover, and leaves. */
export function proofsAfter(before: readonly Proof[], beat: Heartbeat): Proof[] {
  return beat.proofs.map((told) => {
    const old = before.find((each) => each.site === told.site);
    const at = readAt(beat, told);
    const newer = at !== null && (old?.at == null || at >= old.at);
    return {
      site: told.site,
      at: newer ? at : (old?.at ?? null),
      heard: old?.heard ?? beat.at,
      took_ms: newer ? told.took_ms : (old?.took_ms ?? null),
    };
  });
}

/** ``proved 4 s ago``, ``not proved for 45 s``, ``waiting for proof``: never more than is known. */
export function proofWords(proof: Proof, now: number): { text: string; loud: boolean } {
  const age = Math.max(0, now - (proof.at ?? proof.heard));
  if (age > PROOF_LOUD_US) return { text: `not proved for ${span(age)}`, loud: true };
  return { text: proof.at === null ? "waiting for proof" : `proved ${span(age)} ago`, loud: false };
}
