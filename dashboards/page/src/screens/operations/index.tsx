/** The pipeline as it is: rates, lag and age at each hop, services, refusals, proof of life, versions. */
import "./operations.css";
import { signal, useSignal, type Signal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { proofWords } from "../../logic/proofs";
import { span } from "../../logic/times";
import { wall } from "../../state/clock";
import { heartbeat, link, proofs, server } from "../../state/feed";
import { ApiError, api } from "../../state/session";
import { liveLink, siteName } from "../../state/tiles";
import {
  countWords, healthOf, latencyWords, ranked, rateWords, reasonWords, sampled, sparkPath, trace, verdict, waiting, whyNot,
  type Hop, type Sample, type System,
} from "./system";

const EVERY_MS = 3_000;

const HOPS: Record<string, string> = {
  devices: "From device to bridge", broker: "Broker, by a tick's round trip", readings: "Into the log of readings", windows: "Windows computed, in records", journal: "Conditions and commands", feed: "Changes of alerts", gateway: "Taken by the gateway", socket: "Whole way to a socket, by proof",
  rejected: "Refused", stored: "Stored in the database",
};
const FEED_WORDS = { connecting: "connecting", open: "live", waiting: "waiting for the patients", reconnecting: "reconnecting", lost: "LOST", refused: "refused" } as const;
const CLIENTS: Record<string, string> = { feed: "screens on the feed", tiles: "screens on the tiles" };

interface Held {
  readonly system: Signal<System | null>;
  readonly samples: Signal<Sample[]>;
  readonly problem: Signal<string>;
  readonly at: Signal<number>;
}

/** Kept while the page is open: the sparks have their past when somebody comes back. */
const held: Held = { system: signal<System | null>(null), samples: signal<Sample[]>([]), problem: signal(""), at: signal(0) };

export function Operations() {
  useEffect(() => poll(held), []);
  const system = held.system.value;
  return (
    <section class="operations" aria-labelledby="operations-title">
      <div class="ops-head">
        <h2 id="operations-title">Operations</h2>
        <div role="status">{system !== null && <Verdict system={system} />}</div>
        <p class="quiet">{held.at.value === 0 ? "Asking." : `asked ${span(wall.value - held.at.value)} ago, again every 3 s`}</p>
      </div>
      {held.problem.value !== "" && <p class="problem">{held.problem.value}</p>}
      {system !== null && <Parts system={system} />}
      {system === null && held.problem.value === "" && <p class="quiet">Loading.</p>}
    </section>
  );
}

/** Asks now and every 3 s while somebody looks. */
function poll({ system, samples, problem, at }: Held): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  const ask = async (): Promise<void> => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      try {
        const found = await api<System>("/api/system");
        system.value = found;
        at.value = wall.peek();
        samples.value = sampled(samples.peek(), wall.peek(), found.hops ?? []);
        problem.value = "";
      } catch (error) {
        problem.value = error instanceof ApiError
          ? `The server could not tell how it is (${error.status} ${error.message}). What follows is old.`
          : "The server does not answer. What follows is old.";
      }
    }
    if (!stopped) timer = setTimeout(() => void ask(), EVERY_MS);
  };
  const seen = (): void => { if (document.visibilityState === "visible") void ask(); };
  document.addEventListener("visibilitychange", seen);
  void ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}

function Verdict({ system }: { system: System }) {
  const { well, words } = verdict(system);
  return <p class={well ? "verdict" : "verdict verdict-bad"}>{words}</p>;
}

function Parts({ system }: { system: System }) {
  return (
    <>
      {(system.problems ?? []).length > 0 && (
        <section aria-labelledby="problems-title">
          <h3 id="problems-title">Problems</h3>
          <ul class="problems">{(system.problems ?? []).map((words) => <li key={words} class="problem">{words}</li>)}</ul>
        </section>
      )}
      <Hops hops={system.hops ?? []} />
      <div class="ops-columns">
        <Services system={system} />
        <Screen clients={system.clients ?? {}} />
        <Counts id="rejected" title="Refused readings, by reason" counts={system.rejected} none="Nothing was refused." />
        <Counts id="stored" title="Stored rows" counts={system.stored} none="Not known now." />
        <Versions system={system} />
      </div>
      <Partitions system={system} />
    </>
  );
}

