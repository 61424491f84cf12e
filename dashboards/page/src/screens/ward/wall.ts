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

/** Columns for so many tiles: four while rows allow digits of 30 mm at six metres on a wall of 55 inches. */
export function columns(tiles: number): number {
  if (tiles <= 4) return 2;
  if (tiles <= 6) return 3;
  if (tiles <= 20) return 4;
  let found = 5;
  while (Math.ceil(tiles / found) > found + 1) found += 1;
  return found;
}
