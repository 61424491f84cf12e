/** Who looks at the page: the token from the address's fragment, and what the server says of it. */
import { computed, signal } from "@preact/signals";
import { tokenOf, whyNoToken, withoutToken } from "../logic/token";

export interface Session {
  token: string;
  name: string;
  role: "clinician" | "ops" | "wall";
  lead: boolean;
  sites: number[] | null;
  feedUrl: string;
  liveUrl: string;
  clock: "real" | "simulated";
  /** A simulator plays the ward: nobody is ill. */
  simulatedPatients: boolean;
  version: string;
}
/** Null until the server has answered, and when nobody is signed in. */
export const session = signal<Session | null>(null);
export interface Sign {
  phase: "starting" | "in" | "out" | "unreachable";
  why: string;
}
export const sign = signal<Sign>({ phase: "starting", why: "" });
/** Nobody is signed in, and that is as somebody wanted it: nothing is amiss. */
export const wantedOut = computed(() => sign.value.phase === "out" && sign.value.why === "");

/** A wall's token sees the ward and nothing behind it: there a name leads nowhere. */
export const mayOpenPatients = computed(() => session.value?.role !== "wall");

const KEY = "vigil.token";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly path: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** The token of the fragment `#token=…` goes to sessionStorage, and the address is cleaned. Says why it is none. */
function takeToken(): { token: string | null; why: string } {
  const found = tokenOf(location.hash);
  if (/[#&?]token=/.test(location.hash)) history.replaceState(null, "", location.pathname + location.search + withoutToken(location.hash));
  if (found !== null) {
    const why = whyNoToken(found);
    if (why) return { token: null, why };
    sessionStorage.setItem(KEY, found);
  }
  return { token: sessionStorage.getItem(KEY), why: "" };
}

/** GET (or another method) from the page's own server. Times µs UTC. Throws ApiError with the status. */
export async function api<T>(path: string, init: RequestInit = {}): Promise<T> {
  const token = sessionStorage.getItem(KEY) ?? "";
  const response = await fetch(path, {
    ...init,
    headers: { Accept: "application/json", ...init.headers, Authorization: `Bearer ${token}` },
  });
  if (response.status === 401) signOut("the token is not known");
  if (!response.ok) throw new ApiError(response.status, path, await detail(response));
  return (await response.json()) as T;
}

/** The server's problem in a sentence: what is wrong, and what to do about it. */
async function detail(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { what?: unknown; do?: unknown };
    const parts = [body.what, body.do].filter((part) => typeof part === "string" && part !== "");
    return parts.length > 0 ? parts.join(": ") : response.statusText;
  } catch {
    return response.statusText;
  }
}

interface SessionAnswer {
  name: string;
  role: Session["role"];
  lead: boolean;
  sites: number[] | null;
  feed_url: string;
  live_url: string;
  clock: Session["clock"];
  simulated_patients?: boolean;
  version: string;
}

/** Ask the server who we are. False when it does not answer: ask again later. */
export async function begin(): Promise<boolean> {
  const { token, why } = takeToken();
  if (!token) {
    signOut(why);
    return true;
  }
  try {
    const who = await api<SessionAnswer>("/api/session");
    session.value = {
      token,
      name: who.name,
      role: who.role,
      lead: who.lead,
      sites: who.sites,
      feedUrl: who.feed_url,
      liveUrl: who.live_url,
      clock: who.clock,
      simulatedPatients: who.simulated_patients === true,
      version: who.version,
    };
    sign.value = { phase: "in", why: "" };
    return true;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      signOut(error.message);
      return true;
    }
    sign.value = { phase: "unreachable", why: error instanceof Error ? error.message : "" };
    return false;
  }
}

/** What somebody pasted: asked only where it can be a token, and kept only then. */
export async function signIn(pasted: string): Promise<void> {
  const why = whyNoToken(pasted.trim());
  if (why) {
    signOut(why);
    return;
  }
  sessionStorage.setItem(KEY, pasted.trim());
  await begin();
}

export function signOut(why: string): void {
  sessionStorage.removeItem(KEY);
  session.value = null;
  sign.value = { phase: "out", why };
}
