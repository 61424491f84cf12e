/** How far the worklist is drawn, and what of it is seen. Pure. */

/** Cards that are drawn at first, three screens of them; the list grows by as many. */
export const WINDOW = 20;

/** How many cards are drawn, in whole windows, where somebody stands on the one at this place: the next one too, for Tab to find it. */
export function reached(place: number): number {
  return Math.ceil((place + 2) / WINDOW) * WINDOW;
}

/** The cards to draw now, in their order: all that stand already or must, and the first few of the new ones. */
export function portion<T extends { patient: string }>(all: readonly T[], stands: (patient: string) => boolean, fresh: number): T[] {
  let left = fresh;
  return all.filter(({ patient }) => stands(patient) || left-- > 0);
}

/** Whether a scroller is at its top: browsers tell fractions of a pixel, and less than nothing where it is pulled. */
export function isTop(scrolled: number): boolean {
  return scrolled <= 1;
}

export interface Edges {
  top: number;
  bottom: number;
}

/** Whether all of a part is in view, px; of one that is taller than the view, its beginning. */
export function isInView(part: Edges, view: Edges): boolean {
  const end = Math.min(part.bottom, part.top + view.bottom - view.top);
  return part.bottom > part.top && part.top > view.top - 1 && end < view.bottom + 1;
}
