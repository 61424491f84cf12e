/** The chart by keyboard: arrows move it in time, with shift they read values, + and - change the range, l is live. */
import type { Signal } from "@preact/signals";
import { SECOND } from "../../logic/times";
import { now } from "../../state/clock";
import type { PatientModel } from "./model";
import type { Panel } from "./panel";
import { readoutWords } from "./readout";
import { nearestIndex, type Metric } from "./series";
import { panned, zoomed } from "./view";

export function onKey(event: KeyboardEvent, model: PatientModel, cursor: Signal<number | null>, panels: Map<Metric, Panel>,
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
