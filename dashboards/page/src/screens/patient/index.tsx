/** One patient: values and chart, the open alerts with why, history, devices, limits. Live values need no database. */
import "uplot/dist/uPlot.min.css";
import "./patient.css";
import { effect, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { isId } from "../../logic/address";
import type { Alert } from "../../logic/alerts";
import type { Tile } from "../../logic/live";
import { called, sentence, who } from "../../logic/words";
import { Marker } from "../../parts/marker";
import { now } from "../../state/clock";
import { going, shelve, undoLast } from "../../state/actions";
import { alertsOf, outOfService } from "../../state/feed";
import { glucoseUnit } from "../../state/prefs";
import { asNow, known, siteName, spark, tileOf } from "../../state/tiles";
import { ruleWords } from "../feed/words";
import { Actions, Done, Outcome } from "../ward/actions";
import { panel, toggle } from "../ward/choice";
import { answer, mayCommand } from "../ward/keys";
import { OpenPanel } from "../ward/panels";
import { Why } from "./Behind";
import { Chart } from "./Chart";
import { ChartText } from "./ChartText";
import { rangeKey } from "./chartkeys";
import { History } from "./History";
import { PatientModel } from "./model";
import { Devices, InForce, OutOfService } from "./Record";
import { METRICS } from "./series";
import { Toolbar } from "./Toolbar";
import { Vitals } from "./Vitals";
import { panned } from "./view";

export function Patient({ id, at }: { id: string; at: number | null }) {
  return isId(id) ? <Known id={id} at={at} /> : <NoSuchPatient />;
}

function NoSuchPatient() {
  return (
    <section class="patient-none" id="no-patient" aria-labelledby="patient-title">
      <h2 id="patient-title">No such patient</h2>
      <p>The address is wrong, or the patient is not in your scope.</p>
      <p>
        <a class="button" href="#/">← Ward</a>
      </p>
    </section>
  );
}

function Known({ id, at }: { id: string; at: number | null }) {
  const model = useMemo(() => new PatientModel(id, at), [id]);
  useLayoutEffect(() => takeKeys(model), [model]);
  useEffect(() => follow(model), [model]);
  useEffect(() => { if (at !== null && at !== model.moment.peek()) model.show(at); }, [model, at]);
  const tile = tileOf(id);
  const label = tile?.label ?? model.record.value?.label ?? "";
  if (model.nobody.value && tile === null && alertsOf(id).value.length === 0) return <NoSuchPatient />;
  return (
    <article class="patient" aria-labelledby="patient-title">
      <Head model={model} tile={tile} label={label} />
      <Open model={model} />
      <section class="patient-chart" aria-labelledby="chart-title">
        <h3 id="chart-title" class="unseen-by-eyes">Chart</h3>
        <Toolbar model={model} />
        <Problem model={model} />
        <Chart model={model} spans={model.spans} />
        <Legend />
        <ChartText model={model} />
      </section>
      <History model={model} />
      <div class="patient-record">
        <Devices model={model} tile={tile} />
        <OutOfService id={id} label={label} />
        <InForce model={model} tile={tile} />
      </div>
    </article>
  );
}

/** Takes the keys until the screen goes; from the moment on when it can be seen, not from a frame later on. */
function takeKeys(model: PatientModel): () => void {
  const onKey = (event: KeyboardEvent): void => key(event, model);
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}

/** Asks, and follows the live values and the view, until the screen goes. */
function follow(model: PatientModel): () => void {
  let first = true;
  const stops = [
    effect(() => {
      const tile = tileOf(model.id);
      for (const metric of METRICS) model.live(metric, tile?.vitals[metric] ?? null);
    }),
    effect(() => {
      void [model.view.value, model.width.value];
      if (!first) model.changed();
      first = false;
    }),
    effect(() => { void now.value; model.moved(); }),
    effect(() => { void spark(model.id).value; model.remember(); }),
  ];
  model.start();
  return () => {
    stops.forEach((stop) => stop());
    model.stop();
  };
}

function key(event: KeyboardEvent, model: PatientModel): void {
  const target = event.target instanceof Element ? event.target : null;
  if (event.ctrlKey || event.metaKey || event.altKey || target?.closest("input, select, textarea, [role=dialog], dialog")) return;
  const free = target === null || target === document.body || target.id === "main";
  const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
  // A key that is held down repeats itself: it may move the chart, but never says the same answer twice.
  if (rangeKey(event.key, model) || (!event.repeat && alertKey(event.key, model))) event.preventDefault();
  else if (free && step !== 0 && !event.shiftKey) {
    model.view.value = panned(model.view.peek(), step * 0.25, now.peek());
    event.preventDefault();
  }
}

/** The ward's keys, for the alert that has the focus; without one the first press only goes to the first alert. */
function alertKey(name: string, model: PatientModel): boolean {
  const writing = document.getElementById(`card-${panel.peek()?.patient ?? ""}`);
  if (writing !== null) {
    // Somebody is in the middle of an answer: a letter does not give another one.
    if (name !== "Escape") return false;
    panel.value = null;
    writing.focus();
  } else if (name === "u" && mayCommand()) void undoLast();
  else if (name === "j" || name === "k") step(name === "j" ? 1 : -1);
  else if (name.length === 1 && "agtsn".includes(name) && mayCommand()) {
    const card = document.activeElement?.closest<HTMLElement>(".open-alert");
    const alert = alertsOf(model.id).peek().find((each) => each.id === card?.dataset.alert);
    if (alert === undefined) document.querySelector<HTMLElement>(".open-alert")?.focus();
    else answerKey(name, alert);
  } else return false;
  return true;
}

/** The focus goes to the alert after, or before, the one that has it; from none to the first. */
function step(by: 1 | -1): void {
  const cards = [...document.querySelectorAll<HTMLElement>(".open-alert")];
  const place = cards.findIndex((card) => card.contains(document.activeElement));
  cards[place < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, place + by))]?.focus();
}

