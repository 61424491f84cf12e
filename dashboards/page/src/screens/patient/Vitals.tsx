/** The newest values, big, with their age, their arrow and what is wrong with them. */
import type { Metric, Tile, Vital } from "../../logic/live";
import { ARROWS, ARROW_WORDS, slopeDigits } from "../../logic/units";
import { age, span, when } from "../../logic/times";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { shownIn } from "./units";

const NAME: Record<Metric, string> = { heart_rate: "Heart rate", glucose: "Glucose" };
const STATES: Record<Vital["state"], string> = {
  ok: "", low: "below the sensor's range", high: "above the sensor's range", invalid: "not a valid reading",
  warm_up: "sensor warms up", contact_lost: "no contact with the skin", waiting: "waiting for the first reading",
  removed: "device removed",
};

export function Vitals({ tile }: { tile: Tile | null }) {
  return (
    <dl class="pt-vitals">
      <Value metric="heart_rate" vital={tile?.vitals.heart_rate ?? null} />
      <Value metric="glucose" vital={tile?.vitals.glucose ?? null} />
    </dl>
  );
}

function Value({ metric, vital }: { metric: Metric; vital: Vital | null }) {
  const shown = shownIn(metric, glucoseUnit.value);
  const told = vital === null ? { text: "--", stale: false } : textOf(vital, shown.number);
  return (
    <div class={told.stale ? "pt-vital pt-vital-stale" : "pt-vital"}>
      <dt>{NAME[metric]}</dt>
      <dd>
        <span class="pt-vital-number">{told.text}</span> <span class="pt-vital-unit">{shown.unit}</span>
        {vital !== null && <Trend metric={metric} vital={vital} />}
        {typeof vital?.news2_pulse === "number" && !told.stale && (
          <span class="pt-vital-age">NEWS2 pulse sub-score {vital.news2_pulse} (10 min)</span>
        )}
        <span class="pt-vital-age">{vital === null ? "no device for this" : ageWords(vital, told.stale, shown.number)}</span>
      </dd>
    </div>
  );
}

function textOf(vital: Vital, number: (value: number) => string): { text: string; stale: boolean } {
  const stale = isStale(vital);
  if (vital.state === "low") return { text: "LOW", stale };
  if (vital.state === "high") return { text: "HIGH", stale };
  if (vital.state === "ok" && vital.value !== null) return { text: number(vital.value), stale };
  return { text: "--", stale };
}

function isStale(vital: Vital): boolean {
  return vital.stale_after_us !== null && vital.at !== null && now.value - vital.at > vital.stale_after_us;
}

function ageWords(vital: Vital, stale: boolean, number: (value: number) => string): string {
  const good = vital.last_good === null ? "" : `, last ${number(vital.last_good.value)} at ${when(vital.last_good.at, now.value)}`;
  const state = STATES[vital.state];
  if (vital.at === null || vital.state === "waiting") return state + good;
  const old = now.value - vital.at;
  const aged = stale ? `no new value for ${span(old)}` : `${age(old, 10_000_000)}`;
  return [aged, state].filter((word) => word !== "").join(", ") + good;
}

function Trend({ metric, vital }: { metric: Metric; vital: Vital }) {
  if (metric !== "glucose" || vital.arrow === null) return null;
  const unit = glucoseUnit.value;
  const words = ARROW_WORDS[String(vital.arrow)] ?? "";
  return (
    <span class="pt-vital-trend">
      <span aria-hidden="true">{ARROWS[String(vital.arrow)]}</span>
      <span class="unseen-by-eyes">{words}</span>{" "}
      {vital.slope !== null && <span class="pt-vital-slope">{slopeDigits(metric, vital.slope, unit)} a minute</span>}
    </span>
  );
}
