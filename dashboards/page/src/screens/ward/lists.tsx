/** What does not call for now, counted and bounded: shelved alerts, and patients out of service. */
import { computed } from "@preact/signals";
import { left } from "../../logic/times";
import { inService, unshelve } from "../../state/actions";
import { now } from "../../state/clock";
import { services, shelves } from "../../state/feed";
import { hrefPatient, wallMode } from "../../state/route";
import { chosenSite } from "../../state/scope";
import { mayCommand } from "./keys";

const here = computed(() => {
  const site = chosenSite.value;
  return {
    shelves: shelves.value.filter((shelf) => site === null || shelf.site === site),
    services: services.value.filter((service) => site === null || service.site === site),
  };
});

function Until({ until }: { until: number }) {
  return <span>{left(until - now.value)} left</span>;
}

export function Lists() {
  const { shelves: shelved, services: out } = here.value;
  return (
    <div class="lists">
      <details id="shelved" open={shelved.length > 0 && shelved.length <= 4 && !wallMode.value}>
        <summary>Shelved ({shelved.length})</summary>
        <ul>
          {shelved.map((shelf) => (
            <li key={shelf.id}>
              {shelf.patient ? <a href={hrefPatient(shelf.patient)}>{shelf.label}</a> : <span>site {shelf.site}</span>}
              <span>{`${shelf.rule.replaceAll("_", " ")}${shelf.level > 1 ? ` up to level ${shelf.level}` : ""}`}</span>
              <Until until={shelf.until} />
              <span class="muted">
                {shelf.by}
                {shelf.reason ? `: ${shelf.reason}` : ""}
              </span>
              {mayCommand() && !wallMode.value ? (
                <button class="link" type="button" onClick={() => void unshelve(shelf)}>
                  End
                </button>
              ) : null}
            </li>
          ))}
        </ul>
      </details>
      <details id="out-of-service" open={out.length > 0 && out.length <= 4 && !wallMode.value}>
        <summary>Out of service ({out.length})</summary>
        <ul>
          {out.map((service) => (
            <li key={service.patient}>
              <a href={hrefPatient(service.patient)}>{service.label}</a>
              <Until until={service.until} />
              <span class="muted">
                {service.by}
                {service.reason ? `: ${service.reason}` : ""}
              </span>
              {mayCommand() && !wallMode.value ? (
                <button class="link" type="button" onClick={() => void inService(service.patient, service.label)}>
                  Back
                </button>
              ) : null}
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
