/**
 * What the patient screen knows: the view, the series on the chart, the alerts in its span, the patient's record.
 *
 * Everything that comes from the database may fail by itself; live values go on, and `problem` says what is missing.
 */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { DAY, SECOND } from "../../logic/times";
import { ApiError, api } from "../../state/session";
import { now } from "../../state/clock";
import { alertsOf, changes } from "../../state/feed";
import { spark, tileSignal } from "../../state/tiles";
import { entryOf, joined, toEntry, type AlertFields, type Entry } from "../feed/entries";
import { knowledge, type Knowledge } from "./knowledge";
import type { Policy } from "./rules";
import { METRICS, fromSpark, livePoint, withLive, freshUs, type Drawn, type Limits, type LiveVital, type Metric, type Series } from "./series";
import { barPoints } from "./steps";
import { alertSpans, type AlertSpan, type WholeAlert } from "./spans";
import { FIRST_VIEW, around, pointsFor, refreshUs, spanOf, type Span, type View } from "./view";

export interface DeviceOf {
  readonly name: string;
  readonly type?: string | { readonly name?: string } | null;
  readonly metrics?: readonly string[];
  readonly since?: number | null;
  readonly until?: number | null;
  readonly battery?: number | null;
}

export interface PatientRecord {
  readonly id: string;
  readonly label: string;
  readonly site: number;
  readonly site_name?: string;
  readonly bed?: string;
  readonly devices?: readonly DeviceOf[];
  readonly limits?: Partial<Record<Metric, Limits | null>>;
  readonly policy?: Policy | null;
  /** The night of the policy is in force. */
  readonly night?: boolean;
  readonly latest?: { readonly steps?: StepsOf | null };
}

/** The newest count of steps, per minute, at most a minute old when it was asked for. */
export interface StepsOf {
  readonly value: number | null;
  readonly at: number | null;
}

export interface AlertsAnswer {
  readonly alerts: readonly WholeAlert[];
  readonly changes: readonly AlertFields[];
  /** There are more than fit into one answer. */
  readonly more?: boolean;
}

export interface Loading {
  readonly phase: "loading" | "ok" | "failed";
  readonly why: string;
  /** performance.now() at the question of what is shown. */
  readonly asked: number;
}

const RETRY_MS = 5_000;
const DEBOUNCE_MS = 90;
const RECORD_MS = 60_000;

/** Why something could not be had, and what goes on without it. */
export function failureWords(error: unknown, what: string): string {
  if (error instanceof ApiError) {
    if (error.status === 404) return `There is no such patient, or not in your scope.`;
    if (error.status === 403) return `You may not see ${what}.`;
    if (error.status === 503) return `The database is away: ${what} cannot be shown. Live values and alerts go on.`;
    return `The server could not give ${what} (${error.status} ${error.message}). Live values and alerts go on.`;
  }
  return `The server does not answer: ${what} cannot be shown. Asking again every 5 s.`;
}

export class PatientModel {
  readonly view: Signal<View>;
  /** The moment that a link or the history asks to see, µs UTC. */
  readonly moment: Signal<number | null>;
  readonly width = signal(900);
  readonly series: Record<Metric, Signal<Series | null>> = { heart_rate: signal(null), glucose: signal(null) };
  /** What is shown with the heart rate where a device counts steps. */
  readonly steps = signal<Series | null>(null);
  /** Why steps could not be had, while everything else could; empty otherwise. */
  readonly stepsProblem = signal("");
  readonly history = signal<AlertsAnswer>({ alerts: [], changes: [] });
  readonly record = signal<PatientRecord | null>(null);
  readonly chart = signal<Loading>({ phase: "loading", why: "", asked: 0 });
  /** The span of the last good answer. */
  private readonly answered = signal<Span | null>(null);
  /** What an empty chart or history means now. */
  readonly knowledge: ReadonlySignal<Knowledge>;
  readonly recordProblem = signal("");
  /** The server knows no such patient in this person's scope. */
  readonly nobody = signal(false);
  /** The alert whose span or history somebody picked. */
  readonly picked = signal<string | null>(null);
  /** The span on show; moves by whole pixels while it follows. */
  readonly span: ReadonlySignal<Span>;

