/** Alerts as spans and what people did as marks, under a chart: real buttons, so that everybody can read them. */
import { useComputed, type ReadonlySignal, type Signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { span as spanWords, when } from "../../logic/times";
import { SIGN } from "../../logic/alerts";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { changeWords, ruleWords } from "../feed/words";
import type { Entry } from "../feed/entries";
import { marksOf, type Mark } from "./marks";
import type { PatientModel } from "./model";
import type { Metric } from "./series";
import { rows, within, type AlertSpan } from "./spans";
import { shownIn } from "./units";
import type { Span } from "./view";

const ROWS_MAX = 4;
const APART_PX = 3;

interface Props {
  readonly model: PatientModel;
  readonly metric: Metric;
  readonly spans: ReadonlySignal<readonly AlertSpan[]>;
  /** The words of what is pointed at. */
  readonly told: Signal<string>;
  /** Pixels of the chart's margins. */
  readonly left: number;
  readonly right: number;
}

export function Lane({ model, metric, spans, told, left, right }: Props) {
  const group = useRef<HTMLDivElement>(null);
  const span = model.span.value;
  const scale = (span.to - span.from) / Math.max(1, model.width.value);
  const shown = useComputed(() => within(spans.value, model.span.value.from, model.span.value.to));
  const marks = useComputed(() => marksOf(model.entries.value.filter((entry) => entry.metric === metric), model.span.value.from,
    model.span.value.to, 20 * ((model.span.value.to - model.span.value.from) / Math.max(1, model.width.value))));
  const placed = rows(shown.value, APART_PX * scale);
  const height = Math.min(ROWS_MAX, Math.max(1, ...placed.map((row) => row + 1)));
  const hidden = placed.filter((row) => row >= ROWS_MAX).length;
  const empty = shown.value.length === 0 && marks.value.length === 0;
  return (
    <div class="lane" style={{ paddingLeft: `${left}px`, paddingRight: `${right}px` }}>
      <div
        class={empty ? "lane-spans lane-empty" : "lane-spans"} role="group" aria-label={`Alerts and actions, ${metric.replace("_", " ")}`} ref={group}
        onKeyDown={(event) => rove(event, group.current)} style={{ height: `${height * 20 + (marks.value.length > 0 ? 24 : 0)}px` }}
      >
        {shown.value.map((each, i) => (placed[i] as number) < ROWS_MAX && (
          <SpanButton key={each.alert} span={each} row={placed[i] as number} on={span} model={model} told={told} first={i === 0} />
        ))}
        {marks.value.map((mark, i) => (
          <MarkButton key={`${mark.at}${mark.letter}`} mark={mark} on={span} top={height * 20 + 2} told={told} first={shown.value.length === 0 && i === 0} />
        ))}
        {hidden > 0 && <span class="lane-more">{hidden} more in the history</span>}
      </div>
    </div>
  );
}

interface SpanProps {
  readonly span: AlertSpan;
  readonly row: number;
  readonly on: Span;
  readonly model: PatientModel;
  readonly told: Signal<string>;
  readonly first: boolean;
}

function SpanButton({ span, row, on, model, told, first }: SpanProps) {
  const words = alertWords(span);
  const from = place(span.from, on);
  const to = place(span.to ?? Math.min(now.value, on.to), on);
  const wide = (to - from) * model.width.value;
  return (
    <button
      type="button" class={`span span-${span.category}`} data-priority={span.priority} tabIndex={first ? 0 : -1}
      style={{ left: `${from * 100}%`, width: `max(6px, ${(to - from) * 100}%)`, top: `${row * 20}px` }}
      aria-label={words} aria-pressed={model.picked.value === span.alert}
      onClick={() => { model.picked.value = model.picked.peek() === span.alert ? null : span.alert; }}
      onFocus={() => { told.value = words; }} onPointerEnter={() => { told.value = words; }}
      onBlur={() => { told.value = ""; }} onPointerLeave={() => { told.value = ""; }}
    >
      {span.parts.map((part) => (
        <span
          key={part.from} class={part.unknown ? "span-part span-unknown" : "span-part"} data-priority={part.priority}
          style={{ flexGrow: Math.max(1, Math.min(part.to ?? now.value, on.to) - Math.max(part.from, on.from)) }}
          hidden={(part.to ?? now.value) < on.from || part.from > on.to}
        />
      ))}
      {wide > 34 && <span class="span-label" aria-hidden="true">{label(span, wide)}</span>}
    </button>
  );
}

function label(span: AlertSpan, wide: number): string {
  const sign = span.category === "technical" ? "TECH" : SIGN[span.priority];
  const whole = `${sign} ${ruleWords(span.rule, span.level, span.metric)}`;
  return wide > 8 * whole.length + 16 ? whole : sign;
}

function alertWords(span: AlertSpan): string {
  const name = ruleWords(span.rule, span.level, span.metric);
  const sign = span.category === "technical" ? "TECH" : SIGN[span.priority];
  const to = span.to === null ? "still open" : `to ${when(span.to, now.peek())}, ${spanWords(span.to - span.from)}`;
  return `${sign} ${name}, ${span.priority} priority, from ${when(span.from, now.peek())} ${to}`;
}

interface MarkProps {
  readonly mark: Mark;
  readonly on: Span;
  readonly top: number;
  readonly told: Signal<string>;
  readonly first: boolean;
}

function MarkButton({ mark, on, top, told, first }: MarkProps) {
  const words = mark.entries.slice(0, 6).map(entryWords).join("; ");
  return (
    <button
      type="button" class="mark" tabIndex={first ? 0 : -1} aria-label={`${mark.entries.length === 1 ? mark.letter : mark.name}: ${words}`}
      style={{ left: `${place(mark.at, on) * 100}%`, top: `${top}px` }}
      onFocus={() => { told.value = words; }} onPointerEnter={() => { told.value = words; }}
      onBlur={() => { told.value = ""; }} onPointerLeave={() => { told.value = ""; }}
    >
      <span aria-hidden="true">{mark.letter}</span>
    </button>
  );
}

function entryWords(entry: Entry): string {
  const unit = glucoseUnit.peek();
  const told = changeWords(entry, (at) => when(at, now.peek()), (value, metric) => shownIn(metric, unit).number(value));
  return `${when(entry.at, now.peek())} ${ruleWords(entry.rule, entry.level, entry.metric)}: ${told}`;
}

/** Where a time lies on the span, 0 to 1. */
function place(at: number, on: Span): number {
  return Math.min(1, Math.max(0, (at - on.from) / (on.to - on.from)));
}

/** One tab stop for all of a lane; arrows go through it by time. */
function rove(event: KeyboardEvent, group: HTMLElement | null): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (step === 0 || group === null) return;
  const buttons = [...group.querySelectorAll("button")].sort((a, b) => a.offsetLeft - b.offsetLeft);
  const next = buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step];
  next?.focus();
  event.preventDefault();
  event.stopPropagation();
}
