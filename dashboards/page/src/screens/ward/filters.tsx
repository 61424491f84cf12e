/** Filters of the station: medium, low, technical, and the site as the team. High has no off switch. */
import { PRIORITIES, type Priority } from "../../logic/alerts";
import { filters } from "../../state/prefs";
import { sites } from "../../state/tiles";

export function Filters() {
  const chosen = filters.value;
  const flip = (priority: Priority): void => {
    const on = chosen.priorities.includes(priority);
    const priorities = on ? chosen.priorities.filter((each) => each !== priority) : [...chosen.priorities, priority];
    filters.value = { ...chosen, priorities };
  };
  return (
    <div class="filters" role="group" aria-label="Filters">
      {PRIORITIES.filter((priority) => priority !== "high").map((priority) => (
        <button key={priority} class="button" type="button" aria-pressed={chosen.priorities.includes(priority)} onClick={() => flip(priority)}>
          {priority}
        </button>
      ))}
      <button class="button" type="button" aria-pressed={chosen.technical} onClick={() => (filters.value = { ...chosen, technical: !chosen.technical })}>
        technical
      </button>
      {sites.value.length > 1 ? (
        <select
          class="field"
          aria-label="Team"
          value={chosen.site === null ? "" : String(chosen.site)}
          onChange={(event) => {
            const value = event.currentTarget.value;
            filters.value = { ...chosen, site: value === "" ? null : Number(value) };
          }}
        >
          <option value="">all teams</option>
          {sites.value.map((site) => (
            <option key={site.number} value={String(site.number)}>
              {site.name}
            </option>
          ))}
        </select>
      ) : null}
    </div>
  );
}
