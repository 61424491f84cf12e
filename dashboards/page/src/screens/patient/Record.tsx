/** Devices, limits in force, and the patient's time out of service. */
import { useSignal } from "@preact/signals";
import type { Service } from "../../logic/alerts";
import { left, span, when } from "../../logic/times";
import { inService, outOfService, told } from "../../state/actions";
import { now } from "../../state/clock";
import { outOfService as services } from "../../state/feed";
import { glucoseUnit } from "../../state/prefs";
import { session } from "../../state/session";
import type { Tile } from "../../logic/live";
import { ruleWords } from "../feed/words";
import type { DeviceOf, PatientModel, StepsOf } from "./model";
import { partOf, watches, type Policy, type Watch } from "./rules";
import { METRICS, type Metric } from "./series";
import { shownIn } from "./units";

const NAME = { heart_rate: "Heart rate", glucose: "Glucose" } as const;
const MINUTES: readonly (readonly [number, string])[] = [[30, "30 min"], [60, "1 hour"], [120, "2 hours"], [240, "4 hours"], [720, "12 hours"]];
const REASONS = ["examination", "procedure", "shower", "sensor change", "off the ward"];

export function Devices({ model, tile }: { model: PatientModel; tile: Tile | null }) {
  const record = model.record.value;
  const devices = record?.devices ?? [];
  return (
    <section aria-labelledby="devices-title">
      <h3 id="devices-title">Devices</h3>
      {model.recordProblem.value !== "" && <p class="problem">{model.recordProblem.value}</p>}
      {record !== null && devices.length === 0 && <p class="quiet">No device is assigned.</p>}
      <ul class="devices">
        {devices.map((device) => <Device key={`${device.name}${device.since ?? ""}`} device={device} tile={tile} />)}
      </ul>
    </section>
  );
}

function Device({ device, tile }: { device: DeviceOf; tile: Tile | null }) {
  const type = typeof device.type === "string" ? device.type : device.type?.name;
  const battery = device.battery ?? (tile?.device === device.name ? tile.battery : null);
  const since = device.since == null ? "" : `worn since ${when(device.since, now.value)}`;
  const until = device.until == null ? "" : ` until ${when(device.until, now.value)}`;
  return (
    <li class={device.until == null ? "device" : "device device-over"}>
      <b>{device.name}</b>{type === undefined ? "" : `, ${type}`}
      <span class="quiet"> {(device.metrics ?? []).map((metric) => metric.replaceAll("_", " ")).join(", ")}</span>
      <br />
      {since}{until}
      {battery !== null && battery !== undefined && <span>, battery {Math.round(battery)} %</span>}
    </li>
  );
}

/** What is known of somebody's activity: rules that ask for rest say nothing without it. */
function stepsWords(steps: StepsOf | null, counted: boolean, at: number): string {
  if (!counted) return "Steps are not counted: nobody knows whether this patient rests.";
  if (steps === null || steps.value === null || steps.at === null) return "Steps: none known yet.";
  return `Steps: ${Math.round(steps.value)} a minute, ${span(Math.max(0, at - steps.at))} ago.`;
}

export function InForce({ model, tile }: { model: PatientModel; tile: Tile | null }) {
  const policy = model.record.value?.policy ?? null;
  const night = policy?.night ?? null;
  const isNight = night !== null && (model.record.value?.night ?? false);
  const held = partOf(policy, isNight);
  const counted = countsSteps(model);
  return (
    <section aria-labelledby="limits-title">
      <h3 id="limits-title">Limits in force</h3>
      {night !== null && <p><b>{isNight ? "By night" : "By day"}</b>, until {isNight ? night.ends : night.begins} ({night.zone}).</p>}
      {policy === null && <p class="quiet">The rules of this patient are not known here now.</p>}
      {policy !== null && METRICS.map((metric) => {
        const other = partOf(policy, !isNight);
        const list = watched(model, tile, held, metric);
        const later = night === null ? [] : watched(model, tile, other, metric).filter((each) => !list.some((mine) => same(each, mine)));
        return (
          <div key={metric}>
            <h4>{NAME[metric]} <span class="quiet">{shownIn(metric, glucoseUnit.value).unit}</span></h4>
            <Watches list={list} />
            {list.length === 0 && <p class="quiet">No rule watches this.</p>}
            {later.length > 0 && <p>{isNight ? "By day" : "By night"}, from {isNight ? night?.ends : night?.begins}:</p>}
            {later.length > 0 && <Watches list={later} />}
          </div>
        );
      })}
      <p class="quiet">No arrhythmia detection. {stepsWords(model.record.value?.latest?.steps ?? null, counted, now.value)}</p>
    </section>
  );
}

