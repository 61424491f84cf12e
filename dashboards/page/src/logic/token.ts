/** What a token can be, before the server is asked: one that no header can carry is none. */

const CHARS_MAX = 512;

export const NO_TOKEN = "this is not a token: it has characters that no token has";

/** Empty where the text may be a token, else why it is none. */
export function whyNoToken(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) return NO_TOKEN;
  return text.length > CHARS_MAX ? "this is not a token: it is too long" : "";
}

/** The token in an address's fragment; null where there is none, or what stands there is malformed. */
export function tokenOf(hash: string): string | null {
  const found = /[#&?]token=([^&]*)/.exec(hash)?.[1];
  if (!found) return null;
  try {
    return decodeURIComponent(found);
  } catch {
    return null;
  }
}

/** The fragment without its token: ``#/wall?site=1``. */
export function withoutToken(hash: string): string {
  const rest = hash.replace(/^#/, "").replace(/[&?]?token=[^&]*/, "").replace(/^&/, "");
  return rest === "" ? "#/" : rest.startsWith("/") ? `#${rest}` : `#/?${rest}`;
}
