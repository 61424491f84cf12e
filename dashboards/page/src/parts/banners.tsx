/** Banners in the page's flow: they push it down and cover nothing. */
import { computed } from "@preact/signals";
import type { Alert, Unwatched } from "../logic/alerts";
import { lasting, span, when } from "../logic/times";
import { unwatchedWords, who } from "../logic/words";
import { acknowledge } from "../state/actions";
import { localWall, now, simulated, speed } from "../state/clock";
import { heartbeat, link, server, siteFaults } from "../state/feed";
import { wallMode } from "../state/route";
import { missingSite } from "../state/scope";
import { session, signOut } from "../state/session";
import { stalledAt } from "../state/stalled";
import { liveLink, siteName, sites } from "../state/tiles";
import { asleep } from "../state/watchdog";
import { Marker } from "./marker";
import { PatientLink } from "./patientlink";

const lostFor = computed(() => lasting(localWall.value, link.value.since * 1000));
const tilesLostFor = computed(() => lasting(localWall.value, liveLink.value.since * 1000));

export function Banners() {
  return (
    <section class="banners" aria-label="State of the system">
      <FeedLost />
      <Stalled />
      <TilesLost />
      <WatchdogAsleep />
      <NoSuchSite />
      <Simulated />
      <SiteFaults />
    </section>
  );
}

function FeedLost() {
  const { phase, why } = link.value;
  if (phase === "refused") {
    return (
      <div class="banner lost" id="feed-lost">
        <strong>FEED LOST</strong>
        <span>{why}. Look at the patients.</span>
        <button class="button" type="button" onClick={() => signOut(why)}>
          Sign in again
        </button>
      </div>
    );
  }
  if (phase !== "lost") return null;
  return (
    <div class="banner lost" id="feed-lost">
      <strong>FEED LOST</strong>
      <span>
        for {lostFor}: {why}. No new alert can reach this screen. <b>Look at the patients.</b>
      </span>
      <span>The list below is as it was. Trying again.</span>
    </div>
  );
}

function Stalled() {
  const state = heartbeat.value?.state;
  if (state === "waiting for the first tick") {
    return (
      <div class="banner note" id="data-waiting">
        <strong>Waiting for the first data</strong>
        <span>No data has come yet from any site.</span>
      </div>
    );
  }
  if (state !== "stalled") return null;
  return (
    <div class="banner stalled" id="data-stalled">
      <strong>DATA STALLED</strong>
      <span>
        {stalledAt} <b>Look at the patients.</b>
      </span>
      <span>Numbers that still move are not watched, and an empty list means nothing.</span>
    </div>
  );
}

function TilesLost() {
  const { phase } = liveLink.value;
  if (phase !== "lost" && phase !== "waiting") return null;
  const why = phase === "lost" ? "the connection for the tiles broke; alerts come by another one. Trying again." : "the server names no patients yet; alerts come by another way.";
  return (
    <div class="banner note" id="tiles-lost">
      <strong>Values stand still</strong>
      <span>
        for {tilesLostFor}: {why}
      </span>
    </div>
  );
}

/** All works while the tab is in front; behind another one its own timers may come once a minute. */
function WatchdogAsleep() {
  if (!asleep.value) return null;
  return (
    <div class="banner note" id="watchdog-asleep">
      <strong>Keep this tab in front</strong>
      <span>its watchdog does not start, so behind another tab it may notice a lost feed late. Trying again; or reload the page.</span>
    </div>
  );
}

function NoSuchSite() {
  const missing = missingSite.value;
  if (missing === "") return null;
  return (
    <div class="banner stalled" id="no-site">
      <strong>
        There is no site <bdi>{missing}</bdi>
      </strong>
      <span>
        The address is wrong, or the site is not in your scope. This screen shows {sites.value.length === 1 ? "what you have" : "all sites"}:{" "}
        {sites.value.map((site, place) => (
          <>
            {place > 0 ? ", " : ""}
            <a href={`${wallMode.value ? "#/wall" : "#/"}?site=${site.number}`}>{site.name}</a>
          </>
        ))}
      </span>
    </div>
  );
}

function Simulated() {
  if (!simulated.value) return null;
  const fast = speed.value;
  return (
    <div class="banner simulated" id="simulated">
      <strong>SIMULATED</strong>
      <span>
        Recorded data is replayed{fast === null ? "" : fast === 0 ? ", standing still" : ` at ${fast} × speed`}. These are not the patients as they are
        now.{(fast ?? 1) > 10 ? " Sound is off above 10 ×." : ""}
      </span>
      <span class="muted">{new Date(now.value / 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" })}</span>
    </div>
  );
}

function SiteFaults() {
  const faults = siteFaults.value;
  if (faults.length === 0) return null;
  return (
    <ul aria-label="Site faults" id="site-faults">
      {faults.map((alert) => (
        <li class="banner site" key={alert.id} data-alert={alert.id}>
          <Marker alert={alert} brief />
          <strong>{siteName(alert.site)}</strong>
          <span>
            no data since {when(alert.since, now.value)}, for {span(now.value - alert.since)}
            {alert.reason && alert.reason !== "silent" ? `: ${alert.reason.replace(/ UTC\b/, "")}` : ""}. {unwatchedWords(lying(alert))}
          </span>
          {!wallMode.value && <Lying found={lying(alert)} />}
          <span class="muted">{who(alert, now.value)}</span>
          {session.value?.role === "clinician" && !wallMode.value && alert.response === "unacknowledged" ? (
            <button class="button" type="button" onClick={() => void acknowledge(alert)}>
              Acknowledge
            </button>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

/** Who lies at the silent site of an alert; null until a heartbeat has said so. */
function lying(alert: Alert): Unwatched | null {
  return heartbeat.value?.unwatched?.find((each) => each.alert === alert.id) ?? null;
}

function Lying({ found }: { found: Unwatched | null }) {
  if (found === null || found.count === 0) return null;
  const more = found.count - found.patients.length;
  return (
    <details class="lying">
      <summary>Who</summary>
      {found.patients.map(([patient, label], place) => (
        <span key={patient}>
          {place > 0 && ", "}
          <PatientLink patient={patient}>
            <bdi>{label}</bdi>
          </PatientLink>
        </span>
      ))}
      {more > 0 && <span>, and {more} more</span>}
    </details>
  );
}

/** The page's own server and gateway, for the help screen. */
export function versions(): string {
  return [session.value?.version ? `vigil ${session.value.version}` : "", server.value].filter(Boolean).join(", ");
}
