/**
 * Waits between attempts to connect: half a second for the first twelve, since a server that was killed is back within
 * seconds, then doubled up to 4 s; with a random part so that screens do not come together.
 */
export const FIRST_MS = 500;
export const MOST_MS = 4_000;
export const QUICK = 12;

/** ``attempt`` counts from 0; ``random`` is in [0, 1). Between half and the whole of the step. */
export function wait(attempt: number, random: number): number {
  const step = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(Math.max(attempt + 1 - QUICK, 0), 10));
  return step / 2 + (step / 2) * random;
}
