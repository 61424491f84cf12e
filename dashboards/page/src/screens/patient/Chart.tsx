/**
 * Heart rate and glucose on one time axis: two canvases, under each the alerts of its metric, one cursor for both.
 *
 * Everything that the canvas shows is said in words too: the summary sentence, the table of the last readings, the
 * lanes' labels and the readout of the cursor.
 */
import { effect, useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { extremes, limitLines, targetBand, valueRange } from "./bands";
import { Caption } from "./ChartText";
import { onKey } from "./chartkeys";
import type { Scene } from "./draw";
import { Lane } from "./Lanes";
import { watchLook } from "./look";
import type { PatientModel } from "./model";
import { LEFT, Panel, RIGHT } from "./panel";
import { plotData } from "./plotdata";
import { NAMES, readoutWords } from "./readout";
import { METRICS, type Metric, type Series } from "./series";
import type { AlertSpan } from "./spans";
import { Steps } from "./Steps";
import { shownIn } from "./units";
import { panned, type Span } from "./view";

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
        <Caption model={model} />
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
      <div class="chart-plots">
        <div class="chart-canvas" ref={host} />
        {metric === "heart_rate" && <Steps model={model} left={LEFT} right={RIGHT} />}
      </div>
      <Lane model={model} metric={metric} spans={mine} told={told} left={LEFT} right={RIGHT} />
    </section>
  );
}

function draw(panel: Panel, model: PatientModel, metric: Metric, spans: readonly AlertSpan[]): void {
  const series = model.series[metric].value;
  const span = model.span.value;
  const unit = glucoseUnit.value;
  if (series === null) return;
  panel.show(sceneOf(metric, series, span, shownIn(metric, unit), spans, model), span);
}

function sceneOf(metric: Metric, series: Series, span: Span, shown: ReturnType<typeof shownIn>, spans: readonly AlertSpan[], model: PatientModel): Scene {
  const data = plotData(series, shown.convert);
  const [low, high] = valueRange(metric, ...extremes(series.min, series.max));
  const band = targetBand(series.limits);
  return {
    series, data, spans,
    lines: limitLines(metric, series.limits).map((line) => ({ ...line, value: shown.convert(line.value) })),
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

function Readout({ model, cursor, told }: { model: PatientModel; cursor: Signal<number | null>; told: Signal<string> }) {
  const at = cursor.value;
  return <p class="chart-readout" aria-hidden="true">{told.value !== "" ? told.value : at === null ? "\u00a0" : readoutWords(model, at)}</p>;
}
