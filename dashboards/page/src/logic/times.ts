/** Instants and ages in words. Times are µs UTC; the viewer's time zone is the ward's. */

export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const two = (n: number): string => String(n).padStart(2, "0");

/** ``22:59`` in the viewer's time zone. */
export function hhmm(at: number): string {
  const date = new Date(at / 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** ``22:59:07`` in the viewer's time zone. */
export function hhmmss(at: number): string {
  return `${hhmm(at)}:${two(new Date(at / 1000).getSeconds())}`;
}

/** ``22:59``, or with the day where it is not today's: ``Mon 22:59``, beyond a week ``26 Nov 22:59``. */
export function when(at: number, now: number): string {
  const date = new Date(at / 1000);
  if (date.toDateString() === new Date(now / 1000).toDateString()) return hhmm(at);
  if (Math.abs(now - at) < 6 * DAY) return `${date.toLocaleDateString("en-GB", { weekday: "short" })} ${hhmm(at)}`;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${hhmm(at)}`;
}

/** ``Tue 24 Nov`` */
export function day(at: number): string {
  return new Date(at / 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" });
}

/** A span in words: ``8 s``, ``12 min``, ``3 h 10 min``, ``2 d 4 h``. Whole units, never negative. */
export function span(us: number): string {
  const s = Math.max(0, Math.floor(us / SECOND));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 === 0 ? `${h} h` : `${h} h ${m % 60} min`;
  const d = Math.floor(h / 24);
  return h % 24 === 0 ? `${d} d` : `${d} d ${h % 24} h`;
}

/** For how long, by a clock that stands on whole seconds: the second in which it began counts, rather too long than too short. */
export function lasting(clock: number, since: number): string {
  return span(clock - Math.floor(since / SECOND) * SECOND);
}

/** A span in one unit, for where a name beside it needs the room: "4 h", not "4 h 57 min". */
export function brief(us: number): string {
  if (us < HOUR) return span(us);
  return us < DAY ? `${Math.floor(us / HOUR)} h` : `${Math.floor(us / DAY)} d`;
}

/** How old a value is, coarse enough not to flicker: ``now`` below ``fresh_us``, 10-s steps below a minute. */
export function age(us: number, fresh_us: number): string {
  if (us < fresh_us) return "now";
  if (us < MINUTE) return `${Math.max(1, Math.floor(us / (10 * SECOND))) * 10} s`;
  return span(us);
}

/** Time left until an instant: ``4:07``, ``12 min`` rounded up from ten minutes on, ``due`` when it has passed. */
export function left(us: number): string {
  if (us <= 0) return "due";
  const s = Math.ceil(us / SECOND);
  if (s < 600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  // Two clocks that differ by a second make no minute.
  return span(Math.max(10, Math.ceil((us - 2 * SECOND) / MINUTE)) * MINUTE);
}
