/** Waits between attempts to connect: 0.5 s, doubled up to 10 s, with a random part so that screens do not come together. */
export const FIRST_MS = 500;
export const MOST_MS = 10_000;

/** ``attempt`` counts from 0; ``random`` is in [0, 1). Between half and the whole of the step. */
export function wait(attempt: number, random: number): number {
  const step = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return step / 2 + (step / 2) * random;
}
