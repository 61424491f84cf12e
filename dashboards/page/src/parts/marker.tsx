/** A priority's sign and word: colour never stands alone. It flashes while it calls, and is steady once answered. */
import { isFlashing, SIGN, type Alert, type Priority } from "../logic/alerts";
import { word } from "../logic/words";

export function markerClass(alert: Alert): string {
  const parts = ["marker", alert.priority];
  if (alert.category === "technical") parts.push("technical");
  if (alert.condition === "over") parts.push("over");
  else if (isFlashing(alert) && alert.priority !== "low") parts.push("flash");
  else if (alert.response !== "unacknowledged") parts.push("steady");
  if (alert.condition === "unknown") parts.push("unknown");
  return parts.join(" ");
}

export function Marker({ alert, brief = false }: { alert: Alert; brief?: boolean }) {
  return (
    <span class={markerClass(alert)}>
      <span aria-hidden="true">{SIGN[alert.priority]}</span>
      {alert.category === "technical" ? <span>TECH</span> : null}
      <span class="unseen-by-eyes">
        {alert.priority} priority, {alert.condition === "unknown" ? "not known now, " : ""}
      </span>
      {brief ? null : <span class="word">{word(alert)}</span>}
    </span>
  );
}

interface PriorityProps {
  priority: Priority;
  steady?: boolean;
  technical?: boolean;
  children?: preact.ComponentChildren;
}

/** A priority without an alert of its own: a count, a sign in the help, a shelf on which nothing lies now. */
export function PriorityMarker({ priority, steady = false, technical = false, children }: PriorityProps) {
  return (
    <span class={`marker ${priority}${steady ? " steady" : ""}${technical ? " technical" : ""}`}>
      <span aria-hidden="true">{SIGN[priority]}</span>
      {technical ? <span>TECH</span> : null}
      {children ?? priority}
    </span>
  );
}
