/** The colours of the canvas, read from the page's variables, and told again when theme or contrast change. */

export interface Look {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly line: string;
  readonly envelope: string;
  readonly band: string;
  readonly surface: string;
  readonly moment: string;
  readonly high: string;
  readonly medium: string;
  readonly low: string;
  readonly font: string;
}

const NAMES = ["text", "muted", "grid", "line", "envelope", "band", "surface", "moment", "high", "medium", "low"] as const;

export function readLook(host: Element): Look {
  const style = getComputedStyle(host);
  const found: Record<string, string> = {};
  for (const name of NAMES) found[name] = style.getPropertyValue(`--chart-${name}`).trim() || "CanvasText";
  return { ...found, font: style.fontFamily } as unknown as Look;
}

/** Calls whenever the colours may be others; the answer stops it. */
export function watchLook(changed: () => void): () => void {
  const queries = ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"].map((text) => matchMedia(text));
  for (const query of queries) query.addEventListener("change", changed);
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  return () => {
    for (const query of queries) query.removeEventListener("change", changed);
    observer.disconnect();
  };
}
