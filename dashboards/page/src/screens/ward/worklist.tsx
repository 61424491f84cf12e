/** The worklist: at most a window of cards is drawn, each renders only when something on it changed. */
import type { VNode } from "preact";
import type { Card as CardData } from "../../logic/order";
import { plural } from "../../logic/words";
import { synced } from "../../state/feed";
import { ALL, filters } from "../../state/prefs";
import { wallMode } from "../../state/route";
import { Card } from "./card";
import { cards, frozen, hiddenByFilter, leave, limit, touch, WINDOW } from "./choice";

const drawn = new WeakMap<CardData, VNode>();

/** The same card is the same node, and is not even compared. */
function node(card: CardData): VNode {
  let found = drawn.get(card);
  if (!found) {
    found = <Card key={card.patient} card={card} />;
    drawn.set(card, found);
  }
  return found;
}

export function Worklist() {
  const all = cards.value;
  const most = wallMode.value ? 12 : limit.value;
  const rest = all.length - most;
  return (
    <>
      <ol class="cards" id="worklist" onPointerMove={touch} onPointerLeave={leave} data-frozen={frozen.value}>
        {all.slice(0, most).map(node)}
      </ol>
      {rest > 0 ? (
        <p class="more">
          and {plural(rest, "more patient")} with open alerts{" "}
          {wallMode.value ? null : (
            <button class="button" type="button" onClick={() => (limit.value += WINDOW)}>
              Show {Math.min(rest, WINDOW)} more
            </button>
          )}
        </p>
      ) : null}
      {all.length === 0 ? <p class="empty">{synced.value ? "No open alerts" : "Waiting for the list of open alerts"}</p> : null}
      {hiddenByFilter.value > 0 && !wallMode.value ? (
        <p class="more">
          {plural(hiddenByFilter.value, "patient")} hidden by filters{" "}
          <button class="button" type="button" onClick={() => (filters.value = ALL)}>
            Show all
          </button>
        </p>
      ) : null}
    </>
  );
}