function answerKey(name: string, alert: Alert): void {
  if (name === "a") answer(alert);
  else if (name === "n") toggle(alert.id, "note");
  else if (alert.condition === "over") return;
  else if (name === "g") void going(alert);
  else if (name === "s") void shelve(alert);
  else toggle(alert.id, "treated");
}

function Head({ model, tile, label }: { model: PatientModel; tile: Tile | null; label: string }) {
  const bed = tile?.bed ?? model.record.value?.bed ?? "";
  const site = tile === null ? model.record.value?.site_name ?? "" : siteName(tile.site);
  const service = outOfService.value.get(model.id);
  const missing = known.value && tile === null;
  return (
    <header class="patient-head">
      <div>
        <a class="button" href="#/">← Ward</a>
        <h2 id="patient-title"><bdi>{label === "" ? "Patient" : label}</bdi></h2>
        <p class="muted">{[bed === "" ? "" : `bed ${bed}`, site].filter((word) => word !== "").join(", ")}</p>
        {service !== undefined && <p class="patient-service">OUT OF SERVICE</p>}
        {missing && <p class="problem">This patient has no live values: not on the ward, or not in your scope.</p>}
      </div>
      <Vitals tile={tile} />
    </header>
  );
}

/** What the chart cannot show now; it stays until it can. */
function Problem({ model }: { model: PatientModel }) {
  const { phase, why } = model.chart.value;
  const told = phase === "failed" ? why : model.stepsProblem.value;
  return <div class="chart-problem" role="status">{told !== "" && <p class="problem">{told}</p>}</div>;
}

function Open({ model }: { model: PatientModel }) {
  const list = alertsOf(model.id).value;
  const ordered = [...list].sort((a, b) => rank(a) - rank(b) || a.opened_at - b.opened_at);
  const here = useRef<HTMLElement>(null);
  // An alert that is answered moves down: it is taken out of the page for a moment, and the focus with it.
  const focused = document.activeElement;
  useLayoutEffect(() => {
    if (focused instanceof HTMLElement && focused !== document.activeElement && here.current?.contains(focused)) focused.focus({ preventScroll: true });
  });
  return (
    <section class="patient-alerts" aria-labelledby="open-title" ref={here}>
      <h3 id="open-title">Open alerts <span class="quiet">{list.length}</span></h3>
      {list.length === 0 && <p class="quiet">None. No alert is open for this patient.</p>}
      {ordered.map((alert, i) => <Card key={alert.id} alert={alert} model={model} first={i === 0} />)}
    </section>
  );
}

function rank(alert: Alert): number {
  const answered = alert.response === "unacknowledged" && alert.condition !== "over" ? 0 : 10;
  return answered + ({ high: 0, medium: 1, low: 2 }[alert.priority]);
}

function Card({ alert, model, first }: { alert: Alert; model: PatientModel; first: boolean }) {
  const unit = glucoseUnit.value;
  const has = who(alert, now.value);
  const more = called(alert);
  const subjects = alert.shelf === null ? [alert.id] : [alert.id, alert.shelf];
  return (
    <article class={`open-alert ${alert.priority}`} id={`card-${alert.id}`} data-alert={alert.id} tabIndex={-1} aria-label={`${ruleWords(alert.rule, alert.level, alert.metric)}, ${alert.priority} priority`}>
      <p class="open-head"><Marker alert={alert} /> <Done subjects={subjects} /></p>
      <p class="open-sentence">{sentence(asNow(alert), unit, now.value)}{more === "" ? null : <strong> · {more}</strong>}</p>
      {has !== "" && <p class="open-who">{has}</p>}
      {alert.undelivered === true && <p class="problem">No screen showed its last call within 10 s.</p>}
      {alert.notes.length > 0 && (
        <ul class="open-notes">{alert.notes.map((note) => <li key={note.at}>“<bdi>{note.text}</bdi>” <bdi class="quiet">{note.by}</bdi></li>)}</ul>
      )}
      {mayCommand() && <Answers alert={alert} />}
      <Outcome subjects={subjects} />
      <Why alert={alert} model={model} first={first} />
    </article>
  );
}

/** The ward's buttons for one alert. Its panels are kept by the alert's id; "Out" goes to the patient's own control. */
function Answers({ alert }: { alert: Alert }) {
  const card = { patient: alert.id, label: alert.label, site: alert.site, alerts: [alert], lead: alert };
  useSignalEffect(() => {
    if (panel.value?.patient !== alert.id || panel.value.kind !== "out") return;
    panel.value = null;
    document.getElementById("service-for")?.focus();
  });
  return (
    <>
      <Actions card={card} />
      <OpenPanel card={card} />
    </>
  );
}

function Legend() {
  return (
    <p class="chart-legend" aria-hidden="true">
      <span><i class="key key-band" />target</span>
      <span><i class="key key-envelope" />least to greatest</span>
      <span><i class="key key-late" />came late</span>
      <span>▼ ▲ LOW, HIGH: beyond the sensor's range</span>
      <span>× invalid</span>
      <span>A acknowledged, G going, T treated, N note, S shelved</span>
    </p>
  );
}
