/** Every change of every alert, shelf and time out of service in scope, newest first: live ones from the feed, older ones page by page. */
import "./feed.css";
import { signal, useComputed, useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { PRIORITIES, SIGN } from "../../logic/alerts";
import { hhmmss, when } from "../../logic/times";
import { digits } from "../../logic/units";
import { plural } from "../../logic/words";
import { minute, now } from "../../state/clock";
import { changes } from "../../state/feed";
import { glucoseUnit } from "../../state/prefs";
import { hrefPatient } from "../../state/route";
import { siteName } from "../../state/tiles";
import { EVERYTHING, entryOf, joined, passes, type Entry, type Filter } from "./entries";
import { OlderChanges } from "./older";
import { inSight, keptTop, newestOf, sliceOf } from "./window";
import { KIND_WORDS, changeWords, ruleWords } from "./words";

/** The alerts of the rows that somebody can see, with the newest change of each, µs. */
export const rows = signal<ReadonlyMap<string, number>>(new Map());

const NARROW = "(max-width: 900px)";
const NEAR_END_PX = 600;

export function Feed() {
  const older = useMemo(() => new OlderChanges(), []);
  const filter = useSignal<Filter>(EVERYTHING);
  useEffect(() => {
    void older.load();
    return () => older.stop();
  }, [older]);
  const live = useComputed(() => changes.value.map(entryOf));
  const all = useComputed(() => joined(live.value, older.entries.value));
  const shown = useComputed(() => all.value.filter((entry) => passes(entry, filter.value)));
  return (
    <section class="feed" aria-labelledby="feed-title">
      <div class="feed-head">
        <h2 id="feed-title">Feed</h2>
        <Filters filter={filter} />
        <p class="quiet">{plural(shown.value.length, "change")}, newest first</p>
      </div>
      <List shown={shown} older={older} filtered={all.value.length > 0} />
    </section>
  );
}

function Filters({ filter }: { filter: Signal<Filter> }) {
  const set = (change: Partial<Filter>): void => { filter.value = { ...filter.peek(), ...change }; };
  const { priority, kind, patient, technical } = filter.value;
  return (
    <form class="feed-filters" role="search" aria-label="Filter the feed" onSubmit={(event) => event.preventDefault()}>
      <label>Priority <select class="field" value={priority} onChange={(event) => set({ priority: event.currentTarget.value as Filter["priority"] })}>
        <option value="">all</option>
        {PRIORITIES.map((each) => <option key={each} value={each}>{SIGN[each]} {each}</option>)}
      </select></label>
      <label>Kind <select class="field" value={kind} onChange={(event) => set({ kind: event.currentTarget.value as Filter["kind"] })}>
        <option value="">all</option>
        {Object.entries(KIND_WORDS).map(([each, words]) => <option key={each} value={each}>{words}</option>)}
      </select></label>
      <label>Patient <input class="field" type="search" value={patient} onInput={(event) => set({ patient: event.currentTarget.value })} /></label>
      <label class="feed-check"><input type="checkbox" checked={technical} onChange={(event) => set({ technical: event.currentTarget.checked })} /> technical</label>
    </form>
  );
}

/** The page's own regions say what calls and what was answered: a second voice for the same change would be noise. */
function List({ shown, older, filtered }: { shown: ReadonlySignal<Entry[]>; older: OlderChanges; filtered: boolean }) {
  const log = useRef<HTMLDivElement>(null);
  const before = useRef<readonly Entry[]>([]);
  const top = useSignal(0);
  const height = useSignal(600);
  const row = useRowHeight();
  const list = shown.value;
  useLayoutEffect(() => {
    const element = log.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => { height.value = element.clientHeight; });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = log.current;
    if (element !== null && before.current !== list) {
      const kept = keptTop(before.current, list, row.value, element.scrollTop);
      if (kept !== element.scrollTop) element.scrollTop = kept;
      before.current = list;
    }
  });
  const { from, to } = sliceOf(list.length, row.value, top.value, height.value);
  useLayoutEffect(() => {
    const { from: first, to: last } = inSight(list.length, row.value, top.value, height.value);
    rows.value = newestOf(list.slice(first, last));
  }, [list, top.value, height.value, row.value]);
  useEffect(() => () => { rows.value = new Map(); }, []);
  const onScroll = (event: { currentTarget: HTMLElement }): void => {
    const element = event.currentTarget;
    top.value = element.scrollTop;
    if (element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX) void older.load();
  };
  return (
    <>
      {top.value > row.value && (
        <button type="button" class="button feed-newest" onClick={() => { if (log.current !== null) log.current.scrollTop = 0; }}>↑ Newest</button>
      )}
      <div class="feed-log" role="log" aria-label="Changes of alerts, newest first" aria-live="off"
        tabIndex={0} ref={log} onScroll={onScroll}>
        <ol class="feed-rows" style={{ height: `${list.length * row.value}px` }}>
          {list.slice(from, to).map((entry, i) => (
            <Row key={entry.key} entry={entry} top={(from + i) * row.value} place={from + i + 1} count={list.length} />
          ))}
        </ol>
        <End older={older} empty={list.length === 0} filtered={filtered} />
      </div>
    </>
  );
}

