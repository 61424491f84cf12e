/** What really stands on this screen, or sounds from it: only that may be called delivered (RULES). Pure. */
import { isCalling, type Alert, type Priority } from "./alerts";

export interface Sight {
  /** Somebody can see the tab. */
  visible: boolean;
  screen: "ward" | "patient" | "feed" | "operations" | "help";
  /** The patient of the patient screen. */
  patient: string | null;
  /** The site that the screen is for, null for all. */
  site: number | null;
  /** Patients whose tile stands on the ward, and whose card is drawn there. */
  tiles: ReadonlySet<string>;
  cards: ReadonlySet<string>;
  /** The feed's rows that are drawn: the newest change of each alert, µs. */
  rows: ReadonlyMap<string, number>;
  /** The alert in the strip of high ones, which every screen but the ward has. */
  strip: string | null;
  /** The priority that this tab sounds now, null where nobody would hear it. */
  sounds: Priority | null;
}

/** Whether a person at this screen has the alert's last announcement before the eyes, or in the ear. */
export function onScreen(alert: Alert, sight: Sight): boolean {
  return isHeard(alert, sight) || (sight.visible && isSeen(alert, sight));
}

/** A tone says that something of its priority calls; milder ones are not heard under it. */
function isHeard(alert: Alert, sight: Sight): boolean {
  if (sight.site !== null && alert.site !== sight.site) return false;
  return sight.sounds === alert.priority && isCalling(alert);
}

function isSeen(alert: Alert, sight: Sight): boolean {
  // A site's fault is a banner on every screen.
  if (alert.patient === null) return true;
  switch (sight.screen) {
    case "ward":
      return sight.tiles.has(alert.patient) || sight.cards.has(alert.patient);
    case "patient":
      return sight.patient === alert.patient || sight.strip === alert.id;
    case "feed":
      return (sight.rows.get(alert.id) ?? -Infinity) >= alert.announced_at || sight.strip === alert.id;
    case "operations":
    case "help":
      return sight.strip === alert.id;
  }
}
