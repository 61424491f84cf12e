/** Where the cards are for whoever looks at the page: which one is seen, and how one is brought into view. */
import { isInView, type Edges } from "../../logic/growth";

/** A card as it stands in the page; the wall's that are cut off stand nowhere. */
function standing(patient: string): HTMLElement | null {
  const card = document.getElementById(`card-${patient}`);
  return card?.classList.contains("beyond") ? null : card;
}

/** What is seen of the worklist: cut by the window, by the side where that scrolls, and by the lists that stay below it. */
function view(side: Element): Edges {
  const box = side.getBoundingClientRect();
  const lists = document.querySelector(".lists")?.getBoundingClientRect().top ?? Infinity;
  return { top: Math.max(0, box.top), bottom: Math.min(document.documentElement.clientHeight, box.bottom, lists) };
}

/** Whether it is seen whom a card is about, and why: its buttons alone say neither. */
export function isSeen(patient: string): boolean {
  const card = standing(patient);
  const side = card?.closest(".side");
  if (!card || !side) return false;
  const why = card.querySelector(".what") ?? card;
  return isInView({ top: card.getBoundingClientRect().top, bottom: why.getBoundingClientRect().bottom }, view(side));
}

/** The focus comes to a card, and the card into view, from its beginning where it is the taller one. */
export function focusCard(patient: string): void {
  const card = standing(patient);
  if (!card) return;
  // By itself: focusing what has the focus already would not scroll.
  card.scrollIntoView({ block: "nearest" });
  if (!isSeen(patient)) card.scrollIntoView({ block: "start" });
  card.focus({ preventScroll: true });
}
