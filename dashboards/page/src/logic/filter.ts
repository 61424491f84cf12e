/** What a station has chosen to see. A high alert has no off switch; only another team's site hides it. */
import type { Alert, Priority } from "./alerts";
import type { Card } from "./order";

export interface Choice {
  priorities: readonly Priority[];
  site: number | null;
  technical: boolean;
}

export function passes(alert: Alert, choice: Choice): boolean {
  if (choice.site !== null && alert.site !== choice.site) return false;
  if (alert.priority === "high") return true;
  return choice.priorities.includes(alert.priority) && (choice.technical || alert.category !== "technical");
}

/** Cards of which something passes; a shown card shows all its alerts. */
export function filtered(cards: readonly Card[], choice: Choice): Card[] {
  return cards.filter((card) => card.alerts.some((alert) => passes(alert, choice)));
}
