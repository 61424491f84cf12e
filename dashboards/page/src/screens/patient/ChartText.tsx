/** The chart as text: sentences and the last readings of each metric. */
import { useSignal } from "@preact/signals";
import { when } from "../../logic/times";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import type { Knowledge } from "./knowledge";
import type { PatientModel } from "./model";
import { flagWords, newest } from "./readings";
import { NAMES, chartWords } from "./readout";
import { METRICS, type Metric, type Series } from "./series";
import { shownIn } from "./units";

const ROWS = 12;
const NOTHING: Record<Knowledge, string> = { known: "No readings in this span.", asking: "Loading the readings.", unknown: "Not known now." };

/** For screen readers, as the chart's caption. */
export function Caption({ model }: { model: PatientModel }) {
  return <>{chartWords(model)}</>;
}

export function ChartText({ model }: { model: PatientModel }) {
  const open = useSignal(false);
  return (
    <details class="chart-text" onToggle={(event) => { open.value = event.currentTarget.open; }}>
      <summary>Chart as text: the last readings</summary>
      {open.value && <Text model={model} />}
    </details>
  );
}

function Text({ model }: { model: PatientModel }) {
  return (
    <>
      <p>{chartWords(model)}</p>
      <div class="chart-tables">
        {METRICS.map((metric) => <LastReadings key={metric} metric={metric} series={model.series[metric].value} known={model.knowledge.value} />)}
      </div>
    </>
  );
}

function LastReadings({ metric, series, known }: { metric: Metric; series: Series | null; known: Knowledge }) {
  const unit = glucoseUnit.value;
  const shown = shownIn(metric, unit);
  const rows = series === null ? [] : newest(series, ROWS);
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
        {rows.length === 0 && <tr><td colSpan={3}>{NOTHING[known]}</td></tr>}
      </tbody>
    </table>
  );
}