  /** Changes of this patient's alerts, newest first: the API's in the span on show, and the feed's since. */
  readonly entries: ReadonlySignal<Entry[]>;
  readonly spans: ReadonlySignal<AlertSpan[]>;

  private question: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private recordTimer: ReturnType<typeof setTimeout> | undefined;
  private askedAt = 0;
  private following = false;
  private stopped = false;
  /** Metrics whose series is the page's own memory, for want of the database. */
  private readonly remembered = new Set<Metric>();

  constructor(readonly id: string, at: number | null) {
    this.moment = signal(at);
    this.view = signal(at === null ? FIRST_VIEW : around(at, now.peek()));
    const moved = computed(() => {
      const { range, end } = this.view.value;
      if (end !== null) return end;
      const step = Math.max(SECOND, range / Math.max(1, this.width.value));
      return Math.ceil(now.value / step) * step;
    });
    this.span = computed(() => spanOf(this.view.value, moved.value));
    this.knowledge = computed(() => knowledge(this.chart.value.phase, this.answered.value, this.span.value));
    const live = computed(() => changes.value.filter((change) => change.patient === id).map(entryOf));
    const older = computed(() => this.history.value.changes.map(toEntry));
    this.entries = computed(() => joined(live.value, older.value));
    this.spans = computed(() => {
      const whole = new Map<string, WholeAlert>(this.history.value.alerts.map((alert) => [alert.id, alert]));
      for (const alert of changes.value) {
        if (alert.kind === "alert" && alert.patient === id && (whole.get(alert.id)?.at ?? 0) < alert.at) whole.set(alert.id, alert);
      }
      for (const alert of alertsOf(id).value) whole.set(alert.id, alert);
      return alertSpans(whole.values(), this.entries.value);
    });
  }

  /** Shows a moment in the middle of the chart. */
  show(at: number): void {
    batch(() => {
      this.moment.value = at;
      this.view.value = around(at, now.peek());
    });
  }

  start(): void {
    void this.load();
    void this.loadRecord();
  }

  stop(): void {
    this.stopped = true;
    this.question?.abort();
    for (const timer of [this.timer, this.retry, this.recordTimer]) clearTimeout(timer);
  }

