/** Who stands in for a watchdog that does not tick. All times are ms of the page's own clock. */

/** Without a tick for so long, and at the second look, the page ticks itself. */
export const MISSED_MS = 2_000;
/** So long a worker has to begin before it is started anew. */
export const BEGIN_MS = 5_000;

export interface Watch {
  /** When the worker was started. */
  begun: number;
  /** Its last tick, or its start. */
  ticked: number;
  /** Looks at it since then. */
  looks: number;
  /** How often it was started anew since its last tick. */
  restarts: number;
}

export const begin = (moment: number): Watch => ({ begun: moment, ticked: moment, looks: 0, restarts: 0 });
export const tick = (watch: Watch, moment: number): Watch => ({ ...watch, ticked: moment, looks: 0, restarts: 0 });

/**
 * One look at the worker: whether the page ticks instead (``standIn``), and whether the worker is started anew
 * (``restart``). Two looks, since a page that was busy sees itself first, and the ticks that waited only then.
 */
export function look(watch: Watch, moment: number): { watch: Watch; standIn: boolean; restart: boolean } {
  const looks = watch.looks + 1;
  const standIn = looks >= 2 && moment - watch.ticked > MISSED_MS;
  const restart = standIn && moment - watch.begun > BEGIN_MS;
  const after = restart ? { begun: moment, restarts: watch.restarts + 1 } : {};
  return { watch: { ...watch, looks, ...after }, standIn, restart };
}
