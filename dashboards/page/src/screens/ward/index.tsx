/** The ward: who needs somebody first on the left, every patient in a fixed place on the right. */
import { useEffect } from "preact/hooks";
import { wallMode } from "../../state/route";
import { startKeys } from "./keys";
import { Filters } from "./filters";
import { Lists } from "./lists";
import { Tiles } from "./tiles";
import { keepAwake } from "./wall";
import { Worklist } from "./worklist";

export function Ward() {
  useEffect(startKeys, []);
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