  /** The view or the width changed, or time went on: ask soon, once. */
  changed(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), DEBOUNCE_MS);
  }

  /** Asks again where a chart that follows now has moved on by a hundredth of its range. */
  moved(): void {
    if (!this.following || this.chart.peek().phase === "loading") return;
    // Also backwards: on a simulated clock the first question may come before anybody has told what time it is there.
    if (Math.abs(now.peek() - this.askedAt) >= refreshUs(this.view.peek().range)) this.changed();
  }

  async load(): Promise<void> {
    this.question?.abort();
    clearTimeout(this.retry);
    const question = new AbortController();
    this.question = question;
    const asked = performance.now();
    performance.mark("vigil-chart-asked");
    this.following = this.view.peek().end === null;
    this.askedAt = now.peek();
    const span = spanOf(this.view.peek(), now.peek());
    this.chart.value = { ...this.chart.peek(), phase: this.chart.peek().phase === "failed" ? "failed" : "loading" };
    try {
      const points = pointsFor(this.width.peek());
      const [heart, glucose, steps, history] = await Promise.all([
        this.ask("heart_rate", span, points, question.signal), this.ask("glucose", span, points, question.signal),
        this.askSteps(span, question.signal),
        api<AlertsAnswer>(`${this.path()}/alerts?from=${Math.floor(span.from)}&to=${Math.ceil(span.to)}`, { signal: question.signal }),
      ]);
      performance.mark("vigil-chart-answered");
      this.remembered.clear();
      batch(() => {
        this.series.heart_rate.value = this.kept(heart, "heart_rate");
        this.series.glucose.value = this.kept(glucose, "glucose");
        this.steps.value = steps.series;
        this.stepsProblem.value = steps.why;
        this.history.value = history;
        this.answered.value = span;
        this.chart.value = { phase: "ok", why: "", asked };
      });
      if (steps.why !== "") this.again();
    } catch (error) {
      if (question.signal.aborted) return;
      this.failed(error, span);
    }
  }

  private ask(metric: Drawn, { from, to }: Span, points: number, abort: AbortSignal): Promise<Series> {
    const until = Math.min(Math.ceil(to), now.peek());
    const asked = `metric=${metric}&from=${Math.floor(from)}&to=${until}&points=${points}`;
    return api<Series>(`${this.path()}/series?${asked}`, { signal: abort });
  }

  /** Steps explain a heart rate; where they cannot be had it is drawn without them, and the page says so. */
  private async askSteps(span: Span, abort: AbortSignal): Promise<{ series: Series | null; why: string }> {
    try {
      return { series: await this.ask("steps", span, barPoints(span, this.view.peek().range), abort), why: "" };
    } catch (error) {
      if (abort.aborted) throw error;
      return { series: null, why: failureWords(error, "steps") };
    }
  }

  /** Asks again after a while, unless somebody asks before. */
  private again(): void {
    if (!this.stopped) this.retry = setTimeout(() => void this.load(), RETRY_MS);
  }

  private path(): string {
    return `/api/patients/${encodeURIComponent(this.id)}`;
  }

  /** A fresh answer with the live values that came while it was asked for. */
  private kept(answer: Series, metric: Metric): Series {
    const before = this.series[metric].peek();
    const newest = before === null ? -1 : before.t.length - 1;
    if (before === null || newest < 0 || !this.following) return answer;
    let found = answer;
    for (let i = Math.max(0, newest - 5); i <= newest; i += 1) {
      found = withLive(found, { t: before.t[i] as number, value: before.last[i] ?? null, flags: before.flags[i] ?? 0 });
    }
    return found;
  }

  private failed(error: unknown, span: Span): void {
    batch(() => {
      this.stepsProblem.value = "";
      for (const metric of METRICS) if (this.series[metric].peek() === null) this.remembered.add(metric);
      this.remember(span);
      this.chart.value = { phase: "failed", why: failureWords(error, "the history of this patient"), asked: 0 };
    });
    if (error instanceof ApiError && (error.status === 404 || error.status === 401 || error.status === 403)) return;
    this.again();
  }

  /** Without the database the chart shows what the page itself remembers: the tile's last hours and live values. */
  remember(span: Span = this.span.peek()): void {
    for (const metric of this.remembered) {
      const vital = tileSignal(this.id).peek()?.vitals[metric];
      const found = fromSpark(metric, spark(this.id).peek()[metric], span.from, span.to);
      this.series[metric].value = { ...this.kept(found, metric), limits: vital?.limits ? [[span.from, vital.limits]] : [], interval_us: vital?.interval_us ?? null };
    }
  }

  private async loadRecord(): Promise<void> {
    let wait = RECORD_MS;
    try {
      this.record.value = await api<PatientRecord>(this.path());
      this.recordProblem.value = "";
      this.nobody.value = false;
    } catch (error) {
      this.recordProblem.value = failureWords(error, "devices and limits");
      this.nobody.value = error instanceof ApiError && error.status === 404;
      wait = RETRY_MS;
    }
    if (!this.stopped) this.recordTimer = setTimeout(() => void this.loadRecord(), wait);
  }

  /** A live value of this patient; it joins the chart where that follows now. */
  live(metric: Metric, vital: LiveVital | null): void {
    const series = this.series[metric].peek();
    if (vital === null || series === null || this.view.peek().end !== null) return;
    if (vital.at === null || vital.at < now.peek() - 14 * DAY) return;
    const point = livePoint(vital, freshUs(metric, vital.interval_us ?? series.interval_us));
    if (point !== null) this.series[metric].value = withLive(series, point);
  }
}
