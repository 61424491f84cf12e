/** A computed signal of a component. `useComputed` keeps the first props it saw until a signal changes; this one does not. */
import { computed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";

export function useDerived<T>(compute: () => T, inputs: readonly unknown[]): ReadonlySignal<T> {
  return useMemo(() => computed(compute), inputs);
}
