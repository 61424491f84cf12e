/**
 * One patient's tile. It renders once; what changes are signals bound to single texts and attributes, so that 200
 * patients at one value a second change 200 texts and nothing else.
 */
import { computed, effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { isListed, type Alert, type Shelf } from "../../logic/alerts";
import { face, limitsText } from "../../logic/face";
import type { Metric, Tile as TileData } from "../../logic/live";
import { rank } from "../../logic/order";
import { shelfWord, shelvedOf } from "../../logic/shelves";
import { hhmm } from "../../logic/times";
import { ARROW_WORDS, ARROWS, METRIC_SHORT, slopeDigits, unitOf } from "../../logic/units";
import { called, who, word } from "../../logic/words";
import { Marker } from "../../parts/marker";
import { PatientLink } from "../../parts/patientlink";
import { ShelfMarker } from "../../parts/shelfmarker";
import { judged, minute, now } from "../../state/clock";
import { alertsOf, outOfService, shelvesOf } from "../../state/feed";
import { glucoseUnit } from "../../state/prefs";
import { tileSignal } from "../../state/tiles";
import { Spark } from "./spark";

const BATTERY_LOW = 20;

function leadOf(alerts: readonly Alert[]): Alert | null {
  let lead: Alert | null = null;
  for (const alert of alerts) {
    if (isListed(alert) && (!lead || rank(alert) < rank(lead))) lead = alert;
  }
  return lead;
}

function model(id: string) {
  const tile = tileSignal(id);
  const lead = computed(() => leadOf(alertsOf(id).value));
  const shelved = computed(() => shelvedOf(alertsOf(id).value));
  const out = computed(() => outOfService.value.get(id) ?? null);
  const named = { bed: signal(""), label: signal(""), battery: signal(""), batteryStyle: signal("battery") };
  return {
    tile,
    lead,
    shelved,
    out,
    // Bound to the attribute: a tile that has another alert on top says so without rendering.
    shows: computed(() => (lead.value ?? shelved.value)?.id),
    style: computed(() => {
      const alert = lead.value;
      const state = !alert ? "" : alert.response === "unacknowledged" && alert.condition !== "over" ? ` ${alert.priority} calling` : ` ${alert.priority} answered`;
      // A shelf on which nothing lies has a sign too.
      const resting = !alert && !shelved.value && shelvesOf.value.has(id);
      return `tile${state}${out.value ? " out" : ""}${resting ? " resting" : ""}`;
    }),
    ...named,
    follow: (): void => {
      const now = tile.value;
      const level = now?.battery;
      named.bed.value = now?.bed ?? "";
      named.label.value = now?.label ?? "";
      named.battery.value = level === null || level === undefined ? "" : `${Math.round(level)} %`;
      named.batteryStyle.value = (level ?? 100) < BATTERY_LOW ? "battery weak" : "battery";
    },
  };
}

export function Tile({ id }: { id: string }) {
  const found = useFollowed(() => model(id), [id]);
  return (
    <li class={found.style} id={`tile-${id}`} data-patient={id} data-alert={found.shows}>
      <PatientLink patient={id} style="name">
        <b class="bed"><bdi>{found.bed}</bdi></b> <bdi class="label">{found.label}</bdi>
      </PatientLink>
      <span class={found.batteryStyle} title="battery of the device">
        {found.battery}
      </span>
      <div class="signs">
        <Vital id={id} tile={found.tile} metric="heart_rate" />
        <Vital id={id} tile={found.tile} metric="glucose" />
      </div>
      <State id={id} lead={found.lead} shelved={found.shelved} out={found.out} />
    </li>
  );
}

function vitalModel(tile: ReadonlySignal<TileData | null>, metric: Metric) {
  const shown = {
    text: signal(""),
    style: signal("sign"),
    note: signal(""),
    age: signal(""),
    bars: signal(""),
    unit: signal(""),
    arrow: signal(""),
    arrowWords: signal(""),
    slope: signal(""),
    limits: signal(""),
  };
  const follow = (): void => {
    const vital = tile.value?.vitals[metric] ?? null;
    const unit = glucoseUnit.value;
    const { text, kind, note, age } = face(vital, metric, judged.value, unit);
    const fresh = kind === "fresh" || kind === "stale";
    const slope = vital?.slope;
    shown.text.value = text;
    shown.style.value = `sign ${kind}${/[A-Z]/.test(text) ? " words" : ""}`;
    shown.note.value = note;
    shown.age.value = age;
    shown.bars.value = kind === "fresh" ? "▮▮▮" : kind === "stale" ? "▮▯▯" : "▯▯▯";
    shown.unit.value = unitOf(metric, unit);
    shown.arrow.value = fresh ? (ARROWS[String(vital?.arrow)] ?? "") : "";
    shown.arrowWords.value = fresh ? (ARROW_WORDS[String(vital?.arrow)] ?? "") : "";
    // Beats per minute each minute mean nothing to anybody: only glucose has a slope.
    shown.slope.value = fresh && metric === "glucose" && slope !== null && slope !== undefined ? slopeDigits(metric, slope, unit) : "";
    shown.limits.value = limitsText(vital?.limits ?? null, metric, unit);
  };
  return { shown, follow };
}

/**
 * Keep signals in step by one effect. A computed per text would be told of every second by the clock, six thousand of
 * them on a ward of 200; a signal that is set to what it is tells nobody.
 */
function useFollowed<M extends { follow: () => void }>(make: () => M, inputs: readonly unknown[]): M {
  const found = useMemo(() => {
    const made = make();
    untracked(made.follow);
    return made;
  }, inputs);
  useLayoutEffect(() => effect(found.follow), [found]);
  return found;
}

function Vital({ id, tile, metric }: { id: string; tile: ReadonlySignal<TileData | null>; metric: Metric }) {
  const found = useFollowed(() => vitalModel(tile, metric), [tile, metric]).shown;
  return (
    <div class={found.style} data-metric={metric}>
      <span class="metric">
        <span class="limits">
          <span class="short">{METRIC_SHORT[metric]}</span> {found.limits}
        </span>
        <span class="signal">
          <span class="bars" aria-hidden="true">
            {found.bars}
          </span>{" "}
          <span class="unseen-by-eyes">age </span>
          {found.age}
        </span>
      </span>
      <span class="figure">
        <b class="value">{found.text}</b>
        <span class="unit">{found.unit}</span>
        <span class="trend">
          <span aria-hidden="true">{found.arrow}</span>
          <span class="unseen-by-eyes">{found.arrowWords}</span> <span class="slope">{found.slope}</span>
        </span>
      </span>
      <span class="note">{found.note}</span>
      <Spark patient={id} tile={tile} metric={metric} />
    </div>
  );
}

interface StateProps {
  id: string;
  lead: ReadonlySignal<Alert | null>;
  shelved: ReadonlySignal<Alert | null>;
  out: ReadonlySignal<{ until: number } | null>;
}

/** What calls first; then what is put aside, in the quiet style of what is answered, and until when. */
function State({ id, lead, shelved, out }: StateProps) {
  const alert = lead.value ?? shelved.value;
  const service = out.value;
  const bare = shelvesOf.value.get(id);
  void minute.value;
  const has = alert && !isShelved(alert) ? [who(alert, now.peek(), true), called(alert)].filter(Boolean).join(" · ") : "";
  const resting = alert || shelved.value ? undefined : bare?.[0];
  const aside = shelfWords(alert, shelved.value, bare ?? []);
  if (!alert && !service && !aside) return <div class="state" />;
  return (
    <div class="state">
      {alert ? <Marker alert={alert} /> : resting ? <ShelfMarker shelf={resting} /> : null}
      {service ? (
        <b class="outword">
          OUT{alert ? null : <span class="long"> OF SERVICE</span>} until {hhmm(service.until)}
        </b>
      ) : null}
      {has ? (
        <bdi class="who" title={has}>
          {has}
        </bdi>
      ) : null}
      {aside ? (
        <span class="shelved" title={aside}>
          {aside}
        </span>
      ) : null}
    </div>
  );
}

const isShelved = (alert: Alert): boolean => alert.response === "shelved";

/** Beside a shelved alert's own marker, or a shelf's, only until when; beside another alert also what. */
function shelfWords(shown: Alert | null, shelved: Alert | null, shelves: readonly Shelf[]): string {
  if (shelved?.shelved_until) {
    const until = `shelved until ${hhmm(shelved.shelved_until)}`;
    return shown === shelved ? until : `${word(shelved)} ${until}`;
  }
  const first = shelves[0];
  if (!first) return "";
  const until = `shelved until ${hhmm(first.until)}`;
  return shown ? `${shelfWord(first)} ${until}` : until;
}
