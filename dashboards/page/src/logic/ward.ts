/** Whether a ward frame is believed: a server that starts may name no patients before it has caught up. */

/** An empty ward that stands so long on an open connection is the truth, ms. */
export const EMPTY_MS = 5_000;

/**
 * ``named`` patients are in the frame, ``shown`` stand on the screen; ``stoodMs`` is how long the frame has been the
 * newest one of an open connection. A frame that would empty a full screen must stand for a while.
 */
export function believed(named: number, shown: number, stoodMs: number): boolean {
  return named > 0 || shown === 0 || stoodMs >= EMPTY_MS;
}
