/** The changes of this patient's alerts in the span on the chart, newest first. */
import { useComputed, useSignal } from "@preact/signals";
import { SIGN } from "../../logic/alerts";
import { when } from "../../logic/times";
import { now } from "../../state/clock";
import { glucoseUnit } from "../../state/prefs";
import type { Entry } from "../feed/entries";
import { changeWords, ruleWords } from "../feed/words";
import type { Knowledge } from "./knowledge";
import type { PatientModel } from "./model";
import { shownIn } from "./units";
import { rangeWords } from "./view";

const FIRST = 30;

export function History({ model }: { model: PatientModel }) {
  const whole = useSignal(false);
  const shown = useComputed(() => {
    const { from, to } = model.span.value;
    const picked = model.picked.value;
    return model.entries.value.filter((entry) => entry.kind !== "quiet" && entry.at >= from && entry.at <= to
      && (picked === null || entry.alert === picked));
  });
  const list = whole.value ? shown.value : shown.value.slice(0, FIRST);
  const more = shown.value.length - list.length;
  return (
    <section class="history" aria-labelledby="history-title">
      <h3 id="history-title">History <span class="quiet">{rangeWords(model.view.value.range)} on the chart</span></h3>
      {model.picked.value !== null && (
        <p class="history-picked">
          Only the chosen alert. <button type="button" class="button" onClick={() => { model.picked.value = null; }}>Show all</button>
        </p>
      )}
      {model.history.value.more === true && <p class="problem">Only the newest changes fit here: choose a shorter range to see the older ones.</p>}
      <Holds knowledge={model.knowledge.value} empty={list.length === 0} />
      <ol class="changes">
        {list.map((entry) => <Line key={entry.key} entry={entry} onShow={() => model.show(entry.at)} />)}
      </ol>
      {more > 0 && <button type="button" class="button" onClick={() => { whole.value = true; }}>Show {more} more</button>}
    </section>
  );
}

/** An empty list is good news only where the answer has come. */
function Holds({ knowledge, empty }: { knowledge: Knowledge; empty: boolean }) {
  if (knowledge === "unknown") return <p class="problem">The history of this span is not known now. {empty ? "" : "Only what this page has seen itself stands here."}</p>;
  if (knowledge === "asking") return <p class="quiet">Loading the history of this span.</p>;
  return empty ? <p class="quiet">No changes of alerts in this span.</p> : null;
}

function Line({ entry, onShow }: { entry: Entry; onShow: () => void }) {
  const unit = glucoseUnit.value;
  const time = (at: number): string => when(at, now.peek());
  return (
    <li class={entry.announced ? "change change-call" : "change"} data-priority={entry.aside ? undefined : entry.priority} data-category={entry.category}>
      <button type="button" class="change-time" onClick={onShow} aria-label={`${time(entry.at)}, show on the chart`}>{time(entry.at)}</button>
      <span class="change-sign">{entry.aside ? "" : entry.category === "technical" ? "TECH" : SIGN[entry.priority]}</span>
      <span class="change-words">
        <b>{ruleWords(entry.rule, entry.level, entry.metric)}</b>{" "}
        {changeWords(entry, time, (value, metric) => shownIn(metric, unit).number(value))}
      </span>
    </li>
  );
}
