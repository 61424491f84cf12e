/** A priority's sign and word: colour never stands alone. It flashes while it calls, and is steady once answered. */
import { isFlashing, SIGN, type Alert, type Priority } from "../logic/alerts";
import { word } from "../logic/words";

export function markerClass(alert: Alert): string {
  const parts = ["marker", alert.priority];
  if (alert.category === "technical") parts.push("technical");
  if (alert.condition === "over") parts.push("over");
  else if (isFlashing(alert) && alert.priority !== "low") parts.push("flash");
  else if (alert.response !== "unacknowledged") parts.push("steady");
  return parts.join(" ");
}

export function Marker({ alert, brief = false }: { alert: Alert; brief?: boolean }) {
  return (
    <span class={markerClass(alert)}>
      <span aria-hidden="true">{SIGN[alert.priority]}</span>
      {alert.category === "technical" ? <span>TECH</span> : null}
      <span class="unseen-by-eyes">{alert.priority} priority, </span>
      {brief ? null : <span class="word">{word(alert)}</span>}
    </span>
  );
}

export function PriorityMarker({ priority, steady = false, children }: { priority: Priority; steady?: boolean; children?: preact.ComponentChildren }) {
  return (
    <span class={`marker ${priority}${steady ? " steady" : ""}`}>
      <span aria-hidden="true">{SIGN[priority]}</span>
      {children ?? priority}
    </span>
  );
}
