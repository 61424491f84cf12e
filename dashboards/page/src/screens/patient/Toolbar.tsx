/** Range, pan, now and the unit of glucose. */
import { rangeWords, RANGES, panned, ranged } from "./view";
import { now } from "../../state/clock";
import { glucoseUnit, type GlucoseUnit } from "../../state/prefs";
import { when } from "../../logic/times";
import type { PatientModel } from "./model";

const UNITS: readonly GlucoseUnit[] = ["mg/dL", "mmol/L"];

export function Toolbar({ model }: { model: PatientModel }) {
  const view = model.view.value;
  const pan = (part: number): void => { model.view.value = panned(model.view.peek(), part, now.peek()); };
  return (
    <div class="chart-tools">
      <div class="seg" role="group" aria-label="Range of the chart">
        {RANGES.map((range) => (
          <button
            key={range.us} type="button" class="button seg-item" aria-pressed={view.range === range.us} title={range.words}
            onClick={() => { model.view.value = ranged(model.view.peek(), range.us, now.peek()); }}
          >
            {range.short}
          </button>
        ))}
      </div>
      <div class="seg" role="group" aria-label="Time of the chart">
        <button type="button" class="button seg-item" aria-label="Earlier" onClick={() => pan(-0.5)}>←</button>
        <button type="button" class="button seg-item" aria-label="Later" disabled={view.end === null} onClick={() => pan(0.5)}>→</button>
        <button
          type="button" class="button seg-item" aria-pressed={view.end === null}
          onClick={() => { model.view.value = { ...model.view.peek(), end: null }; }}
        >
          Now
        </button>
      </div>
      <div class="seg" role="group" aria-label="Unit of glucose">
        {UNITS.map((unit) => (
          <button key={unit} type="button" class="button seg-item" aria-pressed={glucoseUnit.value === unit} onClick={() => { glucoseUnit.value = unit; }}>
            {unit}
          </button>
        ))}
      </div>
      <p class="chart-span">{spanWords(model)}</p>
    </div>
  );
}

function spanWords(model: PatientModel): string {
  const { range, end } = model.view.value;
  if (end === null) return `last ${rangeWords(range)}, live`;
  return `${when(end - range, now.value)} to ${when(end, now.value)}, not live`;
}
