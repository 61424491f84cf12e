/** What stands on this screen now, from all that draws; the feed tells the gateway of it. */
import { effect } from "@preact/signals";
import { onScreen, type Sight } from "./logic/sight";
import { broken } from "./parts/boundary";
import { rows } from "./screens/feed";
import { drawnCards } from "./screens/ward/choice";
import { placed } from "./screens/ward/tiles";
import { highCalls } from "./state/attention";
import { deliver, setLook } from "./state/feed";
import { route } from "./state/route";
import { chosenSite } from "./state/scope";
import { soundingPriority, soundPhase } from "./state/sound";

function sight(): Sight {
  const { name, id } = route.peek();
  return {
    visible: document.visibilityState === "visible" && !broken.peek(),
    screen: name,
    patient: id,
    site: chosenSite.peek(),
    tiles: placed.peek(),
    cards: drawnCards.peek(),
    rows: rows.peek(),
    strip: name === "ward" ? null : (highCalls.peek()[0]?.lead.id ?? null),
    sounds: soundingPriority(),
  };
}

export function startSight(): void {
  setLook(() => {
    const seen = sight();
    return (alert) => onScreen(alert, seen);
  });
  effect(() => {
    void [broken.value, route.value, chosenSite.value, placed.value, drawnCards.value, rows.value, highCalls.value[0], soundPhase.value];
    deliver();
  });
}
