/** Whose alerts a screen shows: the address's site before the station's own choice; a site that is not there is none. */

export interface Scope {
  /** Null for all sites. */
  site: number | null;
  /** What the address asks for and nobody has, empty where all is well. */
  missing: string;
}

/**
 * ``asked`` is the address's ``site``, ``kept`` the station's choice, ``sites`` the numbers in scope, null before they
 * are known. With a site that does not exist the screen shows all: an empty list would look like a quiet night.
 */
export function scopeOf(asked: string | null, kept: number | null, sites: readonly number[] | null): Scope {
  if (asked !== null && asked !== "") {
    const site = /^\d{1,9}$/.test(asked) ? Number(asked) : null;
    if (site !== null && (sites === null || sites.includes(site))) return { site, missing: "" };
    return { site: null, missing: asked };
  }
  return { site: kept !== null && (sites === null || sites.includes(kept)) ? kept : null, missing: "" };
}
