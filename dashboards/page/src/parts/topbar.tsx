/** The top bar: who needs me, how old is what I see, is the system itself alive. */
import { computed } from "@preact/signals";
import { PRIORITIES } from "../logic/alerts";
import { proofWords } from "../logic/proofs";
import { day, hhmmss, span } from "../logic/times";
import { now, wall } from "../state/clock";
import { counts } from "../state/attention";
import { heartbeat, link, proofs } from "../state/feed";
import { route } from "../state/route";
import { chosenSite } from "../state/scope";
import { session } from "../state/session";
import { siteName, sites } from "../state/tiles";
import { PriorityMarker } from "./marker";
import { SoundButton } from "./sound";

const clock = computed(() => hhmmss(now.value));
const date = computed(() => day(now.value));
/** Ages run on between heartbeats, and when none come. */
const beatAge = computed(() => (heartbeat.value ? Math.max(0, wall.value - heartbeat.value.at) : 0));

/** Whose alerts the screen is about: its site, or all that the person has. */
function place(): string {
  if (chosenSite.value !== null) return siteName(chosenSite.value);
  const scope = session.value?.sites;
  if (!scope) return sites.value.length === 1 ? siteName(sites.value[0]?.number ?? 0) : "all sites";
  return scope.map(siteName).join(", ");
}

export function TopBar() {
  return (
    <header class="topbar">
      <nav aria-label="Screens">
        <Tab name="ward" href="#/" word="Ward" />
        <Tab name="feed" href="#/feed" word="Feed" />
        <Tab name="operations" href="#/operations" word="Operations" />
        <Tab name="help" href="#/help" word="?" title="Help and keys" />
      </nav>
      <span class="fact">
        <span class="name">{date}</span>
        <h1>{place()}</h1>
      </span>
      <time class="clock">{clock}</time>
      <Counts />
      <DataAge />
      <Proofs />
      <FeedState />
      <span class="push" />
      <SoundButton />
    </header>
  );
}

function Tab({ name, href, word, title }: { name: string; href: string; word: string; title?: string }) {
  const current = route.value.name === name;
  return (
    <a class="button" href={href} aria-current={current ? "page" : undefined} title={title} aria-label={title}>
      {word}
    </a>
  );
}

function Counts() {
  const found = counts.value;
  return (
    <ul class="counts" aria-label="Open alerts by priority">
      {PRIORITIES.map((priority) => {
        const open = found.open[priority];
        const calling = found.calling[priority];
        return (
          <li key={priority} class={open === 0 ? "count none" : "count"} id={`count-${priority}`}>
            {open === 0 ? (
              `0 ${priority}`
            ) : (
              <PriorityMarker priority={priority} steady={calling === 0}>
                {open} {priority}
              </PriorityMarker>
            )}
            {calling > 0 && calling < open ? <span class="small muted">{calling} new</span> : null}
          </li>
        );
      })}
    </ul>
  );
}

const dataAge = computed(() => {
  const beat = heartbeat.value;
  if (!beat) return { text: "--", loud: false };
  if (beat.age_ms === null) return { text: "no data yet", loud: false };
  const age = beat.age_ms * 1000 + beatAge.value;
  return { text: span(age), loud: beat.state === "stalled" || beatAge.value > 10_000_000 };
});

function DataAge() {
  const { text, loud } = dataAge.value;
  return (
    <span class="fact" id="data-age">
      <span class="name">data age</span>
      <span class={loud ? "loud" : ""}>{text}</span>
    </span>
  );
}

const told = computed(() => proofs.value.map((proof) => ({ site: proof.site, ...proofWords(proof, wall.value) })));

function Proofs() {
  return (
    <>
      {told.value.map((proof) => (
        <span class="fact proof" key={proof.site} title="A synthetic alarm crosses the whole chain, over and over">
          <span class="name">{siteName(proof.site)}</span>
          <span class={proof.loud ? "loud" : ""}>{proof.text}</span>
        </span>
      ))}
    </>
  );
}

const FEED_WORDS = { connecting: "connecting", open: "live", reconnecting: "reconnecting", lost: "LOST", refused: "refused" };

function FeedState() {
  const { phase } = link.value;
  const style = phase === "open" ? "" : phase === "lost" || phase === "refused" ? "loud" : "caution";
  return (
    <span class="fact" id="feed-state">
      <span class="name">feed</span>
      <span class={style}>{FEED_WORDS[phase]}</span>
    </span>
  );
}
