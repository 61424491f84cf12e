/** The ward: who needs somebody first on the left, every patient in a fixed place on the right. */
import { useEffect, useLayoutEffect } from "preact/hooks";
import { wallMode } from "../../state/route";
import { startKeys } from "./keys";
import { Filters } from "./filters";
import { Lists } from "./lists";
import { Tiles } from "./tiles";
import { keepAwake } from "./wall";
import { Worklist } from "./worklist";

export function Ward() {
  useLayoutEffect(startKeys, []); // from when the cards can be seen
  useEffect(() => (wallMode.value ? keepAwake() : undefined), [wallMode.value]);
  return (
    <div class="ward">
      <section class="aside" aria-label="Worklist">
        <div class="side">
          {wallMode.value ? null : <Filters />}
          <Worklist />
        </div>
        <Lists />
      </section>
      <Tiles />
    </div>
  );
}