function Hops({ hops }: { hops: readonly Hop[] }) {
  const lag = Math.max(100, ...hops.map((hop) => hop.lag ?? 0));
  return (
    <section aria-labelledby="hops-title">
      <h3 id="hops-title">From device to screen</h3>
      <div class="ops-scroll" tabIndex={0} role="group" aria-label="Table of the hops">
        <table class="ops-table">
          <thead><tr>
            <th scope="col">Hop</th><th scope="col" class="number">Per second</th><th scope="col"><span class="unseen-by-eyes">Rate in the last minutes</span></th>
            <th scope="col" class="number">Waiting</th><th scope="col"><span class="unseen-by-eyes">Waiting, as a bar</span></th><th scope="col" class="number">Age</th>
            <th scope="col"><span class="unseen-by-eyes">Age in the last minutes</span></th>
            <th scope="col" class="number">Median</th><th scope="col" class="number">99 %</th>
          </tr></thead>
          <tbody>
            {hops.map((hop) => (
              <tr key={hop.name}>
                <th scope="row">{HOPS[hop.name] ?? hop.name.replaceAll("_", " ")}</th>
                <Told hop={hop} of="per_second" words={rateWords} />
                <td><Spark name={hop.name} of="per_second" /></td>
                <Told hop={hop} of="lag" words={countWords} />
                <td>{hop.lag === null || hop.lag === undefined ? null : <Bar part={hop.lag / lag} />}</td>
                <Told hop={hop} of="age_ms" words={latencyWords} />
                <td><Spark name={hop.name} of="age_ms" /></td>
                <Told hop={hop} of="p50_ms" words={latencyWords} />
                <Told hop={hop} of="p99_ms" words={latencyWords} />
              </tr>
            ))}
            {hops.length === 0 && <tr><td colSpan={9}>No hop tells its numbers now.</td></tr>}
          </tbody>
        </table>
      </div>
      <p class="quiet">Rates over 30 s; median and 99 % of how long it took in the last minute.</p>
    </section>
  );
}

/** A number, or n/a with the reason: for a pointer as a title, for a screen reader in the cell. */
function Told({ hop, of, words }: { hop: Hop; of: "per_second" | "lag" | "age_ms" | "p50_ms" | "p99_ms"; words: (value: number | null | undefined) => string }) {
  const why = whyNot(hop, of);
  if (why === null) return <td class="number">{words(hop[of])}</td>;
  return <td class="number" title={why}><span class="quiet">n/a</span><span class="unseen-by-eyes">: {why}</span></td>;
}