/** The height of a row: two lines where the screen is narrow. */
function useRowHeight(): Signal<number> {
  const row = useSignal(matchMedia(NARROW).matches ? 60 : 36);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const changed = (): void => { row.value = query.matches ? 60 : 36; };
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return row;
}

interface RowProps {
  readonly entry: Entry;
  readonly top: number;
  readonly place: number;
  readonly count: number;
}

function Row({ entry, top, place, count }: RowProps) {
  void minute.value;
  const unit = glucoseUnit.value;
  const time = (at: number): string => when(at, now.peek());
  const today = time(entry.at).length <= 5;
  const words = changeWords(entry, time, (value, metric) => digits(metric, value, unit));
  return (
    <li class={entry.announced ? "feed-row feed-call" : "feed-row"} style={{ top: `${top}px` }} aria-posinset={place} aria-setsize={count}>
      <time class="feed-time">{today ? hhmmss(entry.at) : time(entry.at)}</time>
      <Sign entry={entry} />
      {entry.patient === null
        ? <span class="feed-who">{siteName(entry.site)}</span>
        : <a class="feed-who" href={hrefPatient(entry.patient, entry.at)} aria-label={`${entry.label}, this moment on the chart`}><bdi>{entry.label}</bdi></a>}
      <span class="feed-words"><b>{ruleWords(entry.rule, entry.level, entry.metric)}</b> {words}</span>
    </li>
  );
}

function Sign({ entry }: { entry: Entry }) {
  if (entry.aside) return <span class="feed-sign quiet">{entry.change === "shelf" || entry.change === "shelf_over" ? "SHELF" : "SERVICE"}</span>;
  const technical = entry.category === "technical";
  const style = ["marker", entry.priority, technical ? "technical" : "", entry.announced ? "" : "steady"].filter((word) => word !== "");
  return (
    <span class="feed-sign">
      <span class={style.join(" ")}>
        <span aria-hidden="true">{SIGN[entry.priority]}</span>
        <span>{technical ? "TECH" : entry.priority}</span>
        {technical && <span class="unseen-by-eyes">{entry.priority} priority</span>}
      </span>
    </span>
  );
}

/** `filtered`: there are changes, if none in sight. */
function End({ older, empty, filtered }: { older: OlderChanges; empty: boolean; filtered: boolean }) {
  const { phase, why } = older.state.value;
  return (
    <div class="feed-end">
      {empty && filtered && <p class="quiet">No change passes the filter.</p>}
      {empty && !filtered && phase === "end" && <p class="quiet">No alert has changed yet.</p>}
      {phase === "failed" && <p class="problem">{why}</p>}
      {phase === "loading" && <p class="quiet">Loading older changes.</p>}
      {phase === "end" && filtered && <p class="quiet">That is all there is.</p>}
      {(phase === "more" || phase === "failed") && <button type="button" class="button" onClick={() => void older.load()}>{phase === "failed" ? "Try again" : "Older changes"}</button>}
    </div>
  );
}
