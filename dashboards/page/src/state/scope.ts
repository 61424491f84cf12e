/** Whose alerts this screen shows: the address's site (`#/wall?site=1`) before the station's own choice; null is all. */
import { computed } from "@preact/signals";
import { scopeOf } from "../logic/scope";
import { filters } from "./prefs";
import { route } from "./route";
import { known, sites } from "./tiles";

const numbers = computed(() => (known.value && sites.value.length > 0 ? sites.value.map((site) => site.number) : null));
const scope = computed(() => scopeOf(route.value.params.get("site"), filters.value.site, numbers.value));

export const chosenSite = computed<number | null>(() => scope.value.site);
/** The site that the address asks for and that is not there, empty where all is well. */
export const missingSite = computed(() => scope.value.missing);

export function inScope(subject: { site: number }): boolean {
  return chosenSite.value === null || subject.site === chosenSite.value;
}
