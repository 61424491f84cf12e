/** Work for the next frame, once what was asked for before stands on the screen: the page never draws for nobody. */
import { batch } from "@preact/signals";

const waiting = new Set<() => void>();
let asked = false;
const painted = new MessageChannel();
painted.port1.onmessage = () => {
  asked = false;
  const due = [...waiting];
  waiting.clear();
  batch(() => {
    for (const work of due) work();
  });
};

/** Call ``work`` once when the frame that is under way is painted; at once in a hidden tab, which has no frames. */
export function afterPaint(work: () => void): void {
  waiting.add(work);
  if (asked) return;
  asked = true;
  if (document.visibilityState === "visible") requestAnimationFrame(() => painted.port2.postMessage(0));
  else painted.port2.postMessage(0);
}
