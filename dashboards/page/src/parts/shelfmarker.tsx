/** The sign of a shelf on which no alert lies now: an outline, for nothing calls, in the words of the alert it would hold. */
import type { Shelf } from "../logic/alerts";
import { isTechnical, shelfWord } from "../logic/shelves";
import { PriorityMarker } from "./marker";

/** Shelves of before the priority was kept have none: then only the word. */
export function ShelfMarker({ shelf }: { shelf: Shelf }) {
  if (!shelf.priority) return <b>{shelfWord(shelf)}</b>;
  return (
    <PriorityMarker priority={shelf.priority} steady technical={isTechnical(shelf.rule)}>
      <span class="unseen-by-eyes">{shelf.priority} priority, </span>
      <span class="word">{shelfWord(shelf)}</span>
    </PriorityMarker>
  );
}
