/** Wall mode: the screen stays awake, and the grid is cut so that every tile is seen without scrolling. */

const RELEASED_MS = 1_000;
const REFUSED_MS = 60_000;

/** A wake lock for as long as the wall is seen: also after the system has taken it back, or refused it for now. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let asking = false;
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = (ms: number): void => {
    clearTimeout(timer);
    if (!ended) timer = setTimeout(ask, ms);
  };
  const granted = (sentinel: WakeLockSentinel): void => {
    asking = false;
    if (ended) {
      void sentinel.release();
      return;
    }
    lock = sentinel;
    sentinel.addEventListener("release", () => {
      lock = null;
      later(RELEASED_MS);
    });
  };
  const refused = (): void => {
    asking = false;
    later(REFUSED_MS); // For example on a low battery: the station's own settings decide meanwhile.
  };
  const ask = (): void => {
    if (lock || asking || ended || !("wakeLock" in navigator) || document.visibilityState !== "visible") return;
    asking = true;
    navigator.wakeLock.request("screen").then(granted, refused);
  };
  ask();
  document.addEventListener("visibilitychange", ask);
  return () => {
    ended = true;
    clearTimeout(timer);
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
