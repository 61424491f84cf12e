/** Wall mode: the screen stays awake, and the grid is cut so that every tile is seen without scrolling. */

export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let ended = false;
  const ask = (): void => {
    if (!("wakeLock" in navigator) || document.visibilityState !== "visible") return;
    navigator.wakeLock.request("screen").then(
      (sentinel) => {
        if (ended) void sentinel.release();
        else lock = sentinel;
      },
      () => {
        lock = null; // Refused, for example on a low battery: the station's own settings decide then.
      },
    );
  };
  ask();
  document.addEventListener("visibilitychange", ask);
  return () => {
    ended = true;
    document.removeEventListener("visibilitychange", ask);
    void lock?.release();
  };
}

/** The most that a tile grows beyond that of a ward of twenty: digits of 75 mm. */
const SCALE_MOST = 2.5;

/** How a wall is cut for so many tiles: the columns, and how large everything on a tile is beside that of 4 by 5. */
export function grid(tiles: number): { columns: number; rows: number; scale: number } {
  let best = { columns: 1, rows: Math.max(1, tiles), scale: 0 };
  for (let columns = 1; columns <= Math.max(1, tiles); columns += 1) {
    const rows = Math.max(1, Math.ceil(tiles / columns));
    const scale = Math.min(SCALE_MOST, 4 / columns, 5 / rows);
    if (scale > best.scale) best = { columns, rows, scale };
  }
  return best;
}
