/** What does not call for now, counted and bounded: shelved alerts, and patients out of service. */
import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Alert, Service, Shelf } from "../../logic/alerts";
import { heldBy, metricOf, shelfTime, shelfWord } from "../../logic/shelves";
import { hhmm, left } from "../../logic/times";
import { word } from "../../logic/words";
import { Marker } from "../../parts/marker";
import { PatientLink } from "../../parts/patientlink";
import { ShelfMarker } from "../../parts/shelfmarker";
import { inService, unshelve } from "../../state/actions";
import { now } from "../../state/clock";
import { alerts, services, shelves } from "../../state/feed";
import { wallMode } from "../../state/route";
import { chosenSite } from "../../state/scope";
import { beds, siteName } from "../../state/tiles";
import { mayCommand } from "./keys";

/** So many lines of both lists stand open by themselves: more would take the worklist's place. */
const OPEN_MOST = 2;
/** So many are named on the wall, which has no list to open. */
const NAMED_MOST = 3;

interface Shelved {
  shelf: Shelf;
  /** The worst alert that lies on it now. */
  alert: Alert | null;
}

const here = computed(() => {
  const site = chosenSite.value;
  const found = shelves.value.filter((shelf) => site === null || shelf.site === site);
  return {
    shelved: found.map((shelf): Shelved => ({ shelf, alert: heldBy(shelf, alerts.value.values()) })),
    services: services.value.filter((service) => site === null || service.site === site),
  };
});

export function Lists() {
  const { shelved, services: out } = here.value;
  const few = shelved.length + out.length <= OPEN_MOST;
  return (
    <div class="lists">
      <List id="shelved" name="Shelved" count={shelved.length} few={few} named={() => shelved.map(shelfNamed)}>
        {shelved.map((each) => (
          <ShelfLine key={each.shelf.id} shelf={each.shelf} alert={each.alert} />
        ))}
      </List>
      <List id="out-of-service" name="Out of service" count={out.length} few={few} named={() => out.map(serviceNamed)}>
        {out.map((service) => (
          <ServiceLine key={service.patient} service={service} />
        ))}
      </List>
    </div>
  );
}

interface ListProps {
  id: string;
  name: string;
  count: number;
  /** Both lists are short enough to stand open. */
  few: boolean;
  /** Who is on it, one text each: all that the wall has. */
  named(): string[];
  children: ComponentChildren;
}

function List({ id, name, count, few, named, children }: ListProps) {
  const wall = wallMode.value;
  const names = wall ? named() : [];
  const more = names.length - NAMED_MOST;
  return (
    <details id={id} open={count > 0 && few && !wall}>
      <summary>
        {name} ({count}){names.length > 0 ? ": " : ""}
        {names.slice(0, NAMED_MOST).map((each, place) => (
          <bdi key={each}>{(place > 0 ? "; " : "") + each}</bdi>
        ))}
        {more > 0 ? `; and ${more} more` : ""}
      </summary>
      <ul>{children}</ul>
    </details>
  );
}

const subject = (shelf: Shelf): string => (shelf.patient === null ? siteName(shelf.site) : shelf.label);
const what = ({ shelf, alert }: Shelved): string => (alert ? word(alert) + metricOf(alert) : shelfWord(shelf));
const shelfNamed = (each: Shelved): string => `${subject(each.shelf)} ${what(each)} until ${hhmm(each.shelf.until)}, by ${each.shelf.by}`;
const serviceNamed = (service: Service): string => `${service.label} until ${hhmm(service.until)}`;

function ShelfLine({ shelf, alert }: Shelved) {
  return (
    <li data-shelf={shelf.id}>
      {alert ? <Marker alert={alert} /> : <ShelfMarker shelf={shelf} />}
      {alert && metricOf(alert) ? <span>{metricOf(alert).slice(2)}</span> : null}
      <Subject patient={shelf.patient} name={subject(shelf)} />
      <span>
        {shelfTime(shelf.until, now.value)}, <By by={shelf.by} reason={shelf.reason} />
      </span>
      {alert ? null : <span class="muted">not open now</span>}
      {mayCommand() && !wallMode.value ? (
        <button class="link" type="button" onClick={() => void unshelve(shelf)}>
          End
        </button>
      ) : null}
    </li>
  );
}

function ServiceLine({ service }: { service: Service }) {
  return (
    <li>
      <Subject patient={service.patient} name={service.label} />
      <span>
        until {hhmm(service.until)}, {left(service.until - now.value)} left, <By by={service.by} reason={service.reason} />
      </span>
      {mayCommand() && !wallMode.value ? (
        <button class="link" type="button" onClick={() => void inService(service.patient, service.label)}>
          Back
        </button>
      ) : null}
    </li>
  );
}

/** A patient with the bed, or a site. */
function Subject({ patient, name }: { patient: string | null; name: string }) {
  if (patient === null) return <b>{name}</b>;
  return (
    <span>
      <PatientLink patient={patient}>
        <bdi>{name}</bdi>
      </PatientLink>{" "}
      <b>
        <bdi>{beds.value.get(patient) ?? ""}</bdi>
      </b>
    </span>
  );
}

function By({ by, reason }: { by: string; reason: string }) {
  return (
    <span>
      by <bdi>{by}</bdi>
      {reason ? (
        <>
          : <bdi>{reason}</bdi>
        </>
      ) : null}
    </span>
  );
}
