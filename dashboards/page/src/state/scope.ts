/** Whose alerts this screen shows: the address's site (`#/wall?site=1`) before the station's own choice; null is all. */
import { computed } from "@preact/signals";
import { filters } from "./prefs";
import { route } from "./route";

export const chosenSite = computed<number | null>(() => {
  const named = Number(route.value.params.get("site") ?? "");
  return named > 0 ? named : filters.value.site;
});
