/** Every patient in a fixed place, by site and bed. */
import { computed } from "@preact/signals";
import { known, order, siteName, tileSignal } from "../../state/tiles";
import { wallMode } from "../../state/route";
import { chosenSite } from "../../state/scope";
import { Tile } from "./tile";
import { grid } from "./wall";

const groups = computed(() => {
  const found = new Map<number, string[]>();
  for (const id of order.value) {
    const site = tileSignal(id).peek()?.site ?? 0;
    if (chosenSite.value !== null && site !== chosenSite.value) continue;
    const group = found.get(site);
    if (group) group.push(id);
    else found.set(site, [id]);
  }
  return [...found];
});

/** Patients who have a tile on this screen. */
export const placed = computed<ReadonlySet<string>>(() => new Set(groups.value.flatMap(([, ids]) => ids)));

export function Tiles() {
  const found = groups.value;
  const wall = wallMode.value;
  if (found.length === 0) {
    return (
      <section class="places" aria-label="Patients">
        <p class="empty">{known.value ? "No patients assigned" : "Waiting for the patients"}</p>
      </section>
    );
  }
  if (wall) {
    const all = found.flatMap(([, ids]) => ids);
    const { columns, rows, scale } = grid(all.length);
    return (
      <section class="places" aria-label="Patients">
        <ul class="tiles" style={{ "--cols": String(columns), "--rows": String(rows), "--k": String(scale) }}>
          {all.map((id) => (
            <Tile key={id} id={id} />
          ))}
        </ul>
      </section>
    );
  }
  return (
    <section class="places" aria-label="Patients">
      {found.map(([site, ids]) => (
        <div key={site}>
          {found.length > 1 ? <h2 class="site-name">{siteName(site)}</h2> : null}
          <ul class="tiles">
            {ids.map((id) => (
              <Tile key={id} id={id} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}
