/** The strip of steps below the heart rate: nothing where nobody counts them, and the chart is as high as with it. */
import { useComputed } from "@preact/signals";
import { when } from "../../logic/times";
import { now } from "../../state/clock";
import type { PatientModel } from "./model";
import { STEPS_UNKNOWN, bars, barsPath, barWidth, holes, scaleOf, stepsWords, widthWords } from "./steps";

interface Props {
  readonly model: PatientModel;
  /** Pixels of the chart's margins. */
  readonly left: number;
  readonly right: number;
}

export function Steps({ model, left, right }: Props) {
  const width = barWidth(model.view.value.range);
  const shown = useComputed(() => {
    const series = model.steps.value;
    return series === null ? [] : bars(series, barWidth(model.view.value.range));
  });
  if (model.stepsProblem.value !== "") return <p class="steps steps-unknown" style={{ paddingLeft: `${left}px` }}>{STEPS_UNKNOWN}</p>;
  if (shown.value.length === 0) return null;
  const span = model.span.value;
  const part = (time: number): string => `${(100 * time) / (span.to - span.from)}%`;
  const words = stepsWords(shown.value, width, (at) => when(at, now.peek()));
  return (
    <div class="steps" role="img" aria-label={words}>
      <span class="steps-scale" aria-hidden="true" style={{ width: `${left}px` }}>{scaleOf(shown.value)}</span>
      <div class="steps-bars" aria-hidden="true">
        <svg viewBox="0 0 1000 100" preserveAspectRatio="none">
          <path d={barsPath(shown.value, width, span)} />
        </svg>
        {holes(shown.value, width, span, now.peek()).map(({ from, to }) => (
          <span key={from} class="steps-hole" style={{ left: part(from - span.from), width: part(to - from) }}>no data</span>
        ))}
      </div>
      <span class="steps-unit" aria-hidden="true" style={{ width: `${right}px` }}>
        steps a minute<br />most in {widthWords(width)}
      </span>
    </div>
  );
}
