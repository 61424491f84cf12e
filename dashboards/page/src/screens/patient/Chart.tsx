/**
 * Heart rate and glucose on one time axis: two canvases, under each the alerts of its metric, one cursor for both.
 *
 * Everything that the canvas shows is said in words too: the summary sentence, the table of the last readings, the
 * lanes' labels and the readout of the cursor.
 */
import { effect, useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { SECOND, when } from "../../logic/times";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { extremes, limitLines, targetBand, valueRange } from "./bands";
import type { Scene } from "./draw";
import { Lane } from "./Lanes";
import { watchLook } from "./look";
import type { PatientModel } from "./model";
import { LEFT, Panel, RIGHT } from "./panel";
import { plotData } from "./plotdata";
import { flagWords, newest, summaryWords } from "./readings";
import { METRICS, nearestIndex, type Metric, type Series } from "./series";
import type { AlertSpan } from "./spans";
import { shownIn } from "./units";
import { panned, zoomed, type Span } from "./view";

export const NAMES: Record<Metric, string> = { heart_rate: "Heart rate", glucose: "Glucose" };

interface Props {
  readonly model: PatientModel;
  readonly spans: Signal<AlertSpan[]>;
}

export function Chart({ model, spans }: Props) {
  const cursor = useSignal<number | null>(null);
  const told = useSignal("");
  const panels = useRef(new Map<Metric, Panel>());
  const said = useRef<HTMLParagraphElement>(null);
  useEffect(() => watchLook(() => panels.current.forEach((panel) => panel.recolour())), []);
  return (
    <figure class="chart" aria-labelledby="chart-title">
      <figcaption class="unseen-by-eyes">
        <Summary model={model} />
      </figcaption>
      <div
        class="chart-keys" role="group" tabIndex={0}
        aria-label="Chart: left and right move in time, plus and minus change the range, L follows now, shift with left and right reads values"
        onKeyDown={(event) => onKey(event, model, cursor, panels.current, said.current)}
      >
        {METRICS.map((metric) => (
          <Metric_ key={metric} metric={metric} model={model} spans={spans} cursor={cursor} told={told} panels={panels.current} />
        ))}
      </div>
      <Readout model={model} cursor={cursor} told={told} />
      <p class="unseen-by-eyes" role="status" ref={said} />
    </figure>
  );
}

interface MetricProps extends Props {
  readonly metric: Metric;
  readonly cursor: Signal<number | null>;
  readonly told: Signal<string>;
  readonly panels: Map<Metric, Panel>;
}

function Metric_({ metric, model, spans, cursor, told, panels }: MetricProps) {
  const host = useRef<HTMLDivElement>(null);
  const mine = useComputed(() => spans.value.filter((span) => span.metric === metric));
  useEffect(() => {
    if (host.current === null) return undefined;
    const panel = new Panel({
      host: host.current, sync: `patient-${model.id}`, times: metric === "glucose",
      onCursor: (at) => { cursor.value = at; },
      onDrawn: () => measured(model, metric),
    });
    panels.set(metric, panel);
    const stops = [
      effect(() => draw(panel, model, metric, mine.value)),
      drag(panel.over, model),
      resized(host.current, panel, model),
    ];
    return () => {
      stops.forEach((stop) => stop());
      panels.delete(metric);
      panel.destroy();
    };
  }, [model]);
  return (
    <section class={`chart-metric chart-${metric}`} aria-label={NAMES[metric]}>
      <h3 class="chart-name">
        {NAMES[metric]} <span class="chart-unit">{shownIn(metric, glucoseUnit.value).unit}</span>
      </h3>
      <div class="chart-canvas" ref={host} />
      <Lane model={model} metric={metric} spans={mine} told={told} left={LEFT} right={RIGHT} />
    </section>
  );
}

function draw(panel: Panel, model: PatientModel, metric: Metric, spans: readonly AlertSpan[]): void {
  const series = model.series[metric].value;
  const span = model.span.value;
  const unit = glucoseUnit.value;
  if (series === null) return;
  panel.show(sceneOf(series, span, shownIn(metric, unit), spans, model), span);
}

function sceneOf(series: Series, span: Span, shown: ReturnType<typeof shownIn>, spans: readonly AlertSpan[], model: PatientModel): Scene {
  const data = plotData(series, shown.convert);
  const [low, high] = valueRange(series.metric, ...extremes(series.min, series.max));
  const band = targetBand(series.limits);
  return {
    series, data, spans,
    lines: limitLines(series.metric, series.limits).map((line) => ({ ...line, value: shown.convert(line.value) })),
    band: band === null ? null : [shown.convert(band[0]), shown.convert(band[1])],
    range: [shown.convert(low), shown.convert(high)],
    number: shown.text,
    moment: model.moment.value,
    now: span.to > now.peek() ? now.peek() : null,
  };
}

/** Once per answer, when the last of the two charts has it on the canvas. */
function measured(model: PatientModel, metric: Metric): void {
  const { phase, asked } = model.chart.peek();
  if (metric !== "glucose" || phase !== "ok" || asked === 0) return;
  performance.measure("vigil-chart", { start: asked, end: performance.now() });
  model.chart.value = { ...model.chart.peek(), asked: 0 };
}

function resized(host: HTMLElement, panel: Panel, model: PatientModel): () => void {
  const observer = new ResizeObserver(() => {
    if (host.clientWidth === 0) return;
    panel.resize(host.clientWidth, host.clientHeight);
    model.width.value = Math.max(100, host.clientWidth - LEFT - RIGHT);
  });
  observer.observe(host);
  return () => observer.disconnect();
}

/** Dragging moves the chart in time; touch scrolls the page vertically as ever. */
function drag(over: HTMLElement, model: PatientModel): () => void {
  let from: { x: number; end: number } | null = null;
  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    from = { x: event.clientX, end: model.view.peek().end ?? now.peek() };
    over.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent): void => {
    if (from === null || Math.abs(event.clientX - from.x) < 3) return;
    const { range } = model.view.peek();
    const end = from.end - ((event.clientX - from.x) * range) / Math.max(1, over.clientWidth);
    model.view.value = panned({ range, end }, 0, now.peek());
  };
  const up = (): void => { from = null; };
  over.addEventListener("pointerdown", down);
  over.addEventListener("pointermove", move);
  over.addEventListener("pointerup", up);
  over.addEventListener("pointercancel", up);
  return () => {
    over.removeEventListener("pointerdown", down);
    over.removeEventListener("pointermove", move);
    over.removeEventListener("pointerup", up);
    over.removeEventListener("pointercancel", up);
  };
}