function Spark({ name, of }: { name: string; of: "per_second" | "age_ms" }) {
  const values = trace(held.samples.value, name, of);
  if (values.every((value) => value === null)) return null;
  return (
    <svg class="ops-spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
      <path d={sparkPath(values)} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function Bar({ part }: { part: number }) {
  return <span class="ops-bar" aria-hidden="true"><span style={{ width: `${Math.min(1, Math.max(0, part)) * 100}%` }} /></span>;
}

function Services({ system }: { system: System }) {
  return (
    <section aria-labelledby="services-title">
      <h3 id="services-title">Services</h3>
      <ul class="services">
        {(system.services ?? []).map((service) => {
          const health = healthOf(service);
          return (
            <li key={service.name} class={health === "ready" ? "service" : "service service-bad"}>
              <b>{service.name}</b> <span class="service-state">{health}</span>
              {reasonWords(service.reasons).map((why) => <span key={why} class="service-why">{why}</span>)}
            </li>
          );
        })}
        {(system.services ?? []).length === 0 && <li class="quiet">No service is known.</li>}
      </ul>
    </section>
  );
}

/** What this screen itself gets: feed, tiles, proof of life. */
function Screen({ clients }: { clients: Readonly<Record<string, number>> }) {
  const beat = heartbeat.value;
  const late = beat === null ? 0 : Math.max(0, (wall.value - beat.at) / 1000);
  return (
    <section aria-labelledby="screen-title">
      <h3 id="screen-title">This screen</h3>
      <dl class="facts">
        <dt>Feed</dt><dd>{FEED_WORDS[link.value.phase]}{link.value.why === "" ? "" : `, ${link.value.why}`}{server.value === "" ? "" : ` (${server.value})`}</dd>
        <dt>Tiles</dt><dd>{FEED_WORDS[liveLink.value.phase]}</dd>
        <dt>Data age</dt><dd>{beat === null || beat.age_ms === null ? "no data yet" : latencyWords(beat.age_ms + late)}, {beat?.state ?? "not known"}</dd>
        {(beat?.where ?? []).map((place) => (
          <Fragment key={`${place.partition}/${place.site}`}><dt class="sub">{place.site === null ? "" : `${siteName(place.site)}, `}part {place.partition}</dt><dd>{latencyWords(place.age_ms + late)}</dd></Fragment>
        ))}
        {Object.entries(clients).map(([name, count]) => <Fragment key={name}><dt>{CLIENTS[name] ?? name}</dt><dd>{countWords(count)}</dd></Fragment>)}
      </dl>
      <h4>Proof of life</h4>
      <dl class="facts">
        {proofs.value.map((proof) => {
          const { text, loud } = proofWords(proof, wall.value);
          return (
            <Fragment key={proof.site}>
              <dt>{siteName(proof.site)}</dt>
              <dd class={loud ? "loud" : ""}>
                {text}
                {proof.took_ms === null ? "" : `, took ${latencyWords(proof.took_ms)}`}
              </dd>
            </Fragment>
          );
        })}
        {proofs.value.length === 0 && <><dt>None</dt><dd>no site has a prover here</dd></>}
      </dl>
    </section>
  );
}

function Counts({ id, title, counts, none }: { id: string; title: string; counts: Readonly<Record<string, number>> | undefined; none: string }) {
  const list = ranked(counts);
  const most = Math.max(1, ...list.map(([, count]) => count));
  return (
    <section aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{title}</h3>
      {list.length === 0 && <p class="quiet">{none}</p>}
      <table class="ops-table">
        <tbody>
          {list.map(([name, count]) => (
            <tr key={name}><th scope="row">{name.replaceAll("_", " ")}</th><td class="number">{countWords(count)}</td><td><Bar part={count / most} /></td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Versions({ system }: { system: System }) {
  return (
    <section aria-labelledby="versions-title">
      <h3 id="versions-title">Versions</h3>
      <dl class="facts">
        {Object.entries(system.versions ?? {}).map(([name, version]) => <Fragment key={name}><dt>{name}</dt><dd>{version ?? "not known"}</dd></Fragment>)}
      </dl>
    </section>
  );
}

function Partitions({ system }: { system: System }) {
  const open = useSignal(false);
  const list = system.partitions ?? [];
  const behind = list.filter((each) => (waiting(each) ?? 0) > 0).length;
  return (
    <details class="ops-partitions" onToggle={(event) => { open.value = event.currentTarget.open; }}>
      <summary>Partitions: {list.length}, of which {behind} have something waiting</summary>
      {open.value && (
        <table class="ops-table">
          <thead><tr><th scope="col">Topic</th><th scope="col">Partition</th><th scope="col">Records</th><th scope="col">Stored</th><th scope="col">Waiting</th></tr></thead>
          <tbody>
            {list.map((each) => (
              <tr key={`${each.topic}/${each.partition}`}>
                <th scope="row">{each.topic}</th><td class="number">{each.partition}</td><td class="number">{countWords(each.end)}</td>
                <td class="number">{countWords(each.stored)}</td><td class="number">{countWords(waiting(each))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}
