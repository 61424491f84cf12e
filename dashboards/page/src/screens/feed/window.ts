/** Which rows of a long list are in sight: rows have one height, only those are in the DOM. */

export interface Slice {
  readonly from: number;
  readonly to: number;
}

const SPARE = 8;

/** Rows [from, to) of `count` for a viewport of `height` px scrolled to `top`. */
export function sliceOf(count: number, row: number, top: number, height: number): Slice {
  const from = Math.max(0, Math.min(count, Math.floor(top / row)) - SPARE);
  const to = Math.min(count, Math.ceil((top + height) / row) + SPARE);
  return { from, to: Math.max(from, to) };
}

/** Rows [from, to) of which at least the half is in sight. */
export function inSight(count: number, row: number, top: number, height: number): Slice {
  const from = Math.max(0, Math.min(count, Math.round(top / row)));
  return { from, to: Math.max(from, Math.min(count, Math.round((top + height) / row))) };
}

/** Each alert of the rows with its newest change, µs; rows of what was set aside have none. */
export function newestOf(rows: readonly { readonly alert: string; readonly at: number }[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { alert, at } of rows) if (alert !== "") found.set(alert, Math.max(at, found.get(alert) ?? at));
  return found;
}

/** Where to scroll so that the row in sight stays, after rows came before it: 0 stays at the top, which is live. */
export function keptTop(before: readonly { readonly key: string }[], after: readonly { readonly key: string }[], row: number,
                        top: number): number {
  if (top <= 0) return 0;
  const first = before[Math.min(before.length - 1, Math.floor(top / row))];
  if (first === undefined) return top;
  const at = after.findIndex((each) => each.key === first.key);
  return at < 0 ? top : at * row + (top % row);
}