function onKey(event: KeyboardEvent, model: PatientModel, cursor: Signal<number | null>, panels: Map<Metric, Panel>,
               said: HTMLElement | null): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
  const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
  if (step !== 0 && event.shiftKey) {
    read(step, model, cursor, panels, said);
  } else if (step !== 0) {
    model.view.value = panned(model.view.peek(), step * 0.25, now.peek());
  } else if (event.key === "Home" || event.key === "End") {
    model.view.value = event.key === "End" ? { ...model.view.peek(), end: null } : panned(model.view.peek(), -1, now.peek());
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** + and - anywhere on the screen, l for live. True where the key was one of them. */
export function rangeKey(key: string, model: PatientModel): boolean {
  if (key === "+" || key === "=") model.view.value = zoomed(model.view.peek(), -1, now.peek());
  else if (key === "-") model.view.value = zoomed(model.view.peek(), 1, now.peek());
  else if (key === "l") model.view.value = { ...model.view.peek(), end: null };
  else return false;
  return true;
}

/** Moves the cursor to the next reading and says it. */
function read(step: number, model: PatientModel, cursor: Signal<number | null>, panels: Map<Metric, Panel>, said: HTMLElement | null): void {
  const series = model.series.glucose.peek();
  if (series === null || series.t.length === 0) return;
  const at = cursor.peek() ?? model.span.peek().to;
  const nearest = nearestIndex(series, at, Number.POSITIVE_INFINITY);
  const away = (series.t[nearest] as number) - at;
  const next = Math.sign(away) === step && Math.abs(away) > SECOND ? nearest : nearest + step;
  const t = series.t[Math.min(series.t.length - 1, Math.max(0, next))] as number;
  panels.get("glucose")?.point(t);
  if (said !== null) said.textContent = readoutWords(model, t);
}

function Readout({ model, cursor, told }: { model: PatientModel; cursor: Signal<number | null>; told: Signal<string> }) {
  const at = cursor.value;
  return <p class="chart-readout" aria-hidden="true">{told.value !== "" ? told.value : at === null ? "\u00a0" : readoutWords(model, at)}</p>;
}

function readoutWords(model: PatientModel, at: number): string {
  const { range } = model.view.value;
  const told = METRICS.map((metric) => {
    const series = model.series[metric].value;
    const shown = shownIn(metric, glucoseUnit.value);
    const i = series === null ? -1 : nearestIndex(series, at, Math.max(range / 100, 2 * (series.interval_us ?? 0)));
    if (series === null || i < 0) return `${NAMES[metric]}: no data`;
    const value = series.last[i] ?? null;
    const [low, high] = [series.min[i] ?? null, series.max[i] ?? null];
    const spread = low !== null && high !== null && low !== high ? ` (${shown.number(low)} to ${shown.number(high)})` : "";
    const flags = flagWords(series.flags[i] ?? 0);
    return `${NAMES[metric]} ${value === null ? "--" : shown.number(value)} ${shown.unit}${spread}${flags === "" ? "" : `, ${flags}`}`;
  });
  return `${when(at, now.peek())} · ${told.join(" · ")}`;
}

function Summary({ model }: { model: PatientModel }) {
  const words = METRICS.map((metric) => {
    const series = model.series[metric].value;
    const shown = shownIn(metric, glucoseUnit.value);
    if (series === null) return `${NAMES[metric]}: loading.`;
    return summaryWords(NAMES[metric], series, shown.number, shown.unit, (at) => when(at, now.peek()));
  });
  return <span id="chart-summary">{words.join(" ")}</span>;
}

/** The chart as text: a sentence and the last readings of each metric. */
export function ChartText({ model }: { model: PatientModel }) {
  return (
    <details class="chart-text">
      <summary>Chart as text: the last readings</summary>
      <p><Summary_ model={model} /></p>
      <div class="chart-tables">
        {METRICS.map((metric) => <LastReadings key={metric} metric={metric} series={model.series[metric].value} />)}
      </div>
    </details>
  );
}

function Summary_({ model }: { model: PatientModel }) {
  const lines = METRICS.flatMap((metric) => {
    const series = model.series[metric].value;
    const shown = shownIn(metric, glucoseUnit.value);
    return series === null ? [] : [summaryWords(NAMES[metric], series, shown.number, shown.unit, (at) => when(at, now.peek()))];
  });
  return <>{lines.join(" ")}</>;
}

function LastReadings({ metric, series }: { metric: Metric; series: Series | null }) {
  const unit = glucoseUnit.value;
  const shown = shownIn(metric, unit);
  const rows = useMemo(() => (series === null ? [] : newest(series, 12)), [series]);
  return (
    <table class="readings">
      <caption>{NAMES[metric]}, {shown.unit}{series?.raw === false ? ", the last value of each step" : ""}</caption>
      <thead><tr><th scope="col">Time</th><th scope="col">Value</th><th scope="col">Note</th></tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.t}>
            <td>{when(row.t, now.peek())}</td>
            <td class="number">{row.value === null ? "--" : shown.number(row.value)}</td>
            <td>{flagWords(row.flags)}</td>
          </tr>
        ))}
        {rows.length === 0 && <tr><td colSpan={3}>No readings in this span.</td></tr>}
      </tbody>
    </table>
  );
}
