/** What people did, as marks on the time axis: letters with words, those too near to each other as one. */
import type { Entry } from "../feed/entries";

export interface Mark {
  readonly at: number;
  readonly letter: string;
  readonly name: string;
  readonly entries: readonly Entry[];
}

const LETTERS: Record<string, readonly [string, string]> = {
  acknowledge: ["A", "acknowledged"],
  going: ["G", "going"],
  treated: ["T", "treated"],
  note: ["N", "note"],
  shelve: ["S", "shelved"],
  unshelve: ["U", "taken off the shelf"],
  release: ["R", "let go"],
  out_of_service: ["O", "out of service"],
  in_service: ["I", "back in service"],
};

export const LETTER_WORDS: readonly (readonly [string, string])[] = Object.values(LETTERS);

/** Marks of the changes by people in [from, to], oldest first; nearer than `apart` µs to the first of a group joins it. */
export function marksOf(entries: readonly Entry[], from: number, to: number, apart: number): Mark[] {
  const shown = entries.filter((entry) => entry.change in LETTERS && entry.at >= from && entry.at <= to)
    .sort((a, b) => a.at - b.at);
  const groups: Entry[][] = [];
  for (const entry of shown) {
    const group = groups[groups.length - 1];
    if (group?.[0] !== undefined && entry.at - group[0].at < apart) group.push(entry);
    else groups.push([entry]);
  }
  return groups.map(mark);
}

function mark(entries: Entry[]): Mark {
  const firstOne = entries[0] as Entry;
  const [letter, name] = LETTERS[firstOne.change] ?? ["?", firstOne.change];
  if (entries.length === 1) return { at: firstOne.at, letter, name, entries };
  return { at: firstOne.at, letter: String(entries.length), name: `${entries.length} actions`, entries };
}
