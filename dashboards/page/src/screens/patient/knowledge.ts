/** Whether what the screen holds of a span is what was stored there: nothing found is good news only then. Pure. */
import type { Span } from "./view";

/** Known; still asked for; not to be had now. */
export type Knowledge = "known" | "asking" | "unknown";

/**
 * ``phase`` is that of the last question, ``answered`` the span of the last good answer, ``span`` the one on show. A
 * span that goes on with the clock is known as far as it was asked for: the feed brings what has come since.
 */
export function knowledge(phase: "loading" | "ok" | "failed", answered: Span | null, span: Span): Knowledge {
  if (phase === "failed") return "unknown";
  const range = span.to - span.from;
  const reach = range / 50;
  const covers = answered !== null && answered.from <= span.from + 1 && answered.to >= span.to - reach;
  return covers ? "known" : "asking";
}
