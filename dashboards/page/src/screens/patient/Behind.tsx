/** Why an alert is there: the rule in words, and the raw readings around the crossing. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Alert } from "../../logic/alerts";
import { evidenceWords } from "../../logic/evidence";
import { isDownward } from "../../logic/going";
import { MINUTE, hhmmss, when } from "../../logic/times";
import { api } from "../../state/session";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import { tileSignal } from "../../state/tiles";
import { failureWords, type PatientModel } from "./model";
import { aroundCrossing, flagWords, nearest, rowsOf, type Cause, type Row } from "./readings";
import { partOf, whyWords } from "./rules";
import { isMetric, type Metric, type Series } from "./series";
import { shownIn } from "./units";

const ROWS = 10;

export function Why({ alert, model, first }: { alert: Alert; model: PatientModel; first: boolean }) {
  const open = useSignal(first);
  const number = (value: number, metric: string): string => shownIn(metric, glucoseUnit.value).number(value);
  const words = whyWords(partOf(model.record.value?.policy ?? null, alert.evidence?.night ?? false), alert.rule, alert.metric, alert.level, number,
    isMetric(alert.metric) ? knownInterval(model, alert.metric) : null);
  const seen = evidenceWords(alert, glucoseUnit.value);
  return (
    <div class="why">
      {seen !== "" && <p class="why-seen">{seen}</p>}
      {words !== "" && <p class="why-rule">{words}</p>}
      {isMetric(alert.metric) && alert.category === "physiological" && (
        <details open={open.value} onToggle={(event) => { open.value = event.currentTarget.open; }}>
          <summary>Readings behind it</summary>
          {open.value && <Behind alert={alert} model={model} />}
        </details>
      )}
    </div>
  );
}

const USUAL: Record<Metric, number> = { glucose: 5 * MINUTE, heart_rate: MINUTE };

function knownInterval(model: PatientModel, metric: Metric): number | null {
  return tileSignal(model.id).peek()?.vitals[metric]?.interval_us ?? model.series[metric].peek()?.interval_us ?? null;
}

/** The device's interval; before anything is known of it, a usual one. */
function intervalOf(model: PatientModel, metric: Metric): number {
  return knownInterval(model, metric) ?? USUAL[metric];
}

function causeOf(alert: Alert): Cause {
  const low = isDownward(alert.rule)
    || (alert.rule.includes("extreme") && alert.value !== null && alert.limit !== null && alert.value <= alert.limit);
  return {
    since: alert.since, at: alert.value_at ?? alert.at, limit: alert.limit, side: low ? "low" : "high",
    inclusive: alert.rule === "heart_rate_low",
  };
}

function Behind({ alert, model }: { alert: Alert; model: PatientModel }) {
  const rows = useSignal<Row[] | null>(null);
  const problem = useSignal("");
  const whole = useSignal(false);
  useEffect(() => {
    const question = new AbortController();
    const cause = causeOf(alert);
    const interval = isMetric(alert.metric) ? intervalOf(model, alert.metric) : null;
    const { from, to } = aroundCrossing(cause, interval);
    const path = `/api/patients/${encodeURIComponent(model.id)}/series?metric=${alert.metric}&from=${from}&to=${Math.min(to, now.peek())}&points=5000`;
    api<Series>(path, { signal: question.signal }).then(
      (series) => { rows.value = rowsOf(series, cause); problem.value = ""; },
      (error: unknown) => { if (!question.signal.aborted) problem.value = failureWords(error, "the readings"); },
    );
    return () => question.abort();
  }, [alert.id, alert.since, alert.value_at, alert.level]);
  const list = useComputed(() => (rows.value === null ? [] : whole.value ? rows.value : nearest(rows.value, ROWS)));
  if (problem.value !== "") return <p class="problem">{problem.value}</p>;
  if (rows.value === null) return <p class="quiet">Loading the readings.</p>;
  return (
    <>
      <Table alert={alert} rows={list.value} />
      {rows.value.length > list.value.length && (
        <button type="button" class="button" onClick={() => { whole.value = true; }}>All {rows.value.length} readings</button>
      )}
    </>
  );
}

function Table({ alert, rows }: { alert: Alert; rows: readonly Row[] }) {
  const shown = shownIn(alert.metric, glucoseUnit.value);
  const limit = alert.limit === null ? "" : shown.number(alert.limit);
  const side = causeOf(alert).side === "low" ? "below" : "above";
  return (
    <table class="readings">
      <caption class="unseen-by-eyes">Readings around the crossing of {limit} {shown.unit}</caption>
      <thead><tr><th scope="col">Time</th><th scope="col">{shown.unit}</th><th scope="col">Note</th></tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.t} class={row.crossing ? "row-crossing" : row.beyond === true ? "row-beyond" : ""}>
            <td title={when(row.t, now.peek())}>{hhmmss(row.t)}</td>
            <td class="number">{row.value === null ? "--" : shown.number(row.value)}</td>
            <td>{[row.crossing ? `first ${side} ${limit}` : "", flagWords(row.flags)].filter((word) => word !== "").join(", ")}</td>
          </tr>
        ))}
        {rows.length === 0 && <tr><td colSpan={3}>No readings are stored around it.</td></tr>}
      </tbody>
    </table>
  );
}