function watched(model: PatientModel, tile: Tile | null, policy: Policy | null, metric: Metric): Watch[] {
  const interval = tile?.vitals[metric]?.interval_us ?? model.series[metric].value?.interval_us ?? null;
  const shown = shownIn(metric, glucoseUnit.value);
  return watches(policy, metric, interval, (value) => shown.number(value), ruleWords, countsSteps(model));
}

/** Whether a device worn now counts steps. */
function countsSteps(model: PatientModel): boolean {
  const devices = model.record.value?.devices ?? [];
  return devices.some((device) => device.until == null && (device.metrics ?? []).includes("steps"));
}

function same(one: Watch, other: Watch): boolean {
  return one.name === other.name && one.words === other.words && one.priority === other.priority;
}

function Watches({ list }: { list: readonly Watch[] }) {
  return (
    <ul class="watches">
      {list.map((watch) => (
        <li key={watch.name + watch.words} class={watch.applies ? "" : "watch-off"}>
          <b>{watch.name}</b> <span class="quiet">{watch.priority}</span><br />
          {watch.words}
          {!watch.applies && <><br /><strong>{watch.hindrance}</strong></>}
        </li>
      ))}
    </ul>
  );
}

export function OutOfService({ id, label }: { id: string; label: string }) {
  const service = services.value.get(id);
  const may = session.value?.role === "clinician";
  const outcome = told.value.get(id);
  return (
    <section aria-labelledby="service-title">
      <h3 id="service-title">Out of service</h3>
      {service !== undefined ? <Out service={service} may={may} /> : <In id={id} label={label} may={may} />}
      {outcome !== undefined && outcome.outcome !== "accepted" && (
        <p class="problem" role="status">{outcome.action}: {outcome.outcome === "sending" ? "sending" : outcome.words}</p>
      )}
    </section>
  );
}

function Out({ service, may }: { service: Service; may: boolean }) {
  return (
    <>
      <p>
        <b>Out of service</b> until {when(service.until, now.value)}, {left(service.until - now.value)} left; by {service.by}
        {service.reason === "" ? "" : `, ${service.reason}`}. Only high priority calls. It ends by itself.
      </p>
      {may && <button type="button" class="button" onClick={() => void inService(service.patient, service.label)}>Back in service now</button>}
    </>
  );
}

function In({ id, label, may }: { id: string; label: string; may: boolean }) {
  const minutes = useSignal(60);
  const reason = useSignal(REASONS[0] as string);
  if (!may) return <p class="quiet">In service. Your role cannot change it.</p>;
  return (
    <form class="service-form" onSubmit={(event) => { event.preventDefault(); void outOfService(id, label, minutes.value, reason.value); }}>
      <label>For <select class="field" id="service-for" value={minutes.value} onChange={(event) => { minutes.value = Number(event.currentTarget.value); }}>
        {MINUTES.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
      </select></label>
      <label>Why <select class="field" value={reason.value} onChange={(event) => { reason.value = event.currentTarget.value; }}>
        {REASONS.map((words) => <option key={words}>{words}</option>)}
      </select></label>
      <button type="submit" class="button">Take out of service</button>
      <p class="quiet">High priority still calls. At most 12 hours, listed on the ward, ends by itself.</p>
    </form>
  );
}
